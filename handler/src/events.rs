//! What clients do at their sockets, on its way into the chat: from the embedded hub in this process, and, through
//! `functions::event_handler`, from a Web PubSub elsewhere.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hub::{
    ConnectAnswer, ConnectEvent, ConnectRefused, EventContext, EventFailed, Reply, UserEvent, UserEventAnswer,
};
use webpubsub::multimap::MultiMap;
use webpubsub::payload::{JsonText, Payload};
use webpubsub::server_frame::RequestError;

use crate::chat::{Caller, Chat, Refused, Welcome, error_frame};
use crate::error::ApiError;
use crate::model::UserId;
use crate::ports::Ids;

/// The chat as an event handler.
#[derive(Clone)]
pub struct Events {
    chat: Arc<Chat>,
    ids: Arc<dyn Ids>,
    admins: Arc<[UserId]>,
    believes_names: bool,
}

impl Events {
    #[must_use]
    /// `believes_names`: clients say who they are and are believed, or are guests; otherwise their token says it.
    pub fn new(chat: Arc<Chat>, ids: Arc<dyn Ids>, admins: &[UserId], believes_names: bool) -> Self {
        Self { chat, ids, admins: admins.into(), believes_names }
    }

    /// Who the new connection is, and what it is given: the user of its token, else the one that it names.
    pub async fn connect(
        &self,
        proven: Option<&str>,
        named: Option<&str>,
        connection: &str,
        issued_at: Option<u64>,
    ) -> Result<(UserId, Welcome), Refused> {
        let named = named.filter(|_| self.believes_names);
        let user = match proven.or(named).filter(|user| !user.is_empty()) {
            Some(user) => UserId::given(user),
            None if self.believes_names => UserId::guest(&self.ids.token()),
            None => return Err(Refused::unauthenticated("The connection's token names no user.")),
        };
        let user = user.map_err(|why| Refused::bad_id("user_id", &why))?;
        let welcome = self.chat.connecting_with(&user, connection, issued_at).await?;
        Ok((user, welcome))
    }

    pub async fn connected(&self, user: Option<&str>, connection: &str) {
        let Some(user) = known(user) else { return };
        if let Err(refused) = self.chat.connected(&user, connection).await {
            tracing::warn!(code = refused.code, "a connection opened and its inbox could not be handed over");
        }
    }

    pub async fn disconnected(&self, user: Option<&str>, connection: &str) {
        let Some(user) = known(user) else { return };
        self.chat.disconnected(&user, connection).await;
    }

    /// Handles a client's event and answers with one JSON object, or nothing.
    ///
    /// `event` tells it from the connection's others where a copy of it may come; it is empty where none can.
    ///
    /// A refusal that a repeat cannot change is an answer too, `{"type":"error",…}`: clients repeat an event that
    /// failed. Only what may succeed later is an `Err`.
    pub async fn user_event(
        &self,
        user: Option<&str>,
        (connection, event): (&str, &str),
        name: &str,
        payload: &[u8],
    ) -> Result<Option<Bytes>, Refused> {
        let outcome = match known(user) {
            Some(user) => {
                let is_admin = self.admins.contains(&user);
                let caller = Caller { is_admin, ..Caller::socket(user, connection).in_event(event) };
                self.chat.event(&caller, name, payload).await
            }
            None => Err(Refused::unauthenticated("The connection has no user.")),
        };
        match outcome {
            Err(refused) if !refused.is_unavailable() => Ok(Some(error_frame(&refused))),
            outcome => outcome,
        }
    }
}

/// When a connection's token was made, in seconds, by its claims.
pub(crate) fn issued_at(claims: &MultiMap) -> Option<u64> {
    claims.first("iat")?.parse().ok()
}

fn known(user: Option<&str>) -> Option<UserId> {
    UserId::new(user?).ok()
}

#[async_trait]
impl hub::EventHandler for Events {
    async fn connect(&self, event: ConnectEvent) -> Result<ConnectAnswer, ConnectRefused> {
        let EventContext { user_id, connection_id, .. } = &event.context;
        let named = event.request.query.first("user_id");
        let connected =
            Events::connect(self, user_id.as_deref(), named, connection_id, issued_at(&event.request.claims))
                .await;
        let (user, welcome) = connected.map_err(not_let_in)?;
        Ok(ConnectAnswer {
            user_id: Some(user.into()),
            groups: welcome.groups,
            roles: Some(welcome.roles),
            ..ConnectAnswer::default()
        })
    }

    async fn connected(&self, context: EventContext) {
        Events::connected(self, context.user_id.as_deref(), &context.connection_id).await;
    }

    async fn disconnected(&self, context: EventContext, _reason: String) {
        Events::disconnected(self, context.user_id.as_deref(), &context.connection_id).await;
    }

    async fn user_event(&self, event: UserEvent) -> Result<UserEventAnswer, EventFailed> {
        let EventContext { user_id, connection_id, .. } = &event.context;
        let answer = Events::user_event(
            self,
            user_id.as_deref(),
            (connection_id, ""),
            &event.name,
            event.payload.as_bytes(),
        );
        match answer.await {
            Ok(answer) => Ok(UserEventAnswer {
                payload: answer.as_ref().and_then(as_json),
                ..UserEventAnswer::default()
            }),
            Err(refused) => {
                let name =
                    if event.reply == Reply::Invocation { refused.code } else { "InternalServerError" };
                Err(EventFailed(RequestError { name: name.into(), message: refused.message }))
            }
        }
    }
}

/// A client at the door is told what it would be told over HTTP.
fn not_let_in(refused: Refused) -> ConnectRefused {
    let refused = ApiError::from(refused);
    ConnectRefused {
        status: refused.status(),
        retry_after: refused.retry_after_secs(),
        body: refused.to_json(),
        is_json: true,
    }
}

fn as_json(answer: &Bytes) -> Option<Payload> {
    let text = std::str::from_utf8(answer).ok()?;
    JsonText::new(text).ok().map(Payload::Json)
}
