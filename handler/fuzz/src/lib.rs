//! What must hold for every input of every parser of the handler. The fuzz targets call these; so does a test of the crate
//! that needs no nightly compiler.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use handler::app::{self, Running};
use handler::chat::{QueuedMessage, Submission, SyncRequest};
use handler::config::Config;
use handler::events::Events;
use handler::functions::{Front, router};
use handler::model::{MessageId, RoomId, Timestamp, UserId};
use handler::ports::{Entity, InboxKey, Properties, Received};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Collected};
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// When it is, for what asks.
const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
/// Inputs that one world takes. It remembers all of them, so it is made anew from time to time.
const INPUTS_OF_A_WORLD: u32 = 2_000;
const HOST_PORT: &str = "7071";

/// What a queue hands over is a message or poison; and what we write of a message is read as the same message.
pub fn queued_message(data: &[u8]) {
    let received = |body: Bytes| Received {
        entity: Entity::Topic,
        message_id: Some("m".to_owned()),
        session_id: None,
        sequence_number: Some(1),
        enqueued_at: Some(NOW),
        properties: Properties::new(),
        body,
        attempt: 1,
    };
    match QueuedMessage::read(&received(Bytes::copy_from_slice(data)), NOW) {
        Ok(message) => {
            let again = QueuedMessage::read(&received(message.to_body()), NOW);
            assert_eq!(again.as_ref(), Ok(&message));
        }
        Err(poison) => assert!(!poison.code.is_empty() && !poison.reason.is_empty()),
    }
}

/// Bodies of requests, as JSON objects with fields.
pub fn bodies(data: &[u8]) {
    for refused in
        [Submission::from_json(data).err(), SyncRequest::from_json(data).err()].into_iter().flatten()
    {
        assert!(!refused.code.is_empty() && refused.message.len() < 2_000, "{refused:?}");
    }
}

/// Ids, times and cursors that callers write.
pub fn words(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(id) = UserId::new(&text) {
        assert_eq!(id.as_str(), text);
    }
    if let Ok(id) = RoomId::new(&text) {
        assert_eq!(id.conversation().room(), Some(id));
    }
    if let Ok(id) = MessageId::new(&text) {
        assert_eq!(id.as_str(), text);
    }
    if let Some(time) = Timestamp::parse(&text) {
        assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
    }
    if let Some(key) = InboxKey::parse(&text) {
        assert_eq!(InboxKey::parse(&key.to_text()), Some(key));
    }
}

/// Settings, `NAME=value` in each line: taken, or refused with a sentence about each.
pub fn settings(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let vars: BTreeMap<_, _> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if let Err(mistakes) = Config::from_vars(&vars) {
        assert!(!mistakes.is_empty());
        assert!(mistakes.iter().all(|mistake| !mistake.name.is_empty() && !mistake.sentence.is_empty()));
    }
}

/// A request: `METHOD /target` in the first line, headers in the next ones, then an empty line and the body. Nothing is the
/// server's fault, and what it says in JSON is JSON. `None` if it is no request.
pub fn request(data: &[u8]) -> Option<u16> {
    let request = read_request(data)?;
    in_world(Place::Alone, async |world| {
        let (status, _) = world.answer(request).await;
        assert!(!status.is_server_error(), "{status}");
        Some(status.as_u16())
    })
}

/// What the host calls: the first byte says which function, the rest is the invocation. It always gets a JSON object, for
/// anything else hangs it.
pub fn invocation(data: &[u8]) -> Option<u16> {
    let (function, body) = data.split_first()?;
    let path = match function % 6 {
        0 => "/processQueue",
        1 => "/processTopic",
        2 => "/sendMessage",
        3 => "/negotiate",
        4 => "/eventhandler",
        _ => "/web",
    };
    let request = Request::post(path)
        .header(header::HOST, format!("127.0.0.1:{HOST_PORT}"))
        .header(header::USER_AGENT, "Azure-Functions-Host/4.0")
        .header(header::TRANSFER_ENCODING, "chunked")
        .header("x-azure-functions-invocationid", "0f")
        .body(Body::from(body.to_vec()))
        .ok()?;
    in_world(Place::UnderHost, async |world| {
        let (status, answer) = world.answer(request).await;
        assert!(answer.is_some_and(|answer| answer.is_object()), "{path}: {status}");
        Some(status.as_u16())
    })
}

/// An event of a client: its name in the first line, then what it carries. The answer is one JSON object or none.
pub fn live_event(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let name = String::from_utf8_lossy(&data[..at]);
    let payload = data.get(at + 1..).unwrap_or_default();
    in_world(Place::Alone, async |world| {
        // Every event is one of its own: a copy would be no event.
        let id = world.inputs.to_string();
        let answer = world.events.user_event(Some("ann"), ("c1", &id), &name, payload).await;
        if let Some(answer) = answer.expect("nothing is away") {
            assert!(serde_json::from_slice::<Value>(&answer).is_ok_and(|answer| answer.is_object()));
        }
    });
}

/// A handler in memory, without a port. Its time stands still, but for what waits: then it jumps.
struct World {
    runtime: Runtime,
    router: Router,
    events: Events,
    _running: Running,
    inputs: u32,
}

#[derive(Clone, Copy)]
enum Place {
    Alone,
    UnderHost,
}

thread_local! {
    static ALONE: RefCell<Option<World>> = const { RefCell::new(None) };
    static UNDER_HOST: RefCell<Option<World>> = const { RefCell::new(None) };
}

fn in_world<T>(place: Place, act: impl AsyncFnOnce(&World) -> T) -> T {
    let slot = match place {
        Place::Alone => &ALONE,
        Place::UnderHost => &UNDER_HOST,
    };
    slot.with_borrow_mut(|slot| {
        let old = slot.take().filter(|world| world.inputs < INPUTS_OF_A_WORLD);
        let world = slot.insert(old.unwrap_or_else(|| World::new(place)));
        world.inputs += 1;
        world.runtime.block_on(act(world))
    })
}

impl World {
    fn new(place: Place) -> Self {
        let host: &[(&str, &str)] =
            &[("FUNCTIONS_CUSTOMHANDLER_PORT", HOST_PORT), ("AZURE_FUNCTIONS_ENVIRONMENT", "Development")];
        let vars = match place {
            Place::Alone => &[],
            Place::UnderHost => host,
        };
        let vars: BTreeMap<_, _> =
            vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let config = Config::from_vars(&vars).expect("defaults are settings");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let config = Arc::new(config);
        let front = Front::new(Arc::clone(&config));
        let opened = runtime.block_on(app::open(&config, &front.limits));
        let (services, running) = opened.expect("memory opens");
        let events = services.events.clone();
        front.open(services);
        Self { runtime, router: router(front), events, _running: running, inputs: 0 }
    }

    /// The answer's status, and its body where it says that it is JSON.
    async fn answer(&self, request: Request<Body>) -> (StatusCode, Option<Value>) {
        let Ok(response) = self.router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_json = kind.is_some_and(|kind| kind.starts_with("application/json")) && !body.is_empty();
        (parts.status, is_json.then(|| serde_json::from_slice(&body).expect("what says it is JSON is")))
    }
}

fn read_request(data: &[u8]) -> Option<Request<Body>> {
    let (head, body) = match data.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &[][..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = first.split_once(' ')?;
    let mut request = Request::new(Body::from(body.to_vec()));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = target.parse().ok()?;
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    for line in lines.take(90) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    Some(request)
}
