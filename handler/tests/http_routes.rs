//! The routes, the documents that describe them, and the function folders in front of them agree with each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod product;

use std::collections::BTreeSet;

use product::{Answer, PATIENCE, Product, call, repository};
use serde_json::Value;
use tokio::time::Instant;

fn routes() -> BTreeSet<(String, String)> {
    let table = handler::functions::table();
    table.into_iter().map(|route| (route.method.to_owned(), format!("/api{}", route.path))).collect()
}

#[test]
fn the_openapi_document_lists_exactly_the_routes() {
    let product = Product::alone(&[]);
    let answer = product.get("/api/openapi.json");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.json();
    let mut documented = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            documented.insert((method.to_uppercase(), path.clone()));
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let in_path: Vec<_> = parameters.iter().filter(|p| p["in"] == "path").collect();
            assert_eq!(in_path.len(), path.matches('{').count(), "{method} {path}");
        }
    }
    assert_eq!(documented, routes());
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for reference in document.to_string().split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}

#[test]
fn every_route_answers_with_and_without_api() {
    let product = Product::alone(&[]);
    for (method, path) in routes() {
        let path =
            path.replace("{id}", "general").replace("{invitation}", "0000").replace("{review}", "0000");
        for path in [path.as_str(), path.trim_start_matches("/api")] {
            let answer = call(product.http, &method, path, &[], b"");
            let routed = answer.status != 405 && !(answer.status == 404 && answer.error().0 == "not_found");
            assert!(routed, "{method} {path}: {answer:?}");
        }
    }
}

