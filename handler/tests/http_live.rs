//! Messages as clients see them: negotiate, connect, receive; plain sockets; events over HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod product;

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{SinkExt, StreamExt};
use product::{Answer, PATIENCE, Product, call};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    /// A Web PubSub client, through negotiate.
    async fn connect(product: &Product, user: &str) -> Self {
        let url =
            product.get(&format!("/api/negotiate?user_id={user}")).json()["url"].as_str().unwrap().to_owned();
        let mut request = url.into_client_request().unwrap();
        let protocol = "json.reliable.webpubsub.azure.v1".parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let mut client = Self(connect_async(request).await.unwrap().0);
        let hello = client.until(|frame| frame["event"] == "connected").await;
        assert_eq!(hello["userId"], user);
        client
    }

    async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn until(&mut self, wish: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                let frame = self.0.next().await.unwrap().unwrap();
                if let Message::Text(text) = frame {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if wish(&frame) {
                        return frame;
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the frame comes")
    }

    async fn asks(&mut self, event: &str, data: Value) -> Value {
        self.send(json!({"type":"invoke","invocationId":event,"target":"event","event":event,"dataType":"json","data":data}))
            .await;
        self.until(|frame| frame["type"] == "invokeResponse" && frame["invocationId"] == event).await
    }
}

fn said(text: &'static str) -> impl Fn(&Value) -> bool {
    move |frame| frame["type"] == "message" && frame["data"]["content"] == text
}

#[tokio::test]
async fn a_message_sent_over_http_arrives_in_the_room_and_at_the_person() {
    let product = Product::alone(&[]);
    let mut bob = Client::connect(&product, "bob").await;
    assert_eq!(product.post("/api/rooms/general/join?user_id=bob", "").status, 200);
    let sent =
        product.post("/api/sendMessage", r#"{"SenderID":"ann","RoomID":"general","MessageText":"to all"}"#);
    let frame = bob.until(said("to all")).await;
    assert_eq!((&frame["from"], &frame["group"]), (&"group".into(), &"room_general".into()));
    assert_eq!(frame["data"]["id"], sent.json()["MessageID"]);
    for (name, value) in
        [("type", "message"), ("room_id", "general"), ("room_name", "General"), ("sender", "ann")]
    {
        assert_eq!(frame["data"][name], value);
    }
    product.post("/api/sendMessage", r#"{"SenderID":"ann","ReceiverID":"bob","MessageText":"to you"}"#);
    assert_eq!(bob.until(said("to you")).await["group"], "user_bob");
    product.eventually("/api/health", |answer| answer.json()["active_rooms"] == 1);
}

#[tokio::test]
async fn a_message_over_the_socket_is_answered_with_its_place() {
    let product = Product::alone(&[]);
    let mut ann = Client::connect(&product, "ann").await;
    let answer = ann.asks("send", json!({"room_id":"general","content":"hi","id":"m-1"})).await;
    assert_eq!(answer["success"], true, "{answer}");
    assert_eq!((&answer["data"]["id"], &answer["data"]["number"]), (&"m-1".into(), &1.into()));
    let repeat = ann.asks("send", json!({"room_id":"general","content":"hi","id":"m-1"})).await;
    assert_eq!(repeat["data"]["seq"], answer["data"]["seq"]);
    let refused = ann.asks("send", json!({"room_id":"nowhere","content":"hi"})).await;
    assert_eq!(
        (&refused["data"]["type"], &refused["data"]["code"]),
        (&"error".into(), &"room_not_found".into())
    );
    assert_eq!(product.get("/api/rooms/general/messages").json()["messages"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_client_may_not_send_to_a_room_past_the_checks() {
    let product = Product::alone(&[]);
    let mut ann = Client::connect(&product, "ann").await;
    ann.send(json!({"type":"sendToGroup","group":"room_general","ackId":1,"dataType":"text","data":"x"}))
        .await;
    let ack = ann.until(|frame| frame["ackId"] == 1).await;
    assert_eq!(ack["error"]["name"], "Forbidden");
    ann.send(json!({"type":"joinGroup","group":"room_secret","ackId":2})).await;
    assert_eq!(ann.until(|frame| frame["ackId"] == 2).await["error"]["name"], "Forbidden");
}

#[tokio::test]
async fn a_plain_socket_speaks_json_actions() {
    let product = Product::alone(&[]);
    let url = format!("ws://{}/ws?user_id=ann", product.hub.unwrap());
    let mut ann = Client(connect_async(url).await.unwrap().0);
    ann.send(json!({"action":"get_rooms"})).await;
    let rooms = ann.until(|frame| frame["type"] == "rooms_info").await;
    assert_eq!(rooms["rooms"]["general"], 0);
    ann.0.send(Message::text("no json")).await.unwrap();
    assert_eq!(ann.until(|frame| frame["type"] == "error").await["code"], "invalid_json");
}

#[tokio::test]
async fn nobody_connects_with_a_foreign_token() {
    let product = Product::alone(&[]);
    let url = product.get("/api/negotiate?user_id=ann").json()["url"].as_str().unwrap().to_owned();
    let forged = format!("{}x", url.replace("access_token=ey", "access_token=eZ"));
    assert!(connect_async(forged).await.is_err());
}

const KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH";
const SIGNATURE: &str = "sha256=dd527c793428b58b71b037644217fc6bb0164a08513c39f37ac6c2cad55f9023";

/// An event of a service; one without an id of its own is another than all before.
fn event(
    product: &Product,
    path: &str,
    kind: &str,
    signature: &str,
    more: &[(&str, &str)],
    body: &str,
) -> Answer {
    static EVENTS: AtomicUsize = AtomicUsize::new(1_000);
    let kind = format!("azure.webpubsub.{kind}");
    let id = EVENTS.fetch_add(1, Ordering::Relaxed).to_string();
    let mut headers = vec![
        ("ce-type", kind.as_str()),
        ("ce-hub", "demo_ai_chat"),
        ("ce-connectionId", "c1"),
        ("ce-signature", signature),
    ];
    if !more.iter().any(|(name, _)| *name == "ce-id") {
        headers.push(("ce-id", &id));
    }
    headers.extend_from_slice(more);
    call(product.http, "POST", path, &headers, body.as_bytes())
}

const JSON: (&str, &str) = ("content-type", "application/json");
const ANN: (&str, &str) = ("ce-userId", "ann");

#[test]
fn events_over_http_do_what_events_of_the_own_hub_do() {
    let product = Product::alone(&[("HUB_ACCESS_KEY", KEY)]);
    let say = |kind: &str, more: &[(&str, &str)], body: &str| {
        event(&product, "/eventhandler", kind, SIGNATURE, more, body)
    };
    let signed = [
        ("ce-type", "azure.webpubsub.sys.connected"),
        ("ce-connectionId", "c1"),
        ("ce-signature", SIGNATURE),
        ("ce-id", "1"),
        ANN,
    ];
    let foreign: Vec<_> = signed.into_iter().chain([("ce-hub", "another")]).collect();
    let foreign = call(product.http, "POST", "/eventhandler", &foreign, b"{}");
    assert_eq!((foreign.status, foreign.error()), (400, ("invalid_field".to_owned(), "ce-hub".to_owned())));
    let connect =
        say("sys.connect", &[JSON], r#"{"claims":{},"query":{"user_id":["ann"]},"subprotocols":[]}"#);
    assert_eq!(connect.status, 200, "{}", connect.text());
    assert_eq!(connect.json()["userId"], "ann");
    assert!(connect.json()["groups"].as_array().unwrap().contains(&"user_ann".into()));
    let guest = say("sys.connect", &[JSON], r#"{"claims":{},"query":{}}"#).json();
    assert!(guest["userId"].as_str().unwrap().starts_with("guest-"));
    assert_eq!(say("sys.connected", &[JSON, ANN], "{}").status, 204);
    let sent = say("user.send", &[JSON, ANN], r#"{"room_id":"general","content":"hi","id":"m-1"}"#);
    assert_eq!((sent.status, sent.header("content-type")), (200, Some("application/json")));
    assert_eq!(sent.json()["number"], 1, "{}", sent.text());
    let text = [("content-type", "text/plain; charset=utf-8"), ANN];
    let frame = say("user.message", &text, r#"{"action":"get_rooms"}"#);
    assert_eq!(frame.json()["type"], "rooms_info", "{}", frame.text());
    let refused = say("user.send", &[JSON, ANN], r#"{"room_id":"nowhere","content":"hi"}"#);
    assert_eq!((refused.status, &refused.json()["code"]), (200, &"room_not_found".into()));
    assert_eq!(say("sys.disconnected", &[JSON, ANN], r#"{"reason":""}"#).status, 204);
    assert_eq!(product.get("/api/rooms/general/messages").json()["messages"][0]["id"], "m-1");
}

#[test]
fn an_event_that_nobody_signed_is_401_and_does_nothing() {
    let product = Product::alone(&[("HUB_ACCESS_KEY", KEY)]);
    let wrong = SIGNATURE.replace('d', "e");
    for signature in ["", "sha256=", "x", &wrong] {
        let body = r#"{"room_id":"general","content":"hi"}"#;
        let answer = event(&product, "/api/eventhandler", "user.send", signature, &[JSON, ANN], body);
        assert_eq!((answer.status, answer.error().0.as_str()), (401, "bad_signature"), "{signature}");
    }
    let two = format!("{wrong},{SIGNATURE}");
    assert_eq!(event(&product, "/eventhandler", "sys.connected", &two, &[JSON, ANN], "{}").status, 204);
    assert_eq!(product.get("/api/metrics").json()["messages_sent"], 0);
    for (kind, field) in [("sys.nothing", "ce-type"), ("user.9", "ce-type")] {
        let answer = event(&product, "/eventhandler", kind, SIGNATURE, &[JSON], "{}");
        assert_eq!((answer.status, answer.error().1.as_str()), (400, field));
    }
    assert_eq!(event(&product, "/eventhandler", "sys.connect", SIGNATURE, &[JSON], "[").status, 400);
}

/// What a service sends: each event has an id that counts the connection's.
fn numbered(product: &Product, kind: &str, id: &str, more: &[(&str, &str)], body: &str) -> Answer {
    let mut headers = vec![("ce-id", id), ("ce-awpsversion", "1.0"), ("ce-specversion", "1.0"), JSON];
    headers.extend_from_slice(more);
    event(product, "/api/eventhandler", kind, SIGNATURE, &headers, body)
}

#[test]
fn an_event_that_comes_again_has_no_effect() {
    let product = Product::alone(&[("HUB_ACCESS_KEY", KEY)]);
    let say = |kind: &str, id: &str, body: &str| numbered(&product, kind, id, &[ANN], body);
    let connect = r#"{"claims":{},"query":{},"subprotocols":[]}"#;
    let first = say("sys.connect", "0", connect);
    assert_eq!((first.status, &first.json()["userId"]), (200, &"ann".into()));
    assert_eq!(say("sys.connected", "1", "{}").status, 204);
    let online = || product.get("/api/presence?user=ann&user_id=ann").text().contains("true");
    assert!(online());
    assert_eq!(say("sys.connect", "0", connect).json(), first.json(), "the first answer");
    assert!(online(), "a connection that is open stays so");

    let members = || product.get("/api/rooms/general/members").text();
    assert_eq!(say("user.join", "2", r#"{"room_id":"general"}"#).json()["type"], "room_joined");
    assert_eq!(say("user.leave", "3", r#"{"room_id":"general"}"#).json()["type"], "room_left");
    let again = say("user.join", "2", r#"{"room_id":"general"}"#);
    assert_eq!((again.status, again.body.len()), (204, 0));
    assert!(!members().contains("ann"), "{}", members());
    let text = [("content-type", "text/plain"), ANN];
    let frame = |id: &str, body: &str| {
        let headers: Vec<_> = text.iter().copied().chain([("ce-id", id)]).collect();
        event(&product, "/eventhandler", "user.message", SIGNATURE, &headers, body)
    };
    assert_eq!(frame("4", r#"{"action":"join","room":"general"}"#).json()["type"], "room_joined");
    assert_eq!(frame("5", r#"{"action":"leave","room":"general"}"#).json()["type"], "room_left");
    assert_eq!(frame("4", r#"{"action":"join","room":"general"}"#).status, 204);
    assert!(!members().contains("ann"));

    // A message without an id of its own is known by the event's.
    let hi = r#"{"room_id":"general","content":"hi"}"#;
    let sent = say("user.send", "6", hi);
    assert_eq!(sent.json()["number"], 1, "{}", sent.text());
    assert_eq!(say("user.send", "6", hi).json(), sent.json());
    assert_eq!(say("user.send", "7", hi).json()["number"], 2, "said once more");
    assert_eq!(say("sys.disconnected", "8", r#"{"reason":""}"#).status, 204);
    for (kind, id, body) in [("sys.connect", "0", connect), ("sys.connected", "1", "{}")] {
        assert!(say(kind, id, body).status < 300);
        assert!(!online(), "{kind} brings nobody back");
    }
}

#[test]
fn an_event_speaks_for_nobody_else() {
    let product = Product::alone(&[("HUB_ACCESS_KEY", KEY)]);
    let connect = numbered(&product, "sys.connect", "0", &[ANN], r#"{"claims":{},"query":{}}"#);
    assert_eq!(connect.status, 200, "{}", connect.text());
    let hi = r#"{"room_id":"general","content":"hi"}"#;
    for who in [&[("ce-userId", "bob")][..], &[]] {
        let forged = numbered(&product, "user.send", "2", who, hi);
        assert_eq!((forged.status, forged.error()), (403, ("wrong_user".into(), "ce-userId".into())));
    }
    // What stands twice, or is said twice and differs, is nobody's.
    for more in [
        ("ce-userId", "bob"),
        ("ce-connectionId", "c2"),
        ("ce-signature", SIGNATURE),
        ("ce-source", "/hubs/demo_ai_chat/client/c2"),
        ("ce-eventName", "leave"),
        ("ce-awpsversion", "2.0"),
        ("ce-id", "3"),
    ] {
        let answer = numbered(&product, "user.send", "2", &[ANN, more], hi);
        assert_eq!((answer.status, answer.error().0.as_str()), (400, "invalid_field"), "{more:?}");
    }
    // Without an id nobody could tell its copy.
    for id in ["", &"9".repeat(200)] {
        let unknown = numbered(&product, "user.send", id, &[ANN], hi);
        assert_eq!((unknown.status, unknown.error()), (400, ("invalid_field".into(), "ce-id".into())));
    }
    assert_eq!(product.get("/api/metrics").json()["messages_sent"], 0);
}

#[test]
fn only_services_that_are_expected_are_let_send() {
    let ask = |product: &Product, origin: &str| {
        call(product.http, "OPTIONS", "/api/eventhandler", &[("webhook-request-origin", origin)], b"")
    };
    let alone = Product::alone(&[]);
    assert_eq!(ask(&alone, "127.0.0.1").header("webhook-allowed-origin"), Some("127.0.0.1"));
    let refused = ask(&alone, "evil.example");
    assert_eq!((refused.status, refused.error().0.as_str()), (403, "origin_refused"));
    assert_eq!(refused.header("webhook-allowed-origin"), None);
    let told = Product::alone(&[("EVENTHANDLER_ORIGINS", "chat.webpubsub.azure.com,hub.example:8080")]);
    let allowed = ask(&told, "evil.example, CHAT.webpubsub.azure.com");
    assert_eq!(allowed.header("webhook-allowed-origin"), Some("CHAT.webpubsub.azure.com"));
    assert_eq!(ask(&told, "127.0.0.1").status, 403);
    assert_eq!(ask(&Product::alone(&[("EVENTHANDLER_ORIGINS", "*")]), "any.example").status, 200);
}

#[test]
fn events_without_proof_are_their_senders_and_those_with_it_a_services() {
    let product = Product::alone(&[("HUB_ACCESS_KEY", KEY), ("RATE_LIMIT_IP", "1/10")]);
    let ask =
        |signature: &str| event(&product, "/eventhandler", "sys.connected", signature, &[JSON, ANN], "{}");
    let forged: Vec<u16> = (0..40).map(|_| ask("sha256=00").status).collect();
    assert_eq!(forged[0], 401);
    assert!(forged.contains(&429), "{forged:?}");
    assert!((0..40).all(|_| ask(SIGNATURE).status == 204));
}

#[test]
fn whoever_guesses_the_event_handlers_key_is_charged() {
    let key = ("EVENTHANDLER_KEY", "open-sesame-open");
    let product = Product::alone(&[key, ("RATE_LIMIT_IP", "1/10")]);
    let ask = |code: &str| {
        let origin = [("webhook-request-origin", "127.0.0.1")];
        call(product.http, "OPTIONS", &format!("/api/eventhandler?code={code}"), &origin, b"").status
    };
    assert_eq!((ask(key.1), ask("guess")), (200, 401));
    let guesses: Vec<u16> = (0..40).map(|n| ask(&n.to_string())).collect();
    assert!(guesses.iter().filter(|status| **status == 429).count() > 15, "{guesses:?}");
    let last: Vec<u16> = (0..10).map(|_| ask(key.1)).collect();
    assert!(last.contains(&429), "the right one is not told from the others: {last:?}");
}

/// Until the socket ends, whatever else comes.
async fn is_closed(client: &mut Client) -> String {
    let mut last = String::new();
    let ending = async {
        while let Some(Ok(frame)) = client.0.next().await {
            if let Message::Text(text) = frame {
                last = text.to_string();
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(2), ending).await.expect("it ends within 2 s");
    last
}

#[tokio::test]
async fn signing_out_ends_all_sockets_and_what_could_open_new_ones() {
    let product = Product::alone(&[("ADMIN_USERS", "root")]);
    let url = product.get("/api/negotiate?user_id=ann").json()["url"].as_str().unwrap().to_owned();
    let (mut one, mut two) = (Client::connect(&product, "ann").await, Client::connect(&product, "ann").await);
    let mut bob = Client::connect(&product, "bob").await;
    let plain = format!("ws://{}/ws?user_id=ann", product.hub.unwrap());
    let mut plain = Client(connect_async(plain).await.unwrap().0);
    let address = product.http;
    let out = tokio::task::spawn_blocking(move || {
        call(address, "POST", "/api/me/logout", &[("x-user-id", "ann")], b"")
    });
    for client in [&mut one, &mut two] {
        assert!(is_closed(client).await.contains("Signed out."));
    }
    is_closed(&mut plain).await;
    let out = out.await.unwrap();
    assert_eq!((out.status, &out.json()["user"]), (200, &"ann".into()), "{}", out.text());
    assert!(out.json()["signed_out_at"].is_string());
    assert!(connect_async(&url).await.is_err(), "a token from before");
    let mut again = Client::connect(&product, "ann").await;
    assert_eq!(again.asks("get_rooms", json!({})).await["success"], true);

    let admin = |who: &str, body: &str| {
        let headers = [("x-user-id", who), JSON];
        call(product.http, "POST", "/api/admin/logout", &headers, body.as_bytes())
    };
    assert_eq!(admin("ann", r#"{"user":"bob"}"#).error().0, "admins_only");
    assert_eq!(admin("root", "{}").error(), ("missing_field".into(), "user".into()));
    assert_eq!(bob.asks("get_rooms", json!({})).await["success"], true);
    assert_eq!(admin("root", r#"{"user":"bob"}"#).status, 200);
    is_closed(&mut bob).await;
}

#[test]
fn with_a_key_of_its_own_the_event_handler_asks_for_it() {
    let product = Product::alone(&[("HUB_ACCESS_KEY", KEY), ("EVENTHANDLER_KEY", "open sesame open")]);
    let ask = |path: &str| event(&product, path, "sys.connected", SIGNATURE, &[JSON, ANN], "{}").status;
    assert_eq!(ask("/eventhandler"), 401);
    assert_eq!(ask("/eventhandler?code=wrong"), 401);
    assert_eq!(ask("/eventhandler?code=open%20sesame%20open"), 204);
    let origin = [("webhook-request-origin", "x.example")];
    assert_eq!(call(product.http, "OPTIONS", "/eventhandler", &origin, b"").status, 401);
}

#[test]
fn negotiate_knows_its_address_and_its_guests() {
    let product = Product::alone(&[]);
    let ask = |headers: &[(&str, &str)]| {
        let answer = call(product.http, "POST", "/negotiate", headers, b"");
        answer.json()["url"].as_str().unwrap().to_owned()
    };
    assert!(ask(&[("host", "chat.example")]).starts_with("ws://chat.example/client/hubs/demo_ai_chat?"));
    let behind = [("x-forwarded-host", "front.example"), ("x-forwarded-proto", "https"), ("host", "inner")];
    assert!(ask(&behind).starts_with("wss://front.example/client/"));
    assert!(ask(&[("host", "a@b"), ("x-forwarded-host", "c/d")]).starts_with("ws://localhost/client/"));
    assert_ne!(ask(&[]), ask(&[]), "each guest is another");
    let fixed = Product::alone(&[("PUBLIC_WS_ENDPOINT", "wss://live.example")]);
    let url = fixed.get("/negotiate?user_id=ann").json()["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("wss://live.example/client/hubs/demo_ai_chat?"), "{url}");
}
