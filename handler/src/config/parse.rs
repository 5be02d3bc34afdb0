use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use webpubsub::key::AccessKey;
use webpubsub::names::HubName;

use super::auth::auth;
use super::azure::{self, CONNECTION, IDENTITY};
use super::events;
use super::moderation;
use super::reader::Reader;
use super::{
    AuthConfig, Config, Cors, Mistakes, NegotiateRoles, Place, QueueConfig, RoomsOnJoin, StorageConfig,
    TransportConfig, Vars, WsEndpoint,
};
use crate::adapters::azure::table::{StorageAccount, TABLE_PREFIX_CHARS};
use crate::adapters::client_tokens::TOKEN_MINUTES;
use crate::model::{RateLimit, RateLimits, UserId};

const DEFAULT_PORT: u16 = 5000;
/// HMAC-SHA256 wants a key as long as its digest.
const ACCESS_KEY_MIN_BYTES: usize = 32;
const STORAGE: &str = "AZURE_STORAGE_CONNECTION_STRING";
const STORAGE_IDENTITY: &str = "AZURE_STORAGE_ACCOUNT";
/// What negotiate hands out may be used for so long at most.
const TOKEN_MINUTES_MAX: u32 = 60;
const ACK_DELAY_MS: RangeInclusive<u64> = 0..=1_000;
/// A client that died is noticed after twice this time at most, and a reliable one may be recovered for another 30 s:
/// within a minute, with the default.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const KEEP_ALIVE_MS: RangeInclusive<u64> = 100..=60_000;
/// What stands around calls gives them little more than the longest.
const AZURE_TIMEOUT_MS: RangeInclusive<u64> = 100..=10_000;

/// More than this in a row is a mistake.
const TRUSTED_PROXIES: u64 = 16;
const AUDIT_DAYS: u64 = 90;
const AUDIT_DAYS_MAX: u64 = 3_660;

pub(super) fn config(vars: &dyn Vars) -> Result<Config, Mistakes> {
    let mut r = Reader::new(vars);
    let place = place(&mut r);
    let under_host = matches!(place, Place::Functions { .. });
    let on_azure = on_azure(&r, under_host);
    let transport = transport(&mut r, on_azure);
    let storage = storage(&mut r, on_azure);
    let queue = queue(&mut r, on_azure, under_host, storage.as_ref());
    let identity = azure::identity(&mut r);
    let azure_timeout = r.millis("AZURE_TIMEOUT_MS", AZURE_TIMEOUT_MS);
    let auth = auth(&mut r, on_azure);
    let admins = admins(&mut r);
    let trusted_proxies = r.number("TRUSTED_PROXIES", 0..=TRUSTED_PROXIES).unwrap_or(u64::from(under_host));
    let audit_days = r.number("AUDIT_RETENTION_DAYS", 1..=AUDIT_DAYS_MAX).unwrap_or(AUDIT_DAYS);
    let cors = cors(&mut r, !under_host && auth == Some(AuthConfig::Anonymous));
    let public_ws_endpoint = r.parse("PUBLIC_WS_ENDPOINT", ws_endpoint);
    let negotiate_roles = negotiate_roles(&mut r);
    let token_minutes = r.parse("NEGOTIATE_TOKEN_MINUTES", |text| {
        let minutes = text.parse().ok().filter(|minutes| (1..=TOKEN_MINUTES_MAX).contains(minutes));
        minutes.ok_or_else(|| format!("must be a number of minutes, 1 to {TOKEN_MINUTES_MAX}"))
    });
    let rooms_on_join = rooms_on_join(&mut r);
    let attachments = super::attachments::attachments(&mut r, under_host, storage.as_ref());
    let moderation =
        moderation::read(&mut r, auth.as_ref().is_some_and(AuthConfig::is_anonymous) && !on_azure);
    let retention_days = retention_days(&mut r);
    let events = events::events(&mut r, transport.as_ref());
    let event_handler_key = events::key(&mut r);
    if on_azure {
        events::events_must_be_proven(&mut r, transport.as_ref(), &events, negotiate_roles);
        azure::identity_must_be_managed(
            &mut r,
            &identity,
            transport.as_ref(),
            storage.as_ref(),
            queue.as_ref(),
            &moderation,
        );
    }
    let is_open_here = auth.as_ref().is_some_and(AuthConfig::is_anonymous) && !on_azure;
    let rate_limits =
        rate_limits(&mut r, if is_open_here { RateLimits::default() } else { RateLimits::DEFAULT });
    // What is `None` here has left a mistake.
    match (transport, storage, queue, auth) {
        (Some(transport), Some(storage), Some(queue), Some(auth)) if r.mistakes.is_empty() => Ok(Config {
            place,
            on_azure,
            transport,
            storage,
            queue,
            identity,
            azure_timeout,
            auth,
            admins,
            trusted_proxies: usize::try_from(trusted_proxies).unwrap_or_default(),
            audit_days,
            cors,
            rate_limits,
            public_ws_endpoint,
            event_handler_key,
            events,
            negotiate_roles,
            token_minutes: token_minutes.unwrap_or(TOKEN_MINUTES),
            rooms_on_join,
            attachments,
            moderation,
            retention_days,
            log_filter: r.text("RUST_LOG").unwrap_or_else(|| "info".to_owned()),
            #[cfg(feature = "testing")]
            test_controls: test_controls(vars, on_azure),
        }),
        _ => Err(r.mistakes),
    }
}

