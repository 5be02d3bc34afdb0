//! The sender against a server of our own that shows what came over the wire.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use azure_core21::auth::Secret;
use azure_core21::hmac::hmac_sha256;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;

use super::{BusEntities, BusHost, ConnectionString, Http, Identity, ServiceBus};
use crate::chat::Refused;
use crate::model::Timestamp;
use crate::ports::queue::MESSAGE_BYTES;
use crate::ports::{Clock, Entity, Outgoing, Queue, QueueError, reasons};

const KEY: &str = "c2VjcmV0IGtleQ==";
const ENTITIES: BusEntities<'_> =
    BusEntities { queue: "chat-queue", topic: "chat-topic", subscription: "chat-subscription" };
const NOW_MILLIS: u64 = 1_799_996_400_000;

struct At;

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(NOW_MILLIS)
    }
}

#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: HeaderMap,
    body: Bytes,
}

/// What the broker answers, and what it was asked.
#[derive(Clone)]
struct Broker {
    answer: Arc<dyn Fn() -> Response + Send + Sync>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

async fn record(State(broker): State<Broker>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let line = format!("{} {}", head.method, head.uri);
    broker.seen.lock().unwrap().push(Seen { line, headers: head.headers, body });
    (broker.answer)()
}

async fn bus(answer: impl Fn() -> Response + Send + Sync + 'static) -> (ServiceBus, Broker, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let broker = Broker { answer: Arc::new(answer), seen: Arc::default() };
    let app = Router::new().fallback(record).with_state(broker.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (sender(&host), broker, host)
}

fn sender(host: &str) -> ServiceBus {
    let text = format!("Endpoint=sb://{host};SharedAccessKeyName=Root;SharedAccessKey={KEY}");
    let connection = ConnectionString::parse(&text).unwrap();
    ServiceBus::with_key(connection, ENTITIES, Arc::new(At), &Http::new().unwrap()).unwrap()
}

fn message(entity: Entity) -> Outgoing {
    Outgoing {
        entity,
        message_id: "0f".repeat(32),
        session_id: "d_0123456789abcdef0123456789abcdef".to_owned(),
        body: Bytes::from("{\"MessageText\":\"h\u{e9} \u{1f980}\"}\r\n"),
        properties: BTreeMap::from([
            ("room_id".to_owned(), "42".to_owned()),
            ("traceparent".to_owned(), "00-\"é🦀\\".to_owned()),
        ]),
    }
}

#[tokio::test]
async fn a_send_is_this_request() {
    let (bus, broker, host) = bus(|| StatusCode::CREATED.into_response()).await;
    for (entity, path) in [(Entity::Queue, "chat-queue"), (Entity::Topic, "chat-topic")] {
        bus.send(message(entity)).await.unwrap();
        let seen = broker.seen.lock().unwrap().pop().unwrap();
        assert_eq!(seen.line, format!("POST /{path}/messages"));
        assert_eq!(seen.body, message(entity).body);
        let header = |name: &str| seen.headers.get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(header("host"), host);
        assert_eq!(header("content-type"), "application/json");
        assert_eq!(header("room_id"), "\"42\"", "text, not a number");
        assert_eq!(header("traceparent"), r#""00-\"\u00e9\ud83e\udd80\\""#);
        let broker_properties: serde_json::Value = serde_json::from_str(&header("brokerproperties")).unwrap();
        let expected = message(entity);
        let properties =
            serde_json::json!({"MessageId": expected.message_id, "SessionId": expected.session_id});
        assert_eq!(broker_properties, properties);

        let resource = format!("http%3A%2F%2F{}%2F{}", host.replace('.', "%2E").replace(':', "%3A"), path);
        let resource = resource.replace('-', "%2D");
        let expiry = NOW_MILLIS / 1000 + 3600;
        let key = Secret::new(azure_core21::base64::encode(KEY));
        let signature = hmac_sha256(&format!("{resource}\n{expiry}"), &key).unwrap();
        let signature = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let token = format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn=Root");
        assert_eq!(header("authorization"), token);
    }
}

#[tokio::test]
async fn an_identity_shows_its_token() {
    let (_, broker, host) = bus(|| StatusCode::CREATED.into_response()).await;
    let sends = |identity| {
        let host = BusHost::parse(&host).unwrap();
        ServiceBus::with_identity(host, ENTITIES, identity, &Http::new().unwrap()).unwrap()
    };
    let bus = sends(Identity::fixed(Ok("a token")));
    bus.send(message(Entity::Queue)).await.unwrap();
    let seen = broker.seen.lock().unwrap().pop().unwrap();
    let scope = "https://servicebus.azure.net/.default";
    assert_eq!(seen.headers["authorization"], format!("Bearer a token for {scope}"));
    assert_eq!(seen.line, "POST /chat-queue/messages");
    let error =
        sends(Identity::fixed(Err("nobody is signed in"))).send(message(Entity::Queue)).await.unwrap_err();
    assert!(reasons(&error).contains("nobody is signed in"), "{}", reasons(&error));
    assert!(broker.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_too_large_message_is_not_sent() {
    let (bus, broker, _) = bus(|| StatusCode::CREATED.into_response()).await;
    let mut large = message(Entity::Queue);
    large.body = vec![b' '; MESSAGE_BYTES].into();
    assert!(matches!(bus.send(large).await, Err(QueueError::TooLarge { limit: MESSAGE_BYTES })));
    let mut binary = message(Entity::Queue);
    binary.body = vec![0xff].into();
    assert!(bus.send(binary).await.is_err());
    assert!(broker.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn refusals_say_what_they_are() {
    let second = Some(Duration::from_secs(7));
    for (status, retry_after, says) in [
        (401, None, "key is wrong"),
        (401, None, "role `Azure Service Bus Data Sender`"),
        (403, None, "(403): a quota is used up"),
        (403, None, "or the role `Azure Service Bus Data Sender`"),
        (404, None, "no such queue or topic"),
        (429, second, "answered 429: <Detail>slow down</Detail>"),
        (503, second, "answered 503"),
        (500, None, "answered 500"),
        (400, None, "answered 400"),
        (302, None, "answered 302"),
    ] {
        let (bus, ..) = bus(move || {
            let mut answer = "<Detail>slow\u{0} down</Detail>".into_response();
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            let after = retry_after.map_or("soon".to_owned(), |after: Duration| after.as_secs().to_string());
            answer.headers_mut().insert("retry-after", after.parse().unwrap());
            answer
        })
        .await;
        let error = bus.send(message(Entity::Queue)).await.unwrap_err();
        assert!(reasons(&error).contains(says), "{status}: {}", reasons(&error));
        assert!(!reasons(&error).contains("SharedAccessSignature"));
        let QueueError::Unavailable { retry_after: after, .. } = error else { panic!("{status}: {error}") };
        assert_eq!(after, retry_after);
    }
    let (bus, ..) = bus(|| StatusCode::PAYLOAD_TOO_LARGE.into_response()).await;
    assert!(matches!(bus.send(message(Entity::Queue)).await, Err(QueueError::TooLarge { .. })));
}

/// As the service words it.
const FULL: &str = "<Error><Code>403</Code><Detail>The maximum entity size has been reached or exceeded for Queue: \
    'chat-queue'. Size of entity in bytes:1073742000, Max entity size in bytes:1073741824.</Detail></Error>";

fn forbids(detail: &'static str) -> impl Fn() -> Response {
    move || (StatusCode::FORBIDDEN, detail).into_response()
}

#[tokio::test]
async fn a_403_is_what_its_text_says() {
    for (detail, says) in [
        (FULL, "queue or topic is full"),
        ("<Detail>QuotaExceeded</Detail>", "queue or topic is full"),
        ("<Detail>Unauthorized access. 'Send' claim(s) are required.</Detail>", "does not let us send"),
        ("<Detail>Ip has been prevented to connect to the endpoint.</Detail>", "network rules"),
    ] {
        let (bus, ..) = bus(forbids(detail)).await;
        let error = bus.send(message(Entity::Queue)).await.unwrap_err();
        assert!(matches!(error, QueueError::Unavailable { .. }), "it can be mended: {error:?}");
        assert!(reasons(&error).contains(says), "{detail}: {}", reasons(&error));
    }
    let (bus, ..) = bus(forbids("<Detail>MessageSizeExceeded</Detail>")).await;
    assert!(matches!(bus.send(message(Entity::Queue)).await, Err(QueueError::TooLarge { .. })));
}

#[tokio::test]
async fn a_full_queue_asks_senders_to_come_again_and_its_operator_for_room() {
    let (bus, ..) = bus(forbids(FULL)).await;
    let error = bus.send(message(Entity::Queue)).await.unwrap_err();
    let refused = Refused::from(error);
    assert!(refused.is_unavailable() && refused.retry_after_secs().is_some(), "{refused:?}");
    let warnings = bus.warnings().await;
    assert!(warnings[0].contains("queue or topic is full") && !warnings[0].contains("role"), "{warnings:?}");
}

#[tokio::test]
async fn a_missing_role_is_a_warning_until_a_send_succeeds() {
    let may_send = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&may_send);
    let (bus, ..) = bus(move || match answers.load(Ordering::Relaxed) {
        true => StatusCode::CREATED.into_response(),
        false => StatusCode::UNAUTHORIZED.into_response(),
    })
    .await;
    // That the settings cannot be read is told besides.
    let warnings = async || {
        bus.warnings()
            .await
            .into_iter()
            .filter(|told| !told.contains("could not be read"))
            .collect::<Vec<_>>()
    };
    assert!(warnings().await.is_empty());
    bus.send(message(Entity::Queue)).await.unwrap_err();
    let told = warnings().await;
    assert!(told[0].contains("needs the role `Azure Service Bus Data Sender` on the namespace"), "{told:?}");
    may_send.store(true, Ordering::Relaxed);
    bus.send(message(Entity::Queue)).await.unwrap();
    assert!(warnings().await.is_empty());
}

#[tokio::test]
async fn connections_are_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bus = sender(&listener.local_addr().unwrap().to_string());
    let sends = async {
        for _ in 0..5 {
            bus.send(message(Entity::Queue)).await.unwrap();
        }
    };
    // One connection is accepted, and never a second.
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let answer = |_| async { Ok::<_, std::convert::Infallible>(http::Response::new(String::new())) };
        let io = hyper_util::rt::TokioIo::new(stream);
        let service = hyper::service::service_fn(answer);
        hyper::server::conn::http1::Builder::new().serve_connection(io, service).await
    };
    tokio::select! {
        () = sends => {}
        ended = serve => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bus = sender(&listener.local_addr().unwrap().to_string());
    drop(listener);
    assert!(matches!(bus.send(message(Entity::Queue)).await, Err(QueueError::Unavailable { .. })));
    assert!(bus.check().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn silence_is_unavailable() {
    // It takes connections, by its backlog, and never says a word.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bus = sender(&listener.local_addr().unwrap().to_string());
    assert!(matches!(bus.send(message(Entity::Queue)).await, Err(QueueError::Unavailable { .. })));
    assert!(bus.check().await.is_err());
}

#[tokio::test]
async fn the_check_sends_nothing() {
    let (ready, broker, _) = bus(|| StatusCode::UNAUTHORIZED.into_response()).await;
    ready.check().await.unwrap();
    assert_eq!(broker.seen.lock().unwrap()[0].line, "GET /");
    let (away, ..) = bus(|| StatusCode::SERVICE_UNAVAILABLE.into_response()).await;
    assert!(away.check().await.is_err());
}
