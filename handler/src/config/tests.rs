use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

const SECRET: &str = "Endpoint=sb://x.servicebus.windows.net;SharedAccessKeyName=n;SharedAccessKey=TOPSECRET";

fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(pairs: &[(&str, &str)]) -> Result<Config, Mistakes> {
    Config::from_vars(&vars(pairs))
}

/// The names that are complained about, in order.
fn mistakes(pairs: &[(&str, &str)]) -> Vec<&'static str> {
    read(pairs).map_or_else(|mistakes| mistakes.iter().map(|m| m.name).collect(), |_| Vec::new())
}

const HOST: [(&str, &str); 2] =
    [("FUNCTIONS_CUSTOMHANDLER_PORT", "41517"), ("AZURE_FUNCTIONS_ENVIRONMENT", "Development")];

fn under_host<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    HOST.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn nothing_set_is_a_hub_in_memory_on_localhost() {
    let config = read(&[]).unwrap();
    assert_eq!(
        config.place,
        Place::Alone { http: "127.0.0.1:5000".parse().unwrap(), hub: "127.0.0.1:5001".parse().unwrap() }
    );
    assert_eq!(config.storage, StorageConfig::Memory);
    assert!(matches!(config.queue, QueueConfig::Embedded { data_dir: None }));
    assert_eq!((config.on_azure, &config.cors), (false, &Cors::Localhost));
}

#[test]
fn an_empty_value_is_not_set() {
    assert!(read(&[("PORT", ""), ("STORAGE_MODE", ""), ("BIND", "")]).is_ok());
}

#[test]
fn the_queue_is_durable_where_the_store_is() {
    let config = read(&[("STORAGE_MODE", "file"), ("DATA_DIR", "/x")]).unwrap();
    assert!(matches!(config.queue, QueueConfig::Embedded { data_dir: Some(dir) } if *dir == *"/x"));
}