fn admins(r: &mut Reader<'_>) -> Vec<UserId> {
    let admins = r.list("ADMIN_USERS", |id| UserId::new(id).map_err(|why| format!("each user id {why}")));
    admins.unwrap_or_default()
}

fn negotiate_roles(r: &mut Reader<'_>) -> NegotiateRoles {
    let choices = [("connect", NegotiateRoles::Connect), ("token", NegotiateRoles::Token)];
    r.choice("NEGOTIATE_ROLES", &choices).unwrap_or(NegotiateRoles::Connect)
}

fn rooms_on_join(r: &mut Reader<'_>) -> RoomsOnJoin {
    let choices = [("refuse", RoomsOnJoin::Refuse), ("create", RoomsOnJoin::Create)];
    r.choice("ROOMS_ON_JOIN", &choices).unwrap_or(RoomsOnJoin::Refuse)
}

fn retention_days(r: &mut Reader<'_>) -> Option<u32> {
    let max = crate::model::bounds::RETENTION_DAYS;
    let read = |text: &str| match text {
        "off" => Ok(None),
        text => match text.parse::<u32>() {
            Ok(days) if (1..=max).contains(&days) => Ok(Some(days)),
            _ => Err(format!("must be off, or a number of days, 1 to {max}")),
        },
    };
    r.parse("RETENTION_DAYS", read).flatten()
}

fn place(r: &mut Reader<'_>) -> Place {
    let ws_port = r.port("WS_PORT");
    if r.is_set("FUNCTIONS_CUSTOMHANDLER_PORT") {
        let localhost = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        return Place::Functions {
            http: localhost(r.port("FUNCTIONS_CUSTOMHANDLER_PORT").unwrap_or_default()),
            hub: ws_port.map(localhost),
            app_root: r.text("FUNCTIONS_APP_ROOT_PATH").map_or_else(|| PathBuf::from("."), PathBuf::from),
            function_timeout: r.parse("AzureFunctionsJobHost__functionTimeout", |text| {
                function_timeout(text).ok_or_else(|| "must be a time span such as 00:05:00, or -1".to_owned())
            }),
            core_tools: r.is_set("FUNCTIONS_CORETOOLS_ENVIRONMENT"),
            has_timer: !timer_is_disabled(r),
        };
    }
    let bind = r
        .parse("BIND", |text| text.parse().map_err(|_| "must be an IP address".to_owned()))
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let port = r.port("PORT").unwrap_or(DEFAULT_PORT);
    let beside = if port == 0 { Some(0) } else { port.checked_add(1) };
    let hub = ws_port.or(beside).unwrap_or_else(|| {
        r.mistake("WS_PORT", "must be set, because PORT + 1 is no port");
        0
    });
    if port != 0 && hub == port {
        r.mistake("WS_PORT", "must differ from PORT, where the hub is anyway");
    }
    Place::Alone { http: SocketAddr::new(bind, port), hub: SocketAddr::new(bind, hub) }
}

/// The host's own switch, in both of its spellings.
fn timer_is_disabled(r: &Reader<'_>) -> bool {
    let names = ["AzureWebJobs.retention.Disabled", "AzureWebJobs__retention__Disabled"];
    let is_true = |text: String| text == "1" || text.eq_ignore_ascii_case("true");
    names.into_iter().any(|name| r.text(name).is_some_and(is_true))
}

