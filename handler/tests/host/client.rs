//! People's ends of the wire: HTTP and WebSocket.

use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use http::header::{CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderValue, Method};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::world::PATIENCE;

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether it says when to come again.
    pub(crate) says_when: bool,
    pub(crate) text: String,
    /// `null` where the body is no JSON.
    pub(crate) json: Value,
}

impl Client {
    pub(crate) fn new(base: String) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { http, base }
    }

    pub(crate) async fn get(&self, path: &str, user: &str) -> Answer {
        self.call(Method::GET, path, &[("x-user-id", user)], "").await
    }

    pub(crate) async fn post(&self, path: &str, user: &str, json: &Value) -> Answer {
        self.call(Method::POST, path, &[("x-user-id", user)], &json.to_string()).await
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).body(body.to_owned());
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let (status, says_when) = (answer.status().as_u16(), answer.headers().contains_key(RETRY_AFTER));
        let text = answer.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or_default();
        Answer { status, says_when, text, json }
    }

    /// A client of Web PubSub's JSON subprotocol, through the URL that negotiate hands out.
    pub(crate) async fn connect(&self, user: &str) -> Socket {
        let url =
            self.post("/api/negotiate", user, &json!({})).await.json["url"].as_str().unwrap().to_owned();
        assert!(url.starts_with(&self.base.replacen("http", "ws", 1)), "through the host: {url}");
        Socket::open(&url, user).await.expect("an open socket")
    }
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// An open socket. A task of its own reads it, so that pings are answered while the test looks elsewhere.
pub(crate) struct Socket {
    sink: SplitSink<Stream, Message>,
    frames: mpsc::UnboundedReceiver<Value>,
}

impl Socket {
    /// `None` where the hub does not let the user in, or falls silent on the way.
    pub(crate) async fn open(url: &str, user: &str) -> Option<Self> {
        let mut request = url.into_client_request().unwrap();
        let protocol = HeaderValue::from_static("json.webpubsub.azure.v1");
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        let mut socket = Self::read(connect_async(request).await.ok()?.0);
        let connected = socket.frames.recv().await?;
        assert_eq!((&connected["event"], &connected["userId"]), (&"connected".into(), &user.into()));
        Some(socket)
    }

    fn read(stream: Stream) -> Self {
        let (sink, mut stream) = stream.split();
        let (sender, frames) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(frame)) = stream.next().await {
                let Message::Text(text) = frame else { continue };
                if sender.send(serde_json::from_str(&text).unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { sink, frames }
    }

    /// The next frame of any kind.
    pub(crate) async fn next(&mut self) -> Value {
        let frame = tokio::time::timeout(PATIENCE, self.frames.recv()).await.expect("a frame in time");
        frame.expect("an open socket")
    }

    /// The next chat message: what a group was sent, other events left out.
    pub(crate) async fn message(&mut self) -> Value {
        self.event("message").await
    }

    /// As [`Self::message`], for a socket on which nothing may come for long; `None` at its end.
    #[allow(dead_code, reason = "each test binary uses its part of it")]
    pub(crate) async fn next_message(&mut self) -> Option<Value> {
        loop {
            let mut frame = self.frames.recv().await?;
            if frame["data"]["type"] == "message" {
                return Some(frame["data"].take());
            }
        }
    }

    /// The next event of this type.
    pub(crate) async fn event(&mut self, kind: &str) -> Value {
        loop {
            let mut frame = self.next().await;
            if frame["data"]["type"] == kind {
                return frame["data"].take();
            }
        }
    }

    pub(crate) async fn send(&mut self, frame: &Value) {
        self.sink.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The acknowledgement of a frame that was sent with this id.
    pub(crate) async fn acknowledged(&mut self, id: u64) -> Value {
        loop {
            let frame = self.next().await;
            if frame["ackId"] == id {
                return frame;
            }
        }
    }
}
