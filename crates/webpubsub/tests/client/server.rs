//! A server that answers as the test says and keeps what it was asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, Method, Uri};
use tokio::net::TcpListener;
use webpubsub::client::{ClientOptions, ServiceClient};
use webpubsub::connection_string::ConnectionString;

pub(crate) const KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH";

#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Parameters, unescaped.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        let unescape =
            |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
        let pairs = self.uri.query().unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(name, value)| (unescape(name), unescape(value))).collect()
    }
}

type Answers = Arc<dyn Fn(&Seen) -> Response + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    answers: Answers,
}

impl Server {
    pub(crate) async fn start(answers: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, seen: Arc::default(), answers: Arc::new(answers) };
        let router = axum::Router::new().fallback(take).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    /// Gives these answers, one after the other, and the last one again and again.
    pub(crate) async fn in_turn(answers: impl IntoIterator<Item = Response>) -> Self {
        let answers = Mutex::new(answers.into_iter().map(Kept::of).collect::<VecDeque<_>>());
        Self::start(move |_| {
            let mut answers = answers.lock().unwrap();
            let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
            next.unwrap().give()
        })
        .await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn client(&self, options: ClientOptions) -> ServiceClient {
        client(self.address, options)
    }
}

pub(crate) fn connection_string(address: SocketAddr) -> ConnectionString {
    format!("Endpoint=http://{address};AccessKey={KEY};Version=1.0;").parse().unwrap()
}

pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

pub(crate) fn client(address: SocketAddr, options: ClientOptions) -> ServiceClient {
    let hub = "Chat".parse().unwrap();
    ServiceClient::from_connection_string(&connection_string(address), hub, http(), options)
}

async fn take(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let seen = Seen { method: parts.method, uri: parts.uri, headers: parts.headers, body };
    let answer = (server.answers)(&seen);
    server.seen.lock().unwrap().push(seen);
    answer
}

/// An answer that can be given more than once.
#[derive(Clone)]
struct Kept(u16, HeaderMap, Bytes);

impl Kept {
    fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        // The bodies here are whole already.
        let body =
            futures_util::FutureExt::now_or_never(axum::body::to_bytes(body, usize::MAX)).unwrap().unwrap();
        Self(parts.status.as_u16(), parts.headers, body)
    }

    fn give(self) -> Response {
        let mut response = http::Response::builder().status(self.0).body(Body::from(self.2)).unwrap();
        *response.headers_mut() = self.1;
        response
    }
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body.to_owned())).unwrap()
}
