//! A WebSocket client that shows everything: the raw answer of the upgrade, every frame, how the connection ended.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

/// Nothing that is waited for here takes a tenth of this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How a client knocks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Knock {
    /// Path and query, as they go on the wire.
    pub(crate) target: String,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) headers: Vec<(String, String)>,
}

/// What became of it.
pub(crate) enum Opened {
    In(Client),
    Refused {
        status: u16,
        body: String,
    },
    /// A 101 that a strict client does not accept; it has dropped the connection.
    Broken(&'static str),
}

pub(crate) struct Client {
    pub(crate) subprotocol: Option<String>,
    sink: Option<SplitSink<WebSocketStream<TcpStream>, Message>>,
    events: mpsc::UnboundedReceiver<Value>,
    reader: tokio::task::JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Opens a connection and speaks the upgrade by hand.
pub(crate) async fn open(address: SocketAddr, knock: &Knock) -> Opened {
    let mut stream = TcpStream::connect(address).await.expect("the hub listens");
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n",
        knock.target
    );
    if !knock.subprotocols.is_empty() {
        request += &format!("Sec-WebSocket-Protocol: {}\r\n", knock.subprotocols.join(","));
    }
    for (name, value) in &knock.headers {
        request += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{request}\r\n").as_bytes()).await.expect("the request is sent");
    tokio::time::timeout(PATIENCE, answer(stream, knock)).await.expect("the upgrade is answered")
}

async fn answer(mut stream: TcpStream, knock: &Knock) -> Opened {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        assert_ne!(
            stream.read_buf(&mut bytes).await.expect("an answer"),
            0,
            "cut off inside of the answer's head"
        );
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut rest = bytes.split_off(end + 4);
    let status: u16 = head[9..12].parse().expect("a status");
    let header = |wanted: &str| {
        head.lines().skip(1).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    };
    if status != 101 {
        let length: usize = header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        while rest.len() < length {
            assert_ne!(stream.read_buf(&mut rest).await.expect("a body"), 0, "cut off inside of the body");
        }
        return Opened::Refused { status, body: String::from_utf8_lossy(&rest).into_owned() };
    }
    assert_eq!(header("sec-websocket-accept"), Some(derive_accept_key(KEY.as_bytes())));
    let subprotocol = header("sec-websocket-protocol");
    match &subprotocol {
        None if !knock.subprotocols.is_empty() => return Opened::Broken("Server sent no subprotocol"),
        Some(chosen) if !knock.subprotocols.contains(chosen) => {
            return Opened::Broken("Server sent an invalid subprotocol");
        }
        _ => {}
    }
    let socket = WebSocketStream::from_partially_read(stream, rest, Role::Client, None).await;
    let (sink, mut frames) = socket.split();
    let (sender, events) = mpsc::unbounded_channel();
    let reader = tokio::spawn(async move {
        let mut closed = json!({"closed": 1006, "reason": ""});
        while let Some(Ok(frame)) = frames.next().await {
            let event = match frame {
                Message::Text(text) => json!({"got": text.as_str()}),
                Message::Binary(bytes) => json!({"got": {"base64": base64_of(&bytes)}}),
                Message::Close(frame) => {
                    closed = frame.map_or(
                        json!({"closed": 1005, "reason": ""}),
                        |frame| json!({"closed": u16::from(frame.code), "reason": frame.reason.as_str()}),
                    );
                    continue;
                }
                _ => continue,
            };
            sender.send(event).ok();
        }
        sender.send(closed).ok();
    });
    Opened::In(Client { subprotocol, sink: Some(sink), events, reader })
}

impl Client {
    /// The next frame (`got`) or the end (`closed`), in the words of the transcripts. `None` after the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        event.unwrap_or_else(|_| Some(json!({"nothing came": PATIENCE.as_secs()})))
    }

    async fn write(&mut self, message: Message) {
        // The hub may have closed already; the trail shows it.
        if let Some(sink) = &mut self.sink {
            sink.send(message).await.ok();
        }
    }

    pub(crate) async fn text(&mut self, text: &str) {
        self.write(Message::text(text)).await;
    }

    pub(crate) async fn binary(&mut self, bytes: Vec<u8>) {
        self.write(Message::binary(bytes)).await;
    }

    /// A text frame whose payload is whatever is given.
    pub(crate) async fn raw_text(&mut self, payload: &'static [u8]) {
        self.write(Message::Frame(Frame::message(payload, OpCode::Data(Data::Text), true))).await;
    }

    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        let reason = reason.to_owned().into();
        self.write(Message::Close(Some(CloseFrame { code: CloseCode::from(code), reason }))).await;
    }

    /// Drops the TCP connection without a word.
    pub(crate) async fn cut(&mut self) {
        self.reader.abort();
        (&mut self.reader).await.ok();
        self.sink = None;
    }
}

pub(crate) fn base64_of(bytes: &[u8]) -> String {
    base64::prelude::BASE64_STANDARD.encode(bytes)
}

pub(crate) fn bytes_of(base64: &str) -> Vec<u8> {
    base64::prelude::BASE64_STANDARD.decode(base64).expect("recorded base64")
}
