//! `api/eventhandler`: what a Web PubSub tells of its clients, as CloudEvents.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use subtle::ConstantTimeEq;
use webpubsub::cloud_events::{EventContext, EventKind, verify_signature};
use webpubsub::connect_event::{ConnectRequest, ConnectResponse};
use webpubsub::payload::Payload;
use webpubsub::validation;

use super::call::Call;
use super::{Front, Services, fields};
use crate::error::{ApiError, Kind};

/// A client's frame has at most a mebibyte, and so has the event it becomes.
const EVENT_BYTES: usize = 1024 * 1024 + 64 * 1024;

/// `OPTIONS api/eventhandler`: lets any service send here. Whose events count is decided by their signature.
pub(super) async fn validate(State(front): State<Front>, call: Call) -> Result<Response, ApiError> {
    must_know_the_key(&front, &call)?;
    let origin = call.header(&HeaderName::from_static(validation::REQUEST_ORIGIN));
    let origin = origin.and_then(|origin| validation::answer(origin, &["*"])).ok_or_else(|| {
        ApiError::field(Kind::MissingField, "WebHook-Request-Origin", "WebHook-Request-Origin is missing.")
    })?;
    let origin = HeaderValue::from_str(&origin).map_err(|_| ApiError::internal())?;
    Ok(([(HeaderName::from_static(validation::ALLOWED_ORIGIN), origin)], StatusCode::OK).into_response())
}

/// `POST api/eventhandler`.
pub(super) async fn handle(
    State(front): State<Front>,
    call: Call,
    request: Request,
) -> Result<Response, ApiError> {
    must_know_the_key(&front, &call)?;
    let event = EventContext::from_headers(&call.headers)
        .map_err(|error| ApiError::field(Kind::InvalidField, error.0, error.to_string()))?;
    let services = front.services().await?;
    let signature = event.signature.as_deref().unwrap_or_default();
    // Where we have no key, the URL's secret is the proof; it has been looked at.
    let proven = services.event_keys.is_empty() && front.config.event_handler_key.is_some();
    if !proven && !verify_signature(&services.event_keys, &event.connection_id, signature) {
        return Err(ApiError::new(Kind::BadSignature, "No configured key made the event's signature."));
    }
    // One key signs for all hubs of a service, and each has clients of its own.
    if event.hub != *front.config.transport.hub() {
        return Err(ApiError::field(Kind::InvalidField, "ce-hub", "The event is of a hub that is not ours."));
    }
    let body = fields::read(request.into_body(), &call.headers, EVENT_BYTES).await?;
    act(services, &call, event, body).await
}

async fn act(
    services: &Services,
    call: &Call,
    event: EventContext,
    body: bytes::Bytes,
) -> Result<Response, ApiError> {
    let (user, connection) = (event.user_id.as_deref(), event.connection_id.as_str());
    match &event.kind {
        EventKind::Connect => {
            let asked = ConnectRequest::parse(&body)
                .map_err(|error| ApiError::new(Kind::InvalidBody, error.to_string()))?;
            let named = asked.query.first("user_id");
            let (user, welcome) = services.events.connect(user, named, connection).await?;
            let answer = ConnectResponse {
                user_id: Some(user.into()),
                groups: Some(welcome.groups),
                roles: Some(welcome.roles),
                subprotocol: None,
            };
            let answer = answer.encode().map_err(|_| ApiError::internal())?;
            Ok(json(answer))
        }
        EventKind::Connected => {
            services.events.connected(user, connection).await;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        EventKind::Disconnected => {
            services.events.disconnected(user, connection).await;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        EventKind::User(name) => {
            let payload = Payload::from_body(call.header(&CONTENT_TYPE), body)
                .map_err(|error| ApiError::new(Kind::InvalidBody, error.to_string()))?;
            let answer = services.events.user_event(user, connection, name, payload.as_bytes()).await?;
            Ok(answer.map_or_else(|| StatusCode::NO_CONTENT.into_response(), json))
        }
    }
}

fn json(body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// Where `EVENTHANDLER_KEY` is set, the URL carries it as `?code=`.
fn must_know_the_key(front: &Front, call: &Call) -> Result<(), ApiError> {
    let Some(key) = &front.config.event_handler_key else { return Ok(()) };
    let code = call.query("code").unwrap_or_default();
    if bool::from(key.expose().as_bytes().ct_eq(code.as_bytes())) {
        Ok(())
    } else {
        Err(ApiError::field(Kind::BadSignature, "code", "The event handler's key is missing or wrong."))
    }
}
