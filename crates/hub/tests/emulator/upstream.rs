//! An event handler on a real port that writes down what it is asked; and the recorded scenario that needs one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method, Uri};
use hub::HubOptions;
use hub::upstream::{HttpUpstream, UrlTemplate};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::client::PATIENCE;
use crate::normalise;
use crate::player::{Ids, play};
use crate::scenarios::HandlerConnect;
use crate::server::{Server, hub_name};

/// One request as the event handler got it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }
}

/// What the handler answers; an error says that the request is not answered but its connection dropped.
pub(crate) type Answers = Arc<dyn Fn(&Seen) -> Response + Send + Sync>;

pub(crate) struct Handler {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    count: watch::Receiver<usize>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[derive(Clone)]
struct Desk {
    seen: Arc<Mutex<Vec<Seen>>>,
    count: Arc<watch::Sender<usize>>,
    answers: Answers,
}

impl Handler {
    pub(crate) async fn start(answers: Answers) -> Self {
        let (sender, count) = watch::channel(0);
        let desk = Desk { seen: Arc::default(), count: Arc::new(sender), answers };
        let seen = desk.seen.clone();
        let router = axum::Router::new().fallback(take).with_state(desk);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, seen, count, serving }
    }

    /// Sends the events of hub `up` here.
    pub(crate) fn handle(&self, server: &Server, path: &str) {
        let template = UrlTemplate::parse(&format!("http://{}{path}", self.address)).expect("a template");
        let options: &HubOptions = server.hub.options();
        let upstream = HttpUpstream::new(template, options).expect("a client");
        server.hub.set_handler(Some(&hub_name("up")), Arc::new(upstream));
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("not poisoned").clone()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn until(&self, count: usize) {
        let mut receiver = self.count.clone();
        let enough = receiver.wait_for(|seen| *seen >= count);
        if tokio::time::timeout(PATIENCE, enough).await.is_err() {
            panic!("{count} requests were to come, these did: {:#?}", self.seen());
        }
    }
}

async fn take(
    State(desk): State<Desk>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let seen = Seen { method: method.to_string(), target: uri.to_string(), headers, body };
    let answer = (desk.answers)(&seen);
    let mut all = desk.seen.lock().expect("not poisoned");
    all.push(seen);
    desk.count.send_replace(all.len());
    answer
}

/// An answer with a status, headers and a body.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body.to_owned())).expect("a response")
}

/// Consents to everything that asks.
pub(crate) fn consent() -> Response {
    answer(200, &[("webhook-allowed-origin", "*")], "")
}

pub(crate) async fn handler_connect_equals_its_recording() {
    let handler = Handler::start(Arc::new(|seen: &Seen| {
        if seen.method == "OPTIONS" {
            return consent();
        }
        let (status, headers, body) = match seen.header("ce-eventname") {
            "connect" => HandlerConnect::answer(seen.header("ce-userid").trim_start_matches("user-")),
            _ => (204, [].as_slice(), ""),
        };
        answer(status, headers, body)
    }))
    .await;
    let server = Server::start().await;
    handler.handle(&server, "/events/{hub}/{event}");
    let mut play = play(&HandlerConnect, &server).await;
    play.drop_clients().await;

    let recorded = play.recorded()["handler"].as_object().expect("requests").clone();
    let total = recorded.values().map(|requests| requests.as_array().expect("a list").len()).sum();
    handler.until(total).await;
    let seen = by_connection(&handler.seen(), &play.ids);
    for (connection, wanted) in &recorded {
        let wanted: Vec<Value> = wanted.as_array().expect("a list").iter().map(recorded_request).collect();
        compare(&mut |difference| play.differ(difference), connection, &wanted, seen.get(connection));
    }
    for connection in seen.keys().filter(|name| !recorded.contains_key(*name)) {
        play.differ(format!("handler: nothing was recorded for {connection}"));
    }
    play.judge();
}

fn compare(differ: &mut dyn FnMut(String), connection: &str, wanted: &[Value], seen: Option<&Value>) {
    let seen = seen.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for index in 0..wanted.len().max(seen.len()) {
        let (wanted, seen) = (wanted.get(index), seen.get(index));
        if wanted != seen {
            let show = |item: Option<&Value>| item.map_or("nothing".to_owned(), Value::to_string);
            differ(format!(
                "handler, {connection}, request {index}:\n  recorded {}\n  seen     {}",
                show(wanted),
                show(seen)
            ));
        }
    }
}

/// Requests by the name their connection has in the transcript: that of the user who knocked.
fn by_connection(seen: &[Seen], ids: &Ids) -> Map<String, Value> {
    let mut names: Vec<(String, String)> = Vec::new();
    let mut sorted = Map::new();
    for request in seen {
        let id = request.header("ce-connectionid").to_owned();
        if request.header("ce-eventname") == "connect" {
            names.push((id.clone(), format!("connection of {}", request.header("ce-userid"))));
        }
        let name = match names.iter().find(|(known, _)| *known == id) {
            Some((_, name)) => name.clone(),
            None => "validation".to_owned(),
        };
        let shown = seen_request(request, &id, &name, ids);
        let list = sorted.entry(name).or_insert_with(|| json!([]));
        list.as_array_mut().expect("a list").push(shown);
    }
    sorted
}

/// Headers that say nothing of the protocol.
const OF_HTTP: [&str; 5] = ["host", "content-length", "accept", "user-agent", "accept-encoding"];

fn seen_request(request: &Seen, id: &str, name: &str, _: &Ids) -> Value {
    let mut headers = Map::new();
    for (header, value) in &request.headers {
        if OF_HTTP.contains(&header.as_str()) {
            continue;
        }
        let value = value.to_str().expect("ASCII");
        let value = match header.as_str() {
            "ce-time" => {
                assert!(value.len() == 20 && value.ends_with('Z'), "{value} is a time");
                "<time>".to_owned()
            }
            "ce-signature" => {
                assert!(
                    value.strip_prefix("sha256=").is_some_and(|hex| hex.len() == 64),
                    "{value} is a signature"
                );
                "sha256=<hex>".to_owned()
            }
            "x-ms-client-request-id" => {
                assert!(value.len() == 36, "{value} is a GUID");
                "<guid>".to_owned()
            }
            _ if !id.is_empty() => value.replace(id, &format!("<{name}>")),
            _ => value.to_owned(),
        };
        headers.insert(header.to_string(), value.into());
    }
    let body = String::from_utf8(request.body.to_vec()).expect("text");
    json!({"method": request.method, "target": request.target, "headers": headers, "body": body_of(&request.target, &body)})
}

fn recorded_request(request: &Value) -> Value {
    let mut request = request.clone();
    let body =
        body_of(request["target"].as_str().expect("a target"), request["body"].as_str().expect("a body"));
    request["body"] = body;
    request
}

fn body_of(target: &str, body: &str) -> Value {
    if target.ends_with("/connect") { normalise::connect_body(body) } else { body.into() }
}
