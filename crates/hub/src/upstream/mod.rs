//! An event handler over HTTP: CloudEvents to any URL, as Web PubSub sends them.
//!
//! Before it hears of events, a URL is asked whether it wants them (`validation`). Every event is one `POST`, repeated
//! with the same id and body while the handler is in trouble (`call`). Per connection the handler gets `connect`, then
//! `connected`, then user events one at a time, then `disconnected`. The first try of `connected` holds the connection's
//! user events back, so that a handler never hears of them the other way round; further tries do not.

mod answer;
mod call;
mod connections;
mod cookies;
mod template;
mod validation;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use webpubsub::cloud_events::{self, EventKind, InvalidHeader};
use webpubsub::connect_event::DisconnectedRequest;
use webpubsub::key::AccessKey;

use crate::events::{
    ConnectAnswer, ConnectEvent, ConnectRefused, EventContext, EventFailed, EventHandler, UserEvent,
    UserEventAnswer,
};
use crate::options::{HubOptions, RandomBytes, UnixClock};
use call::{Call, Caller, Failure};
use connections::Connections;
pub use template::{InvalidTemplate, UrlTemplate};

/// Sends the events of a hub to a URL.
pub struct HttpUpstream {
    template: UrlTemplate,
    keys: Vec<AccessKey>,
    clock: UnixClock,
    random: RandomBytes,
    caller: Caller,
    connections: Connections,
}

/// Without a TLS back end no client can be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client of the event handler could not be made")]
pub struct ClientUnavailable(#[from] reqwest::Error);

impl HttpUpstream {
    /// Signs with all keys of the options, and takes time and chance from them.
    ///
    /// # Errors
    /// The machine lets no HTTP client be built.
    pub fn new(template: UrlTemplate, options: &HubOptions) -> Result<Self, ClientUnavailable> {
        Ok(Self {
            template,
            keys: options.access_keys.clone(),
            clock: options.clock.clone(),
            random: options.random.clone(),
            caller: Caller::new()?,
            connections: Connections::default(),
        })
    }

    /// Prepares the request of an event. Its headers and body stay the same however often it is sent.
    fn call(
        &self,
        kind: EventKind,
        context: &EventContext,
        content_type: &'static str,
        body: Bytes,
    ) -> Result<Call, InvalidHeader> {
        let mut headers = HeaderMap::new();
        let url = self.template.expand(&context.hub, kind.name());
        let event = cloud_events::EventContext {
            kind,
            hub: context.hub.clone(),
            connection_id: context.connection_id.clone(),
            user_id: context.user_id.clone(),
            id: context.event_id.to_string(),
            time: Some((self.clock)()),
            subprotocol: context.subprotocol.clone(),
            state: context.state.clone(),
            signature: Some(cloud_events::signature(&self.keys, &context.connection_id)),
        };
        event.write_headers(&mut headers)?;
        let body = call::Body { content_type, bytes: body };
        Ok(Call::new(event.kind, url, headers, body, &self.random))
    }

    /// Validates the URL if that is due, sends, and keeps the answer's cookies.
    async fn send(&self, context: &EventContext, mut call: Call) -> Result<call::Answer, Failure> {
        self.caller.validate(&context.hub, &self.template).await?;
        self.connections.add_cookies(&context.connection_id, &mut call.headers);
        let is_connected = call.kind == EventKind::Connected;
        let tried = || {
            if is_connected {
                self.connections.told_connected(&context.connection_id);
            }
        };
        let answer = self.caller.send(&call, &tried).await?;
        self.connections.keep_cookies(&context.connection_id, &answer.headers, (self.clock)());
        Ok(answer)
    }

    /// Sends what nobody waits for. Failures are only logged.
    async fn tell(&self, kind: EventKind, context: &EventContext, body: Bytes) {
        let event = kind.to_string();
        let outcome = match self.call(kind, context, JSON, body) {
            Ok(call) => self.send(context, call).await.map_err(|failure| failure.to_string()),
            Err(invalid) => Err(invalid.to_string()),
        };
        let (hub, connection) = (context.hub.as_str(), context.connection_id.as_str());
        match outcome {
            Ok(answer) if answer.status.is_success() => {}
            Ok(answer) => {
                tracing::warn!(
                    hub,
                    connection,
                    event,
                    status = answer.status.as_u16(),
                    "event handler refused"
                );
            }
            Err(reason) => tracing::warn!(hub, connection, event, reason, "event handler not reached"),
        }
    }

    async fn ask_connect(&self, event: &ConnectEvent) -> Result<ConnectAnswer, ConnectRefused> {
        let refused = |reason: String| {
            tracing::warn!(hub = event.context.hub.as_str(), reason, "connect event failed");
            ConnectRefused::new(StatusCode::INTERNAL_SERVER_ERROR)
        };
        let body = event.request.encode().map_err(|error| refused(error.to_string()))?;
        let call = self.call(EventKind::Connect, &event.context, JSON, body.into());
        let call = call.map_err(|error| refused(error.to_string()))?;
        let answer = self.send(&event.context, call).await.map_err(|error| refused(error.to_string()))?;
        answer::connect(&answer).map_err(|refusal| match refusal {
            answer::NotLetIn::Status(status) => ConnectRefused::new(status),
            answer::NotLetIn::Invalid(reason) => refused(reason),
        })
    }

    async fn ask_user_event(&self, event: &UserEvent) -> Result<UserEventAnswer, String> {
        let kind = EventKind::User(event.name.clone());
        let body = event.payload.clone().into_bytes();
        let call = self.call(kind, &event.context, event.payload.content_type(), body);
        let mut call = call.map_err(|error| error.to_string())?;
        event.metadata.write_headers(&mut call.headers);
        let answer = self.send(&event.context, call).await.map_err(|failure| failure.to_string())?;
        answer::user_event(answer)
    }
}

const JSON: &str = "application/json";

#[async_trait]
impl EventHandler for HttpUpstream {
    async fn connect(&self, event: ConnectEvent) -> Result<ConnectAnswer, ConnectRefused> {
        let id = &event.context.connection_id;
        self.connections.begin(id);
        let answer = self.ask_connect(&event).await;
        if answer.is_err() {
            self.connections.end(id);
        }
        answer
    }

    async fn connected(&self, context: EventContext) {
        self.tell(EventKind::Connected, &context, Bytes::from_static(b"{}")).await;
        // Also when not even a try was made.
        self.connections.told_connected(&context.connection_id);
    }

    async fn disconnected(&self, context: EventContext, reason: String) {
        // A reason is a string, which always serialises.
        let body = DisconnectedRequest { reason }.encode().unwrap_or_default();
        self.tell(EventKind::Disconnected, &context, body.into()).await;
        self.connections.end(&context.connection_id);
    }

    async fn user_event(&self, event: UserEvent) -> Result<UserEventAnswer, EventFailed> {
        self.connections.until_connected(&event.context.connection_id).await;
        self.ask_user_event(&event).await.map_err(|reason| {
            let (hub, connection) = (event.context.hub.as_str(), event.context.connection_id.as_str());
            tracing::warn!(hub, connection, event = event.name, reason, "user event failed");
            EventFailed::default()
        })
    }
}
