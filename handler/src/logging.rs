//! Log lines on stdout: JSON under a Functions host, for people otherwise. stderr is left to what ends the program,
//! because the host takes every line there for an error.
//!
//! Never logged: secrets, tokens, query strings (they carry `?code=` and access tokens), message contents.
//! A text of a caller is given as `&str`, which is quoted; with `%` its line ends would make lines of their own.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::Config;

/// Starts logging for the whole process. A second call changes nothing.
pub fn start(config: &Config) {
    begin(&config.log_filter, config.under_host());
}

/// The same without settings: for people, from level info.
pub fn start_without_settings() {
    begin("", false);
}

fn begin(log_filter: &str, under_host: bool) {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse_lossy(log_filter)
        .and(filter_fn(|metadata| !tells_secrets(metadata)));
    let layer = if under_host {
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false).boxed()
    } else {
        tracing_subscriber::fmt::layer().with_ansi(std::io::stdout().is_terminal()).with_target(false).boxed()
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    std::panic::set_hook(Box::new(log_panic));
}

/// At debug these write `Authorization` headers in clear, whatever the filter says.
fn tells_secrets(metadata: &Metadata<'_>) -> bool {
    let talkative = ["azure_", "typespec", "hyper", "reqwest", "h2", "rustls"];
    *metadata.level() > Level::INFO && talkative.iter().any(|name| metadata.target().starts_with(name))
}

fn log_panic(info: &std::panic::PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("no text");
    let at = info.location().map(ToString::to_string).unwrap_or_default();
    // It may quote what a caller sent, and a line of the log is ours alone.
    tracing::error!(at, "panic: {}", message.escape_debug());
}
