//! The contract of [`Transport`], with clients at real sockets.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::data::{odd_texts, user};
use crate::model::bounds::FRAME_BYTES;
use crate::ports::Transport;

const PATIENCE: Duration = Duration::from_secs(20);

/// A transport whose clients can reach it, and the public base URL to give to `client_access`. No handler of events:
/// clients have what their tokens say.
pub struct Reachable<T> {
    pub transport: T,
    pub base: String,
}

/// A client of the JSON protocol.
struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    id: String,
    name: String,
    acks: u32,
}

impl Client {
    async fn connect<T: Transport>(live: &Reachable<T>, name: &str) -> Self {
        Self::with_roles(live, name, &[]).await
    }

    async fn with_roles<T: Transport>(live: &Reachable<T>, name: &str, roles: &[String]) -> Self {
        let access = live.transport.client_access(&user(name), roles, &live.base).await.unwrap();
        let mut request = access.url.into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "json.webpubsub.azure.v1".parse().unwrap());
        let (socket, _) = connect_async(request).await.unwrap();
        let mut client = Self { socket, id: String::new(), name: name.to_owned(), acks: 0 };
        let connected = client.next().await.unwrap();
        assert_eq!((&connected["event"], &connected["userId"]), (&json!("connected"), &json!(name)));
        client.id = connected["connectionId"].as_str().unwrap().to_owned();
        client
    }

    /// The next frame; `None` when the connection is closed.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match frame.unwrap_or_else(|_| panic!("{} waits in vain", self.name)) {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return None,
            }
        }
    }

    async fn say(&mut self, frame: Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The data of all messages up to now.
    async fn got(&mut self) -> Vec<Value> {
        self.say(json!({"type": "ping"})).await;
        let mut got = Vec::new();
        loop {
            let frame = self.next().await.unwrap();
            match frame["type"].as_str().unwrap() {
                "pong" => return got,
                "message" => got.push(frame["data"].clone()),
                _ => {}
            }
        }
    }

    /// Joins or leaves by itself; whether it may.
    async fn may(&mut self, what: &str, group: &str) -> bool {
        self.acks += 1;
        self.say(json!({"type": what, "group": group, "ackId": self.acks})).await;
        loop {
            let frame = self.next().await.unwrap();
            if frame["type"] == "ack" {
                assert_eq!(frame["ackId"], self.acks);
                assert!(frame["success"] == true || frame["error"]["name"] == "Forbidden", "{frame}");
                return frame["success"] == true;
            }
        }
    }
}

fn message(text: &str) -> bytes::Bytes {
    json!({"text": text}).to_string().into()
}

fn texts(data: &[Value]) -> Vec<&str> {
    data.iter().map(|data| data["text"].as_str().unwrap()).collect()
}

fn ids(clients: &[&Client]) -> Vec<String> {
    clients.iter().map(|client| client.id.clone()).collect()
}

pub async fn a_group_gets_what_is_published_in_order<T: Transport>(make: impl AsyncFn() -> Reachable<T>) {
    let live = make().await;
    let (mut ann, mut bob) = (Client::connect(&live, "ann").await, Client::connect(&live, "bob").await);
    let mut cleo = Client::connect(&live, "cleo").await;
    for client in [&ann, &bob] {
        live.transport.admit(&user(&client.name), "room_1", &ids(&[client])).await.unwrap();
    }
    let sent: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    for text in &sent {
        live.transport.publish("room_1", message(text), &[]).await.unwrap();
    }
    live.transport.publish("room_1", message("not for ann"), &ids(&[&ann])).await.unwrap();
    live.transport.publish("room_2", message("nobody is here"), &[]).await.unwrap();
    assert_eq!(texts(&ann.got().await), sent);
    let all: Vec<&str> = sent.iter().map(String::as_str).chain(["not for ann"]).collect();
    assert_eq!(texts(&bob.got().await), all);
    assert_eq!(cleo.got().await, Vec::<Value>::new());
}

pub async fn what_is_published_arrives_as_it_is<T: Transport>(make: impl AsyncFn() -> Reachable<T>) {
    let live = make().await;
    let mut ann = Client::connect(&live, "ann").await;
    live.transport.admit(&user("ann"), "g", &ids(&[&ann])).await.unwrap();
    for text in odd_texts() {
        live.transport.publish("g", message(&text), &[]).await.unwrap();
        assert_eq!(texts(&ann.got().await), [text]);
    }
}

pub async fn the_largest_message_arrives<T: Transport>(make: impl AsyncFn() -> Reachable<T>) {
    let live = make().await;
    let mut ann = Client::connect(&live, "ann").await;
    live.transport.admit(&user("ann"), "g", &ids(&[&ann])).await.unwrap();
    let text = "x".repeat(FRAME_BYTES - message("").len());
    assert_eq!(message(&text).len(), FRAME_BYTES);
    live.transport.publish("g", message(&text), &[]).await.unwrap();
    live.transport.send_to_connection(&ann.id, message(&text)).await.unwrap();
    assert_eq!(texts(&ann.got().await), [&text, &text]);
}

