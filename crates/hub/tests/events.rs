//! What an event handler hears and what its answers do.
#![allow(clippy::expect_used, reason = "this is test code; clippy only knows test functions")]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use http::Request;
use hub::{
    ConnectAnswer, ConnectEvent, ConnectRefused, EventContext, EventFailed, EventHandler, Hub, Reply,
    UserEvent, UserEventAnswer,
};
use support::{Client, JSON, NOW, RELIABLE, Recorder, Server, key, name, options};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;
use webpubsub::metadata::Metadata;
use webpubsub::payload::{JsonText, Payload};
use webpubsub::server_frame::RequestError;
use webpubsub::token::ClientToken;

async fn start() -> (Server, Arc<Recorder>) {
    let server = Server::start(options()).await;
    let recorder = Arc::new(Recorder::default());
    server.hub.set_handler(None, recorder.clone());
    (server, recorder)
}

fn answer(payload: Payload) -> Result<UserEventAnswer, EventFailed> {
    Ok(UserEventAnswer { payload: Some(payload), ..UserEventAnswer::default() })
}

#[tokio::test]
async fn a_life_in_events() {
    let (server, recorder) = start().await;
    *recorder.answer.lock().expect("a lock") =
        Ok(UserEventAnswer { state: Some("s1".into()), ..UserEventAnswer::default() });
    let mut client = server.client("ann", Some(JSON)).await;
    recorder.hears(&["0 connect", "1 connected"]).await;
    let event =
        r#"{"type":"event","event":"Rename","ackId":1,"dataType":"text","data":"x","metadata":{"k":"v"}}"#;
    assert_eq!(client.ask(event).await, r#"{"type":"ack","ackId":1,"success":true}"#);
    client.close(1000, "bye").await;
    recorder.hears(&["0 connect", "1 connected", "2 Rename", "3 disconnected: bye [s1]"]).await;
    let heard = recorder.last_event.lock().expect("a lock").clone().expect("an event");
    assert_eq!(
        (heard.payload, heard.metadata.get("k"), heard.reply),
        (Payload::Text("x".into()), Some("v"), Reply::Message)
    );
    assert_eq!(heard.context.subprotocol.as_deref(), Some(JSON));
}

#[tokio::test]
async fn a_reply_comes_before_its_ack() {
    let (server, recorder) = start().await;
    let metadata = Metadata::from_pairs([("k", "v")]).expect("valid");
    *recorder.answer.lock().expect("a lock") =
        Ok(UserEventAnswer { payload: Some(Payload::Text("re".into())), metadata, state: None });
    let mut client = server.client("ann", Some(RELIABLE)).await;
    client.send(r#"{"type":"event","event":"e","ackId":1,"data":1}"#).await;
    assert_eq!(
        client.text().await,
        r#"{"type":"message","from":"server","dataType":"text","data":"re","metadata":{"k":"v"},"sequenceId":1}"#
    );
    assert_eq!(client.text().await, r#"{"type":"ack","ackId":1,"success":true}"#);
}

#[tokio::test]
async fn an_invocation_is_answered_by_its_id() {
    let (server, recorder) = start().await;
    *recorder.answer.lock().expect("a lock") = answer(Payload::Json(JsonText::new("3").expect("JSON")));
    let mut client = server.client("ann", Some(JSON)).await;
    let invoke = r#"{"type":"invoke","invocationId":"7","target":"event","event":"sum","dataType":"json","data":[1,2]}"#;
    assert_eq!(
        client.ask(invoke).await,
        r#"{"type":"invokeResponse","invocationId":"7","success":true,"dataType":"json","data":3}"#
    );
    *recorder.answer.lock().expect("a lock") = Err(EventFailed(RequestError::bad_request("no")));
    assert_eq!(
        client.ask(invoke).await,
        r#"{"type":"invokeResponse","invocationId":"7","success":false,"error":{"name":"BadRequest","message":"no"}}"#
    );
    client.send(r#"{"type":"cancelInvocation","invocationId":"7"}"#).await;
    client.is_quiet().await;
}

#[tokio::test]
async fn requests_wait_for_the_handler_and_keep_their_order() {
    let (server, recorder) = start().await;
    recorder.gate.forget_permits(Semaphore::MAX_PERMITS);
    let mut client = server.client("ann", Some(JSON)).await;
    let mut other = server.client("bob", Some(JSON)).await;
    client.join("g").await;
    client.send(r#"{"type":"event","event":"slow","ackId":1,"data":1}"#).await;
    client.send(r#"{"type":"ping"}"#).await;
    // What others send arrives meanwhile.
    other.send(r#"{"type":"sendToGroup","group":"g","dataType":"text","data":"meanwhile"}"#).await;
    assert!(client.text().await.contains("meanwhile"));
    recorder.gate.add_permits(1);
    assert_eq!(client.text().await, r#"{"type":"ack","ackId":1,"success":true}"#);
    assert_eq!(client.text().await, r#"{"type":"pong"}"#);
}

#[tokio::test]
async fn without_a_handler_and_with_a_failing_one_events_fail() {
    let server = Server::start(options()).await;
    let failure = r#"{"type":"ack","ackId":1,"success":false,"error":{"name":"InternalServerError","message":"Internal server error"}}"#;
    let mut client = server.client("ann", Some(JSON)).await;
    assert_eq!(client.ask(r#"{"type":"event","event":"e","ackId":1,"data":1}"#).await, failure);
    client.send(r#"{"type":"event","event":"e","data":1}"#).await;
    client.is_quiet().await;
    let mut simple = server.client("ann", None).await;
    simple.send("x").await;
    assert_eq!(simple.closed().await, (1011, "Internal server error".to_owned()));

    let recorder = Arc::new(Recorder::default());
    server.hub.set_handler(Some(&name("chat")), recorder);
    // A handler that panics fails the event and nothing else; a failed ackId may be used again.
    assert_eq!(client.ask(r#"{"type":"event","event":"panic","ackId":1,"data":1}"#).await, failure);
    let retry = r#"{"type":"event","event":"e","ackId":1,"data":1}"#;
    assert_eq!(client.ask(retry).await, r#"{"type":"ack","ackId":1,"success":true}"#);
}

#[tokio::test]
async fn simple_clients_events_are_messages() {
    let (server, recorder) = start().await;
    *recorder.answer.lock().expect("a lock") = answer(Payload::Binary(vec![1, 2].into()));
    let mut simple = server.client("ann", None).await;
    simple.send("raw").await;
    let reply = simple.next().await.expect("a frame");
    assert_eq!(reply.into_data()[..], [1, 2]);
    let heard = recorder.last_event.lock().expect("a lock").clone().expect("an event");
    assert_eq!((heard.name.as_str(), heard.payload), ("message", Payload::Text("raw".into())));
}

#[tokio::test]
async fn the_connect_answer_replaces_what_the_token_says() {
    let (server, recorder) = start().await;
    *recorder.connect.lock().expect("a lock") = Ok(ConnectAnswer {
        user_id: Some("from handler".into()),
        groups: vec!["mine".into()],
        roles: Some(Vec::new()),
        subprotocol: Some(JSON.into()),
        state: Some("s0".into()),
    });
    let token = server.token(|token| token.user_id = Some("ann".into()));
    let url = format!("{}&room=r%201&room=r2&x=", server.url(&token));
    let mut client = Client::open(&url, Some("json.reliable.webpubsub.azure.v1, json.webpubsub.azure.v1"))
        .await
        .expect("in");
    assert_eq!(client.response.headers()["sec-websocket-protocol"], JSON);
    client.read_connected().await;
    assert_eq!(server.hub.connections_of(&name("chat"), "from handler"), [client.id.clone()]);
    server.members("mine", 1).await;
    assert!(client.ask(r#"{"type":"joinGroup","group":"g","ackId":1}"#).await.contains("Forbidden"));
    recorder.hears(&["0 connect", "1 connected [s0]"]).await;
    let request = recorder.last_connect.lock().expect("a lock").clone().expect("a connect").request;
    assert_eq!(request.query.get("room"), ["r 1", "r2"]);
    assert_eq!(request.query.get("x"), [""]);
    assert!(request.query.get("access_token").is_empty());
    assert_eq!(request.subprotocols, [RELIABLE, JSON]);
    assert_eq!(request.claims.get("sub"), ["ann"]);
    assert_eq!(request.headers.first("Upgrade"), Some("websocket"));
}

#[tokio::test]
async fn a_refused_client_reads_the_status_and_leaves_no_trace() {
    let (server, recorder) = start().await;
    let token = server.token(|_| ());
    let body = "The connect event handler rejected the connection.".to_owned();
    for (status, sent) in [(403, 403), (404, 404), (503, 503), (302, 500)] {
        let status = http::StatusCode::from_u16(status).expect("a status");
        *recorder.connect.lock().expect("a lock") = Err(ConnectRefused::new(status));
        assert_eq!(Client::refused(&server.url(&token), Some(JSON)).await, (sent, body.clone()));
    }
    *recorder.connect.lock().expect("a lock") =
        Ok(ConnectAnswer { groups: vec![String::new()], ..ConnectAnswer::default() });
    assert_eq!(Client::refused(&server.url(&token), Some(JSON)).await, (500, body));
    assert_eq!(server.hub.connection_count(), 0);
    assert!(recorder.heard().iter().all(|heard| heard == "0 connect" || heard.contains("disconnected")));
}

#[tokio::test]
async fn a_refused_client_reads_why_and_when_to_come_again() {
    let (server, recorder) = start().await;
    let url = server.url(&server.token(|_| ()));
    let body = r#"{"code":"rate_limited"}"#.to_owned();
    let busy = ConnectRefused {
        retry_after: Some(7),
        body: body.clone(),
        is_json: true,
        ..ConnectRefused::new(http::StatusCode::TOO_MANY_REQUESTS)
    };
    for (refused, retry_after, content_type) in [
        (busy, Some("7"), "application/json"),
        (ConnectRefused::new(http::StatusCode::FORBIDDEN), None, "text/plain; charset=utf-8"),
    ] {
        let (status, body) = (refused.status, refused.body.clone());
        *recorder.connect.lock().expect("a lock") = Err(refused);
        let response = Client::refusal(&url, Some(JSON)).await;
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().expect("text"));
        assert_eq!((response.status(), header("retry-after")), (status, retry_after));
        assert_eq!(header("content-type"), Some(content_type));
        assert_eq!(response.body().as_deref(), Some(body.as_bytes()));
    }
}

/// Answers `connect` only when it is allowed to.
struct Slow {
    recorder: Recorder,
    asked: Semaphore,
    may_answer: Semaphore,
}

#[async_trait]
impl EventHandler for Slow {
    async fn connect(&self, event: ConnectEvent) -> Result<ConnectAnswer, ConnectRefused> {
        self.asked.add_permits(1);
        self.may_answer.acquire().await.expect("open").forget();
        self.recorder.connect(event).await
    }

    async fn connected(&self, context: EventContext) {
        self.recorder.connected(context).await;
    }

    async fn disconnected(&self, context: EventContext, reason: String) {
        self.recorder.disconnected(context, reason).await;
    }

    async fn user_event(&self, event: UserEvent) -> Result<UserEventAnswer, EventFailed> {
        self.recorder.user_event(event).await
    }
}

/// `disconnected` follows a successful `connect` whatever becomes of the client.
#[tokio::test]
async fn a_client_that_never_gets_in_is_disconnected() {
    let slow = Arc::new(Slow {
        recorder: Recorder::default(),
        asked: Semaphore::new(0),
        may_answer: Semaphore::new(0),
    });
    let hub = Hub::new(options());
    hub.set_handler(None, slow.clone());
    let token = ClientToken::new("http://x", &name("chat"), NOW, 60).sign(&key()).expect("a token");
    let request = || {
        Request::get(format!("/client/hubs/chat?access_token={token}"))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(Body::empty())
            .expect("a request")
    };
    let story = ["0 connect", "1 disconnected: The connection ended."];

    // It goes away while the handler is thinking: the server drops the request.
    let waiting = tokio::spawn(hub.router().oneshot(request()));
    slow.asked.acquire().await.expect("open").forget();
    waiting.abort();
    assert!(waiting.await.is_err());
    slow.may_answer.add_permits(1);
    slow.recorder.hears(&story).await;

    // It is let in, but its connection is never handed over.
    slow.may_answer.add_permits(1);
    let response = hub.router().oneshot(request()).await.expect("an answer");
    assert_eq!(response.status(), 101);
    slow.recorder.hears(&[story, story].concat()).await;
    assert_eq!(hub.connection_count(), 0);
}
