//! `api/eventhandler`: what a Web PubSub tells of its clients, as CloudEvents.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use webpubsub::cloud_events::{EventContext, EventKind};
use webpubsub::connect_event::{ConnectRequest, ConnectResponse};
use webpubsub::payload::Payload;
use webpubsub::validation;

use super::call::Call;
use super::event_copies::Copy;
use super::{Front, Services, fields, limits};
use crate::chat::{self, Refused, RefusedSignIn, Welcome};
use crate::error::{ApiError, Kind};
use crate::events::issued_at;
use crate::model::{Origin, UserId};

/// A client's frame has at most a mebibyte, and so has the event it becomes.
const EVENT_BYTES: usize = 1024 * 1024 + 64 * 1024;
const CE_USER: HeaderName = HeaderName::from_static("ce-userid");

/// `OPTIONS api/eventhandler`: whether a service may send here.
pub(super) async fn validate(State(front): State<Front>, call: Call) -> Result<Response, ApiError> {
    let door = &front.services().await?.event_door;
    door.knows_the_code(call.query("code").unwrap_or_default())?;
    let origin = call.header(&HeaderName::from_static(validation::REQUEST_ORIGIN)).ok_or_else(|| {
        ApiError::field(Kind::MissingField, "WebHook-Request-Origin", "WebHook-Request-Origin is missing.")
    })?;
    let origin = HeaderValue::from_str(&door.consent(origin)?).map_err(|_| ApiError::internal())?;
    Ok(([(HeaderName::from_static(validation::ALLOWED_ORIGIN), origin)], StatusCode::OK).into_response())
}

/// `POST api/eventhandler`. An event that was acted on has no effect when it comes again.
pub(super) async fn handle(
    State(front): State<Front>,
    call: Call,
    request: Request,
) -> Result<Response, ApiError> {
    let services = front.services().await?;
    let event = match let_in(services, &call).await {
        Ok(event) => event,
        Err(refused) => {
            // Events with proof are a service's, for all its clients. Without, they are anybody's.
            limits::charge(&front, &request)?;
            note_forgery(&front, services, &call, &refused).await;
            return Err(refused);
        }
    };
    // One key signs for all hubs of a service, and each has clients of its own.
    if event.hub != *front.config.transport.hub() {
        return Err(ApiError::field(Kind::InvalidField, "ce-hub", "The event is of a hub that is not ours."));
    }
    let body = fields::read(request.into_body(), &call.headers, EVENT_BYTES).await?;
    services.event_copies.check_user(&event).await?;
    match services.event_copies.look_up(&event, &body).await? {
        Copy::Harmless => Ok(act(services, &call, &event, body).await?.0),
        Copy::First => {
            let (answer, user) = act(services, &call, &event, body).await?;
            services.event_copies.note(&event, user.as_ref()).await;
            Ok(answer)
        }
        Copy::Again(user) => again(services, &event, user).await,
    }
}

/// The event, if it is proven to be one.
async fn let_in(services: &Services, call: &Call) -> Result<EventContext, ApiError> {
    let (door, code) = (&services.event_door, call.query("code").unwrap_or_default());
    door.first_look(&call.headers, code)?;
    let event = EventContext::from_headers(&call.headers)
        .map_err(|error| ApiError::field(Kind::InvalidField, error.0, error.to_string()))?;
    door.prove(&call.headers, code, &event.connection_id, event.signature.as_deref()).await?;
    Ok(event)
}

/// Puts an event on record whose proof was refused, with the user it was to be of.
async fn note_forgery(front: &Front, services: &Services, call: &Call, refused: &ApiError) {
    if refused.status() == StatusCode::UNAUTHORIZED {
        let claimed = call.header(&CE_USER).and_then(|user| UserId::new(user).ok());
        let refused = RefusedSignIn { claimed, code: refused.code(), origin: call.origin(front) };
        services.chat.note_refused_sign_in(refused).await;
    }
}

/// The same of a client whom the service let as far as this, with a token that counts no more.
async fn note_refused_connect(services: &Services, user: Option<&str>, connection: &str, refused: &Refused) {
    if refused.kind == chat::Kind::Unauthenticated {
        let claimed = user.and_then(|user| UserId::new(user).ok());
        let origin = Origin::connection(connection);
        let refused = RefusedSignIn { claimed, code: refused.code, origin };
        services.chat.note_refused_sign_in(refused).await;
    }
}

/// Does what the event asks; the answer, and the user it was done for.
async fn act(
    services: &Services,
    call: &Call,
    event: &EventContext,
    body: Bytes,
) -> Result<(Response, Option<UserId>), ApiError> {
    let (user, connection) = (event.user_id.as_deref(), event.connection_id.as_str());
    let answer = match &event.kind {
        EventKind::Connect => {
            let asked = ConnectRequest::parse(&body)
                .map_err(|error| ApiError::new(Kind::InvalidBody, error.to_string()))?;
            let named = asked.query.first("user_id");
            let made = issued_at(&asked.claims);
            let connected = services.events.connect(user, named, connection, made).await;
            if let Err(refused) = &connected {
                note_refused_connect(services, user, connection, refused).await;
            }
            let (user, welcome) = connected?;
            return Ok((let_connect(&user, welcome)?, Some(user)));
        }
        EventKind::Connected => {
            services.events.connected(user, connection).await;
            nothing()
        }
        EventKind::Disconnected => {
            services.events.disconnected(user, connection).await;
            nothing()
        }
        EventKind::User(name) => {
            let payload = Payload::from_body(call.header(&CONTENT_TYPE), body)
                .map_err(|error| ApiError::new(Kind::InvalidBody, error.to_string()))?;
            let of = (connection, event.id.as_str());
            let answer = services.events.user_event(user, of, name, payload.as_bytes()).await?;
            answer.map_or_else(nothing, json)
        }
    };
    Ok((answer, user.and_then(|user| UserId::new(user).ok())))
}

/// The first answer, as far as it still matters: who connects is let in with what they have now.
async fn again(
    services: &Services,
    event: &EventContext,
    user: Option<UserId>,
) -> Result<Response, ApiError> {
    tracing::info!(event = %event.kind, connection = event.connection_id, "an event came again");
    match (&event.kind, user) {
        (EventKind::Connect, Some(user)) => let_connect(&user, services.chat.welcome(&user).await?),
        _ => Ok(nothing()),
    }
}

fn let_connect(user: &UserId, welcome: Welcome) -> Result<Response, ApiError> {
    let answer = ConnectResponse {
        user_id: Some(user.as_str().to_owned()),
        groups: Some(welcome.groups),
        roles: Some(welcome.roles),
        subprotocol: None,
    };
    Ok(json(answer.encode().map_err(|_| ApiError::internal())?))
}

fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

fn json(body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body.into()).into_response()
}