pub async fn one_connection_is_sent_to<T: Transport>(make: impl AsyncFn() -> Reachable<T>) {
    let live = make().await;
    let (mut one, mut other) = (Client::connect(&live, "ann").await, Client::connect(&live, "ann").await);
    live.transport.send_to_connection(&one.id, message("for one")).await.unwrap();
    live.transport.send_to_connection("gone", message("for nobody")).await.unwrap();
    assert_eq!(texts(&one.got().await), ["for one"]);
    assert_eq!(other.got().await, Vec::<Value>::new());
}

pub async fn who_is_admitted_hears_and_may_come_and_go<T: Transport>(make: impl AsyncFn() -> Reachable<T>) {
    let live = make().await;
    let mut ann = [Client::connect(&live, "ann").await, Client::connect(&live, "ann").await];
    let mut bob = Client::connect(&live, "bob").await;
    assert!(!ann[0].may("joinGroup", "g").await, "nobody may before");
    let known = ids(&[&ann[0], &ann[1]]);
    live.transport.admit(&user("ann"), "g", &known).await.unwrap();
    live.transport.admit(&user("ann"), "g", &known).await.unwrap();
    live.transport.publish("g", message("1"), &[]).await.unwrap();
    for device in &mut ann {
        assert_eq!(texts(&device.got().await), ["1"]);
    }
    assert!(ann[0].may("leaveGroup", "g").await);
    live.transport.publish("g", message("2"), &[]).await.unwrap();
    assert!(ann[0].got().await.is_empty());
    assert!(ann[0].may("joinGroup", "g").await);
    live.transport.publish("g", message("3"), &[]).await.unwrap();
    assert_eq!(texts(&ann[0].got().await), ["3"]);
    assert!(!ann[0].may("joinGroup", "another").await);
    assert!(!bob.may("joinGroup", "g").await && bob.got().await.is_empty());
}

pub async fn who_is_expelled_hears_nothing_and_cannot_return<T: Transport>(
    make: impl AsyncFn() -> Reachable<T>,
) {
    let live = make().await;
    let mut ann = [Client::connect(&live, "ann").await, Client::connect(&live, "ann").await];
    let mut bob = Client::connect(&live, "bob").await;
    let known = ids(&[&ann[0], &ann[1]]);
    for group in ["g", "h"] {
        live.transport.admit(&user("ann"), group, &known).await.unwrap();
        live.transport.admit(&user("bob"), group, &ids(&[&bob])).await.unwrap();
    }
    live.transport.expel(&user("ann"), "g", &known).await.unwrap();
    live.transport.publish("g", message("without ann"), &[]).await.unwrap();
    live.transport.publish("h", message("with ann"), &[]).await.unwrap();
    for device in &mut ann {
        assert_eq!(texts(&device.got().await), ["with ann"]);
        assert!(!device.may("joinGroup", "g").await);
    }
    assert_eq!(texts(&bob.got().await), ["without ann", "with ann"]);
    // Twice is once, and the way back is open to whoever is admitted again.
    live.transport.expel(&user("ann"), "g", &known).await.unwrap();
    live.transport.admit(&user("ann"), "g", &known).await.unwrap();
    live.transport.publish("g", message("again"), &[]).await.unwrap();
    assert_eq!(texts(&ann[0].got().await), ["again"]);
}

pub async fn a_right_of_the_token_is_taken_too<T: Transport>(make: impl AsyncFn() -> Reachable<T>) {
    let live = make().await;
    let roles = ["webpubsub.joinLeaveGroup.g".to_owned(), "webpubsub.joinLeaveGroup.h".to_owned()];
    let mut ann = Client::with_roles(&live, "ann", &roles).await;
    assert!(ann.may("joinGroup", "g").await && ann.may("joinGroup", "h").await);
    live.transport.expel(&user("ann"), "g", &ids(&[&ann])).await.unwrap();
    for group in ["g", "h"] {
        live.transport.publish(group, message(group), &[]).await.unwrap();
    }
    assert_eq!(texts(&ann.got().await), ["h"]);
    assert!(!ann.may("joinGroup", "g").await);
}

