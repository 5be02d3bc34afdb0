//! The captured app with the recorder as its handler, raw HTTP, and the normalisation of recordings.
#![allow(dead_code, reason = "each test file uses its own part, so an expectation would fail in some")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use funchost::{FuncHost, Options};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/host")
}

/// The cases of a capture, in the file's order.
pub(crate) fn capture(file: &str) -> Map<String, Value> {
    let text = std::fs::read_to_string(fixtures().join(file)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The names of a capture's cases in the order in which they were recorded: reading sorts them.
pub(crate) fn cases_in_order(file: &str, cases: &Map<String, Value>) -> Vec<String> {
    let text = std::fs::read_to_string(fixtures().join(file)).unwrap();
    let mut names: Vec<String> = cases.keys().cloned().collect();
    names.sort_by_key(|name| text.find(&format!("\n {}: {{", json!(name))).unwrap());
    names
}

/// A copy of the captured app whose handler is the recorder.
pub(crate) struct App {
    folder: TempDir,
}

impl App {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&fixtures().join("app"), folder.path());
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_recorder"), folder.path().join("bin/handler"))
            .unwrap();
        Self { folder }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    /// Changes a JSON file of the app.
    pub(crate) fn edit(&self, file: &str, change: impl FnOnce(&mut Value)) {
        let path = self.folder.path().join(file);
        let mut json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        change(&mut json);
        std::fs::write(path, json.to_string()).unwrap();
    }

    /// Options of a host on this app; the timer is off, its calls would mix with the others.
    pub(crate) fn options(&self) -> Options {
        Options::new(self.folder.path())
            .setting("RECORD_FILE", self.record().display().to_string())
            .setting("AzureWebJobs.tick.Disabled", "true")
    }

    pub(crate) async fn start(&self) -> FuncHost {
        let host = FuncHost::start(self.options()).await.unwrap();
        host.ready().await.unwrap();
        host
    }

    fn record(&self) -> PathBuf {
        self.folder.path().join("record.jsonl")
    }

    /// Everything recorded so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.record()).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Requests and upgrades, the readiness polls left out.
    pub(crate) fn calls(&self) -> Vec<Value> {
        self.events().into_iter().filter(is_call).collect()
    }

    /// Waits until so many calls are recorded.
    pub(crate) async fn calls_at_least(&self, count: usize) -> Vec<Value> {
        let waiting = async {
            loop {
                let calls = self.calls();
                if calls.len() >= count {
                    return calls;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, waiting).await.expect("the handler is called in time")
    }
}

pub(crate) fn is_call(event: &Value) -> bool {
    event["event"] == "request" || event["event"] == "upgrade"
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Texts with GUIDs, moments and loopback ports replaced by their kind.
pub(crate) fn masked(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (mask, length) = if let Some(length) = guid(rest) {
            ("<guid>", length)
        } else if let Some(length) = moment(rest) {
            ("<time>", length)
        } else if let Some(length) = port(rest) {
            ("127.0.0.1:<port>", length)
        } else {
            masked.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        masked.push_str(mask);
        rest = &rest[length..];
    }
    masked
}

fn shaped(text: &str, shape: &str) -> Option<usize> {
    let bytes = text.as_bytes().get(..shape.len())?;
    let fits = bytes.iter().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
        b'x' => byte.is_ascii_hexdigit(),
        b'9' => byte.is_ascii_digit(),
        other => *byte == other,
    });
    fits.then_some(shape.len())
}

fn guid(text: &str) -> Option<usize> {
    shaped(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
}

fn moment(text: &str) -> Option<usize> {
    // The end of time is no moment of the recording.
    if text.starts_with("9999") {
        return None;
    }
    let mut length = shaped(text, "9999-99-99T99:99:99")?;
    let bytes = text.as_bytes();
    if bytes.get(length) == Some(&b'.') {
        length += 1 + bytes[length + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    }
    Some(length)
}

fn port(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("127.0.0.1:")?;
    Some("127.0.0.1:".len() + rest.bytes().take_while(u8::is_ascii_digit).count())
}

/// A list of headers, names in lower case, in a fixed order, what differs by nature left out.
pub(crate) fn normal_headers(headers: &Value) -> Vec<(String, String)> {
    let pairs = headers.as_array().unwrap().iter();
    let mut normal: Vec<(String, String)> = pairs
        .map(|pair| (pair[0].as_str().unwrap().to_ascii_lowercase(), masked(pair[1].as_str().unwrap())))
        .filter(|(name, value)| name != "date" && !(name == "connection" && value == "close"))
        .collect();
    normal.sort();
    normal
}

/// A recorded call in a form that two recordings share.
pub(crate) fn normal_call(call: &Value) -> Value {
    json!({
        "event": call["event"],
        "method": call["method"],
        "target": call["target"],
        "headers": headers_to_handler(&call["headers"]),
        "body": normal_body(&call["body"]),
    })
}

/// Towards the handler `Connection: close` is the caller's, and counts.
fn headers_to_handler(headers: &Value) -> Vec<(String, String)> {
    let pairs = headers.as_array().unwrap().iter();
    let mut normal: Vec<(String, String)> = pairs
        .map(|pair| (pair[0].as_str().unwrap().to_ascii_lowercase(), masked(pair[1].as_str().unwrap())))
        .collect();
    normal.sort();
    normal
}

fn normal_body(body: &Value) -> Value {
    if let Some(length) = body["length"].as_u64() {
        // The fraction of a second is written without the zeroes at its end.
        return json!({"length": length / 10});
    }
    body.as_str().map_or_else(|| body.clone(), |text| masked(text).into())
}

/// What came back to a caller.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: String,
    pub(crate) headers: Value,
    pub(crate) body: Bytes,
    /// How many reads brought a part of the body.
    pub(crate) arrivals: usize,
    pub(crate) stream: TcpStream,
}

/// Sends bytes as they are and reads one answer.
pub(crate) async fn exchange(host: &FuncHost, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(host.address()).await.unwrap();
    stream.write_all(request).await.unwrap();
    let is_head = request.starts_with(b"HEAD ");
    tokio::time::timeout(LIMIT, read_answer(stream, is_head)).await.expect("the host answers in time")
}

async fn read_answer(mut stream: TcpStream, is_head: bool) -> Answer {
    let mut received = BytesMut::new();
    let head_end = loop {
        if let Some(at) = received.windows(4).position(|it| it == b"\r\n\r\n") {
            if !received.starts_with(b"HTTP/1.1 100") {
                break at;
            }
            drop(received.split_to(at + 4));
            continue;
        }
        assert!(stream.read_buf(&mut received).await.unwrap() > 0, "the connection ended before an answer");
    };
    let head = String::from_utf8(received.split_to(head_end + 4)[..head_end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap().to_owned();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let header =
        |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let mut arrivals = usize::from(!received.is_empty());
    let body = if is_head || status.starts_with("204") || status.starts_with("101") {
        Bytes::new()
    } else if header("transfer-encoding").as_deref() == Some("chunked") {
        loop {
            if let Some(body) = dechunked(&received) {
                break body;
            }
            assert!(
                stream.read_buf(&mut received).await.unwrap() > 0,
                "the connection ended within an answer"
            );
            arrivals += 1;
        }
    } else {
        let length = header("content-length").unwrap_or_else(|| panic!("an answer without length: {head}"));
        let length: usize = length.parse().unwrap();
        while received.len() < length {
            assert!(
                stream.read_buf(&mut received).await.unwrap() > 0,
                "the connection ended within an answer"
            );
            arrivals += 1;
        }
        received.split_to(length).freeze()
    };
    Answer { status, headers: json!(headers), body, arrivals, stream }
}

fn dechunked(mut raw: &[u8]) -> Option<Bytes> {
    let mut body = BytesMut::new();
    loop {
        let end = raw.windows(2).position(|it| it == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&raw[..end]).unwrap(), 16).unwrap();
        raw = &raw[end + 2..];
        if length == 0 {
            return (raw.len() >= 2).then(|| body.freeze());
        }
        body.extend_from_slice(raw.get(..length)?);
        raw = raw.get(length + 2..)?;
    }
}
