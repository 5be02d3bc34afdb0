//! What must hold for every input of every parser of the hub. The fuzz targets call these; so does a test of the crate
//! that needs no nightly compiler.

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Collected};
use hub::ws::{Decoder, Incoming, ProtocolError};
use hub::{Filter, Hub, HubOptions, Subject};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;
use webpubsub::key::AccessKey;
use webpubsub::names::HubName;
use webpubsub::token::mint_rest_token;

/// A filter ends in a decision or in a sentence of bounded length, and what it prints means the same.
pub fn filter(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let filter = match Filter::parse(&text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(error.to_string().len() < 20_000);
            return;
        }
    };
    let groups: HashSet<Arc<str>> = [Arc::from("g")].into();
    let subject = Subject::new("0f9c", Some("ann"), None, &groups);
    match Filter::parse(&filter.to_string()) {
        Ok(again) => {
            assert_eq!(again, filter);
            assert_eq!(again.matches(&subject), filter.matches(&subject));
        }
        // Printing adds parentheses.
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains("Nesting is deeper") || error.contains("Longer than"), "{error}");
        }
    }
}

/// The longest message of [`decoder`]'s client, in bytes.
const LIMIT: usize = 4096;

/// Bytes, cut in two ways, decode to the same messages and the same error. The first byte says how they are cut.
pub fn decoder(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let whole = decode([bytes]);
    for message in &whole.0 {
        match message {
            Incoming::Text(text) => assert!(text.len() <= LIMIT),
            Incoming::Binary(bytes) => assert!(bytes.len() <= LIMIT),
            Incoming::Ping(payload) => assert!(payload.len() <= 125),
            Incoming::Close(_, reason) => assert!(reason.len() <= 123),
            Incoming::Pong => {}
        }
    }
    assert_eq!(decode(bytes.chunks(usize::from(cut % 7) + 1)), whole);
}

fn decode<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Incoming>, Result<(), ProtocolError>) {
    let (mut decoder, mut out) = (Decoder::new(LIMIT), Vec::new());
    for part in parts {
        if let Err(error) = decoder.feed(part, &mut out) {
            return (out, Err(error));
        }
    }
    (out, Ok(()))
}

/// A request: `METHOD /target` in the first line, headers in the next ones, then an empty line and the body. The caller
/// is always allowed to. Nothing is the hub's fault, and what it says in JSON is JSON. `None` if it is no request.
pub fn http(data: &[u8]) -> Option<u16> {
    let request = request(data)?;
    RUNTIME.with(|runtime| {
        runtime.as_ref().ok()?.block_on(async {
            let Ok(response) = HUB.with(Hub::router).oneshot(request).await;
            let (parts, body) = response.into_parts();
            assert!(!parts.status.is_server_error(), "{}", parts.status);
            let is_json = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
                kind.to_str().is_ok_and(|kind| kind.starts_with("application/") && kind.contains("json"))
            });
            let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
            let parsed = serde_json::from_slice::<serde_json::Value>(&body);
            assert!(!is_json || body.is_empty() || parsed.is_ok(), "{body:?}");
            Some(parts.status.as_u16())
        })
    })
}

const KEY: &str = "key";
const NOW: u64 = 1_790_000_000;

thread_local! {
    static RUNTIME: std::io::Result<Runtime> =
        tokio::runtime::Builder::new_current_thread().enable_all().build();

    static HUB: Hub = {
        let mut options = HubOptions::new(AccessKey::new(KEY).into_iter().collect());
        options.clock = Arc::new(|| NOW);
        options.anonymous = true;
        options.default_hub = HubName::new("chat").ok();
        Hub::new(options)
    };
}

fn request(data: &[u8]) -> Option<Request<Body>> {
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
    let token = mint_rest_token(&AccessKey::new(KEY).ok()?, "http://h", NOW, 60).ok()?;
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).ok()?);
    for line in lines.take(90) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
    Some(request)
}
