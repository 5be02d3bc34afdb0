//! Settings: a pure function from names to a value. Whatever [`Config`] can hold, the program can run; a
//! half-configured adapter cannot be written down.

mod attachments;
mod auth;
mod azure;
mod events;
mod mistakes;
mod parse;
mod reader;
mod render;
mod secret;
mod settings;
#[cfg(test)]
mod tests;
mod vars;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use mistakes::{Mistake, Mistakes};
pub(crate) use parse::function_timeout as parse_function_timeout;
pub use render::{effective, help, markdown};
pub use secret::Secret;
pub use settings::{Group, SETTINGS, Setting};
pub use vars::{ProcessVars, Vars};

use webpubsub::connection_string::ConnectionString;
use webpubsub::key::AccessKey;
use webpubsub::names::HubName;

use crate::adapters::azure::BusAccess;
use crate::adapters::azure::table::StorageAccount;
use crate::adapters::jwt::{KeySource, TokenRules};
use crate::model::{AttachmentRules, RateLimits, UserId};

/// Everything the program was told, read once.
#[derive(Clone, Debug)]
pub struct Config {
    pub place: Place,
    pub on_azure: bool,
    pub transport: TransportConfig,
    pub storage: StorageConfig,
    pub queue: QueueConfig,
    pub identity: IdentityConfig,
    /// How long one request to a service of Azure may take, where somebody says so.
    pub azure_timeout: Option<Duration>,
    pub auth: AuthConfig,
    /// Admins by name, beside those by claim.
    pub admins: Vec<UserId>,
    /// Proxies before this program that each note in X-Forwarded-For whom they speak for.
    pub trusted_proxies: usize,
    /// How long records of the audit stay.
    pub audit_days: u64,
    pub cors: Cors,
    pub rate_limits: RateLimits,
    /// What negotiate hands out as base; otherwise the address the caller used.
    pub public_ws_endpoint: Option<WsEndpoint>,
    /// Asked as `?code=` of the event handler of whoever shows no token.
    pub event_handler_key: Option<Secret>,
    pub events: EventsConfig,
    pub negotiate_roles: NegotiateRoles,
    /// How long what negotiate hands out may be used to connect; with rights in it five minutes at most.
    pub token_minutes: u32,
    pub rooms_on_join: RoomsOnJoin,
    /// None where no files are taken.
    pub attachments: Option<AttachmentsConfig>,
    /// How many days messages are kept; none = for ever.
    pub retention_days: Option<u32>,
    /// Filter of the log, in the form of `RUST_LOG`.
    pub log_filter: String,
    /// Requests may ask for panics and outages, to see that they are survived. No release has it.
    #[cfg(feature = "testing")]
    pub test_controls: bool,
}

impl Config {
    /// Reads all settings. Every mistake is reported, not only the first.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, Mistakes> {
        parse::config(vars)
    }

    /// Where others reach us who did not ask us just now. The port is the one that is listened on.
    #[must_use]
    pub fn public_base(&self) -> String {
        if let Some(endpoint) = &self.public_ws_endpoint {
            return endpoint.as_http();
        }
        let (Place::Alone { http, .. } | Place::Functions { http, .. }) = self.place;
        let host = if http.ip().is_unspecified() { "localhost".to_owned() } else { http.ip().to_string() };
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        format!("http://{host}:{}", http.port())
    }

    #[must_use]
    pub const fn under_host(&self) -> bool {
        matches!(self.place, Place::Functions { .. })
    }

    /// Whether the host's timer has the chores done, rather than this process by itself.
    #[must_use]
    pub const fn has_timer(&self) -> bool {
        matches!(self.place, Place::Functions { has_timer: true, .. })
    }

    /// Whether the stores are another machine's, which may be away for a while.
    #[must_use]
    pub const fn is_stored_elsewhere(&self) -> bool {
        matches!(self.storage, StorageConfig::Table { .. })
    }
}

/// Who starts the program and where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Alone {
        http: SocketAddr,
        hub: SocketAddr,
    },
    /// Started by a Functions host, which calls on 127.0.0.1.
    Functions {
        http: SocketAddr,
        hub: Option<SocketAddr>,
        /// Where `host.json` lies.
        app_root: PathBuf,
        /// How long the host lets an invocation run, where a setting overrides `host.json`.
        function_timeout: Option<Duration>,
        /// Core Tools buffer what the host sends, so it comes with a length instead of in chunks.
        core_tools: bool,
        /// The host's timer has the chores done; otherwise this process does them by itself.
        has_timer: bool,
    },
}

impl Place {
    /// A port of 0 has become another.
    pub const fn listens_on(&mut self, address: SocketAddr) {
        let (Self::Alone { http, .. } | Self::Functions { http, .. }) = self;
        *http = address;
    }
}

