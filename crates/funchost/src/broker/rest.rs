//! The Service Bus REST send call: `POST /{entity}/messages` -> 201.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpListener;

use super::message::Message;
use super::sas::ConnectionString;
use super::store::{Broker, SendError};
use crate::http::server;
use crate::world;

/// A little more than the largest message, so that one that is too large is told so.
const BODY_LIMIT: usize = 1024 * 1024;

/// Serves the send call until the task is dropped.
pub(crate) async fn serve(listener: TcpListener, broker: Broker, connection: ConnectionString) {
    let connection = Arc::new(connection);
    server::serve(listener, move |request, _| {
        let (broker, connection) = (broker.clone(), Arc::clone(&connection));
        async move { answer(request, &broker, &connection).await }
    })
    .await;
}

async fn answer(
    request: Request<Incoming>,
    broker: &Broker,
    connection: &ConnectionString,
) -> Response<Full<Bytes>> {
    match send(request, broker, connection).await {
        Ok(()) => plain(StatusCode::CREATED, String::new()),
        Err((status, detail)) => {
            tracing::warn!(%status, detail, "a message was not accepted");
            let code = status.as_u16();
            plain(status, format!("<Error><Code>{code}</Code><Detail>{detail}</Detail></Error>"))
        }
    }
}

fn plain(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
}

async fn send(
    request: Request<Incoming>,
    broker: &Broker,
    connection: &ConnectionString,
) -> Result<(), (StatusCode, String)> {
    let path = percent_encoding::percent_decode_str(request.uri().path()).decode_utf8_lossy().into_owned();
    let entity = path.trim_start_matches('/').strip_suffix("/messages");
    let Some(entity) = entity.filter(|_| request.method() == Method::POST) else {
        return Err((StatusCode::NOT_FOUND, "the double knows POST /{entity}/messages only".into()));
    };
    let token = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.ok_or((StatusCode::UNAUTHORIZED, "the Authorization header is missing".to_owned()))?;
    connection.verify(token, entity, world::now()).map_err(|reason| (StatusCode::UNAUTHORIZED, reason))?;
    let mut message = described(request.headers()).map_err(|reason| (StatusCode::BAD_REQUEST, reason))?;
    let body = Limited::new(request.into_body(), BODY_LIMIT).collect().await;
    let body = body.map_err(|error| (StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))?;
    message.body = body.to_bytes().into();
    broker.send(entity, message).await.map_err(|error| {
        let status = match error {
            SendError::NoEntity(_) => StatusCode::NOT_FOUND,
            SendError::NoSession(_) => StatusCode::BAD_REQUEST,
            SendError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            SendError::NotStored(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, error.to_string())
    })
}

/// The `BrokerProperties` header; other names are taken and have no effect.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct BrokerProperties {
    message_id: Option<String>,
    session_id: Option<String>,
    label: Option<String>,
    correlation_id: Option<String>,
    reply_to: Option<String>,
    reply_to_session_id: Option<String>,
    to: Option<String>,
    partition_key: Option<String>,
    /// Seconds.
    time_to_live: Option<f64>,
    scheduled_enqueue_time_utc: Option<Value>,
}

fn described(headers: &HeaderMap) -> Result<Message, String> {
    let broker = match headers.get("brokerproperties") {
        None => BrokerProperties::default(),
        Some(json) => serde_json::from_slice(json.as_bytes())
            .map_err(|error| format!("the BrokerProperties header is not valid: {error}"))?,
    };
    if broker.scheduled_enqueue_time_utc.is_some_and(|at| !at.is_null()) {
        return Err("the double does not schedule messages (ScheduledEnqueueTimeUtc)".into());
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Ok(Message {
        body: Vec::new(),
        message_id: broker.message_id.unwrap_or_default(),
        session_id: broker.session_id,
        content_type: content_type.map(str::to_owned),
        subject: broker.label,
        correlation_id: broker.correlation_id,
        reply_to: broker.reply_to,
        reply_to_session_id: broker.reply_to_session_id,
        to: broker.to,
        partition_key: broker.partition_key,
        time_to_live_ms: broker.time_to_live.and_then(milliseconds),
        properties: headers.iter().filter(|(name, _)| is_property(name.as_str())).map(property).collect(),
    })
}

/// As long as the service takes it; nothing where it is longer than any duration.
fn milliseconds(seconds: f64) -> Option<u64> {
    let time = std::time::Duration::try_from_secs_f64(seconds).ok()?;
    u64::try_from(time.as_millis()).ok()
}

/// Whether a header is the sender's own: neither HTTP's nor the service's.
fn is_property(name: &str) -> bool {
    const HTTP: [&str; 13] = [
        "accept",
        "accept-encoding",
        "accept-language",
        "authorization",
        "brokerproperties",
        "connection",
        "content-length",
        "content-type",
        "date",
        "expect",
        "host",
        "transfer-encoding",
        "user-agent",
    ];
    !HTTP.contains(&name) && !name.starts_with("x-ms-")
}

/// A quoted value is text; otherwise a number or a truth value where it reads as one, else text.
fn property((name, value): (&http::HeaderName, &http::HeaderValue)) -> (String, Value) {
    let text = String::from_utf8_lossy(value.as_bytes());
    let value = match serde_json::from_str(&text) {
        Ok(value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => value,
        _ => Value::String(text.into_owned()),
    };
    (name.as_str().to_owned(), value)
}
