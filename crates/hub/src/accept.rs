//! The door: who may connect, and how the answer reads.
//!
//! A client is checked, the connect handler asked, the connection registered, and only then is the upgrade answered:
//! whoever sees the 101 can be sent to. All of that runs in a task of its own, so that a client that goes away in
//! between neither interrupts a handler nor leaves a connection without its `disconnected` event.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::{HeaderValue, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use tokio::sync::oneshot;
use webpubsub::close::Close;
use webpubsub::connect_event::{ConnectRequest, event_claims};
use webpubsub::multimap::MultiMap;
use webpubsub::names::{HubName, is_group_name};
use webpubsub::roles::{Action, Permissions};
use webpubsub::server_frame;
use webpubsub::subprotocol::Subprotocol;
use webpubsub::token::{ClientClaims, TokenError, reconnection_token, verify_client_token};

use crate::connection::{Connection, Identity, Kind};
use crate::delivery::Delivery;
use crate::events::{ConnectAnswer, ConnectEvent, ConnectRefused, EventContext};
use crate::hub::Hub;
use crate::id::ConnectionId;
use crate::outbox::Frame;
use crate::recovery::Unacknowledged;
use crate::request::{Parameters, bearer, event_headers};
use crate::ws::handshake;
use crate::{recover, session};

/// The answer to a client at the door.
pub(crate) async fn enter(hub: Hub, name: &str, mut request: Request, user_id: Option<String>) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    let accept = handshake::accept_key(request.method(), request.version(), request.headers());
    let Some(accept) = accept else { return not_a_websocket() };
    if hub.is_stopping() {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "");
    }
    let caller = match Caller::check(&hub, name, &request, user_id) {
        Ok(caller) => caller,
        Err(refused) => return refuse(&refused),
    };
    let (answer, answered) = oneshot::channel();
    hub.inner.tasks.clone().spawn(admit(hub, caller, upgrade, answer));
    match answered.await {
        Ok(Ok(subprotocol)) => switching_protocols(accept, subprotocol.as_deref()),
        Ok(Err(refused)) => refuse(&refused),
        // The task panicked.
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, ""),
    }
}

/// The upgrade's outcome: the subprotocol to answer with, or why not.
type Answer = oneshot::Sender<Result<Option<String>, ConnectRefused>>;

/// A client whose request is in order.
struct Caller {
    hub: HubName,
    kind: CallerKind,
    offered: Vec<String>,
}

enum CallerKind {
    New(Box<Papers>),
    /// Wants a former connection back. Its token, if it has one, may have expired and is not looked at.
    Returning {
        connection_id: String,
        token: String,
    },
}

/// What a new client showed.
struct Papers {
    claims: ClientClaims,
    roles: Permissions,
    parameters: Parameters,
    headers: MultiMap,
}

impl Caller {
    fn check(
        hub: &Hub,
        name: &str,
        request: &Request,
        user_id: Option<String>,
    ) -> Result<Self, ConnectRefused> {
        let mut parameters = Parameters::of(request.uri());
        let offered = handshake::offered_subprotocols(request.headers());
        if let (Some(id), Some(token)) =
            (parameters.get("awps_connection_id"), parameters.get("awps_reconnection_token"))
        {
            let kind = CallerKind::Returning { connection_id: id.to_owned(), token: token.to_owned() };
            let hub = HubName::new(name).map_err(|error| bad_request(error.to_string()))?;
            return Ok(Self { hub, kind, offered });
        }
        let token = parameters.take_token().or_else(|| bearer(request.headers()));
        let name = HubName::new(name);
        let (claims, roles) = match (token, &name) {
            (Some(token), Ok(hub_name)) => {
                let claims = verify_client_token(&hub.options().access_keys, &token, hub_name, hub.now())
                    .map_err(token_refused)?;
                let roles = Permissions::from_roles(&claims.roles);
                (claims, roles.map_err(|error| bad_request(error.to_string()))?)
            }
            (None, _) if hub.options().anonymous => {
                let claims = ClientClaims { user_id, ..ClientClaims::default() };
                (claims, every_role())
            }
            // No token can be for a hub that cannot be.
            (Some(_), Err(_)) | (None, _) => return Err(unauthorized()),
        };
        let hub = name.map_err(|error| bad_request(error.to_string()))?;
        let headers = event_headers(request.headers());
        let papers = Papers { claims, roles, parameters, headers };
        Ok(Self { hub, kind: CallerKind::New(Box::new(papers)), offered })
    }
}