#[test]
fn every_mistake_is_told_at_once() {
    let found = mistakes(&[
        ("PORT", "http"),
        ("BIND", "localhost"),
        ("STORAGE_MODE", "disk"),
        ("HUB_ACCESS_KEY", "short"),
        ("HUB_ACK_DELAY_MS", "soon"),
        ("HUB_KEEP_ALIVE_MS", "99"),
        ("WEBPUBSUB_HUB", "1"),
        ("ADMIN_USERS", &"x".repeat(129)),
        ("CORS_ORIGINS", "example.com"),
        ("PUBLIC_WS_ENDPOINT", "https://x"),
        ("NEGOTIATE_ROLES", "all"),
        ("RATE_LIMIT_IP", "5"),
        ("RATE_LIMIT_USER", "0/1"),
    ]);
    let expected = [
        "BIND",
        "PORT",
        "WEBPUBSUB_HUB",
        "HUB_ACCESS_KEY",
        "HUB_ACK_DELAY_MS",
        "HUB_KEEP_ALIVE_MS",
        "STORAGE_MODE",
        "ADMIN_USERS",
        "CORS_ORIGINS",
        "PUBLIC_WS_ENDPOINT",
        "NEGOTIATE_ROLES",
        "RATE_LIMIT_USER",
        "RATE_LIMIT_IP",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_client_that_died_without_a_word_is_noticed_within_a_minute() {
    let TransportConfig::Embedded { keep_alive, .. } = read(&[]).unwrap().transport else {
        panic!("the embedded hub is the default")
    };
    let recovery = hub::HubOptions::new(Vec::new()).recovery_window;
    assert!(keep_alive * 2 + recovery < Duration::from_secs(60));
}

#[test]
fn limits_are_off_where_anybody_may_be_anybody_and_on_elsewhere() {
    let limits = |vars: &[(&str, &str)]| {
        let config = read(vars).unwrap();
        let shown = |limit: Option<crate::model::RateLimit>| limit.map(|limit| limit.to_string());
        let limits = config.rate_limits;
        ([limits.user, limits.room, limits.address].map(shown), config.trusted_proxies)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(limits(&[]), ([None, None, None], 0));
    assert_eq!(limits(&[("RATE_LIMIT_USER", "5/7"), ("TRUSTED_PROXIES", "2")]).0[0], some("5/7"));
    let host = [("FUNCTIONS_CUSTOMHANDLER_PORT", "1"), ("AZURE_FUNCTIONS_ENVIRONMENT", "Development")];
    assert_eq!(limits(&host), ([None, None, None], 1));
    let mut azure = vec![
        ("WEBSITE_SITE_NAME", "chat"),
        ("TRANSPORT_MODE", "self"),
        ("STORAGE_MODE", "memory"),
        ("QUEUE_MODE", "embedded"),
        ("AUTH_MODE", "anonymous"),
    ];
    assert_eq!(limits(&azure).0, [some("10/20"), some("100/200"), some("50/100")]);
    azure.extend([("RATE_LIMIT_ROOM", "Off"), ("RATE_LIMIT_IP", " 1/2 ")]);
    assert_eq!(limits(&azure).0, [some("10/20"), None, some("1/2")]);
}

#[test]
fn tables_need_an_account_and_a_name_that_tables_may_have() {
    let name = "AZURE_STORAGE_CONNECTION_STRING";
    fn table<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        [&[("STORAGE_MODE", "table")], more].concat()
    }
    let config = read(&table(&[(name, "UseDevelopmentStorage=true")])).unwrap();
    assert!(matches!(&config.storage, StorageConfig::Table { account, prefix, .. }
        if account.host() == "127.0.0.1:10002" && prefix == "chatmessages"));
    assert!(
        matches!(&config.queue, QueueConfig::Embedded { data_dir: Some(_) }),
        "what waits is durable too"
    );
    let shown = format!("{config:?}{}", effective(&config));
    assert!(!shown.contains("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq"), "{shown}");
    assert_eq!(mistakes(&table(&[])), [name]);
    assert_eq!(mistakes(&table(&[(name, "AccountName=chat")])), [name]);
    assert_eq!(mistakes(&table(&[("AZURE_STORAGE_ACCOUNT", "no name")])), ["AZURE_STORAGE_ACCOUNT"]);
    let both = table(&[(name, "UseDevelopmentStorage=true"), ("AZURE_STORAGE_ACCOUNT", "chat")]);
    assert!(matches!(read(&both).unwrap().storage, StorageConfig::Table { account, .. }
        if account.needs_identity() && account.host() == "chat.table.core.windows.net"));
    for prefix in ["1chat", "chat-messages", "ab", &"x".repeat(51)] {
        let set = table(&[(name, "UseDevelopmentStorage=true"), ("CHAT_TABLE_NAME", prefix)]);
        assert_eq!(mistakes(&set), ["CHAT_TABLE_NAME"], "{prefix}");
    }
}

#[test]
fn service_bus_follows_its_connection_and_needs_a_host() {
    assert_eq!(mistakes(&[("ServiceBusConnection", SECRET)]), ["QUEUE_MODE"]);
    assert!(mistakes(&[("ServiceBusConnection", SECRET), ("QUEUE_MODE", "embedded")]).is_empty());
    let config = read(&under_host(&[("ServiceBusConnection", SECRET)])).unwrap();
    assert!(matches!(&config.queue, QueueConfig::ServiceBus { queue, topic, .. }
        if &**queue == "chat-queue" && &**topic == "chat-topic"));
    assert_eq!(mistakes(&under_host(&[("QUEUE_MODE", "servicebus")])), ["ServiceBusConnection"]);
    assert_eq!(
        mistakes(&under_host(&[("ServiceBusConnection", "Endpoint=sb://x")])),
        ["ServiceBusConnection"]
    );
    let of_one_entity = format!("{SECRET};EntityPath=chat-queue");
    assert_eq!(mistakes(&under_host(&[("ServiceBusConnection", &of_one_entity)])), ["ServiceBusConnection"]);
    let identity = "ServiceBusConnection__fullyQualifiedNamespace";
    let config = read(&under_host(&[(identity, "x.servicebus.windows.net")])).unwrap();
    assert!(matches!(&config.queue, QueueConfig::ServiceBus { access: BusAccess::Identity(_), .. }));
    assert!(effective(&config).contains("fullyQualifiedNamespace=x.servicebus.windows.net"));
    let both = read(&under_host(&[(identity, "y.servicebus.windows.net"), ("ServiceBusConnection", SECRET)]));
    assert!(matches!(both.unwrap().queue, QueueConfig::ServiceBus { access: BusAccess::Key(_), .. }));
    assert_eq!(mistakes(&under_host(&[(identity, "sb://x/y")])), [identity]);
}

#[test]
fn web_pubsub_is_reached_with_a_key_or_an_identity() {
    const ENDPOINT: &str = "WEBPUBSUB_ENDPOINT";
    const STRING: &str = "WEBPUBSUB_CONNECTION_STRING";
    let key = "Endpoint=https://x.webpubsub.azure.com;AccessKey=TOPSECRET;Version=1.0;";
    let mode = ("TRANSPORT_MODE", "webpubsub");
    assert_eq!(mistakes(&[mode]), [ENDPOINT]);
    let config = read(&[mode, (STRING, key)]).unwrap();
    assert!(matches!(
        &config.transport,
        TransportConfig::WebPubSub { hub, access: ServiceAccess::Key(connection) }
            if hub.as_str() == "demo_ai_chat" && connection.endpoint == "https://x.webpubsub.azure.com"
    ));
    for text in [format!("{config:?}"), effective(&config)] {
        assert!(!text.contains("TOPSECRET"), "{text}");
    }
    assert_eq!(mistakes(&[mode, (STRING, "Endpoint=https://x")]), [STRING]);
    let https = (ENDPOINT, "https://x.webpubsub.azure.com/");
    assert!(mistakes(&[mode, https]).is_empty(), "no event is let in");
    assert!(mistakes(&[mode, https, ("NEGOTIATE_ROLES", "token")]).is_empty());
    let code = ("EVENTHANDLER_KEY", "sixteen bytes ok");
    let config =
        read(&[mode, https, code, ("USE_MANAGED_IDENTITY", "true"), ("AZURE_CLIENT_ID", "id")]).unwrap();
    assert_eq!(config.identity, IdentityConfig::Managed { client_id: Some("id".to_owned()) });
    assert!(matches!(
        &config.transport,
        TransportConfig::WebPubSub { access: ServiceAccess::Identity { endpoint, event_key: None }, .. }
            if endpoint == "https://x.webpubsub.azure.com"
    ));
    let config = read(&[mode, https, (STRING, key), ("WEBPUBSUB_HUB", "Chat")]).unwrap();
    assert_eq!(config.identity, IdentityConfig::Developer);
    assert!(matches!(
        &config.transport,
        TransportConfig::WebPubSub { hub, access: ServiceAccess::Identity { event_key: Some(_), .. } }
            if hub.as_str() == "chat"
    ));
    assert!(mistakes(&[mode, (ENDPOINT, "http://127.0.0.1:8080"), code]).is_empty());
    for bad in ["http://x.webpubsub.azure.com", "x.webpubsub.azure.com", "https://x/y", "wss://x", "https://"]
    {
        assert_eq!(mistakes(&[mode, (ENDPOINT, bad), code]), [ENDPOINT], "{bad}");
    }
    let modes = [("STORAGE_MODE", "memory"), ("QUEUE_MODE", "embedded"), ("AUTH_MODE", "anonymous")];
    let mut on_azure = vec![("WEBSITE_SKU", "Flex"), mode, https, code];
    on_azure.extend(modes);
    // A secret alone is no proof of events, nor is a signature alone.
    assert_eq!(mistakes(&on_azure), ["WEBPUBSUB_EVENT_KEYS", "USE_MANAGED_IDENTITY"]);
    on_azure.push(("USE_MANAGED_IDENTITY", "true"));
    let keys = ("WEBPUBSUB_EVENT_KEYS", "TOPSECRET,another");
    let with = |more: &[(&'static str, &'static str)]| mistakes(&[&on_azure[..], more].concat());
    assert!(with(&[keys]).is_empty());
    let without_code: Vec<_> = on_azure.iter().copied().filter(|it| *it != code).chain([keys]).collect();
    assert_eq!(mistakes(&without_code), ["EVENTHANDLER_KEY"]);
    let short = [("EVENTHANDLER_KEY", "fifteen bytes..")];
    assert_eq!(mistakes(&short), ["EVENTHANDLER_KEY"]);
    assert!(read(&short).unwrap_err().to_string().contains("16 bytes"));
    let issuer =
        ("EVENTHANDLER_TOKEN_ISSUER", "https://sts.windows.net/11111111-2222-3333-4444-555555555555/");
    let (audience, ids) = (("EVENTHANDLER_TOKEN_AUDIENCE", "api://chat"), ("EVENTHANDLER_TOKEN_IDS", "id"));
    let by_token: Vec<_> = on_azure.iter().copied().filter(|it| *it != code).collect();
    assert!(mistakes(&[&by_token[..], &[issuer, audience, ids]].concat()).is_empty());
    assert_eq!(with(&[keys, issuer, ids]), ["EVENTHANDLER_TOKEN_AUDIENCE"]);
    let everybodys = (issuer.0, "https://login.microsoftonline.com/common/v2.0");
    assert_eq!(with(&[keys, everybodys, audience, ids]), ["EVENTHANDLER_TOKEN_ISSUER"]);
    assert_eq!(with(&[keys, ("EVENTHANDLER_ORIGINS", "https://x/y")]), ["EVENTHANDLER_ORIGINS"]);
    // A deployment may have both kinds of settings, and choose.
    assert!(matches!(read(&[(STRING, key)]).unwrap().transport, TransportConfig::Embedded { .. }));
}

#[test]
fn on_azure_the_modes_have_no_default() {
    let modes = ["TRANSPORT_MODE", "STORAGE_MODE", "QUEUE_MODE", "AUTH_MODE"];
    for mark in ["WEBSITE_INSTANCE_ID", "WEBSITE_POD_NAME", "WEBSITE_SKU", "WEBSITE_SITE_NAME"] {
        assert_eq!(mistakes(&[(mark, "x")]), modes, "{mark}");
    }
    assert_eq!(mistakes(&[("FUNCTIONS_CUSTOMHANDLER_PORT", "1")]), modes);
    assert!(mistakes(&under_host(&[("WEBSITE_HOSTNAME", "localhost:7071")])).is_empty());
    let named = [
        ("WEBSITE_SKU", "Flex"),
        ("TRANSPORT_MODE", "self"),
        ("STORAGE_MODE", "memory"),
        ("QUEUE_MODE", "embedded"),
        ("AUTH_MODE", "anonymous"),
    ];
    assert!(read(&named).unwrap().on_azure);
    let with_controls: Vec<_> = named.into_iter().chain([("HANDLER_TEST_CONTROLS", "true")]).collect();
    assert!(!read(&with_controls).unwrap().test_controls);
}

#[test]
fn under_the_host_it_listens_where_the_host_calls_and_nowhere_else() {
    let config =
        read(&under_host(&[("PORT", "80"), ("AzureFunctionsJobHost__functionTimeout", "00:00:20")])).unwrap();
    let Place::Functions { http, hub, function_timeout, .. } = config.place else {
        panic!("{:?}", config.place)
    };
    assert_eq!((http, hub), ("127.0.0.1:41517".parse().unwrap(), None));
    assert_eq!(function_timeout, Some(Duration::from_secs(20)));
    assert_eq!(config.cors, Cors::Nobody);
}

#[test]
fn the_chores_are_the_timers_where_the_host_has_one() {
    assert!(!read(&[]).unwrap().has_timer(), "alone there is nobody else");
    assert!(read(&under_host(&[])).unwrap().has_timer());
    for name in ["AzureWebJobs.retention.Disabled", "AzureWebJobs__retention__Disabled"] {
        for (text, has_timer) in [("true", false), ("True", false), ("1", false), ("false", true)] {
            assert_eq!(read(&under_host(&[(name, text)])).unwrap().has_timer(), has_timer, "{name}={text}");
        }
    }
}

#[test]
fn ports_do_not_collide() {
    assert_eq!(mistakes(&[("PORT", "65535")]), ["WS_PORT"]);
    assert_eq!(mistakes(&[("PORT", "7000"), ("WS_PORT", "7000")]), ["WS_PORT"]);
    assert!(mistakes(&[("PORT", "0")]).is_empty());
}

#[test]
fn secrets_are_never_shown() {
    let key = "TOPSECRET-TOPSECRET-TOPSECRET-TOPSECRET";
    let set = [("HUB_ACCESS_KEY", key), ("EVENTHANDLER_KEY", key), ("ServiceBusConnection", SECRET)];
    let config = read(&under_host(&set)).unwrap();
    for text in [format!("{config:?}"), effective(&config)] {
        assert!(!text.contains("TOPSECRET"), "{text}");
    }
    assert!(effective(&config).contains("HUB_ACCESS_KEY=(hidden)"));
    // Nor in the sentence of a mistake, where a value stands under a wrong name.
    let mistakes =
        read(&[("STORAGE_MODE", "TOPSECRET"), ("PORT", "TOPSECRET"), ("WEBPUBSUB_HUB", "-TOPSECRET")]);
    assert!(!mistakes.unwrap_err().to_string().contains("TOPSECRET"));
}

#[test]
fn names_are_unique_and_help_tells_them() {
    let names: std::collections::BTreeSet<_> = SETTINGS.iter().map(|setting| setting.name).collect();
    assert_eq!(names.len(), SETTINGS.len());
    for setting in SETTINGS.iter().filter(|s| !matches!(s.group, Group::Platform | Group::Later)) {
        assert!(help().contains(setting.name), "{}", setting.name);
    }
}

fn repository(path: &str) -> String {
    std::fs::read_to_string(format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// `docs/CONFIG.md` is the rendered table, behind a paragraph of its own. When this fails: the expected text is in the
/// message.
#[test]
fn the_document_is_the_table() {
    let document = repository("docs/CONFIG.md");
    let tables = document.find("## Modes").map(|at| &document[at..]).unwrap_or_default();
    assert_eq!(tables.trim_end(), markdown().trim_end());
}

#[test]
fn the_example_sets_only_what_there_is_and_is_accepted() {
    let example: serde_json::Value =
        serde_json::from_str(&repository("local.settings.json.example")).unwrap();
    let values = example["Values"].as_object().unwrap();
    for name in values.keys().filter(|name| !name.starts_with("AzureWebJobs")) {
        let known = SETTINGS.iter().any(|setting| setting.name == name) || name == "FUNCTIONS_WORKER_RUNTIME";
        assert!(known, "{name} is no setting");
    }
    let set: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    let config = read(&under_host(&set)).unwrap();
    assert!(matches!(config.queue, QueueConfig::Embedded { data_dir: Some(_) }));
}

/// Core Tools do not start without a storage where anything but HTTP calls a function, also one that is switched off,
/// and warn of each connection that is not there.
#[test]
fn the_example_has_what_the_bindings_name() {
    let example: serde_json::Value =
        serde_json::from_str(&repository("local.settings.json.example")).unwrap();
    let values = example["Values"].as_object().unwrap();
    let mut folders = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap() {
        let folder = entry.unwrap().file_name().into_string().unwrap();
        let path = format!("{}/../{folder}/function.json", env!("CARGO_MANIFEST_DIR"));
        let Ok(text) = std::fs::read(path) else { continue };
        let function: serde_json::Value = serde_json::from_slice(&text).unwrap();
        folders += 1;
        for binding in function["bindings"].as_array().unwrap() {
            if let Some(connection) = binding["connection"].as_str() {
                let parts = format!("{connection}__");
                let is_named = values.keys().any(|name| name == connection || name.starts_with(&parts));
                assert!(is_named, "{folder}: {connection}");
            }
            let kind = binding["type"].as_str().unwrap();
            if kind.ends_with("Trigger") && kind != "httpTrigger" {
                assert!(values.contains_key("AzureWebJobsStorage"), "{folder}: {kind}");
                assert_eq!(values[&format!("AzureWebJobs.{folder}.Disabled")], "true", "{folder}");
            }
        }
    }
    assert!(folders >= 9, "{folders}");
}

#[test]
#[ignore = "writes docs/CONFIG.md anew: cargo test -p handler write_the_document -- --ignored"]
fn write_the_document() {
    let document = repository("docs/CONFIG.md");
    let head = document.split("## Modes").next().unwrap();
    let path = format!("{}/../docs/CONFIG.md", env!("CARGO_MANIFEST_DIR"));
    std::fs::write(path, format!("{head}{}\n", markdown().trim_end())).unwrap();
}

#[test]
fn files_are_taken_where_nothing_more_has_to_be_set_up() {
    let is_on = |pairs: &[(&str, &str)]| read(pairs).unwrap().attachments.is_some();
    let azurite =
        [("STORAGE_MODE", "table"), ("AZURE_STORAGE_CONNECTION_STRING", "UseDevelopmentStorage=true")];
    assert!(is_on(&[]) && is_on(&[("STORAGE_MODE", "file")]));
    assert!(!is_on(&azurite) && !is_on(&under_host(&[])) && !is_on(&[("ATTACHMENTS", "off")]));
    let on: Vec<_> = azurite.into_iter().chain([("ATTACHMENTS", "on")]).collect();
    let files = read(&on).unwrap().attachments.unwrap();
    assert_eq!((files.container.as_str(), files.rules), ("chat-attachments", AttachmentRules::default()));
    let plain = "AccountName=a;AccountKey=a2V5;DefaultEndpointsProtocol=http";
    let plain =
        [("STORAGE_MODE", "table"), ("AZURE_STORAGE_CONNECTION_STRING", plain), ("ATTACHMENTS", "on")];
    assert_eq!(mistakes(&plain), ["ATTACHMENTS"], "a link is handed out over TLS");
    let own =
        read(&[("ATTACHMENTS_TYPES", "image/PNG, text/x-own"), ("ATTACHMENTS_MAX_BYTES", "5")]).unwrap();
    let rules = own.attachments.unwrap().rules;
    assert_eq!((rules.max_bytes, rules.types), (5, vec!["image/png".to_owned(), "text/x-own".to_owned()]));
    let wrong = [
        ("ATTACHMENTS", "yes"),
        ("ATTACHMENTS_CONTAINER", "My--Files"),
        ("ATTACHMENTS_MAX_BYTES", "0"),
        ("ATTACHMENTS_QUOTA_BYTES", "1"),
        ("ATTACHMENTS_TYPES", "png"),
    ];
    let mut found = mistakes(&wrong);
    found.sort_unstable();
    let mut names = wrong.map(|(name, _)| name);
    names.sort_unstable();
    assert_eq!(found, names);
}

const ISSUER: &str = "https://issuer.example/";
const LONG: &str = "0123456789abcdef0123456789abcdef";

fn jwt<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("AUTH_MODE", "jwt"), ("JWT_ISSUER", ISSUER), ("JWT_AUDIENCE", "chat")], more].concat()
}

#[test]
fn tokens_are_verified_by_a_secret_or_by_an_issuers_keys() {
    let source = |more: &[(&str, &str)]| match read(&jwt(more)).unwrap().auth {
        AuthConfig::Jwt { keys, .. } => keys,
        other => panic!("{other:?}"),
    };
    assert_eq!(source(&[]), KeySource::Issuer(ISSUER.to_owned()));
    assert_eq!(source(&[("JWT_SECRET", LONG)]), KeySource::Secret(LONG.as_bytes().to_vec()));
    for url in ["https://issuer.example/keys?v=2", "http://127.0.0.1:9/keys", "http://localhost/keys"] {
        assert_eq!(source(&[("JWT_JWKS_URL", url)]), KeySource::Url(url.to_owned()));
    }
    let config =
        read(&jwt(&[("JWT_SECRET", LONG), ("JWT_CLOCK_SKEW_SECS", "5"), ("AUTH_ADMIN_ROLE", "boss")]));
    let AuthConfig::Jwt { rules, people, .. } = config.unwrap().auth else { panic!("jwt") };
    assert_eq!((rules.skew, rules.audiences), (Duration::from_secs(5), vec!["chat".to_owned()]));
    assert_eq!(people.admin_role.as_deref(), Some("boss"));
    assert!(!format!("{:?}", read(&jwt(&[("JWT_SECRET", LONG)]))).contains("89abcdef"));
    assert_eq!(read(&jwt(&[("JWT_SECRET", LONG)])).unwrap().cors, Cors::Nobody);
}

#[test]
fn mistakes_in_how_callers_sign_in_are_told_together() {
    let all = [
        ("AUTH_MODE", "jwt"),
        ("JWT_ISSUER", "https://login.microsoftonline.com/{tenantid}/v2.0"),
        ("JWT_SECRET", "too short"),
        ("JWT_CLOCK_SKEW_SECS", "601"),
        ("AUTH_ADMIN_CLAIM", "roles"),
    ];
    let expected = ["AUTH_ADMIN_ROLE", "JWT_ISSUER", "JWT_AUDIENCE", "JWT_CLOCK_SKEW_SECS", "JWT_SECRET"];
    assert_eq!(mistakes(&all), expected);
    assert_eq!(mistakes(&[("AUTH_MODE", "jwt")]), ["JWT_ISSUER", "JWT_AUDIENCE"]);
    assert_eq!(mistakes(&jwt(&[("JWT_ISSUER", " , ")])), ["JWT_ISSUER"]);
    for url in ["http://issuer.example/keys", "ftp://localhost/x", "https://", "https://a@b/keys", "keys"] {
        assert_eq!(mistakes(&jwt(&[("JWT_JWKS_URL", url)])), ["JWT_JWKS_URL"], "{url}");
    }
    assert_eq!(mistakes(&jwt(&[("JWT_SECRET", LONG), ("JWT_JWKS_URL", "https://x/")])), ["JWT_SECRET"]);
    assert_eq!(mistakes(&jwt(&[("JWT_ISSUER", "urn:issuer")])), ["JWT_JWKS_URL"]);
    for tenant in ["common", "organizations", "consumers"] {
        let issuer = format!("https://login.microsoftonline.com/{tenant}/v2.0");
        assert_eq!(mistakes(&jwt(&[("JWT_ISSUER", &issuer)])), ["JWT_ISSUER"], "{tenant}");
    }
    // Who sets these wants tokens looked at; believing everybody would be a surprise.
    assert_eq!(mistakes(&[("JWT_SECRET", LONG)]), ["AUTH_MODE"]);
    assert!(read(&[("AUTH_MODE", "anonymous"), ("JWT_SECRET", LONG)]).is_ok());
    assert!(read(&[("AUTH_MODE", "easyauth")]).is_ok());
}
