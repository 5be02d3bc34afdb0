//! A proxy that lets calls go wrong, as networks and services do now and then. It stands between the program and what the
//! program calls over HTTP.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, RETRY_AFTER, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Collected, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// What one call meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// 429, come again in a second.
    TooMany,
    /// 500.
    Broken,
    /// 503.
    Busy,
    /// Nothing is done and nothing answered.
    SilentBefore,
    /// All is done and nothing answered.
    SilentAfter,
    ResetBefore,
    ResetAfter,
    /// All is done, and half of the answer is told as if it were the whole.
    CutShort,
}

impl Fault {
    pub(crate) const ALL: [Self; 8] = [
        Self::TooMany,
        Self::Broken,
        Self::Busy,
        Self::SilentBefore,
        Self::SilentAfter,
        Self::ResetBefore,
        Self::ResetAfter,
        Self::CutShort,
    ];

    fn comes_before(self) -> bool {
        matches!(self, Self::TooMany | Self::Broken | Self::Busy | Self::SilentBefore | Self::ResetBefore)
    }
}

/// Calls of one kind that are to fail.
#[derive(Clone, Debug)]
struct Plan {
    kind: String,
    fault: Fault,
    left: usize,
}

#[derive(Default)]
struct State {
    plan: Option<Plan>,
    /// What every call meets until it is taken back.
    all: Option<Fault>,
    /// The kinds of the calls since somebody asked.
    seen: BTreeSet<String>,
    met: usize,
}

/// Names a call's kind: method and path, without what is different each time.
pub(crate) type Naming = fn(&http::request::Parts, &[u8]) -> String;

#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

struct Way {
    /// One after the other.
    to: Vec<u16>,
    next: AtomicUsize,
    naming: Naming,
    http: reqwest::Client,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// In front of ports of this machine, which take turns.
    pub(crate) async fn start(to: &[u16], naming: Naming) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, state) = (listener.local_addr().unwrap().port(), Arc::<Mutex<State>>::default());
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let http = http.build().unwrap();
        let way = Way { to: to.to_vec(), next: AtomicUsize::new(0), naming, http, state: Arc::clone(&state) };
        let way = Arc::new(way);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&way)));
            }
        });
        Self { port, state }
    }

    /// The next calls of this kind, so many, meet the fault.
    pub(crate) fn arm(&self, kind: &str, fault: Fault, times: usize) {
        let mut state = self.state.lock().unwrap();
        state.plan = Some(Plan { kind: kind.to_owned(), fault, left: times });
        state.met = 0;
    }

    /// No call goes wrong any more. How many did.
    pub(crate) fn disarm(&self) -> usize {
        let mut state = self.state.lock().unwrap();
        state.plan = None;
        std::mem::take(&mut state.met)
    }

    /// Every call meets the fault, or none does.
    pub(crate) fn fail_all(&self, fault: Option<Fault>) {
        self.state.lock().unwrap().all = fault;
    }

    /// The kinds of the calls since this was last asked.
    pub(crate) fn take_seen(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }
}

impl State {
    fn fate(&mut self, kind: String) -> Option<Fault> {
        let planned = match &mut self.plan {
            Some(plan) if plan.kind == kind && plan.left > 0 => {
                plan.left -= 1;
                self.met += 1;
                Some(plan.fault)
            }
            _ => None,
        };
        self.seen.insert(kind);
        planned.or(self.all)
    }
}

/// The client went away, or is to believe that we did.
#[derive(Debug)]
struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("reset")
    }
}

impl std::error::Error for Reset {}

async fn serve(stream: TcpStream, way: Arc<Way>) {
    // Whatever ends a connection here ends it with a reset.
    stream.set_zero_linger().unwrap();
    let service = service_fn(move |request| {
        let way = Arc::clone(&way);
        async move { way.pass(request).await }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Way {
    async fn pass(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Reset> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Reset)?.to_bytes();
        let kind = (self.naming)(&parts, &body);
        let fate = self.state.lock().unwrap().fate(kind);
        if let Some(fault) = fate.filter(|fault| fault.comes_before()) {
            return instead(fault).await;
        }
        let answer = self.forward(parts, body).await?;
        match fate {
            None => Ok(answer),
            Some(Fault::CutShort) => Ok(cut_short(answer).await),
            Some(fault) => instead(fault).await,
        }
    }

    async fn forward(
        &self,
        parts: http::request::Parts,
        body: Bytes,
    ) -> Result<Response<Full<Bytes>>, Reset> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let to = self.to[self.next.fetch_add(1, Ordering::Relaxed) % self.to.len()];
        let mut request = self.http.request(parts.method, format!("http://127.0.0.1:{to}{path}")).body(body);
        for (name, value) in &parts.headers {
            if ![CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name) {
                request = request.header(name, value);
            }
        }
        let answer = request.send().await.map_err(|_| Reset)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = Response::new(Full::from(answer.bytes().await.map_err(|_| Reset)?));
        *response.status_mut() = status;
        for (name, value) in &headers {
            if ![CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name) {
                response.headers_mut().append(name, value.clone());
            }
        }
        Ok(response)
    }
}

/// What is answered in place of the service's answer, if anything.
async fn instead(fault: Fault) -> Result<Response<Full<Bytes>>, Reset> {
    let status = match fault {
        Fault::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Fault::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        Fault::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Fault::ResetBefore | Fault::ResetAfter => return Err(Reset),
        Fault::SilentBefore | Fault::SilentAfter | Fault::CutShort => std::future::pending().await,
    };
    let mut response = Response::new(Full::from("<html>not now</html>"));
    *response.status_mut() = status;
    if fault == Fault::TooMany {
        response.headers_mut().insert(RETRY_AFTER, 1.into());
    }
    Ok(response)
}

async fn cut_short(answer: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map_or_else(|never: Infallible| match never {}, Collected::to_bytes);
    let half = body.slice(..body.len() / 2);
    Response::from_parts(parts, Full::from(half))
}