#[derive(Clone, Debug)]
pub enum TransportConfig {
    /// The hub in this process.
    Embedded {
        hub: HubName,
        /// Signs client tokens and events; made by the program where none is given.
        access_key: Option<AccessKey>,
        /// Holds acknowledgements back; an official client misses one that comes within 2 ms.
        ack_delay: Duration,
        /// How often clients are pinged. One that is silent from one ping to the next is taken for lost.
        keep_alive: Duration,
    },
    /// Azure Web PubSub, or a double of it elsewhere.
    WebPubSub { hub: HubName, access: ServiceAccess },
}

impl TransportConfig {
    /// The hub of this chat's clients.
    #[must_use]
    pub const fn hub(&self) -> &HubName {
        match self {
            Self::Embedded { hub, .. } | Self::WebPubSub { hub, .. } => hub,
        }
    }
}

/// How Web PubSub is reached.
#[derive(Clone, Debug)]
pub enum ServiceAccess {
    Key(ConnectionString),
    /// With this process's identity.
    Identity {
        /// Scheme, host and port, without a slash at the end.
        endpoint: String,
        /// Verifies the signature of events, where a connection string is set too.
        event_key: Option<AccessKey>,
    },
}

/// Who may bring a service's events over HTTP.
#[derive(Clone, Debug)]
pub struct EventsConfig {
    /// Hosts that may ask for consent; `*` is any.
    pub origins: Vec<String>,
    /// They verify signatures beside the connection string's.
    pub keys: Vec<AccessKey>,
    /// Where the service shows its identity.
    pub tokens: Option<EventTokens>,
}

#[derive(Clone, Debug)]
pub struct EventTokens {
    pub rules: TokenRules,
    pub keys: KeySource,
    pub senders: EventSenders,
}

/// Whose tokens count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSenders {
    /// Object ids or application ids.
    pub ids: Vec<String>,
}

/// Who this process is, where an adapter needs an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityConfig {
    /// The one that Azure gives this app.
    Managed { client_id: Option<String> },
    /// Whoever is signed in on this machine.
    Developer,
}

#[expect(clippy::large_enum_variant, reason = "there is one of it")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageConfig {
    Memory,
    /// Durable files in this folder.
    File {
        data_dir: PathBuf,
    },
    /// Tables of a storage account, or of Azurite.
    Table {
        account: StorageAccount,
        /// What the tables' names begin with.
        prefix: String,
        /// For what else is durable: the embedded queue, the embedded hub's key.
        data_dir: PathBuf,
    },
}

impl StorageConfig {
    /// Where this process keeps files; none where nothing is to outlive it.
    #[must_use]
    pub const fn data_dir(&self) -> Option<&PathBuf> {
        match self {
            Self::Memory => None,
            Self::File { data_dir } | Self::Table { data_dir, .. } => Some(data_dir),
        }
    }
}

#[derive(Clone, Debug)]
pub enum QueueConfig {
    Embedded {
        /// Where it is durable; in memory without.
        data_dir: Option<PathBuf>,
    },
    /// Sends over REST; the Functions host receives.
    ServiceBus { access: BusAccess, queue: Box<str>, topic: Box<str>, subscription: Box<str> },
}

/// How callers prove who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthConfig {
    /// The caller says who they are and is believed.
    Anonymous,
    /// By a signed token.
    Jwt { rules: TokenRules, keys: KeySource, people: People },
    /// The platform in front of us asks them, and says so in headers. It must let nobody else set these.
    EasyAuth { people: People },
}

impl AuthConfig {
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        matches!(self, Self::Anonymous)
    }

    /// What is read of those who sign in.
    #[must_use]
    pub const fn people(&self) -> Option<&People> {
        match self {
            Self::Anonymous => None,
            Self::Jwt { people, .. } | Self::EasyAuth { people } => Some(people),
        }
    }
}

/// Which claims tell the user and the admin; each `None` is the way in's own default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    pub user_claim: Option<String>,
    pub admin_claim: Option<String>,
    /// The claim's value that makes an admin. Without it no claim does.
    pub admin_role: Option<String>,
}

/// Which web pages may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cors {
    Nobody,
    /// `http(s)://localhost`, `127.0.0.1` and `[::1]`, on any port.
    Localhost,
    Origins(Vec<String>),
    Anyone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NegotiateRoles {
    /// The token names the user alone; rights come with the answer to `connect`.
    Connect,
    /// The token carries the rights, for a hub whose events cannot reach us.
    Token,
}

/// Which files are taken, and where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachmentsConfig {
    /// The blobs' container, with `STORAGE_MODE=table`.
    pub container: String,
    pub rules: AttachmentRules,
}

/// What joining a room that is not there does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomsOnJoin {
    /// It is refused.
    Refuse,
    /// It makes the room, which goes with the last who leaves.
    Create,
}

/// A base URL `ws://host[:port]` or `wss://host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WsEndpoint(String);

impl WsEndpoint {
    /// The same place as an HTTP base URL.
    #[must_use]
    pub fn as_http(&self) -> String {
        self.0.replacen("ws", "http", 1)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
