//! How to start a host, and why one does not start.

use std::path::PathBuf;

use crate::broker::{Broker, BrokerError, BrokerOptions};
use crate::config::{ConfigErrors, Settings};
use crate::http::HttpMode;

/// How to start a host. [`Options::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder with `host.json`.
    pub app: PathBuf,
    /// Of the front door on 127.0.0.1; 0 = a free one.
    pub port: u16,
    /// Instead of what `host.json` says.
    pub mode: Option<HttpMode>,
    /// What host and handler see as their environment.
    pub settings: Settings,
    /// Where the broker's file is; `None` = in memory.
    pub data: Option<PathBuf>,
    pub broker: BrokerOptions,
    /// A broker that other hosts have too, instead of one of its own: so they are the instances of one app.
    pub shared_broker: Option<Broker>,
    /// Whether `ServiceBusConnection` is handed to the handler when a function uses it. Without, such a function stops
    /// the host, as it does in Azure.
    pub hand_connection: bool,
    /// The port of the broker's REST call; 0 = a free one.
    pub broker_port: u16,
    /// What the handler is told instead of it: the port of somebody who stands between the two.
    pub told_broker_port: Option<u16>,
    /// The key of `RootManageSharedAccessKey`.
    pub broker_key: String,
    /// The key that functions with `authLevel` function or admin ask for.
    pub function_key: String,
    /// At this many counted deaths of the handler the host stops.
    pub max_handler_errors: u32,
    /// The largest HTTP request body in bytes.
    pub body_limit: usize,
}

impl Options {
    /// The host's defaults, with the double's own environment as settings.
    #[must_use]
    pub fn new(app: impl Into<PathBuf>) -> Self {
        Self {
            app: app.into(),
            port: 0,
            mode: None,
            settings: Settings::from_environment(),
            data: None,
            broker: BrokerOptions::default(),
            shared_broker: None,
            hand_connection: true,
            broker_port: 0,
            told_broker_port: None,
            broker_key: "SAS_KEY_VALUE".into(),
            function_key: "local-function-key".into(),
            max_handler_errors: 3,
            body_limit: 100 * 1024 * 1024,
        }
    }

    /// Adds a setting.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.set(name, value);
        self
    }

    /// Keeps the broker's messages in this folder.
    #[must_use]
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }
}

/// Why a host did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    #[error("{0}")]
    Broker(#[from] BrokerError),
    #[error("127.0.0.1:{port} cannot be listened on: {source}")]
    Listen { port: u16, source: std::io::Error },
    #[error("the folder {path} cannot be made: {source}")]
    Data { path: PathBuf, source: std::io::Error },
}