/// Lets a caller in, or not, and then lives its connection.
async fn admit(hub: Hub, caller: Caller, upgrade: OnUpgrade, answer: Answer) {
    let Caller { hub: name, kind, offered } = caller;
    match kind {
        CallerKind::Returning { connection_id, token } => {
            let reliable = Subprotocol::JsonReliable.name();
            let subprotocol = offered.iter().any(|name| name == reliable).then(|| reliable.to_owned());
            let returning = recover::find(&hub, &name, &connection_id, &token);
            // The caller may be gone already; the upgrade then fails by itself.
            let _ = answer.send(Ok(subprotocol));
            Box::pin(recover::run(&hub, returning, upgrade)).await;
        }
        CallerKind::New(papers) => {
            let newcomer = Newcomer { hub: &hub, name, papers: *papers, offered };
            match Box::pin(newcomer.connect()).await {
                Ok((connection, subprotocol)) => {
                    let _ = answer.send(Ok(subprotocol));
                    if hub.is_stopping() {
                        // It came after the others were told.
                        let close = Close::GoingAway;
                        hub.end(&connection, close, close.reason().to_owned(), None);
                    }
                    session::run(hub, connection, upgrade).await;
                }
                Err(refused) => {
                    let _ = answer.send(Err(refused));
                }
            }
        }
    }
}

struct Newcomer<'a> {
    hub: &'a Hub,
    name: HubName,
    papers: Papers,
    offered: Vec<String>,
}

impl Newcomer<'_> {
    /// Asks the handler and registers the connection.
    async fn connect(self) -> Result<(Arc<Connection>, Option<String>), ConnectRefused> {
        let id = self.hub.new_id();
        let mode = SimpleMode::of(&self.papers.parameters)?;
        let answer = match self.hub.handler(&self.name) {
            Some(handler) => {
                let event = self.event(id);
                let outcome = AssertUnwindSafe(handler.connect(event)).catch_unwind().await;
                outcome.unwrap_or_else(|_| Err(rejected(StatusCode::INTERNAL_SERVER_ERROR)))
            }
            None => Ok(ConnectAnswer::default()),
        };
        self.register(id, mode, answer.map_err(with_error_status)?)
    }

    fn event(&self, id: ConnectionId) -> ConnectEvent {
        ConnectEvent {
            context: EventContext {
                hub: self.name.clone(),
                connection_id: id.to_string(),
                user_id: self.papers.claims.user_id.clone(),
                subprotocol: None,
                state: None,
                event_id: 0,
            },
            request: ConnectRequest {
                claims: event_claims(&self.papers.claims),
                query: self.papers.parameters.to_multimap(),
                headers: self.papers.headers.clone(),
                subprotocols: self.offered.clone(),
                ..ConnectRequest::default()
            },
        }
    }

    fn register(
        self,
        id: ConnectionId,
        mode: SimpleMode,
        answer: ConnectAnswer,
    ) -> Result<(Arc<Connection>, Option<String>), ConnectRefused> {
        let permissions = match &answer.roles {
            Some(roles) => {
                Permissions::from_roles(roles).map_err(|_| rejected(StatusCode::INTERNAL_SERVER_ERROR))?
            }
            None => self.papers.roles,
        };
        let groups = if answer.groups.is_empty() { self.papers.claims.groups } else { answer.groups };
        if !groups.iter().all(|group| is_group_name(group)) {
            return Err(rejected(StatusCode::INTERNAL_SERVER_ERROR));
        }
        let subprotocol = answer.subprotocol.or_else(|| {
            let known = Subprotocol::first_known(self.offered.iter().map(String::as_str));
            known.map(|known| known.name().to_owned())
        });
        let known = subprotocol.as_deref().and_then(Subprotocol::from_name);
        let kind = match known {
            Some(Subprotocol::Json) => Kind::Json,
            Some(Subprotocol::JsonReliable) => Kind::Reliable,
            None => mode.into_kind(),
        };
        let user_id = answer.user_id.or(self.papers.claims.user_id);
        let options = self.hub.options();
        let make = |state| {
            let identity = Identity {
                id,
                user_id: user_id.clone(),
                kind: kind.clone(),
                foreign_subprotocol: subprotocol.clone().filter(|_| known.is_none()),
                permissions: permissions.clone(),
                state: answer.state.clone(),
                events: 1,
            };
            let unacknowledged = (kind == Kind::Reliable)
                .then(|| Unacknowledged::new(options.reliable_messages, options.reliable_bytes));
            let mut delivery = Delivery::new(options.outbox_bytes, unacknowledged);
            if known.is_some() {
                let id = id.to_string();
                let token = (kind == Kind::Reliable)
                    .then(|| reconnection_token(&self.hub.inner.recovery_key, &self.name, &id));
                let frame = server_frame::connected(user_id.as_deref(), &id, token.as_deref());
                delivery.push(Frame::text(&frame));
            }
            Arc::new(Connection::new(state, identity, delivery))
        };
        Ok((self.hub.register(&self.name, &groups, make), subprotocol))
    }
}

