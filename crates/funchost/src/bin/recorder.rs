//! A custom handler for tests: it writes every request down and answers as it is told.
//!
//! Events go to the file `RECORD_FILE`, one JSON object a line, in the form of the captures. What to do stands in the
//! query (`?do=bad`) or in the body (`do:bad`); without it the answer is an envelope without outputs.

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

type Body = UnsyncBoxBody<Bytes, Infallible>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Bodies longer than this are recorded by their length.
const LONG: usize = 100_000;

struct Recorder {
    file: String,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let environment = environment();
    let recorder = Arc::new(Recorder { file: setting(&environment, "RECORD_FILE")? });
    let cwd = std::env::current_dir()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    recorder.record(&json!({"event": "start", "argv": arguments, "cwd": cwd, "env": environment}))?;
    let port: u16 = setting(&environment, "FUNCTIONS_CUSTOMHANDLER_PORT")?.parse()?;
    // A test may want callers to wait.
    let delay = setting(&environment, "RECORDER_LISTENS_AFTER_MS").unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(delay.parse().unwrap_or(0))).await;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    recorder.record(&json!({"event": "listening", "port": port}))?;
    loop {
        let (stream, _) = listener.accept().await?;
        let recorder = Arc::clone(&recorder);
        tokio::spawn(async move {
            let service = service_fn(move |request| Arc::clone(&recorder).answer(request));
            let connection = hyper::server::conn::http1::Builder::new()
                .auto_date_header(false)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            // A caller that goes away early is part of the tests.
            drop(connection.await);
        });
    }
}