pub async fn who_is_not_there_is_passed_over<T: Transport>(make: impl AsyncFn() -> Reachable<T>) {
    let live = make().await;
    let mut ann = Client::connect(&live, "ann").await;
    let known = ["gone".to_owned(), ann.id.clone(), "also gone".to_owned()];
    live.transport.admit(&user("ann"), "g", &known).await.unwrap();
    live.transport.publish("g", message("1"), &[]).await.unwrap();
    assert_eq!(texts(&ann.got().await), ["1"]);
    live.transport.expel(&user("ann"), "g", &known).await.unwrap();
    live.transport.admit(&user("nobody"), "g", &known[..1]).await.unwrap();
    live.transport.expel(&user("nobody"), "g", &known[..1]).await.unwrap();
    live.transport.close("gone", "why not").await.unwrap();
    live.transport.publish("g", message("2"), &[]).await.unwrap();
    assert!(ann.got().await.is_empty());
}

pub async fn a_closed_connection_is_told_why<T: Transport>(make: impl AsyncFn() -> Reachable<T>) {
    let live = make().await;
    let (mut one, mut other) = (Client::connect(&live, "ann").await, Client::connect(&live, "ann").await);
    live.transport.close(&one.id, "banned: é & so on").await.unwrap();
    let told = one.next().await.unwrap();
    assert!(told["message"].as_str().unwrap().contains("banned: é & so on"), "{told}");
    assert!(one.next().await.is_none());
    assert!(other.got().await.is_empty(), "the user's other connection lives");
}

pub async fn all_connections_of_a_user_end_and_nobody_elses<T: Transport>(
    make: impl AsyncFn() -> Reachable<T>,
) {
    let live = make().await;
    let (mut one, mut two) = (Client::connect(&live, "ann").await, Client::connect(&live, "ann").await);
    let (mut bob, mut dots) = (Client::connect(&live, "bob").await, Client::connect(&live, "..").await);
    live.transport.close_all(&user("ann"), &[], "signed out").await.unwrap();
    for client in [&mut one, &mut two] {
        let told = client.next().await.unwrap();
        assert!(told["message"].as_str().unwrap().contains("signed out"), "{told}");
        assert!(client.next().await.is_none());
    }
    assert!(bob.got().await.is_empty(), "another user's lives");
    let known = ids(&[&dots, &one]);
    live.transport.close_all(&user(".."), &known, "signed out").await.unwrap();
    assert!(dots.next().await.is_some() && dots.next().await.is_none(), "a name that no URL can have");
    live.transport.close_all(&user("nobody"), &[], "signed out").await.unwrap();
}

pub async fn connections_are_listed_by_id_behind_the_cursor<T: Transport>(
    make: impl AsyncFn() -> Reachable<T>,
) {
    let live = make().await;
    let mut clients = Vec::new();
    for n in 0..7 {
        let client = Client::connect(&live, &format!("user {n}")).await;
        live.transport.admit(&user(&client.name), "g", &ids(&[&client])).await.unwrap();
        clients.push(client);
    }
    let mut all: Vec<String> = clients.iter().map(|client| client.id.clone()).collect();
    all.sort();
    let list =
        async |after: Option<&str>, limit| live.transport.connections_in("g", after, limit).await.unwrap();
    assert_eq!(list(None, 100).await, all);
    assert_eq!(list(None, 3).await, all[..3]);
    assert_eq!(list(Some(&all[2]), 3).await, all[3..6]);
    assert_eq!(list(Some(&all[5]), 3).await, all[6..]);
    assert_eq!(list(Some(&all[6]), 3).await, Vec::<String>::new());
    assert_eq!(live.transport.connections_in("empty", None, 3).await.unwrap(), Vec::<String>::new());
    // Whoever comes and goes meanwhile takes no place from those who stay.
    let first = list(None, 3).await;
    let (leaving, staying): (Vec<_>, Vec<_>) = clients.iter().partition(|client| first.contains(&client.id));
    live.transport.expel(&user(&leaving[0].name), "g", &ids(&leaving[..1])).await.unwrap();
    let rest: BTreeSet<String> = list(first.last().map(String::as_str), 100).await.into_iter().collect();
    assert!(ids(&staying).iter().all(|id| rest.contains(id)));
    assert!(!list(None, 100).await.contains(&leaving[0].id), "a new listing is new");
}

pub async fn a_user_of_any_name_gets_in<T: Transport>(make: impl AsyncFn() -> Reachable<T>) {
    let live = make().await;
    for name in odd_texts() {
        let mut client = Client::connect(&live, &name).await;
        let group = format!("user_{name}");
        live.transport.admit(&user(&name), &group, &ids(&[&client])).await.unwrap();
        live.transport.publish(&group, message(&name), &[]).await.unwrap();
        assert_eq!(texts(&client.got().await), [name.as_str()]);
        live.transport.expel(&user(&name), &group, &ids(&[&client])).await.unwrap();
        live.transport.publish(&group, message("too late"), &[]).await.unwrap();
        assert!(client.got().await.is_empty());
    }
}

pub async fn it_answers<T: Transport>(make: impl AsyncFn() -> Reachable<T>) {
    make().await.transport.check().await.unwrap();
}