/// Flex and Linux Consumption lack `WEBSITE_INSTANCE_ID`; `WEBSITE_HOSTNAME` is set locally too.
fn on_azure(r: &Reader<'_>, under_host: bool) -> bool {
    let marks = ["WEBSITE_INSTANCE_ID", "WEBSITE_POD_NAME", "WEBSITE_SKU", "WEBSITE_SITE_NAME"];
    let development = || {
        let environment = r.text("AZURE_FUNCTIONS_ENVIRONMENT");
        environment.is_some_and(|name| name.eq_ignore_ascii_case("Development"))
    };
    marks.into_iter().any(|name| r.is_set(name)) || (under_host && !development())
}

/// On Azure the four modes have no default: what does not outlive an instance runs only where it was asked for.
pub(super) fn must_be_named(r: &mut Reader<'_>, on_azure: bool, name: &'static str) {
    if on_azure && !r.is_set(name) {
        r.mistake(name, "must be set on Azure; it has no default there");
    }
}

/// `HANDLER_TEST_CONTROLS=true`. Not in the table of settings: the program that people get does not know it.
#[cfg(feature = "testing")]
fn test_controls(vars: &dyn Vars, on_azure: bool) -> bool {
    !on_azure && vars.get("HANDLER_TEST_CONTROLS").is_some_and(|text| text == "true")
}

fn transport(r: &mut Reader<'_>, on_azure: bool) -> Option<TransportConfig> {
    must_be_named(r, on_azure, "TRANSPORT_MODE");
    let name = r.text("WEBPUBSUB_HUB").unwrap_or_else(|| "demo_ai_chat".to_owned());
    let hub = HubName::new(&name).map_err(|_| {
        r.mistake("WEBPUBSUB_HUB", "must be a letter and up to 127 letters, digits or _");
    });
    match r.choice("TRANSPORT_MODE", &[("self", false), ("webpubsub", true)]) {
        Some(true) => {
            let access = azure::service_access(r);
            Some(TransportConfig::WebPubSub { hub: hub.ok()?, access: access? })
        }
        _ => embedded_hub(r, hub.ok()),
    }
}

fn embedded_hub(r: &mut Reader<'_>, hub: Option<HubName>) -> Option<TransportConfig> {
    let access_key = r.parse("HUB_ACCESS_KEY", |text| {
        if text.len() < ACCESS_KEY_MIN_BYTES {
            return Err(format!("must be at least {ACCESS_KEY_MIN_BYTES} bytes long"));
        }
        AccessKey::new(text).map_err(|why| why.to_string())
    });
    let ack_delay = r.millis("HUB_ACK_DELAY_MS", ACK_DELAY_MS).unwrap_or_default();
    let keep_alive = r.millis("HUB_KEEP_ALIVE_MS", KEEP_ALIVE_MS).unwrap_or(KEEP_ALIVE);
    Some(TransportConfig::Embedded { hub: hub?, access_key, ack_delay, keep_alive })
}

fn storage(r: &mut Reader<'_>, on_azure: bool) -> Option<StorageConfig> {
    must_be_named(r, on_azure, "STORAGE_MODE");
    let data_dir = r.text("DATA_DIR").map_or_else(|| PathBuf::from("./data"), PathBuf::from);
    match r.choice("STORAGE_MODE", &[("memory", "memory"), ("file", "file"), ("table", "table")]) {
        Some("table") => table(r, data_dir),
        Some("file") => Some(StorageConfig::File { data_dir }),
        _ => Some(StorageConfig::Memory),
    }
}

fn table(r: &mut Reader<'_>, data_dir: PathBuf) -> Option<StorageConfig> {
    let prefix = r.parse("CHAT_TABLE_NAME", |text| {
        let letters = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let begins = text.starts_with(|first: char| first.is_ascii_alphabetic());
        if letters && begins && (3..=TABLE_PREFIX_CHARS).contains(&text.len()) {
            return Ok(text.to_owned());
        }
        Err(format!("must be 3 to {TABLE_PREFIX_CHARS} letters and digits, a letter first"))
    });
    if !r.is_set(STORAGE) && !r.is_set(STORAGE_IDENTITY) {
        r.mistake(STORAGE, "must be set for STORAGE_MODE=table (UseDevelopmentStorage=true is Azurite), or AZURE_STORAGE_ACCOUNT");
    }
    let by_identity =
        r.parse(STORAGE_IDENTITY, |name| StorageAccount::of_identity(name).map_err(|why| why.to_string()));
    let by_key = r.parse(STORAGE, |text| StorageAccount::parse(text).map_err(|why| why.to_string()));
    let account = by_identity.or(by_key)?;
    Some(StorageConfig::Table {
        account,
        prefix: prefix.unwrap_or_else(|| "chatmessages".to_owned()),
        data_dir,
    })
}

