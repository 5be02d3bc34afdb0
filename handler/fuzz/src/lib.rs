//! What must hold for every input of every parser of the handler. The fuzz targets call these; so does a test of the crate
//! that needs no nightly compiler.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use handler::adapters::moderation::LocalModerator;
use handler::adapters::thresholds::Thresholds;
use handler::app::{self, Running};
use handler::chat::{QueuedMessage, Submission, SyncRequest};
use handler::config::Config;
use handler::events::Events;
use handler::functions::{Front, router};
use handler::model::{Marker, MessageId, RoomId, Rules, Timestamp, UserId};
use handler::ports::moderator::Kind;
use handler::ports::{Entity, InboxKey, Judgement, Moderator as _, Properties, Question, Received};
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
/// What proves, where callers sign in, that this is ann: `{"iss":"https://issuer.test","aud":"chat","sub":"ann",…}` until 2100.
pub const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0IiwiYXVkIjoiY2hhdCIsInN1YiI6ImFubiIsImlhdCI6MTc5MDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODAwfQ.Uu6iKn_vKU3LnQDIJ2RLoGIKoO8AG3lEeNOQmQBDALA";
const SECRET: &str = "a secret of the fuzz targets, 32 bytes or more";

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

/// A request where callers sign in, what they say is judged, and events are signed. One that shows no token of its own is
/// ann's.
pub fn signed_in_request(data: &[u8]) -> Option<u16> {
    let mut request = read_request(data)?;
    let bearer = HeaderValue::try_from(format!("Bearer {TOKEN}")).expect("a header");
    request.headers_mut().entry(header::AUTHORIZATION).or_insert(bearer);
    in_world(Place::SignedIn, async |world| {
        let (status, _) = world.answer(request).await;
        assert!(!status.is_server_error(), "{status}");
        Some(status.as_u16())
    })
}

/// A token. Only the one that was signed opens anything.
pub fn token(data: &[u8]) -> Option<u16> {
    let bearer = HeaderValue::from_bytes(&[b"Bearer ", data].concat()).ok()?;
    let request = Request::get("/api/me").header(header::AUTHORIZATION, bearer).body(Body::empty()).ok()?;
    in_world(Place::SignedIn, async |world| {
        let (status, _) = world.answer(request).await;
        let expected =
            if data.trim_ascii() == TOKEN.as_bytes() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(status, expected);
        Some(status.as_u16())
    })
}

/// What a platform in front says of a caller who has signed in there.
pub fn principal(data: &[u8]) -> Option<u16> {
    let request = Request::get("/api/me")
        .header("x-ms-client-principal-id", "ann")
        .header("x-ms-client-principal", STANDARD.encode(data))
        .body(Body::empty())
        .ok()?;
    in_world(Place::BehindSignIn, async |world| {
        let (status, answer) = world.answer(request).await;
        assert!(!status.is_server_error() && answer.is_some_and(|answer| answer.is_object()), "{status}");
        Some(status.as_u16())
    })
}

/// A text under a room's rules, their words in the first line. What is published of it is not longer than it, and not empty.
pub fn judged(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (words, said) = text.split_once('\n').unwrap_or(("", &text));
    let words = words.split(',').map(str::to_owned).collect();
    let question = Question {
        kind: Kind::Message,
        text: said.into(),
        link: said.split_whitespace().find(|word| word.contains("//")).map(Into::into),
        sender: UserId::new("ann").expect("an id"),
        rules: Some(Arc::new(Rules { blocked_words: words, ..Rules::default() })),
        is_member: true,
        identity: Some(Marker::from_bytes([7; 32])),
    };
    in_world(Place::Alone, async |_| {
        let judgement = LocalModerator::new(Thresholds::default()).judge(&question).await;
        if let Ok(Judgement::Mask { content } | Judgement::Hold { content: Some(content), .. }) = judgement {
            assert!(!content.is_empty() && content.encode_utf16().count() <= said.encode_utf16().count());
        }
    });
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
    /// Callers show tokens.
    SignedIn,
    /// The platform in front knows its callers.
    BehindSignIn,
}

impl Place {
    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Alone => &[],
            Self::UnderHost => {
                &[("FUNCTIONS_CUSTOMHANDLER_PORT", HOST_PORT), ("AZURE_FUNCTIONS_ENVIRONMENT", "Development")]
            }
            Self::SignedIn => &[
                ("AUTH_MODE", "jwt"),
                ("JWT_ISSUER", "https://issuer.test"),
                ("JWT_AUDIENCE", "chat"),
                ("JWT_SECRET", SECRET),
                ("MODERATION", "local"),
                ("WEBPUBSUB_EVENT_KEYS", "a2V5"),
                ("RATE_LIMIT_USER", "off"),
                ("RATE_LIMIT_ROOM", "off"),
                ("RATE_LIMIT_IP", "off"),
            ],
            Self::BehindSignIn => {
                &[("AUTH_MODE", "easyauth"), ("RATE_LIMIT_USER", "off"), ("RATE_LIMIT_IP", "off")]
            }
        }
    }
}

thread_local! {
    static ALONE: RefCell<Option<World>> = const { RefCell::new(None) };
    static UNDER_HOST: RefCell<Option<World>> = const { RefCell::new(None) };
    static SIGNED_IN: RefCell<Option<World>> = const { RefCell::new(None) };
    static BEHIND_SIGN_IN: RefCell<Option<World>> = const { RefCell::new(None) };
}

fn in_world<T>(place: Place, act: impl AsyncFnOnce(&World) -> T) -> T {
    let slot = match place {
        Place::Alone => &ALONE,
        Place::UnderHost => &UNDER_HOST,
        Place::SignedIn => &SIGNED_IN,
        Place::BehindSignIn => &BEHIND_SIGN_IN,
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
        let vars = place.settings().iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = Config::from_vars(&vars.collect::<BTreeMap<_, _>>()).expect("they are settings");
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
