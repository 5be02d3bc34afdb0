//! `docs/PROTOCOL.md`, section "Chat events", played against the running program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod product;

use std::collections::BTreeMap;

use futures_util::{SinkExt, StreamExt};
use product::{PATIENCE, Product, call, repository};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What names a notice of the list of rooms.
const ROOMS_UPDATED: &str = r#""type":"rooms_updated""#;

struct Stage {
    product: Product,
    sockets: BTreeMap<String, Socket>,
    /// The room that was made last.
    room: String,
}

impl Stage {
    async fn open() -> Self {
        let mut stage = Self { product: Product::alone(&[]), sockets: BTreeMap::new(), room: String::new() };
        for who in ["ann", "bob"] {
            stage.connect_plain(who).await;
        }
        stage.connect_with_subprotocol("cat").await;
        stage
    }

    async fn connect_plain(&mut self, who: &str) {
        let url = format!("ws://{}/ws?user_id={who}", self.product.hub.unwrap());
        let socket = connect_async(url).await.unwrap().0;
        self.sockets.insert(who.to_owned(), socket);
    }

    async fn connect_with_subprotocol(&mut self, who: &str) {
        let answer = self.product.get(&format!("/api/negotiate?user_id={who}")).json();
        let mut request = answer["url"].as_str().unwrap().into_client_request().unwrap();
        let protocol = "json.webpubsub.azure.v1".parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let socket = connect_async(request).await.unwrap().0;
        self.sockets.insert(who.to_owned(), socket);
        assert!(self.next(who).await.contains(r#""event":"connected""#));
    }

    async fn next(&mut self, who: &str) -> String {
        let socket = self.sockets.get_mut(who).unwrap();
        let text = async {
            loop {
                match socket.next().await.unwrap().unwrap() {
                    Message::Text(text) => return text.to_string(),
                    Message::Close(close) => panic!("{who}: {close:?}"),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, text).await.unwrap_or_else(|_| panic!("{who} hears nothing"))
    }

    async fn asks(&mut self, who: &str, frame: &str) {
        let frame = frame.replace("\"ROOM\"", &format!("\"{}\"", self.room));
        self.sockets.get_mut(who).unwrap().send(Message::text(frame)).await.unwrap();
    }

    async fn hears(&mut self, who: &str, printed: &str) {
        let heard = loop {
            let heard = self.next(who).await;
            // The list of rooms is told of when it suits; only where a notice is printed it is waited for.
            if heard.contains(ROOMS_UPDATED) == printed.contains(ROOMS_UPDATED) {
                break heard;
            }
        };
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert!(same(&value(&heard), &value(printed)), "{who} hears\n{heard}\nnot\n{printed}");
        assert_eq!(names(&heard), names(printed), "the fields stand in the printed order");
    }

    fn http(&mut self, who: &str, line: &str) {
        let mut words = line.splitn(3, ' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap().replace("ROOM", &self.room));
        let headers = [("x-user-id", who), ("content-type", "application/json")];
        let body = words.next().unwrap_or_default();
        let answer = call(self.product.http, method, &path, &headers, body.as_bytes());
        assert!(answer.status < 300, "{line}: {}", answer.text());
        if answer.status == 201 {
            self.room = answer.json()["id"].as_str().unwrap().to_owned();
        }
    }
}

/// Equal but for times, generated ids and cursors.
fn same(heard: &Value, printed: &Value) -> bool {
    match (heard, printed) {
        (Value::Object(heard), Value::Object(printed)) => {
            heard.len() == printed.len()
                && heard.iter().all(|(name, value)| printed.get(name).is_some_and(|other| same(value, other)))
        }
        (Value::Array(heard), Value::Array(printed)) => {
            heard.len() == printed.len() && heard.iter().zip(printed).all(|(one, other)| same(one, other))
        }
        (Value::String(heard), Value::String(printed)) => {
            heard == printed || pattern(heard) == pattern(printed)
        }
        (heard, printed) => heard == printed,
    }
}

/// What a generated text looks like; any other text is its own pattern.
fn pattern(text: &str) -> String {
    let is_time = text.len() >= 24 && text.starts_with("20") && text.as_bytes().get(10) == Some(&b'T');
    let is_id = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = |c: char| if c.is_ascii_hexdigit() { '0' } else { c };
    if is_time || is_id { text.chars().map(digits).collect() } else { text.to_owned() }
}

/// Names of fields, in their order.
fn names(json: &str) -> Vec<&str> {
    let quoted: Vec<_> = json.split('"').collect();
    quoted.windows(2).filter(|pair| pair[1].starts_with(':')).map(|pair| pair[0]).collect()
}

#[tokio::test]
async fn the_section_of_chat_events_is_what_happens() {
    let document = repository("docs/PROTOCOL.md");
    let section = document.split("\n## Chat events\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut stage = Stage::open().await;
    let mut heard = 0;
    for block in section.split("\n```").skip(1).step_by(2) {
        let (kind, lines) = block.split_once('\n').unwrap();
        let words: Vec<_> = kind.split(' ').collect();
        if words[1..] == ["bob", "hears", "on", "connecting"] {
            stage.connect_plain("bob").await;
        }
        for line in lines.lines() {
            match *words {
                ["json", who, "asks"] => stage.asks(who, line).await,
                ["json", who, "hears", ..] => {
                    stage.hears(who, line).await;
                    heard += 1;
                }
                ["http", who] => stage.http(who, line),
                ["socket", who] if line == "opens" => stage.connect_plain(who).await,
                ["socket", who] if line == "closes" => drop(stage.sockets.remove(who)),
                // Held by a test of the chat, which can bring it about.
                ["json", "rejected"] => {}
                _ => panic!("`{kind}` is nobody's"),
            }
        }
    }
    assert!(heard > 30, "{heard}");
}
