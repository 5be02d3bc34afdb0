//! A hub on a port of its own, and clients of another make.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code; clippy only knows test functions")]

pub(crate) mod raw;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{SinkExt as _, StreamExt as _};
use hub::{
    ConnectAnswer, ConnectEvent, ConnectRefused, EventContext, EventFailed, EventHandler, Hub, HubOptions,
    UserEvent, UserEventAnswer,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use webpubsub::key::AccessKey;
use webpubsub::names::HubName;
use webpubsub::token::ClientToken;

pub(crate) const JSON: &str = "json.webpubsub.azure.v1";
pub(crate) const RELIABLE: &str = "json.reliable.webpubsub.azure.v1";
pub(crate) const NOW: u64 = 1_790_000_000;
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn key() -> AccessKey {
    AccessKey::new("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH").expect("not empty")
}

pub(crate) fn options() -> HubOptions {
    let mut options = HubOptions::new(vec![key()]);
    options.clock = Arc::new(|| NOW);
    options
}

pub(crate) fn name(name: &str) -> HubName {
    HubName::new(name).expect("a hub name")
}

/// A running hub.
pub(crate) struct Server {
    pub(crate) hub: Hub,
    pub(crate) address: String,
}

impl Server {
    pub(crate) async fn start(options: HubOptions) -> Self {
        let hub = Hub::new(options);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let router = hub.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { hub, address }
    }

    pub(crate) fn token(&self, change: impl FnOnce(&mut ClientToken)) -> String {
        let mut token = ClientToken::new(&format!("http://{}", self.address), &name("chat"), NOW, 3600);
        token.roles = vec!["webpubsub.joinLeaveGroup".into(), "webpubsub.sendToGroup".into()];
        change(&mut token);
        token.sign(&key()).expect("a token")
    }

    pub(crate) fn url(&self, token: &str) -> String {
        format!("ws://{}/client/hubs/chat?access_token={token}", self.address)
    }

    /// A client with every role. On a JSON subprotocol it has read its `connected` frame.
    pub(crate) async fn client(&self, user: &str, subprotocol: Option<&str>) -> Client {
        let token = self.token(|token| token.user_id = Some(user.into()));
        let mut client = Client::open(&self.url(&token), subprotocol).await.expect("let in");
        if subprotocol.is_some() {
            client.read_connected().await;
        }
        client
    }

    pub(crate) async fn members(&self, group: &str, count: usize) {
        eventually(|| self.hub.connections_in(&name("chat"), group, None, usize::MAX).len() == count).await;
    }
}

/// Waits for a condition that other tasks bring about.
pub(crate) async fn eventually(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the condition comes true");
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) struct Client {
    pub(crate) socket: Stream,
    pub(crate) response: Response<Option<Vec<u8>>>,
    pub(crate) id: String,
    pub(crate) reconnection_token: String,
}

impl Client {
    pub(crate) async fn open(url: &str, subprotocol: Option<&str>) -> Result<Self, Error> {
        let mut request = url.into_client_request()?;
        if let Some(subprotocol) = subprotocol {
            let value = HeaderValue::from_str(subprotocol).expect("a header value");
            request.headers_mut().insert("sec-websocket-protocol", value);
        }
        let config = WebSocketConfig::default();
        let (socket, response) = connect_async_with_config(request, Some(config), true).await?;
        Ok(Self { socket, response, id: String::new(), reconnection_token: String::new() })
    }

    /// The status and body with which a client is refused.
    pub(crate) async fn refused(url: &str, subprotocol: Option<&str>) -> (u16, String) {
        let response = Self::refusal(url, subprotocol).await;
        let body = response.body().clone().unwrap_or_default();
        (response.status().as_u16(), String::from_utf8(body).expect("text"))
    }

    pub(crate) async fn refusal(url: &str, subprotocol: Option<&str>) -> http::Response<Option<Vec<u8>>> {
        match Self::open(url, subprotocol).await {
            Err(Error::Http(response)) => *response,
            Err(error) => panic!("not refused: {error}"),
            Ok(_) => panic!("let in"),
        }
    }

    pub(crate) async fn read_connected(&mut self) {
        let frame: serde_json::Value = serde_json::from_str(&self.text().await).expect("JSON");
        assert_eq!(frame["event"], "connected");
        self.id = frame["connectionId"].as_str().expect("an id").to_owned();
        self.reconnection_token = frame["reconnectionToken"].as_str().unwrap_or_default().to_owned();
    }

    /// The next frame, pings aside.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            match tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("a frame in time") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    pub(crate) async fn text(&mut self) -> String {
        match self.next().await {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("not a text: {other:?}"),
        }
    }

    /// The code and reason of the close that comes next.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        match self.next().await {
            Some(Message::Close(Some(frame))) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("not a close: {other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("sent");
    }

    pub(crate) async fn ask(&mut self, text: &str) -> String {
        self.send(text).await;
        self.text().await
    }

    pub(crate) async fn join(&mut self, group: &str) {
        let frame = format!(r#"{{"type":"joinGroup","group":"{group}","ackId":9000}}"#);
        let answer = self.ask(&frame).await;
        assert_eq!(answer, r#"{"type":"ack","ackId":9000,"success":true}"#);
    }

    /// Nothing more was sent to this client: the next thing it reads is the answer to its ping.
    pub(crate) async fn is_quiet(&mut self) {
        assert_eq!(self.ask(r#"{"type":"ping"}"#).await, r#"{"type":"pong"}"#);
    }

    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.to_owned().into() };
        self.socket.close(Some(frame)).await.expect("a close sent");
    }
}

impl Server {
    pub(crate) fn recovery_url(&self, client: &Client) -> String {
        let Client { id, reconnection_token, .. } = client;
        format!(
            "ws://{}/client/hubs/chat?awps_connection_id={id}&awps_reconnection_token={reconnection_token}",
            self.address
        )
    }

    pub(crate) async fn recover(&self, client: &Client) -> Client {
        let mut again = Client::open(&self.recovery_url(client), Some(RELIABLE)).await.expect("upgraded");
        again.id.clone_from(&client.id);
        again.reconnection_token.clone_from(&client.reconnection_token);
        again
    }
}

/// An event handler that writes down what it hears and answers as it is told.
pub(crate) struct Recorder {
    pub(crate) heard: Mutex<Vec<String>>,
    pub(crate) connect: Mutex<Result<ConnectAnswer, ConnectRefused>>,
    pub(crate) answer: Mutex<Result<UserEventAnswer, EventFailed>>,
    /// User events wait for a permit each.
    pub(crate) gate: Semaphore,
    pub(crate) last_event: Mutex<Option<UserEvent>>,
    pub(crate) last_connect: Mutex<Option<ConnectEvent>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            heard: Mutex::default(),
            connect: Mutex::new(Ok(ConnectAnswer::default())),
            answer: Mutex::new(Ok(UserEventAnswer::default())),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            last_event: Mutex::default(),
            last_connect: Mutex::default(),
        }
    }
}

