use super::{
    AuthConfig, Config, Cors, IdentityConfig, NegotiateRoles, Place, QueueConfig, RoomsOnJoin, SafetyAccess,
    ServiceAccess, StorageConfig, TransportConfig,
};
use crate::adapters::azure::BusAccess;
use crate::adapters::jwt::KeySource;
use crate::model::RateLimit;

/// One setting, as `--help`, `handler config` and docs/CONFIG.md show it.
pub struct Setting {
    pub name: &'static str,
    /// What may be written there.
    pub kind: &'static str,
    /// What holds when it is not set.
    pub default: &'static str,
    pub about: &'static str,
    pub group: Group,
    /// The value in effect.
    pub(super) show: fn(&Config) -> Shown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Modes,
    Network,
    Hub,
    WebPubSub,
    Storage,
    ServiceBus,
    Identity,
    Access,
    Limits,
    Attachments,
    Moderation,
    Running,
    /// Set by Azure or by the Functions host, not by people.
    Platform,
    /// Known names of features that this version does not have.
    Later,
}

impl Group {
    pub const ALL: [Self; 14] = [
        Self::Modes,
        Self::Network,
        Self::Hub,
        Self::WebPubSub,
        Self::Storage,
        Self::ServiceBus,
        Self::Identity,
        Self::Access,
        Self::Limits,
        Self::Attachments,
        Self::Moderation,
        Self::Running,
        Self::Platform,
        Self::Later,
    ];

    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Modes => "Modes",
            Self::Network => "Network",
            Self::Hub => "Embedded hub",
            Self::WebPubSub => "Azure Web PubSub",
            Self::Storage => "Azure Table Storage",
            Self::ServiceBus => "Service Bus",
            Self::Identity => "Who we are to Azure",
            Self::Access => "Who may do what",
            Self::Limits => "How much",
            Self::Attachments => "Files",
            Self::Moderation => "Moderation",
            Self::Running => "Running",
            Self::Platform => "Set by the platform",
            Self::Later => "Known names of later versions",
        }
    }
}

/// A value in effect, as far as it may be seen.
pub(super) enum Shown {
    Unset,
    Hidden,
    Value(String),
}

#[expect(clippy::needless_pass_by_value, reason = "callers hand over what they have made")]
fn value(text: impl ToString) -> Shown {
    Shown::Value(text.to_string())
}

fn threshold(c: &Config, which: fn(crate::adapters::thresholds::Thresholds) -> Option<u8>) -> Shown {
    c.moderation
        .thresholds()
        .map_or(Shown::Unset, |all| value(which(all).map_or("off".to_owned(), |at| at.to_string())))
}

fn optional(text: Option<impl ToString>) -> Shown {
    text.map_or(Shown::Unset, value)
}

fn hidden(is_set: bool) -> Shown {
    if is_set { Shown::Hidden } else { Shown::Unset }
}

fn limit(limit: Option<RateLimit>) -> Shown {
    limit.map_or_else(|| value("off"), value)
}

const fn unset(_: &Config) -> Shown {
    Shown::Unset
}

macro_rules! settings {
    ($($group:ident { $($name:literal, $kind:literal, $default:literal, $about:literal, $show:expr;)* })*) => {
        /// All settings, in the order in which they are shown.
        pub static SETTINGS: &[Setting] = &[$($(Setting {
            name: $name, kind: $kind, default: $default, about: $about, group: Group::$group, show: $show,
        },)*)*];
    };
}

