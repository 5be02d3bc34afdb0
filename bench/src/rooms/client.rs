//! One client: kept-alive HTTP, and a plain socket.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::Outcome;
use crate::report::percentile;

pub(super) struct Http {
    client: reqwest::Client,
    port: u16,
    user: String,
}

impl Http {
    pub(super) fn new(port: u16, user: String) -> Self {
        Self { client: reqwest::Client::new(), port, user }
    }

    pub(super) async fn get(&self, path: &str) -> Outcome<Value> {
        self.call(self.client.get(self.url(path))).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        self.call(self.client.post(self.url(path)).json(body)).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/api/{path}", self.port)
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> Outcome<Value> {
        let response = request.header("x-user-id", &self.user).send().await?;
        let (status, url) = (response.status(), response.url().clone());
        let body = response.text().await?;
        if !status.is_success() {
            return Err(format!("{url}: {status} {body}").into());
        }
        Ok(serde_json::from_str(&body)?)
    }
}

pub(super) struct Live(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Live {
    pub(super) async fn connect(port: u16, user: &str) -> Outcome<Self> {
        Ok(Self(connect_async(format!("ws://127.0.0.1:{port}/ws?user_id={user}")).await?.0))
    }

    /// Sends an action and waits for its answer, by the answer's type.
    pub(super) async fn asks(&mut self, action: &Value, answer: &str) -> Outcome<Value> {
        self.0.send(Message::text(action.to_string())).await?;
        while let Some(frame) = self.0.next().await {
            let Message::Text(text) = frame? else { continue };
            let frame: Value = serde_json::from_str(&text)?;
            if frame["type"] == answer {
                return Ok(frame);
            }
            if frame["type"] == "error" {
                return Err(format!("{action}: {frame}").into());
            }
        }
        Err("the server closed the socket".into())
    }

    /// Reads, and so answers pings, until the server ends it.
    pub(super) async fn stays(mut self) {
        while let Some(Ok(_)) = self.0.next().await {}
    }

    pub(super) async fn says(&mut self, room: &str, text: &str) -> Outcome<Value> {
        self.asks(&json!({"action": "send", "room_id": room, "content": text}), "sent").await
    }
}

/// How long something took, run after run.
#[derive(Default)]
pub(super) struct Times(Vec<f64>);

impl Times {
    pub(super) fn add(&mut self, since: Instant) {
        self.0.push(since.elapsed().as_secs_f64());
    }

    /// Milliseconds, `share` of the runs took at most.
    pub(super) fn ms(&mut self, share: f64) -> String {
        self.0.sort_by(f64::total_cmp);
        format!("{:.2}", percentile(&self.0, share) * 1e3)
    }
}