impl Recorder {
    fn note(&self, context: &EventContext, what: &str) {
        let state = context.state.as_deref().map(|state| format!(" [{state}]")).unwrap_or_default();
        self.heard.lock().expect("a lock").push(format!("{} {what}{state}", context.event_id));
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("a lock").clone()
    }

    pub(crate) async fn hears(&self, expected: &[&str]) {
        eventually(|| self.heard().len() >= expected.len()).await;
        assert_eq!(self.heard(), expected);
    }
}

#[async_trait]
impl EventHandler for Recorder {
    async fn connect(&self, event: ConnectEvent) -> Result<ConnectAnswer, ConnectRefused> {
        self.note(&event.context, "connect");
        *self.last_connect.lock().expect("a lock") = Some(event);
        self.connect.lock().expect("a lock").clone()
    }

    async fn connected(&self, context: EventContext) {
        self.note(&context, "connected");
    }

    async fn disconnected(&self, context: EventContext, reason: String) {
        self.note(&context, &format!("disconnected: {reason}"));
    }

    async fn user_event(&self, event: UserEvent) -> Result<UserEventAnswer, EventFailed> {
        self.gate.acquire().await.expect("open").forget();
        self.note(&event.context, &event.name);
        assert_ne!(event.name, "panic", "planted");
        *self.last_event.lock().expect("a lock") = Some(event);
        self.answer.lock().expect("a lock").clone()
    }
}
