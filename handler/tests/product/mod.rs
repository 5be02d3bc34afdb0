//! The real binary, started as a person or a Functions host starts it, and spoken to over real sockets.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

pub mod listening;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Product {
    child: Child,
    pub http: SocketAddr,
    pub hub: Option<SocketAddr>,
    /// Behind a lock so that tests may share the whole between threads.
    lines: Mutex<mpsc::Receiver<String>>,
    pub seen: Vec<String>,
}

/// The binary with nothing of this process's environment.
pub fn command(settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handler"));
    command.env_clear().envs(settings.iter().copied()).stdin(Stdio::null());
    command
}

impl Product {
    /// Alone, on free ports, in memory unless told otherwise.
    pub fn alone(settings: &[(&str, &str)]) -> Self {
        let mut all = vec![("PORT", "0")];
        all.extend_from_slice(settings);
        let mut product = Self::spawn(&mut command(&all));
        product.learn_addresses();
        product
    }

    /// Reads where it listens, once it says so.
    pub fn learn_addresses(&mut self) {
        self.http = self.address_in("  API      http://");
        self.hub = Some(self.address_in("  Hub      ws://"));
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// As a Functions host starts it. The port is free when it is chosen.
    pub fn under_host(settings: &[(&str, &str)]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let mut all = vec![
            ("FUNCTIONS_CUSTOMHANDLER_PORT", port.as_str()),
            ("AZURE_FUNCTIONS_ENVIRONMENT", "Development"),
        ];
        all.extend_from_slice(settings);
        let mut product = Self::spawn(&mut command(&all));
        product.http = format!("127.0.0.1:{port}").parse().unwrap();
        product.wait_for("starts");
        product
    }

    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self {
            child,
            http: "127.0.0.1:0".parse().unwrap(),
            hub: None,
            lines: Mutex::new(lines),
            seen: Vec::new(),
        }
    }

    /// Reads stdout up to a line that holds the text.
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.get_mut().unwrap().recv_timeout(left).unwrap_or_else(|_| {
                panic!("no line with {text:?} in {:#?}", self.seen);
            });
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Everything it printed up to its end, which must have come.
    pub fn all_lines(&mut self) -> Vec<String> {
        while let Ok(line) = self.lines.get_mut().unwrap().recv_timeout(PATIENCE) {
            self.seen.push(line);
        }
        self.seen.clone()
    }

    fn address_in(&mut self, prefix: &str) -> SocketAddr {
        let line = self.wait_for(prefix);
        line.trim_start_matches(prefix).split('/').next().unwrap().parse().unwrap()
    }

    pub fn get(&self, path: &str) -> Answer {
        call(self.http, "GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, json: &str) -> Answer {
        call(self.http, "POST", path, &[("content-type", "application/json")], json.as_bytes())
    }

    /// Asks until the answer is as wished.
    pub fn eventually(&self, path: &str, wish: impl Fn(&Answer) -> bool) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(path);
            if wish(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{path} stays {answer:?}");
            std::thread::yield_now();
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end; {:#?}", self.seen);
            std::thread::yield_now();
        }
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `code` and `field` of an error.
    pub fn error(&self) -> (String, String) {
        let json = self.json();
        assert!(json["message"].as_str().is_some_and(|message| message.len() > 5), "{json}");
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        (text("code"), text("field"))
    }
}

/// One request on a connection of its own.
pub fn call(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("host: {to}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let chunked = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
    let mut raw = Vec::new();
    if chunked {
        raw.extend_from_slice(format!("{head}\r\n").as_bytes());
        for chunk in body.chunks(1024) {
            raw.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            raw.extend_from_slice(chunk);
            raw.extend_from_slice(b"\r\n");
        }
        raw.extend_from_slice(b"0\r\n\r\n");
    } else {
        raw.extend_from_slice(format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes());
        raw.extend_from_slice(body);
    }
    raw_call(to, &raw)
}

/// Sends bytes and reads one answer to the connection's end.
pub fn raw_call(to: SocketAddr, raw: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let sent = raw.to_vec();
    let writing = std::thread::spawn(move || {
        let _ = writer.write_all(&sent);
    });
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    writing.join().unwrap();
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or_else(|| {
        panic!("no answer: {:?}", String::from_utf8_lossy(bytes));
    });
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    if status == 100 {
        return parse(&bytes[end + 4..]);
    }
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = bytes[end + 4..].to_vec();
    if headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked") {
        body = unchunk(&body);
    }
    Answer { status, headers, body }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(line) = bytes.windows(2).position(|w| w == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
        whole.extend_from_slice(&bytes[line + 2..line + 2 + length]);
        bytes = &bytes[line + 4 + length..];
    }
    whole
}

/// A file of the repository.
pub fn repository(path: &str) -> String {
    std::fs::read_to_string(format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}
