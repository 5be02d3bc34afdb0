//! Every operation against the embedded hub, with clients at real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hub::{Hub, HubOptions};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use webpubsub::client::{Audience, ClientAccess, ClientOptions, ErrorKind, SendOptions, ServiceClient};
use webpubsub::key::AccessKey;
use webpubsub::metadata::Metadata;
use webpubsub::payload::{JsonText, Payload};
use webpubsub::roles::Action;

use crate::server::{KEY, client};

const PATIENCE: Duration = Duration::from_secs(20);

async fn service() -> ServiceClient {
    service_at(serve().await)
}

fn service_at(address: SocketAddr) -> ServiceClient {
    client(address, ClientOptions::default())
}

async fn serve() -> SocketAddr {
    let hub = Hub::new(HubOptions::new(vec![AccessKey::new(KEY).unwrap()]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, hub.router()).await });
    address
}

struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    id: String,
}

impl Client {
    async fn at(url: &str) -> Self {
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "json.webpubsub.azure.v1".parse().unwrap());
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let mut client = Self { socket, id: String::new() };
        let connected = client.next().await;
        client.id = connected["connectionId"].as_str().unwrap().to_owned();
        client
    }

    async fn of(service: &ServiceClient, user: &str) -> Self {
        let access = ClientAccess { user_id: Some(user.into()), ..ClientAccess::default() };
        Self::at(&service.client_url(&access).await.unwrap()).await
    }

    /// The next frame; null when it is closed.
    async fn next(&mut self) -> Value {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.socket.next()).await.unwrap();
            match frame {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                None | Some(Ok(Message::Close(_)) | Err(_)) => return Value::Null,
                Some(Ok(_)) => {}
            }
        }
    }

    /// What has come up to now: the data of messages, in order.
    async fn got(&mut self) -> Vec<Value> {
        self.socket.send(Message::text(r#"{"type":"ping"}"#)).await.unwrap();
        let mut got = Vec::new();
        loop {
            let frame = self.next().await;
            match frame["type"].as_str() {
                Some("pong") => return got,
                _ => got.push(frame["data"].clone()),
            }
        }
    }
}

fn text(text: &str) -> Payload {
    Payload::Text(text.into())
}

#[tokio::test]
async fn sends_reach_whom_they_name() {
    let service = service().await;
    let (mut ann, mut bob) = (Client::of(&service, "ann").await, Client::of(&service, "bob").await);
    assert!(service.add_connection_to_group("g/ü", &ann.id).await.unwrap());
    assert!(service.add_connection_to_group("g/ü", &bob.id).await.unwrap());
    let none = SendOptions::default();
    service.send(Audience::All, &text("all"), &none).await.unwrap();
    service.send(Audience::Group("g/ü"), &text("group"), &none).await.unwrap();
    service.send(Audience::User("ann"), &text("user"), &none).await.unwrap();
    service.send(Audience::Connection(&ann.id), &text("connection"), &none).await.unwrap();
    let excluded = [ann.id.clone()];
    let but_ann = SendOptions { excluded: &excluded, ..none.clone() };
    service.send(Audience::All, &text("but ann"), &but_ann).await.unwrap();
    service.send(Audience::Group("g/ü"), &text("group but ann"), &but_ann).await.unwrap();
    let not_bob = SendOptions { filter: Some("userId ne 'bob'"), ttl_secs: Some(5), ..none.clone() };
    service.send(Audience::All, &text("not bob"), &not_bob).await.unwrap();
    service.send(Audience::User("nobody"), &text("nobody"), &none).await.unwrap();
    assert_eq!(ann.got().await, ["all", "group", "user", "connection", "not bob"]);
    assert_eq!(bob.got().await, ["all", "group", "but ann", "group but ann"]);
}

#[tokio::test]
async fn payloads_arrive_as_they_are() {
    let service = service().await;
    let mut ann = Client::of(&service, "ann").await;
    let metadata =
        SendOptions { metadata: Metadata::from_pairs([("trace", "7")]).unwrap(), ..SendOptions::default() };
    let value = Payload::Json(JsonText::new(r#"{"b":1,"a":[1.0]}"#).unwrap());
    service.send(Audience::Connection(&ann.id), &value, &metadata).await.unwrap();
    let frame = ann.next().await;
    assert_eq!((&frame["dataType"], &frame["from"]), (&json!("json"), &json!("server")));
    assert_eq!((&frame["data"], &frame["metadata"]), (&json!({"b": 1, "a": [1.0]}), &json!({"trace": "7"})));
    let bytes = Payload::Binary(vec![1, 2, 3].into());
    service.send(Audience::User("ann"), &bytes, &SendOptions::default()).await.unwrap();
    let frame = ann.next().await;
    assert_eq!((&frame["dataType"], &frame["data"]), (&json!("binary"), &json!("AQID")));
}

#[tokio::test]
async fn groups_have_their_members() {
    let service = service().await;
    let ann = [Client::of(&service, "ann").await, Client::of(&service, "ann").await];
    let bob = Client::of(&service, "bob").await;
    let members = async |group: &str| {
        let found = service.connections_in(group, Some(1)).all().await.unwrap();
        let mut ids: Vec<String> = found.into_iter().map(|found| found.connection_id).collect();
        ids.sort();
        ids
    };
    let ids = |clients: &[&Client]| {
        let mut ids: Vec<_> = clients.iter().map(|client| client.id.clone()).collect();
        ids.sort();
        ids
    };
    assert!(!service.exists(Audience::Group("g")).await.unwrap());
    assert!(service.add_user_to_group("ann", "g").await.unwrap());
    assert!(service.add_connection_to_group("g", &bob.id).await.unwrap());
    assert!(service.exists(Audience::Group("g")).await.unwrap());
    assert_eq!(members("g").await, ids(&[&ann[0], &ann[1], &bob]));
    let listed = service.connections_in("g", None).all().await.unwrap();
    assert!(listed.iter().any(|c| c.connection_id == bob.id && c.user_id.as_deref() == Some("bob")));
    service.remove_connection_from_group("g", &bob.id).await.unwrap();
    service.remove_user_from_group("ann", "g").await.unwrap();
    assert_eq!(members("g").await, Vec::<String>::new());

    service.add_to_groups(&["g".into(), "h".into()], Some("userId eq 'ann'")).await.unwrap();
    assert_eq!(members("h").await, ids(&[&ann[0], &ann[1]]));
    service.add_to_groups(&["h".into()], None).await.unwrap();
    service.remove_user_from_all_groups("ann").await.unwrap();
    assert_eq!([members("g").await, members("h").await], [vec![], ids(&[&bob])]);
    service.remove_connection_from_all_groups(&bob.id).await.unwrap();
    service.add_to_groups(&["g".into()], None).await.unwrap();
    service.remove_from_groups(&["g".into()], Some("userId eq 'ann'")).await.unwrap();
    assert_eq!([members("g").await, members("h").await], [ids(&[&bob]), vec![]]);

    assert!(!service.add_connection_to_group("g", "gone").await.unwrap());
    assert!(!service.add_user_to_group("gone", "g").await.unwrap());
    service.remove_connection_from_group("g", "gone").await.unwrap();
    service.remove_user_from_group("gone", "g").await.unwrap();
    service.remove_user_from_all_groups("gone").await.unwrap();
    service.remove_connection_from_all_groups("gone").await.unwrap();
}

#[tokio::test]
async fn who_is_there_is_known() {
    let service = service().await;
    let ann = Client::of(&service, "ann").await;
    service.check().await.unwrap();
    assert!(service.exists(Audience::User("ann")).await.unwrap());
    assert!(service.exists(Audience::Connection(&ann.id)).await.unwrap());
    assert!(!service.exists(Audience::User("bob")).await.unwrap());
    assert!(!service.exists(Audience::Connection("gone")).await.unwrap());
}

#[tokio::test]
async fn permissions_come_and_go() {
    let service = service().await;
    let ann = Client::of(&service, "ann").await;
    for action in [Action::JoinLeaveGroup, Action::SendToGroup] {
        assert!(!service.has_permission(&ann.id, action, "g").await.unwrap());
        assert!(service.grant(&ann.id, action, "g").await.unwrap());
        assert!(service.has_permission(&ann.id, action, "g").await.unwrap());
        assert!(!service.has_permission(&ann.id, action, "h").await.unwrap());
        service.revoke(&ann.id, action, "g").await.unwrap();
        assert!(!service.has_permission(&ann.id, action, "g").await.unwrap());
        assert!(!service.grant("gone", action, "g").await.unwrap());
        service.revoke("gone", action, "g").await.unwrap();
    }
    let blank = service.grant(&ann.id, Action::SendToGroup, " ").await.unwrap_err();
    assert_eq!((blank.kind(), blank.status().unwrap().as_u16()), (ErrorKind::Refused, 400));
}

#[tokio::test]
async fn closes_end_whom_they_name() {
    let service = service().await;
    let mut ann = Client::of(&service, "ann").await;
    let mut bob = Client::of(&service, "bob").await;
    let mut cleo = Client::of(&service, "cleo").await;
    let mut dan = Client::of(&service, "dan").await;
    let mut eve = Client::of(&service, "eve").await;
    service.add_connection_to_group("g", &cleo.id).await.unwrap();
    let ends = async |client: &mut Client, reason: &str| {
        let told = client.next().await;
        assert_eq!(told["event"], "disconnected", "{told}");
        assert!(told["message"].as_str().unwrap().contains(reason), "{told}");
        assert_eq!(client.next().await, Value::Null);
    };
    service.close(Audience::Connection(&ann.id), &[], Some("one, & why?")).await.unwrap();
    ends(&mut ann, "one, & why?").await;
    service.close(Audience::User("bob"), &[], Some("two")).await.unwrap();
    ends(&mut bob, "two").await;
    service.close(Audience::Group("g"), &[], Some("three")).await.unwrap();
    ends(&mut cleo, "three").await;
    service.close(Audience::All, std::slice::from_ref(&eve.id), None).await.unwrap();
    ends(&mut dan, "closed the connection").await;
    assert_eq!(eve.got().await, Vec::<Value>::new(), "she is still there");
    service.close(Audience::Connection("gone"), &[], None).await.unwrap();
}

#[tokio::test]
async fn tokens_of_both_makings_let_clients_in() {
    let service = service().await;
    let access = ClientAccess {
        user_id: Some("ann/ü".into()),
        roles: vec!["webpubsub.joinLeaveGroup.g".into()],
        groups: vec!["from the start".into()],
        minutes: 1,
    };
    let base = service.client_url(&access).await.unwrap();
    let made_there = service.generate_client_token(&access).await.unwrap();
    let other = format!("{}?access_token={made_there}", base.split('?').next().unwrap());
    for url in [base, other] {
        let client = Client::at(&url).await;
        assert!(service.exists(Audience::User("ann/ü")).await.unwrap());
        let members = service.connections_in("from the start", None).all().await.unwrap();
        assert!(members.iter().any(|member| member.connection_id == client.id));
        assert!(service.has_permission(&client.id, Action::JoinLeaveGroup, "g").await.unwrap());
    }
}

#[tokio::test]
async fn a_wrong_key_and_a_wrong_filter_are_told() {
    let address = serve().await;
    let text_of = |error: webpubsub::client::ClientError| (error.kind(), error.to_string());
    let connection = format!("Endpoint=http://{address};AccessKey=another key");
    let stranger = ServiceClient::from_connection_string(
        &connection.parse().unwrap(),
        "chat".parse().unwrap(),
        crate::server::http(),
        ClientOptions::default(),
    );
    let (kind, says) = text_of(stranger.check().await.unwrap_err());
    assert!(kind == ErrorKind::Unauthorized && says.contains("access key"), "{says}");
    let bad = SendOptions { filter: Some("nonsense"), ..SendOptions::default() };
    let sent = service_at(address).send(Audience::All, &text("x"), &bad).await;
    let (kind, says) = text_of(sent.unwrap_err());
    assert!(kind == ErrorKind::Refused && says.contains("Error.BadRequest"), "{says}");
}
