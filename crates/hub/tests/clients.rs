//! Clients of every kind against a running hub: what section b of the protocol promises them.

mod support;

use std::time::Duration;

use hub::{OutMessage, Selection, Target};
use support::{Client, JSON, RELIABLE, Server, eventually, name, options};
use tokio_tungstenite::tungstenite::Message;
use webpubsub::payload::Payload;

fn text(text: &str) -> OutMessage {
    OutMessage::new(Payload::Text(text.into()))
}

#[tokio::test]
async fn each_kind_is_greeted_in_its_way() {
    let server = Server::start(options()).await;
    let token = server.token(|token| token.user_id = Some("ann".into()));
    let mut json =
        Client::open(&server.url(&token), Some("other, json.webpubsub.azure.v1")).await.expect("in");
    assert_eq!(json.response.headers()["sec-websocket-protocol"], JSON);
    let greeting = json.text().await;
    assert!(greeting.starts_with(r#"{"type":"system","event":"connected","userId":"ann","connectionId":""#));
    assert!(!greeting.contains("reconnectionToken"));

    let reliable = server.client("ann", Some(RELIABLE)).await;
    assert_eq!(reliable.id.len(), 32);
    assert!(!reliable.reconnection_token.is_empty());

    let mut simple = server.client("bob", None).await;
    assert!(!simple.response.headers().contains_key("sec-websocket-protocol"));
    // Whoever sees the 101 can be sent to.
    assert_eq!(server.hub.send(&name("chat"), Target::User("bob"), &text("hi"), &Selection::default()), 1);
    assert_eq!(simple.text().await, "hi");
}

#[tokio::test]
async fn who_may_not_connect_reads_why() {
    let server = Server::start(options()).await;
    let valid = server.token(|_| ());
    let base = format!("ws://{}", server.address);
    let table = [
        (format!("{base}/client/hubs/chat"), 401, ""),
        (server.url("junk"), 401, ""),
        (server.url(&server.token(|t| t.expires_at = support::NOW)), 401, ""),
        (server.url(&server.token(|t| t.audience = "http://x/client/hubs/other".into())), 401, ""),
        (format!("{base}/client/hubs/other?access_token={valid}"), 401, ""),
        (format!("{base}/client/hubs/1bad?access_token={valid}"), 401, ""),
        (format!("{base}/client/hubs/"), 404, ""),
        (format!("{base}/client/?access_token={valid}"), 404, ""),
        (format!("{base}/ws"), 404, ""),
        (
            server.url(&server.token(|t| t.groups = vec![" ".into()])),
            400,
            "The token contains an invalid group name.",
        ),
        (format!("{}&webpubsub_mode=sendToGroup", server.url(&valid)), 400, "Invalid group name."),
    ];
    for (url, status, body) in table {
        assert_eq!(Client::refused(&url, Some(JSON)).await, (status, body.to_owned()), "{url}");
    }
    let mut inside = Vec::new();
    for url in [
        format!("{base}/client/hubs/chat?ACCESS_TOKEN={valid}"),
        format!("{base}/client/hubs/CHAT?access_token={valid}"),
        format!("{base}/client/?hub=chat&access_token={valid}"),
        format!("{base}/Client/HUBS/chat/?access_token={valid}"),
        format!("{base}/CLIENT?hub=chat&access_token={valid}"),
    ] {
        inside.push(Client::open(&url, Some(JSON)).await.expect(&url));
    }
    assert_eq!(server.hub.connection_count(), 5);
}

#[tokio::test]
async fn anonymous_clients_come_in_only_where_they_may() {
    let mut options = options();
    options.anonymous = true;
    options.default_hub = Some(name("chat"));
    let server = Server::start(options).await;
    let mut client =
        Client::open(&format!("ws://{}/ws?user_id=ann", server.address), Some(JSON)).await.expect("in");
    client.read_connected().await;
    assert_eq!(server.hub.connections_of(&name("chat"), "ann"), [client.id.clone()]);
    client.join("any").await;
    let forged = format!("ws://{}/client/hubs/chat?access_token=junk", server.address);
    assert_eq!(Client::refused(&forged, None).await, (401, String::new()));
}

#[tokio::test]
async fn groups_acks_and_duplicates() {
    let server = Server::start(options()).await;
    let (mut a, mut b) = (server.client("a", Some(JSON)).await, server.client("b", Some(JSON)).await);
    b.join("g").await;
    a.join("g").await;
    let send = r#"{"type":"sendToGroup","group":"g","ackId":1,"dataType":"json","data":{ "x" : 1.0 }}"#;
    let copy = r#"{"type":"message","from":"group","group":"g","fromUserId":"a","dataType":"json","data":{ "x" : 1.0 }}"#;
    a.send(send).await;
    assert_eq!(a.text().await, copy, "to oneself before the ack");
    assert_eq!(a.text().await, r#"{"type":"ack","ackId":1,"success":true}"#);
    assert_eq!(b.text().await, copy);
    assert_eq!(
        a.ask(send).await,
        r#"{"type":"ack","ackId":1,"success":false,"error":{"name":"Duplicate","message":"Message with ack-id: 1 has been processed"}}"#
    );
    b.is_quiet().await;
    let quiet = r#"{"type":"sendToGroup","group":"g","noEcho":true,"ackId":2,"dataType":"text","data":"x"}"#;
    assert_eq!(a.ask(quiet).await, r#"{"type":"ack","ackId":2,"success":true}"#);
    assert!(b.text().await.ends_with(r#""dataType":"text","data":"x"}"#));
    assert_eq!(
        b.ask(r#"{"type":"leaveGroup","group":"g","ackId":3}"#).await,
        r#"{"type":"ack","ackId":3,"success":true}"#
    );
    server.members("g", 1).await;
}

#[tokio::test]
async fn a_missing_role_is_forbidden_and_may_be_tried_again() {
    let server = Server::start(options()).await;
    let token = server.token(|token| token.roles = vec!["webpubsub.joinLeaveGroup.mine".into()]);
    let mut client = Client::open(&server.url(&token), Some(JSON)).await.expect("in");
    client.read_connected().await;
    let forbidden = |id: u32, act: &str| {
        format!(
            r#"{{"type":"ack","ackId":{id},"success":false,"error":{{"name":"Forbidden","message":"The client does not have permission to {act} 'yours'."}}}}"#
        )
    };
    let join = r#"{"type":"joinGroup","group":"yours","ackId":1}"#;
    assert_eq!(client.ask(join).await, forbidden(1, "join group"));
    let leave = r#"{"type":"leaveGroup","group":"yours","ackId":2}"#;
    assert_eq!(client.ask(leave).await, forbidden(2, "leave group"));
    let send = r#"{"type":"sendToGroup","group":"yours","ackId":3,"data":1}"#;
    assert_eq!(client.ask(send).await, forbidden(3, "send to group"));
    client.join("mine").await;
    let granted =
        server.hub.grant(&name("chat"), &client.id, webpubsub::roles::Action::JoinLeaveGroup, Some("yours"));
    assert_eq!(granted, Ok(()));
    assert_eq!(client.ask(join).await, r#"{"type":"ack","ackId":1,"success":true}"#);
}

#[tokio::test]
async fn bad_input_closes_with_its_code() {
    let server = Server::start(options()).await;
    let malformed = (1007, "The client message is not a valid JSON protocol message.");
    let large = "x".repeat(1024 * 1024 + 1);
    let table = [
        (Message::text("hello"), malformed),
        (Message::text(r#"{"type":"nothing"}"#), malformed),
        (Message::text(r#"{"type":"joinGroup","ackId":1}"#), malformed),
        (Message::binary(&br#"{"type":"ping"}"#[..]), (1003, "The JSON subprotocol requires text messages.")),
        (Message::text(large), (1009, "The client message is too large.")),
    ];
    for (message, (code, reason)) in table {
        let mut client = server.client("a", Some(RELIABLE)).await;
        futures_util::SinkExt::send(&mut client.socket, message).await.expect("sent");
        assert_eq!(client.closed().await, (code, reason.to_owned()));
    }
    eventually(|| server.hub.connection_count() == 0).await;
}

#[tokio::test]
async fn a_message_of_the_whole_size_passes() {
    let server = Server::start(options()).await;
    let mut client = server.client("a", Some(JSON)).await;
    client.join("g").await;
    let shell = r#"{"type":"sendToGroup","group":"g","dataType":"text","data":""}"#.len();
    let data = "x".repeat(1024 * 1024 - shell);
    client.send(&format!(r#"{{"type":"sendToGroup","group":"g","dataType":"text","data":"{data}"}}"#)).await;
    assert!(client.text().await.contains(&data));
}

#[tokio::test]
async fn an_application_closes_with_a_reason() {
    let server = Server::start(options()).await;
    let mut json = server.client("ann", Some(RELIABLE)).await;
    let mut simple = server.client("ann", None).await;
    let chat = name("chat");
    server.hub.send(&chat, Target::User("ann"), &text("last words"), &Selection::default());
    assert_eq!(server.hub.close(&chat, Target::User("ann"), &[], Some("maintenance")), 2);
    assert!(!server.hub.exists(&chat, Target::All), "gone at once");
    assert!(json.text().await.contains("last words"));
    assert_eq!(
        json.text().await,
        r#"{"type":"system","event":"disconnected","message":"Application server closed the connection. Reason: maintenance"}"#
    );
    assert_eq!(json.closed().await, (1000, String::new()));
    assert_eq!(simple.text().await, "last words");
    assert_eq!(simple.closed().await, (1000, String::new()));
    let mut again = server.recover(&json).await;
    assert_eq!(again.closed().await, (1008, "The connection could not be recovered.".to_owned()));
}

#[tokio::test]
async fn a_clients_close_is_answered_alike() {
    let server = Server::start(options()).await;
    let mut client = server.client("a", Some(JSON)).await;
    client.close(1000, "bye").await;
    assert_eq!(client.closed().await, (1000, "bye".to_owned()));
    let mut client = server.client("a", Some(JSON)).await;
    client.close(4321, "mine").await;
    assert_eq!(client.closed().await, (4321, "mine".to_owned()));
    eventually(|| server.hub.connection_count() == 0).await;
}

#[tokio::test]
async fn simple_clients_publish_to_their_group() {
    let server = Server::start(options()).await;
    let mut member = server.client("m", Some(JSON)).await;
    member.join("g").await;
    let token = server.token(|token| {
        token.user_id = Some("raw".into());
        token.roles = vec!["webpubsub.sendToGroup.g".into()];
    });
    let url = format!("{}&webpubsub_mode=sendToGroup&group=g", server.url(&token));
    let mut publisher = Client::open(&url, None).await.expect("in");
    publisher.send("raw text").await;
    assert_eq!(
        member.text().await,
        r#"{"type":"message","from":"group","group":"g","fromUserId":"raw","dataType":"text","data":"raw text"}"#
    );
    let url = format!("{}&webpubsub_mode=sendToGroup&group=other", server.url(&token));
    let mut stranger = Client::open(&url, None).await.expect("in");
    stranger.send("x").await;
    let reason = "The connection is not authorized for raw sendToGroup mode.";
    assert_eq!(stranger.closed().await, (1008, reason.to_owned()));
}

#[tokio::test]
async fn the_token_puts_into_groups() {
    let server = Server::start(options()).await;
    let token = server.token(|token| token.groups = vec!["lobby".into()]);
    let mut client = Client::open(&server.url(&token), Some(JSON)).await.expect("in");
    client.read_connected().await;
    assert_eq!(server.hub.send(&name("chat"), Target::Group("lobby"), &text("hi"), &Selection::default()), 1);
    assert_eq!(
        client.text().await,
        r#"{"type":"message","from":"group","group":"lobby","fromUserId":null,"dataType":"text","data":"hi"}"#
    );
}

#[tokio::test]
async fn acks_can_be_delayed_and_nothing_else_is() {
    let mut options = options();
    options.ack_delay = Duration::from_millis(300);
    let server = Server::start(options).await;
    let start = tokio::time::Instant::now();
    let mut a = server.client("a", Some(JSON)).await;
    let mut b = server.client("b", Some(JSON)).await;
    assert!(start.elapsed() < Duration::from_millis(300), "connected is not delayed");
    b.join("g").await;
    let start = tokio::time::Instant::now();
    a.send(r#"{"type":"sendToGroup","group":"g","ackId":1,"dataType":"text","data":"x"}"#).await;
    b.text().await;
    assert!(start.elapsed() < Duration::from_millis(300), "the message is not delayed");
    a.text().await;
    assert!(start.elapsed() >= Duration::from_millis(300), "the ack is");
}

#[tokio::test]
async fn a_silent_client_is_dropped_and_an_answering_one_kept() {
    let mut options = options();
    options.keep_alive = Duration::from_millis(200);
    let server = Server::start(options).await;
    let mut silent = server.client("silent", Some(JSON)).await;
    let mut awake = server.client("awake", Some(JSON)).await;
    let chat = name("chat");
    let reader = tokio::spawn(async move {
        awake.next().await;
    });
    // The silent one reads nothing, so its library answers no ping.
    eventually(|| !server.hub.exists(&chat, Target::User("silent"))).await;
    assert!(server.hub.exists(&chat, Target::User("awake")));
    assert_eq!(silent.closed().await, (1001, "The client did not answer in time.".to_owned()));
    reader.abort();
}

#[tokio::test]
async fn shutdown_tells_everybody_to_come_back() {
    let server = Server::start(options()).await;
    let mut json = server.client("a", Some(JSON)).await;
    let mut simple = server.client("b", None).await;
    server.hub.send(&name("chat"), Target::All, &text("bye"), &Selection::default());
    let hub = server.hub.clone();
    let stopped = tokio::spawn(async move { hub.shutdown(Duration::from_secs(5)).await });
    assert!(json.text().await.contains("bye"));
    assert_eq!(json.closed().await.0, 1001);
    assert_eq!(simple.text().await, "bye");
    assert_eq!(simple.closed().await.0, 1001);
    drop((json, simple));
    stopped.await.expect("in time");
    assert_eq!(server.hub.connection_count(), 0);
    let token = server.token(|_| ());
    assert_eq!(Client::refused(&server.url(&token), Some(JSON)).await, (503, String::new()));
}
