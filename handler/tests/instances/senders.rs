//! Who sends while things go wrong: one message after the other, each repeated under its id until it is accepted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header::RETRY_AFTER;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Between two tries of one message, so that waiting costs the machine little.
const AGAIN: Duration = Duration::from_millis(100);
/// For any answer: a dependency may be away for a minute.
const LONGEST: Duration = Duration::from_secs(120);

/// What all senders of a test do, and what they saw.
pub(crate) struct Flow {
    /// Between two messages of one sender.
    pub(crate) pace: Duration,
    /// Each stops behind so many.
    pub(crate) rounds: usize,
    pub(crate) is_over: AtomicBool,
    /// Handlers die: answers may be missing, or any that the host makes.
    pub(crate) with_kills: bool,
    pub(crate) refusals: AtomicU64,
    longest_millis: AtomicU64,
    pub(crate) repeats: AtomicU64,
}

impl Flow {
    pub(crate) fn new(pace: Duration, rounds: usize, with_kills: bool) -> Self {
        Self {
            pace,
            rounds,
            with_kills,
            is_over: AtomicBool::new(false),
            refusals: AtomicU64::new(0),
            longest_millis: AtomicU64::new(0),
            repeats: AtomicU64::new(0),
        }
    }

    /// The longest that an HTTP request waited for its answer.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_millis(self.longest_millis.load(Ordering::Relaxed))
    }

    fn took(&self, began: Instant) {
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap();
        self.longest_millis.fetch_max(millis, Ordering::Relaxed);
    }

    fn goes_on(&self, round: usize) -> bool {
        round < self.rounds && !self.is_over.load(Ordering::Relaxed)
    }

    async fn again(&self) {
        self.repeats.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(AGAIN).await;
    }
}

/// Over HTTP to `place` (`RoomID` or `ReceiverID`, and which). The ids that were accepted, in order.
pub(crate) async fn over_http(base: &str, from: &str, place: (&str, &str), flow: &Flow) -> Vec<String> {
    let http = reqwest::Client::builder().no_proxy().timeout(LONGEST).build().unwrap();
    let mut accepted = Vec::new();
    while flow.goes_on(accepted.len()) {
        let id = format!("{from}-{}", accepted.len());
        let mut message = json!({ "SenderID": from, "MessageText": "x", "MessageID": id });
        message[place.0] = place.1.into();
        loop {
            let began = Instant::now();
            let request = http.post(format!("{base}/api/sendMessage")).header("x-user-id", from);
            let answer = request.header("content-type", "application/json").body(message.to_string()).send();
            let answer = answer.await.unwrap();
            flow.took(began);
            match answer.status().as_u16() {
                200 => break,
                503 if !flow.with_kills => {
                    assert!(answer.headers().contains_key(RETRY_AFTER), "{answer:?}");
                    flow.refusals.fetch_add(1, Ordering::Relaxed);
                }
                500.. if flow.with_kills => {}
                status => panic!("{status}: {:?}", answer.text().await),
            }
            flow.again().await;
        }
        accepted.push(id);
        tokio::time::sleep(flow.pace).await;
    }
    accepted
}

pub(crate) type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Over a socket to a room, in the same way; a socket that breaks is opened again.
pub(crate) async fn over_socket(base: &str, from: &str, room: &str, flow: &Flow) -> Vec<String> {
    let http = reqwest::Client::builder().no_proxy().timeout(LONGEST).build().unwrap();
    let mut accepted = Vec::new();
    let mut open = None;
    let mut tries = 0;
    while flow.goes_on(accepted.len()) {
        let id = format!("{from}-{}", accepted.len());
        loop {
            let Some(mut stream) = (match open.take() {
                Some(stream) => Some(stream),
                None => connected(&http, base, from).await,
            }) else {
                flow.again().await;
                continue;
            };
            tries += 1;
            let data = json!({ "room_id": room, "content": "x", "id": id });
            let answer = asked(&mut stream, &tries.to_string(), &data).await;
            if answer.is_some() {
                open = Some(stream);
            }
            match answer {
                Some(answer) if answer["success"] == true => {
                    assert_eq!(answer["data"]["type"], "sent", "{answer}");
                    assert_eq!(answer["data"]["id"], id.as_str(), "{answer}");
                    break;
                }
                // What we depend on is away.
                Some(_) => drop(flow.refusals.fetch_add(1, Ordering::Relaxed)),
                None => {}
            }
            flow.again().await;
        }
        accepted.push(id);
        tokio::time::sleep(flow.pace).await;
    }
    accepted
}

/// `None` where there is no way through at the moment.
pub(crate) async fn connected(http: &reqwest::Client, base: &str, user: &str) -> Option<Stream> {
    let answer = http.post(format!("{base}/api/negotiate")).header("x-user-id", user).send().await.ok()?;
    let answer: Value = serde_json::from_str(&answer.text().await.ok()?).ok()?;
    let mut request = answer["url"].as_str()?.into_client_request().unwrap();
    let protocol = "json.webpubsub.azure.v1".parse().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let mut stream = connect_async(request).await.ok()?.0;
    until_frame(&mut stream, |frame| frame["event"] == "connected").await?;
    Some(stream)
}

async fn asked(stream: &mut Stream, id: &str, data: &Value) -> Option<Value> {
    let frame = json!({ "type": "invoke", "invocationId": id, "target": "event", "event": "send",
        "dataType": "json", "data": data });
    stream.send(Message::text(frame.to_string())).await.ok()?;
    until_frame(stream, |frame| frame["type"] == "invokeResponse" && frame["invocationId"] == id).await
}

/// `None` when the socket ends before.
pub(crate) async fn until_frame(stream: &mut Stream, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
    let waiting = async {
        loop {
            let frame = next_frame(stream).await?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    };
    tokio::time::timeout(LONGEST, waiting).await.expect("an answer or the socket's end in time")
}

/// `None` when the socket ends before.
pub(crate) async fn next_frame(stream: &mut Stream) -> Option<Value> {
    loop {
        if let Message::Text(text) = stream.next().await?.ok()? {
            return Some(serde_json::from_str(&text).unwrap());
        }
    }
}