/// The variables that the host sets, and this program's own.
fn environment() -> Value {
    const PREFIXES: [&str; 7] =
        ["AZURE_FUNCTIONS", "AzureWebJobs", "FUNCTIONS_", "RECORD", "ServiceBus", "WEBSITE_", "TEST_"];
    let ours = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    ours.filter(|(name, _)| PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        .map(|(name, value)| (name, Value::String(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn setting(environment: &Value, name: &str) -> Result<String, Failure> {
    Ok(environment[name].as_str().ok_or_else(|| format!("{name} is not set"))?.to_owned())
}

impl Recorder {
    fn record(&self, event: &Value) -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.file)?;
        // One write per line, so that two processes never mix theirs.
        file.write_all(format!("{event}\n").as_bytes())
    }

    async fn answer(self: Arc<Self>, mut request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        let target = request.uri().to_string();
        let headers = listed(request.headers());
        let method = request.method().to_string();
        if request.headers().contains_key(header::UPGRADE) {
            self.record(
                &json!({"event": "upgrade", "method": method, "target": target, "headers": headers}),
            )?;
            return Ok(echo(&mut request));
        }
        let polls = target == "/" && !request.headers().contains_key("x-azure-functions-invocationid");
        let body = request.into_body().collect().await?.to_bytes();
        let event = if polls { "poll" } else { "request" };
        self.record(&json!({
            "event": event, "http": "1.1", "method": method, "target": target, "headers": headers, "body": shown(&body),
        }))?;
        let wish = wish(&target, &body);
        // A dead letter still holds the wish that killed it.
        let obeyed = if target == "/deadLetters" && wish != "failalways" { "none" } else { &wish };
        self.act(obeyed).await
    }

    async fn act(&self, wish: &str) -> Result<Response<Body>, Failure> {
        let json = "application/json";
        Ok(match wish {
            "bad" => chunked(StatusCode::BAD_REQUEST, json, r#"{"code":"bad"}"#),
            "fail" | "failalways" => {
                chunked(StatusCode::INTERNAL_SERVER_ERROR, json, r#"{"Logs":["said on failure"]}"#)
            }
            "empty" => with_length_zero(StatusCode::OK, header::CONTENT_TYPE, json),
            "nocontent" => bare(StatusCode::NO_CONTENT),
            "redirect" => with_length_zero(StatusCode::FOUND, header::LOCATION, "https://example.invalid/x"),
            "cookies" => cookies(),
            "stream" => streamed(),
            "slow" => {
                tokio::time::sleep(Duration::from_secs(3)).await;
                usual()
            }
            "crash1" if !self.has_crashed()? => {
                self.record(&json!({"event": "crash"}))?;
                std::process::exit(1)
            }
            "crash1" => chunked(StatusCode::OK, json, r#"{"second":true}"#),
            "exit0" => std::process::exit(0),
            "exit1" => std::process::exit(1),
            "exit200" if !self.has_crashed()? => {
                self.record(&json!({"event": "crash"}))?;
                std::process::exit(200)
            }
            "plain" => chunked(StatusCode::OK, "text/plain", "words"),
            "notype" => without_type(r#"{"Outputs":{}}"#),
            "invalid" => chunked(StatusCode::OK, json, "{not json"),
            "nores" => chunked(StatusCode::OK, json, r#"{"Outputs":{}}"#),
            "base64out" => {
                chunked(StatusCode::OK, json, r#"{"Outputs":{"res":{"body":"x"},"out":"dGVzdA=="}}"#)
            }
            "out" => chunked(
                StatusCode::OK,
                json,
                r#"{"Outputs":{"res":{"statusCode":201,"headers":{"x-made":"yes"},"body":"{\"ok\":true}"},"out":["m1","test","{\"a\":1}"]}}"#,
            ),
            _ => usual(),
        })
    }

    /// Whether this or an earlier process of the same recording went down as told.
    fn has_crashed(&self) -> std::io::Result<bool> {
        Ok(std::fs::read_to_string(&self.file)?.lines().any(|line| line.contains(r#""event":"crash""#)))
    }
}

/// What follows `do=` in the query or `do:` in the body.
fn wish(target: &str, body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let after = |text: &str, mark: &str| text.split_once(mark).map(|(_, rest)| rest.to_owned());
    let query = target.split_once('?').and_then(|(_, query)| after(query, "do="));
    let rest = query.or_else(|| after(&body, "do:")).unwrap_or_default();
    rest.chars().take_while(char::is_ascii_alphanumeric).collect()
}

fn listed(headers: &HeaderMap) -> Value {
    headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect()
}

fn shown(body: &Bytes) -> Value {
    if body.len() > LONG {
        return json!({"length": body.len()});
    }
    match std::str::from_utf8(body) {
        Ok(text) => json!(text),
        Err(_) => json!({"base64": STANDARD.encode(body)}),
    }
}

fn usual() -> Response<Body> {
    chunked(StatusCode::OK, "application/json", r#"{"Outputs":{},"Logs":["seen"],"ReturnValue":null}"#)
}

fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Empty::new().boxed_unsync());
    *response.status_mut() = status;
    response
}

fn with_length_zero(status: StatusCode, name: header::HeaderName, value: &'static str) -> Response<Body> {
    let mut response = bare(status);
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// An answer whose length is not told.
fn chunked(status: StatusCode, content_type: &'static str, body: &'static str) -> Response<Body> {
    let mut response = without_type(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn without_type(body: &'static str) -> Response<Body> {
    let frame = Ok::<_, Infallible>(Frame::data(Bytes::from_static(body.as_bytes())));
    Response::new(StreamBody::new(stream::iter([frame])).boxed_unsync())
}

fn cookies() -> Response<Body> {
    let mut response = chunked(StatusCode::OK, "text/plain", "cookies");
    for (name, value) in
        [("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2; HttpOnly"), ("x-odd", "v1"), ("x-odd", "v2")]
    {
        response.headers_mut().append(name, HeaderValue::from_static(value));
    }
    response
}

fn streamed() -> Response<Body> {
    let events = stream::iter(1..=5).then(|number| async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok::<_, Infallible>(Frame::data(Bytes::from(format!("data: {number}\n\n"))))
    });
    let mut response = Response::new(StreamBody::new(events).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Accepts any upgrade and sends every byte back.
fn echo(request: &mut Request<Incoming>) -> Response<Body> {
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        if let Ok(stream) = upgraded.await {
            let (mut from, mut to) = tokio::io::split(TokioIo::new(stream));
            // Ends with the caller.
            drop(tokio::io::copy(&mut from, &mut to).await);
        }
    });
    let mut response = Response::new(Full::default().boxed_unsync());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    for (name, value) in [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", "x")]
    {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