fn queue(
    r: &mut Reader<'_>,
    on_azure: bool,
    under_host: bool,
    storage: Option<&StorageConfig>,
) -> Option<QueueConfig> {
    must_be_named(r, on_azure, "QUEUE_MODE");
    let follows = r.is_set(CONNECTION) || r.is_set(IDENTITY);
    let named = r.choice("QUEUE_MODE", &[("embedded", false), ("servicebus", true)]);
    if named.unwrap_or(follows && !on_azure) {
        return service_bus(r, under_host);
    }
    Some(QueueConfig::Embedded { data_dir: storage?.data_dir().cloned() })
}

fn service_bus(r: &mut Reader<'_>, under_host: bool) -> Option<QueueConfig> {
    if !under_host {
        r.mistake(
            "QUEUE_MODE",
            "servicebus needs a Functions host, which receives; alone, set QUEUE_MODE=embedded",
        );
    }
    let access = azure::bus_access(r)?;
    Some(QueueConfig::ServiceBus {
        access,
        queue: r.text("CHAT_QUEUE").unwrap_or_else(|| "chat-queue".to_owned()).into(),
        topic: r.text("CHAT_TOPIC").unwrap_or_else(|| "chat-topic".to_owned()).into(),
        subscription: r.text("CHAT_SUBSCRIPTION").unwrap_or_else(|| "chat-subscription".to_owned()).into(),
    })
}

fn cors(r: &mut Reader<'_>, localhost: bool) -> Cors {
    if r.text("CORS_ORIGINS").as_deref().map(str::trim) == Some("*") {
        return Cors::Anyone;
    }
    match r.list("CORS_ORIGINS", origin) {
        Some(origins) if !origins.is_empty() => Cors::Origins(origins),
        _ if localhost => Cors::Localhost,
        _ => Cors::Nobody,
    }
}

/// `scheme://host[:port]`, as browsers write it: lower case, no path.
fn origin(text: &str) -> Result<String, String> {
    let origin = text.trim_end_matches('/').to_ascii_lowercase();
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    if authority.is_some_and(is_authority) {
        Ok(origin)
    } else {
        Err("each origin must be http(s)://host[:port], without a path".to_owned())
    }
}

fn ws_endpoint(text: &str) -> Result<WsEndpoint, String> {
    let text = text.trim_end_matches('/');
    let authority = text.strip_prefix("wss://").or_else(|| text.strip_prefix("ws://"));
    if authority.is_some_and(is_authority) {
        Ok(WsEndpoint(text.to_owned()))
    } else {
        Err("must be ws://host[:port] or wss://host[:port], without a path".to_owned())
    }
}

pub(super) fn is_authority(text: &str) -> bool {
    !text.contains('@') && text.parse::<http::uri::Authority>().is_ok()
}

/// `[d.]hh:mm:ss`; `-1` is no limit, for which an hour stands.
pub(crate) fn function_timeout(text: &str) -> Option<Duration> {
    if text == "-1" {
        return Some(Duration::from_secs(3600));
    }
    let (days, rest) = match text.split_once('.') {
        Some((days, rest)) if rest.contains(':') => (days.parse::<u64>().ok()?, rest),
        _ => (0, text),
    };
    let mut parts = rest.split(':');
    let mut next = || parts.next()?.parse::<u64>().ok();
    let (hours, minutes, seconds) = (next()?, next()?, next()?);
    let in_range = days < 1_000 && hours < 24 && minutes < 60 && seconds < 60;
    (in_range && parts.next().is_none())
        .then(|| Duration::from_secs(((days * 24 + hours) * 60 + minutes) * 60 + seconds))
}

/// What is not set is `default`.
fn rate_limits(r: &mut Reader<'_>, default: RateLimits) -> RateLimits {
    let mut one = |name, default| {
        let limit = r.parse(name, |text| match RateLimit::parse(text) {
            Some(limit) => Ok(Some(limit)),
            None if text.eq_ignore_ascii_case("off") => Ok(None),
            None => Err(format!(
                "must be off, or per second/burst such as 10/20, each a whole number from 1 to {}",
                RateLimit::MAX
            )),
        });
        limit.unwrap_or(default)
    };
    RateLimits {
        user: one("RATE_LIMIT_USER", default.user),
        room: one("RATE_LIMIT_ROOM", default.room),
        address: one("RATE_LIMIT_IP", default.address),
    }
}