/// How the frames of a client without one of our subprotocols are meant.
enum SimpleMode {
    Event,
    Publish { group: String, no_echo: bool },
}

impl SimpleMode {
    fn of(parameters: &Parameters) -> Result<Self, ConnectRefused> {
        match parameters.get("webpubsub_mode") {
            Some(mode) if mode.eq_ignore_ascii_case("sendToGroup") => {
                let group = parameters.get("group").filter(|group| is_group_name(group));
                let group = group.ok_or_else(|| bad_request("Invalid group name.".to_owned()))?;
                let no_echo =
                    parameters.get("noEcho").is_some_and(|value| !value.eq_ignore_ascii_case("false"));
                Ok(Self::Publish { group: group.to_owned(), no_echo })
            }
            Some(mode) if !mode.eq_ignore_ascii_case("sendEvent") => {
                Err(bad_request("Invalid webpubsub_mode.".to_owned()))
            }
            _ => Ok(Self::Event),
        }
    }

    fn into_kind(self) -> Kind {
        match self {
            Self::Event => Kind::Simple,
            Self::Publish { group, no_echo } => Kind::SimplePublisher { group: group.into(), no_echo },
        }
    }
}

fn every_role() -> Permissions {
    let mut permissions = Permissions::default();
    permissions.grant_all(Action::JoinLeaveGroup);
    permissions.grant_all(Action::SendToGroup);
    permissions
}

fn unauthorized() -> ConnectRefused {
    ConnectRefused::with_text(StatusCode::UNAUTHORIZED, String::new())
}

fn bad_request(body: String) -> ConnectRefused {
    ConnectRefused::with_text(StatusCode::BAD_REQUEST, body)
}

fn rejected(status: StatusCode) -> ConnectRefused {
    ConnectRefused::new(status)
}

fn token_refused(error: TokenError) -> ConnectRefused {
    match error {
        TokenError::InvalidGroup => bad_request(error.to_string()),
        _ => unauthorized(),
    }
}

/// A refusal has to look like one.
fn with_error_status(mut refused: ConnectRefused) -> ConnectRefused {
    if !refused.status.is_client_error() && !refused.status.is_server_error() {
        refused.status = StatusCode::INTERNAL_SERVER_ERROR;
    }
    refused
}

fn switching_protocols(accept: HeaderValue, subprotocol: Option<&str>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(value) = subprotocol.and_then(|name| HeaderValue::from_str(name).ok()) {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value);
    }
    response
}

/// Says which version is spoken (RFC 6455, 4.4).
fn not_a_websocket() -> Response {
    let mut response = refusal(StatusCode::BAD_REQUEST, "");
    response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response
}

fn refuse(refused: &ConnectRefused) -> Response {
    let mut response = refusal(refused.status, &refused.body);
    let headers = response.headers_mut();
    if refused.is_json {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(seconds) = refused.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

pub(crate) fn refusal(status: StatusCode, body: &str) -> Response {
    let mut response = Response::new(Body::from(body.to_owned()));
    *response.status_mut() = status;
    if !body.is_empty() {
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::HubOptions;

    /// What a connection's task costs for as long as the client stays, however idle.
    #[tokio::test]
    async fn the_task_of_a_connection_is_small() {
        let hub = Hub::new(HubOptions::new(Vec::new()));
        let caller = Caller {
            hub: HubName::new("h").expect("a name"),
            kind: CallerKind::Returning { connection_id: String::new(), token: String::new() },
            offered: Vec::new(),
        };
        let mut request = http::Request::new(());
        let (answer, _answered) = oneshot::channel();
        let task = admit(hub, caller, hyper::upgrade::on(&mut request), answer);
        let size = size_of_val(&task);
        assert!(size <= 1280, "{size} bytes");
    }
}