#[test]
fn the_page_is_there_without_help_from_elsewhere() {
    let product = Product::alone(&[]);
    let page = product.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let text = page.text();
    assert!(!text.contains("src=") && !text.contains("//cdn"), "the page loads nothing");
    for link in text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert_eq!(product.get(link).status, 200, "{link}");
    }
    let head = call(product.http, "HEAD", "/api/rooms", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn pages_of_localhost_may_call_and_others_may_not() {
    let product = Product::alone(&[]);
    let ask = |origin: &str| {
        let headers = [("origin", origin), ("access-control-request-method", "POST")];
        call(product.http, "OPTIONS", "/api/sendMessage", &headers, b"")
    };
    let near = ask("http://localhost:5173");
    assert_eq!(
        (near.status, near.header("access-control-allow-origin")),
        (204, Some("http://localhost:5173"))
    );
    let headers = near.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
    for name in ["authorization", "x-user-id", "ocp-apim-subscription-key", "content-type"] {
        assert!(headers.contains(name), "{name}");
    }
    assert_eq!(ask("http://evil.example").header("access-control-allow-origin"), None);
    let plain = call(product.http, "OPTIONS", "/api/rooms", &[], b"");
    assert_eq!(plain.status, 204);
    assert!(plain.header("allow").unwrap().contains("GET"));
    let failed = call(product.http, "GET", "/api/inbox", &[("origin", "http://localhost")], b"");
    assert_eq!(
        failed.header("access-control-allow-origin"),
        Some("http://localhost"),
        "errors are readable too"
    );
}

#[test]
fn configured_origins_replace_localhost() {
    let product = Product::alone(&[("CORS_ORIGINS", "https://chat.example, https://Two.example/")]);
    let allowed = |origin: &str| {
        let answer = call(product.http, "GET", "/api/health", &[("origin", origin)], b"");
        answer.header("access-control-allow-origin").map(str::to_owned)
    };
    assert_eq!(allowed("https://two.example").as_deref(), Some("https://two.example"));
    assert_eq!(allowed("http://localhost"), None);
}

#[test]
fn metrics_come_as_the_caller_wants_them() {
    let product = Product::alone(&[]);
    let json = product.get("/metrics").json();
    for name in ["total_rooms", "active_rooms", "total_connections", "messages_sent", "uptime"] {
        assert!(json[name].is_u64(), "{name}");
    }
    let text = call(product.http, "GET", "/metrics", &[("accept", "text/plain;version=0.0.4")], b"").text();
    assert!(text.contains("# TYPE chat_messages_sent_total counter\nchat_messages_sent_total 0\n"), "{text}");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    assert!(samples.clone().count() >= 5 && samples.clone().all(|line| line.split(' ').count() == 2));
}

/// Runs each `curl` of docs/API.md in order and compares the status the document promises.
#[test]
fn the_documents_examples_do_what_it_says() {
    let key = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH";
    let product = Product::alone(&[("HUB_ACCESS_KEY", key), ("ADMIN_USERS", "root")]);
    let document = repository("docs/API.md");
    let (mut room, mut invitation, mut token) = (String::new(), String::new(), String::new());
    let mut review = String::new();
    let mut told = BTreeSet::new();
    for example in document.split("```sh\n").skip(1) {
        let (commands, after) = example.split_once("```").unwrap();
        let promised: u16 = after.split('`').nth(1).unwrap().parse().unwrap();
        let commands = commands.replace("ROOM_ID", &room);
        let commands = commands.replace("INVITATION_ID", &invitation).replace("TOKEN", &token);
        let commands = commands.replace("REVIEW_ID", &review);
        let deadline = Instant::now() + PATIENCE;
        let (answer, route) = loop {
            let (answer, route) = run(&product, &commands);
            // What was accepted takes a moment to be in its log.
            if answer.status == promised || answer.status != 404 || Instant::now() > deadline {
                break (answer, route);
            }
        };
        assert_eq!(answer.status, promised, "{commands}\n{}", answer.text());
        if answer.status == 201 && route.1.ends_with("/invitations") {
            invitation = answer.json()["id"].as_str().unwrap().to_owned();
            token = answer.json()["token"].as_str().unwrap().to_owned();
        } else if answer.status == 201 && route.1.ends_with("/rooms") {
            room = answer.json()["id"].as_str().unwrap().to_owned();
        }
        if route.0 == "GET" && route.1.ends_with("/reviews") {
            review = answer.json()["reviews"][0]["id"].as_str().unwrap().to_owned();
        }
        let path = if room.is_empty() { route.1 } else { route.1.replace(&room, "{id}") };
        let path = if invitation.is_empty() { path } else { path.replace(&invitation, "{invitation}") };
        let path = if review.is_empty() { path } else { path.replace(&review, "{review}") };
        let words = path.split('/').map(|word| match word {
            file if file.len() == 64 => "{id}",
            number if number.parse::<u64>().is_ok() => "{seq}",
            word => word,
        });
        let path = words.collect::<Vec<_>>().join("/");
        told.insert((route.0, path.replace("/rooms/general", "/rooms/{id}")));
    }
    let missing: Vec<_> = routes().difference(&told).cloned().collect();
    assert!(missing.is_empty(), "calls without an example: {missing:?}");
}

/// Does what the curl command says, and answers method and path too.
fn run(product: &Product, command: &str) -> (Answer, (String, String)) {
    let (mut method, mut url, mut headers, mut data) = (None, String::new(), Vec::new(), None);
    let mut words = shell_words(command).into_iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-X" => method = words.next(),
            "-H" => headers.push(words.next().unwrap()),
            "-d" => data = words.next(),
            _ => url = word,
        }
    }
    let path = url.strip_prefix("http://localhost:5000").unwrap().to_owned();
    let headers: Vec<_> = headers.iter().map(|header| header.split_once(": ").unwrap()).collect();
    let method = method.unwrap_or_else(|| "GET".to_owned());
    let body = data.unwrap_or_default();
    let answer = call(product.http, &method, &path, &headers, body.as_bytes());
    (answer, (method, path.split('?').next().unwrap().to_owned()))
}

