//! From start to end: the port is bound first, so that a host that waits is answered at once; the stores open behind it;
//! when told to stop, everything that was taken is finished.

mod hub_alone;
mod server;
mod signals;
mod welcome;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::hub_alone::serve as serve_hub;
use self::signals::Signals;
use crate::app::{self, OpenError, Running};
use crate::config::{Config, Place, TransportConfig};
use crate::functions::{self, Front};
use crate::ports::reasons;

/// How long a stop may take before the process goes anyway.
const GRACE: Duration = Duration::from_secs(9);
/// Under the host: rest between attempts to open the stores.
const OPEN_AGAIN: Duration = Duration::from_secs(1);
/// Told to stop while the host runs us. Anything but 0, after which the host would not start us again.
const STOPPED_UNDER_HOST: u8 = 143;
const ABORTED: u8 = 130;
const FAILED: u8 = 1;
/// `EX_USAGE`: settings or arguments that cannot be used.
pub const USAGE: u8 = 64;

/// Runs the program until it is told to stop.
pub async fn serve(config: Config) -> ExitCode {
    raise_open_files();
    let mut config = config;
    // First of all: whoever has had an answer may tell us to stop.
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return failed(&format!("signals cannot be heard: {error}")),
    };
    let with_hub = matches!(config.transport, TransportConfig::Embedded { .. });
    let (http, hub) = match bind(&config.place, with_hub).await {
        Ok(listeners) => listeners,
        Err(sentence) => return failed(&sentence),
    };
    config.place.listens_on(http.address);
    let config = Arc::new(config);
    let front = Front::new(Arc::clone(&config));
    let stop = CancellationToken::new();
    let mut servers = vec![spawn(http.listener, functions::router(front.clone()), &stop)];
    let hub_address = hub.as_ref().map(|hub| hub.address);
    servers.extend(hub.map(|hub| spawn(hub.listener, functions::hub_router(front.clone()), &stop)));
    welcome::log(&config);
    welcome::tell(&config, http.address, hub_address);
    let running = tokio::select! {
        running = open(&config, &front) => running,
        () = signals.next() => {
            tracing::info!("told to stop before it was ready");
            return stopped(&config);
        }
    };
    match running {
        Ok(running) => {
            signals.next().await;
            tracing::info!("told to stop");
            tokio::select! {
                () = end(running, servers, stop) => stopped(&config),
                () = signals.next() => ExitCode::from(ABORTED),
            }
        }
        Err(error) => failed(&reasons(&error)),
    }
}

/// Each connection is an open file, and many systems let a program have 1,024 unless it asks for more.
fn raise_open_files() {
    if let Err(error) = rlimit::increase_nofile_limit(rlimit::INFINITY) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// A hub that is elsewhere needs no port here.
async fn bind(place: &Place, with_hub: bool) -> Result<(Bound, Option<Bound>), String> {
    let (http, name, hub) = match place {
        Place::Alone { http, hub } => (http, "PORT", Some(*hub)),
        Place::Functions { http, hub, .. } => (http, "FUNCTIONS_CUSTOMHANDLER_PORT", *hub),
    };
    let http = listen(*http, name).await?;
    let hub = match hub.filter(|_| with_hub) {
        Some(hub) => Some(listen(hub, "WS_PORT").await?),
        None => None,
    };
    Ok((http, hub))
}

async fn listen(address: SocketAddr, name: &str) -> Result<Bound, String> {
    let sentence = |error| format!("{name}: {address} cannot be listened on: {error}");
    let listener = TcpListener::bind(address).await.map_err(sentence)?;
    let address = listener.local_addr().map_err(sentence)?;
    Ok(Bound { listener, address })
}

fn spawn(listener: TcpListener, router: Router, stop: &CancellationToken) -> JoinHandle<()> {
    tokio::spawn(server::serve(listener, router, stop.clone()))
}

/// Alone, a store of this machine that cannot be opened ends the program. Under the host that would end the host too, and
/// a store elsewhere comes back by itself: then it is tried again; meanwhile callers get 503 and the queue keeps its
/// messages.
async fn open(config: &Config, front: &Front) -> Result<Running, OpenError> {
    loop {
        match app::open(config, &front.limits).await {
            Ok((services, running)) => {
                front.open(services);
                front.host_warnings().await;
                tracing::info!("ready");
                return Ok(running);
            }
            Err(error) if config.under_host() || config.is_stored_elsewhere() => {
                front.in_trouble();
                tracing::error!("not ready, trying again: {}", reasons(&error));
                tokio::time::sleep(OPEN_AGAIN).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// No more connections; clients are told to reconnect while requests under way are answered; then messages in hand are
/// finished and files closed.
async fn end(running: Running, servers: Vec<JoinHandle<()>>, stop: CancellationToken) {
    stop.cancel();
    let requests = async {
        for server in servers {
            let _ = server.await;
        }
    };
    running.stop(requests, GRACE).await;
    tracing::info!("stopped");
}

fn stopped(config: &Config) -> ExitCode {
    if config.under_host() { ExitCode::from(STOPPED_UNDER_HOST) } else { ExitCode::SUCCESS }
}

fn failed(sentence: &str) -> ExitCode {
    end_with(FAILED, sentence)
}

/// Settings or arguments that cannot be used.
#[must_use]
pub fn usage(sentence: &str) -> ExitCode {
    end_with(USAGE, sentence)
}

#[expect(
    clippy::print_stderr,
    reason = "what ends the program is said where a person or the host looks for it"
)]
fn end_with(code: u8, sentence: &str) -> ExitCode {
    eprintln!("handler: {sentence}");
    ExitCode::from(code)
}