settings! {
    Modes {
        "TRANSPORT_MODE", "self, webpubsub", "self; on Azure none",
            "Who holds the clients' sockets: the embedded hub, or Azure Web PubSub.",
            |c| match c.transport { TransportConfig::Embedded { .. } => value("self"), TransportConfig::WebPubSub { .. } => value("webpubsub") };
        "STORAGE_MODE", "memory, file, table", "memory; on Azure none",
            "Where messages are kept: in memory, in files of DATA_DIR, or in Azure Table Storage or Azurite.",
            |c| match c.storage { StorageConfig::Memory => value("memory"), StorageConfig::File { .. } => value("file"), StorageConfig::Table { .. } => value("table") };
        "QUEUE_MODE", "embedded, servicebus", "servicebus when ServiceBusConnection is set, else embedded; on Azure none",
            "Where accepted messages wait: in this process (on disk in DATA_DIR unless STORAGE_MODE=memory), or in Service Bus, from which only a Functions host receives.",
            |c| match c.queue { QueueConfig::Embedded { .. } => value("embedded"), QueueConfig::ServiceBus { .. } => value("servicebus") };
        "AUTH_MODE", "anonymous, jwt, easyauth", "anonymous; on Azure none",
            "How callers prove who they are: not at all, by a signed token (Authorization: Bearer), or by the platform in front, whose X-MS-CLIENT-PRINCIPAL headers are then believed.",
            |c| match c.auth { AuthConfig::Anonymous => value("anonymous"), AuthConfig::Jwt { .. } => value("jwt"), AuthConfig::EasyAuth { .. } => value("easyauth") };
        "DATA_DIR", "path", "./data",
            "Folder of STORAGE_MODE=file, of the embedded queue and of the hub's key.",
            |c| optional(c.storage.data_dir().map(|data_dir| data_dir.display()));
    }
    Network {
        "PORT", "port", "5000",
            "HTTP when run alone. 0 takes a free one.",
            |c| match c.place { Place::Alone { http, .. } | Place::Functions { http, .. } => value(http.port()) };
        "BIND", "IP address", "127.0.0.1",
            "Address to listen on when run alone.",
            |c| match c.place { Place::Alone { http, .. } | Place::Functions { http, .. } => value(http.ip()) };
        "WS_PORT", "port", "PORT + 1; under the host none",
            "A port of its own for the embedded hub, which is on the HTTP port too.",
            |c| match c.place { Place::Alone { hub, .. } => value(hub.port()), Place::Functions { hub, .. } => optional(hub.map(|hub| hub.port())) };
        "PUBLIC_WS_ENDPOINT", "ws:// or wss:// URL without path", "the address the caller used",
            "Base of the URL that negotiate hands out: where clients reach the hub. Otherwise that of the embedded hub is made of X-Forwarded-Host and X-Forwarded-Proto, else of Host, and that of Web PubSub is its own.",
            |c| optional(c.public_ws_endpoint.as_ref().map(super::WsEndpoint::as_str));
        "TRUSTED_PROXIES", "0 to 16", "0; under the host 1",
            "Proxies before this program, each of which adds to X-Forwarded-For whom it speaks for. A client's address, for limits and the audit, is the one that the farthest of them saw; with 0 it is the connection's own, and the header is not read.",
            |c| value(c.trusted_proxies);
        "CORS_ORIGINS", "comma list of origins, or *", "none; anonymous and alone: pages of localhost",
            "Web pages of other origins that may call.",
            |c| match &c.cors {
                Cors::Nobody => Shown::Unset,
                Cors::Localhost => value("pages of localhost"),
                Cors::Origins(list) => value(list.join(",")),
                Cors::Anyone => value("*"),
            };
    }
    Hub {
        "HUB_ACCESS_KEY", "secret, 32 bytes or more", "made once into DATA_DIR; with memory, made at each start",
            "Signs client tokens, REST calls and events of the embedded hub.",
            |c| match &c.transport { TransportConfig::Embedded { access_key, .. } => hidden(access_key.is_some()), TransportConfig::WebPubSub { .. } => Shown::Unset };
        "HUB_ACK_DELAY_MS", "milliseconds, 0 to 1000", "0",
            "Holds acknowledgements back. Microsoft's synchronous Python client can miss one that comes within 2 ms.",
            |c| match &c.transport { TransportConfig::Embedded { ack_delay, .. } => value(ack_delay.as_millis()), TransportConfig::WebPubSub { .. } => Shown::Unset };
        "HUB_KEEP_ALIVE_MS", "milliseconds, 100 to 60000", "10000",
            "How often clients are pinged. One that is silent from one ping to the next is taken for lost: with the default, who died without a word is offline within a minute.",
            |c| match &c.transport { TransportConfig::Embedded { keep_alive, .. } => value(keep_alive.as_millis()), TransportConfig::WebPubSub { .. } => Shown::Unset };
        "WEBPUBSUB_HUB", "hub name", "demo_ai_chat",
            "Name of the hub that clients of this chat connect to.",
            |c| value(c.transport.hub());
        "NEGOTIATE_ROLES", "connect, token", "connect",
            "Where a client's rights come from: the answer to its connect event, or (up to 50 rooms) its token, for a hub whose events cannot reach this program.",
            |c| match c.negotiate_roles { NegotiateRoles::Connect => value("connect"), NegotiateRoles::Token => value("token") };
        "NEGOTIATE_TOKEN_MINUTES", "minutes, 1 to 60", "5",
            "How long the URL of negotiate may be used to connect. What it opened stays open. Where the token carries rights, five minutes at most.",
            |c| value(c.token_minutes);
        "EVENTHANDLER_KEY", "secret", "none",
            "Asked as ?code= of the event handler's URL, beside the signature, of whoever shows no token; 16 bytes at least. Without it no signature counts on Azure, nor where EVENTHANDLER_TOKEN_ISSUER is set: one is the same for all events of a connection. On Azure it must be set where signatures are the only proof.",
            |c| hidden(c.event_handler_key.is_some());
        "EVENTHANDLER_ORIGINS", "comma list of hosts, or *", "the host of the configured Web PubSub; with TRANSPORT_MODE=self this machine",
            "Services whose question whether they may send events here (WebHook-Request-Origin) is answered with yes.",
            |c| value(c.events.origins.join(","));
        "EVENTHANDLER_TOKEN_ISSUER", "comma list of issuers", "none",
            "Where the event handler is registered with a managed identity: who signs its tokens, such as https://sts.windows.net/TENANT/ and https://login.microsoftonline.com/TENANT/v2.0. The first is asked for the keys.",
            |c| c.events.tokens.as_ref().map_or(Shown::Unset, |tokens| value(tokens.rules.issuers.join(",")));
        "EVENTHANDLER_TOKEN_AUDIENCE", "comma list", "none",
            "For whom those tokens must be: the application id URI that is registered with the event handler.",
            |c| c.events.tokens.as_ref().map_or(Shown::Unset, |tokens| value(tokens.rules.audiences.join(",")));
        "EVENTHANDLER_TOKEN_IDS", "comma list of ids", "none",
            "Whose tokens they must be: object id or application id of the service's identity.",
            |c| c.events.tokens.as_ref().map_or(Shown::Unset, |tokens| value(tokens.senders.ids.join(",")));
    }
    WebPubSub {
        "WEBPUBSUB_ENDPOINT", "https:// URL without path", "none",
            "Web PubSub with this program's identity, which needs the role Web PubSub Service Owner. It wins over the connection string, whose key then verifies events alone.",
            |c| match &c.transport { TransportConfig::WebPubSub { access: ServiceAccess::Identity { endpoint, .. }, .. } => value(endpoint), _ => Shown::Unset };
        "WEBPUBSUB_CONNECTION_STRING", "connection string", "none",
            "Web PubSub with its access key.",
            |c| hidden(matches!(&c.transport, TransportConfig::WebPubSub { access: ServiceAccess::Key(_) | ServiceAccess::Identity { event_key: Some(_), .. }, .. }));
        "WEBPUBSUB_EVENT_KEYS", "comma list of access keys", "none",
            "Verify the signatures of events, beside the connection string's key: the other one of the two, so that either may be renewed.",
            |c| hidden(!c.events.keys.is_empty());
    }
    Storage {
        "AZURE_STORAGE_CONNECTION_STRING", "connection string", "none",
            "The storage account of STORAGE_MODE=table, with its key. UseDevelopmentStorage=true is Azurite on this machine.",
            |c| hidden(matches!(&c.storage, StorageConfig::Table { account, .. } if !account.needs_identity()));
        "AZURE_STORAGE_ACCOUNT", "name", "none",
            "The same with this program's identity, which needs the role Storage Table Data Contributor. It wins over the connection string.",
            |c| match &c.storage { StorageConfig::Table { account, .. } if account.needs_identity() => value(account.name()), _ => Shown::Unset };
        "CHAT_TABLE_NAME", "3 to 50 letters and digits", "chatmessages",
            "The table of inboxes, and what the names of the other tables begin with. They are made on first use.",
            |c| match &c.storage { StorageConfig::Table { prefix, .. } => value(prefix), _ => Shown::Unset };
    }
    ServiceBus {
        "ServiceBusConnection", "connection string", "none",
            "Service Bus with a shared access key. The name is the one in function.json. It wins over the host name, as it does in the Functions host.",
            |c| hidden(matches!(c.queue, QueueConfig::ServiceBus { access: BusAccess::Key(_), .. }));
        "ServiceBusConnection__fullyQualifiedNamespace", "host name", "none",
            "Service Bus with this program's identity, which needs the role Azure Service Bus Data Sender, and Data Receiver for the Functions host.",
            |c| match &c.queue { QueueConfig::ServiceBus { access: access @ BusAccess::Identity(_), .. } => value(access.host()), _ => Shown::Unset };
        "CHAT_QUEUE", "name", "chat-queue",
            "Queue of direct messages.",
            |c| match &c.queue { QueueConfig::ServiceBus { queue, .. } => value(queue), QueueConfig::Embedded { .. } => Shown::Unset };
        "CHAT_TOPIC", "name", "chat-topic",
            "Topic of room messages.",
            |c| match &c.queue { QueueConfig::ServiceBus { topic, .. } => value(topic), QueueConfig::Embedded { .. } => Shown::Unset };
        "CHAT_SUBSCRIPTION", "name", "chat-subscription",
            "The topic's subscription: readyz looks at its settings, and function.json names it for the Functions host.",
            |c| match &c.queue { QueueConfig::ServiceBus { subscription, .. } => value(subscription), QueueConfig::Embedded { .. } => Shown::Unset };
    }
    Identity {
        "USE_MANAGED_IDENTITY", "true, false", "false",
            "The managed identity that Azure gives this app. Otherwise whoever is signed in to the Azure CLI or the Azure Developer CLI.",
            |c| match c.identity { IdentityConfig::Managed { .. } => value("true"), IdentityConfig::Developer => value("false") };
        "AZURE_CLIENT_ID", "client id", "the system-assigned identity",
            "Which user-assigned managed identity.",
            |c| match &c.identity { IdentityConfig::Managed { client_id } => optional(client_id.as_ref()), IdentityConfig::Developer => Shown::Unset };
    }
    Access {
        "ADMIN_USERS", "comma list of user ids", "none",
            "The deployment's admins, by user id. With AUTH_MODE=anonymous anybody can say they are one of them.",
            |c| if c.admins.is_empty() { Shown::Unset } else {
                value(c.admins.iter().map(crate::model::UserId::as_str).collect::<Vec<_>>().join(","))
            };
        "JWT_ISSUER", "comma list", "none",
            "Whose tokens count: iss, letter by letter. One tenant's, never that of all tenants.",
            |c| match &c.auth { AuthConfig::Jwt { rules, .. } => value(rules.issuers.join(",")), _ => Shown::Unset };
        "JWT_AUDIENCE", "comma list", "none",
            "Whom tokens are for: one of these is aud, or among them.",
            |c| match &c.auth { AuthConfig::Jwt { rules, .. } => value(rules.audiences.join(",")), _ => Shown::Unset };
        "JWT_JWKS_URL", "https URL", "as JWT_ISSUER's /.well-known/openid-configuration says",
            "Where the issuer shows its keys. They are kept for an hour and asked for again when a token names another.",
            |c| match &c.auth { AuthConfig::Jwt { keys: KeySource::Url(url), .. } => value(url), _ => Shown::Unset };
        "JWT_SECRET", "secret, 32 bytes or more", "none",
            "Instead of an issuer's keys: tokens are signed with it by HS256.",
            |c| hidden(matches!(&c.auth, AuthConfig::Jwt { keys: KeySource::Secret(_), .. }));
        "JWT_CLOCK_SKEW_SECS", "seconds, 0 to 600", "60",
            "How far the issuer's clock may be from ours.",
            |c| match &c.auth { AuthConfig::Jwt { rules, .. } => value(rules.skew.as_secs()), _ => Shown::Unset };
        "AUTH_USER_CLAIM", "claim", "jwt: sub; easyauth: the header X-MS-CLIENT-PRINCIPAL-ID",
            "Which claim is the user id. It must never pass to another person: with Entra ID oid is one, a name or an address is none.",
            |c| optional(c.auth.people().and_then(|people| people.user_claim.as_ref()));
        "AUTH_ADMIN_ROLE", "text", "none",
            "Who has this role by their claims is an admin, beside those of ADMIN_USERS.",
            |c| optional(c.auth.people().and_then(|people| people.admin_role.as_ref()));
        "AUTH_ADMIN_CLAIM", "claim", "jwt: roles; easyauth: the provider's claim of roles",
            "Where that role stands: a list, or a text of words such as scp.",
            |c| optional(c.auth.people().and_then(|people| people.admin_claim.as_ref()));
    }
    Limits {
        "RATE_LIMIT_USER", "off, or per second/burst", "10/20; off with AUTH_MODE=anonymous off Azure",
            "What one user may do: every call that changes something, `sync`, a page of an export, and every event of their sockets. Who wants more is refused with 429 and Retry-After.",
            |c| limit(c.rate_limits.user);
        "RATE_LIMIT_ROOM", "off, or per second/burst", "100/200; off with AUTH_MODE=anonymous off Azure",
            "What all together may do in one room: send, edit, react, report, join, type.",
            |c| limit(c.rate_limits.room);
        "RATE_LIMIT_IP", "off, or per second/burst", "50/100; off with AUTH_MODE=anonymous off Azure",
            "HTTP requests of one address (of IPv6 its /64 network), and frames of one live connection.",
            |c| limit(c.rate_limits.address);
    }
    Attachments {
        "ATTACHMENTS", "on, off", "on alone with STORAGE_MODE memory or file, else off",
            "Whether messages may carry files of ours: in memory, in DATA_DIR, or with STORAGE_MODE=table in blobs of the same account, whose identity then needs the roles Storage Blob Data Contributor and Storage Blob Delegator.",
            |c| value(if c.attachments.is_some() { "on" } else { "off" });
        "ATTACHMENTS_CONTAINER", "container name", "chat-attachments",
            "The blobs' container. It is made on first use.",
            |c| match (&c.attachments, &c.storage) { (Some(files), StorageConfig::Table { .. }) => value(&files.container), _ => Shown::Unset };
        "ATTACHMENTS_MAX_BYTES", "bytes, 1 to 5242880000", "10485760",
            "The longest file.",
            |c| optional(c.attachments.as_ref().map(|files| files.rules.max_bytes));
        "ATTACHMENTS_TYPES", "comma list of content types", "images, PDF, text, CSV, JSON, ZIP, Office documents, video and audio: see API.md",
            "What files may be. Their first bytes must agree.",
            |c| optional(c.attachments.as_ref().map(|files| files.rules.types.join(",")));
        "ATTACHMENTS_QUOTA_BYTES", "bytes", "1073741824",
            "All files of one user together.",
            |c| optional(c.attachments.as_ref().map(|files| files.rules.quota_bytes));
    }
    Moderation {
        "MODERATION", "off, local, azure, local+azure", "off with AUTH_MODE=anonymous off Azure, else local",
            "Who judges what is said before it is published: this program, by words, links and how much one sender says, Azure AI Content Safety, or both. What rooms want of their messages (blocked_words, links) is judged in any case.",
            |c| value(c.moderation.name());
        "MODERATION_MASK_AT", "2, 4, 6, off", "2",
            "Weight of words (2 coarse, 4 explicit or demeaning, 6 slurs and calls to die) from which they are masked. Azure names no words, so nothing of its finding is masked.",
            |c| threshold(c, |t| t.mask);
        "MODERATION_HOLD_AT", "2, 4, 6, off", "4",
            "Weight of words, or severity that Azure finds, from which a message is kept until a moderator has looked at it.",
            |c| threshold(c, |t| t.hold);
        "MODERATION_REJECT_AT", "2, 4, 6, off", "6",
            "The same from which it is refused.",
            |c| threshold(c, |t| t.reject);
        "MODERATION_ON_FAILURE", "allow, hold, refuse", "allow",
            "What happens to a message that Azure does not judge in time: it is published, kept for a moderator, or refused (503) for the sender to try again.",
            |c| c.moderation.safety().map_or(Shown::Unset, |safety| value(safety.on_failure_name()));
        "MODERATION_TIMEOUT_MS", "milliseconds, 100 to 10000", "2000",
            "How long Azure AI Content Safety may take for a call.",
            |c| c.moderation.safety().map_or(Shown::Unset, |safety| value(safety.timeout.as_millis()));
        "CONTENT_SAFETY_ENDPOINT", "https:// URL without path", "none",
            "The resource of Azure AI Content Safety. Without CONTENT_SAFETY_KEY it is called with this program's identity, which needs the role Cognitive Services User.",
            |c| optional(c.moderation.safety().map(|safety| &safety.endpoint));
        "CONTENT_SAFETY_KEY", "secret", "none",
            "A key of that resource.",
            |c| hidden(c.moderation.safety().is_some_and(|safety| safety.access != SafetyAccess::Identity));
    }
    Running {
        "AUDIT_RETENTION_DAYS", "1 to 3660", "90",
            "How long the audit keeps a record of what admins and moderators did.",
            |c| value(c.audit_days);
        "AZURE_TIMEOUT_MS", "milliseconds, 100 to 10000", "2000 for Service Bus and for reading a row of Table Storage (other rows and pages 6000, transactions 10000), 5000 for Web PubSub",
            "How long one request to a service of Azure may take before it counts as failed. What took longer than 3 s (Service Bus) or 7 s (Table Storage) is not tried again.",
            |c| optional(c.azure_timeout.map(|timeout| timeout.as_millis()));
        "ROOMS_ON_JOIN", "refuse, create", "refuse",
            "What joining a room that is not there does. With create it makes the room, which goes with the last who leaves.",
            |c| match c.rooms_on_join { RoomsOnJoin::Refuse => value("refuse"), RoomsOnJoin::Create => value("create") };
        "RETENTION_DAYS", "off, or 1 to 36500", "off",
            "How many days messages are kept, and messages that were refused or could not be delivered. A room's owners may keep theirs for less (retention_days).",
            |c| c.retention_days.map_or_else(|| value("off"), value);
        "RUST_LOG", "filter", "info",
            "Which log lines are written.",
            |c| value(&c.log_filter);
    }
    Platform {
        "FUNCTIONS_CUSTOMHANDLER_PORT", "port", "not under a host",
            "The Functions host's word for where to listen. Its presence means: run under the host.",
            |c| if c.under_host() { optional(match c.place { Place::Functions { http, .. } => Some(http.port()), Place::Alone { .. } => None }) } else { Shown::Unset };
        "FUNCTIONS_APP_ROOT_PATH", "path", ".",
            "Where host.json lies.",
            |c| match &c.place { Place::Functions { app_root, .. } => value(app_root.display()), Place::Alone { .. } => Shown::Unset };
        "AzureFunctionsJobHost__functionTimeout", "hh:mm:ss", "functionTimeout of host.json, else 00:05:00",
            "How long the host lets an invocation run. A delivery waits for a failing dependency until 30 s before that.",
            |c| match &c.place { Place::Functions { function_timeout, .. } => optional(function_timeout.map(|t| format!("{} s", t.as_secs()))), Place::Alone { .. } => Shown::Unset };
        "AzureWebJobs.retention.Disabled", "true, false", "false",
            "The host's switch for its timer. Without the timer the process has the work of the `retention` function done by itself, every 20 s.",
            |c| if c.under_host() { value(!c.has_timer()) } else { Shown::Unset };
        "AzureWebJobs__retention__Disabled", "true, false", "false", "The same in the spelling of Linux containers.", unset;
        "AZURE_FUNCTIONS_ENVIRONMENT", "text", "none",
            "Under a host anything but Development means: on Azure.", unset;
        "FUNCTIONS_CORETOOLS_ENVIRONMENT", "text", "none",
            "Its presence means: started by Core Tools, which buffer what the host sends.", unset;
        "WEBSITE_INSTANCE_ID", "text", "none", "Its presence means: on Azure.", unset;
        "WEBSITE_POD_NAME", "text", "none", "Its presence means: on Azure.", unset;
        "WEBSITE_SKU", "text", "none", "Its presence means: on Azure.", unset;
        "WEBSITE_SITE_NAME", "text", "none", "Its presence means: on Azure.", unset;
        "IDENTITY_ENDPOINT", "URL", "none", "Where a managed identity's tokens come from; without it, the machine's own address.", unset;
        "IDENTITY_HEADER", "secret", "none", "Shown to IDENTITY_ENDPOINT.", unset;
    }
    Later {
        "GITHUB_TOKEN", "secret", "none", "AI replies.", unset;
        "AI_ENDPOINT", "URL", "none", "AI replies.", unset;
        "AI_MODEL", "name", "none", "AI replies.", unset;
    }
}