fn shell_words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in command.replace("\\\n", " ").trim().chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The host takes the first folder, in alphabetical order, whose template and method match.
#[test]
fn no_function_folder_shadows_another_and_every_route_is_reachable() {
    let folders = [
        "deadLetters",
        "deadLettersTopic",
        "eventhandler",
        "negotiate",
        "processQueue",
        "processTopic",
        "retention",
        "sendMessage",
        "web",
    ];
    let mut found: Vec<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.unwrap();
            entry.path().join("function.json").exists().then(|| entry.file_name().into_string().unwrap())
        })
        .collect();
    found.sort_by_key(|name| name.to_lowercase());
    assert_eq!(found, folders);
    let http: Vec<(String, Value)> = found
        .into_iter()
        .map(|name| {
            let text = repository(&format!("{name}/function.json"));
            let function: Value = serde_json::from_str(&text).unwrap();
            (name, function["bindings"][0].clone())
        })
        .filter(|(_, trigger)| trigger["type"] == "httpTrigger")
        .collect();
    assert!(http.iter().all(|(_, trigger)| trigger["authLevel"] == "anonymous"));
    let taker = |method: &str, path: &str| {
        let takes = |trigger: &Value| {
            let route = trigger["route"].as_str().unwrap();
            let methods = trigger["methods"].as_array().unwrap();
            let by_path = route == "{*path}" || format!("/{route}").eq_ignore_ascii_case(path);
            by_path && methods.iter().any(|m| m.as_str().unwrap().eq_ignore_ascii_case(method))
        };
        http.iter().find(|(_, trigger)| takes(trigger)).map(|(name, _)| name.as_str())
    };
    for name in ["sendMessage", "negotiate", "eventhandler"] {
        assert_eq!(taker("POST", &format!("/api/{name}")), Some(name), "another folder takes it");
    }
    for (method, path) in routes() {
        assert!(taker(&method, &path).is_some(), "{method} {path} is nobody's");
    }
    assert_eq!(http.last().unwrap().0, "web");
}

#[test]
fn the_hosts_settings_are_the_laws() {
    let host: Value = serde_json::from_str(&repository("host.json")).unwrap();
    assert_eq!(host["extensions"]["http"]["routePrefix"], "");
    let handler = &host["customHandler"];
    assert_eq!(handler["description"]["defaultExecutablePath"], "bin/handler");
    assert_eq!(handler["enableProxyingHttpRequest"], true);
    assert_eq!(handler["enableForwardingHttpRequest"], true);
    let bus = &host["extensions"]["serviceBus"];
    assert_eq!(bus["maxAutoLockRenewalDuration"], "1.00:00:00");
    assert_eq!(bus["sessionIdleTimeout"], "00:00:01");
    assert!(bus["maxConcurrentSessions"].as_u64().unwrap() >= 64);
    // A dead-letter queue has no sessions, whatever the queue has.
    for (name, sessions, queue) in [
        ("processQueue", true, "chat-queue"),
        ("processTopic", true, "chat-subscription"),
        ("deadLetters", false, "chat-queue/$deadletterqueue"),
        ("deadLettersTopic", false, "chat-subscription/$deadletterqueue"),
    ] {
        let function: Value = serde_json::from_str(&repository(&format!("{name}/function.json"))).unwrap();
        let trigger = &function["bindings"][0];
        assert_eq!(
            (&trigger["dataType"], &trigger["isSessionsEnabled"]),
            (&"binary".into(), &sessions.into())
        );
        assert_eq!(trigger["connection"], "ServiceBusConnection");
        let named = trigger.get("queueName").unwrap_or(&trigger["subscriptionName"]);
        assert_eq!(named, queue);
    }
}

/// The page names tests as `file::test`.
#[test]
fn every_test_that_the_security_page_names_is_there() {
    let page = repository("docs/SECURITY.md");
    let named: BTreeSet<_> = page.split('`').filter(|word| word.contains(".rs::")).collect();
    assert!(named.len() > 60, "{}", named.len());
    let missing: Vec<_> = named.into_iter().filter(|named| !is_test(named)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

fn is_test(named: &str) -> bool {
    let (file, name) = named.split_once("::").unwrap();
    let path = format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let function = format!("fn {name}(");
    let Some(at) = lines.iter().position(|line| line.contains(&function)) else { return false };
    let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
    attributes.into_iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
}
