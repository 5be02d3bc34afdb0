//! The host's life: start, restarts, refusals, keys, durability.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail their test"
)]

mod support;

use std::net::SocketAddr;

use funchost::{Broker, BrokerOptions, FuncHost, Message, Options, StartError, Status};
use serde_json::{Value, json};
use support::{App, LIMIT, capture, exchange, normal_call};

async fn get(host: &FuncHost, target: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
    exchange(host, request.as_bytes()).await.status
}

#[tokio::test]
async fn starts_polls_and_ticks_as_recorded() {
    let app = App::new();
    app.edit("tick/function.json", |function| function["bindings"][0]["schedule"] = json!("* * * * * *"));
    let host = FuncHost::start(app.options().setting("AzureWebJobs.tick.Disabled", "false")).await.unwrap();
    let recorded = capture("startup-and-timer.json");

    let call = &app.calls_at_least(1).await[0];
    let events = app.events();
    let start = &events[0];
    assert_eq!(start["argv"], recorded["start"]["argv"]);
    assert_eq!(start["cwd"], app.root().display().to_string());
    environment_is_as_recorded(&app, &host, &start["env"], &recorded["start"]["env"]);

    let poll = events.iter().find(|event| event["event"] == "poll").unwrap();
    assert_eq!(normal_call(poll)["headers"], normal_call(&recorded["readiness poll"])["headers"]);

    let mut timer = recorded["first timer"].clone();
    timer["event"] = json!("request");
    timer["method"] = json!("POST");
    assert_eq!(normal_call(call), normal_call(&timer));
}

fn environment_is_as_recorded(app: &App, host: &FuncHost, here: &Value, recorded: &Value) {
    let root = app.root().display().to_string();
    for (name, value) in recorded.as_object().unwrap() {
        let here = here[name].as_str().unwrap_or_else(|| panic!("{name} is not set"));
        match name.as_str() {
            "WEBSITE_HOSTNAME" => assert_eq!(here, format!("localhost:{}", host.address().port())),
            "ServiceBusConnection" => assert_eq!(here, host.connection_string().unwrap()),
            _ if name.ends_with("_PORT") => assert_eq!(here, recorded_pair(&app.events()[0], "PORT")),
            _ if name.ends_with("_ID") => assert_eq!(here, recorded_pair(&app.events()[0], "ID")),
            _ if value == "<app>" => assert_eq!(here, root),
            _ => assert_eq!(value, here),
        }
    }
}

/// Old and new name hold the same value.
fn recorded_pair(start: &Value, end: &str) -> String {
    let old = if end == "ID" { "FUNCTIONS_HTTPWORKER_ID" } else { "FUNCTIONS_HTTPWORKER_PORT" };
    start["env"][old].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_third_death_stops_the_host() {
    let app = App::new();
    let host = app.start().await;
    let mut caller = tokio::net::TcpStream::connect(host.address()).await.unwrap();
    let request = b"GET /api/rooms?do=exit1 HTTP/1.1\r\nHost: h\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut caller, request).await.unwrap();
    let reason = tokio::time::timeout(LIMIT, host.stopped()).await.unwrap();
    assert!(reason.contains("restart count"), "{reason}");
    assert_eq!(host.status().handler_errors, 3);
    let calls = app.calls();
    assert_eq!(calls.len(), 3, "one request, repeated to each process");
    let id = |call: &Value| {
        call["headers"].as_array().unwrap().iter().find(|it| it[0] == "x-ms-invocation-id").cloned()
    };
    assert_eq!(id(&calls[0]), id(&calls[2]));
}

#[tokio::test]
async fn exit_0_leaves_a_zombie_and_exit_200_costs_nothing() {
    let app = App::new();
    let host = app.start().await;
    assert_eq!(get(&host, "/api/rooms?do=exit200").await, "200 OK");
    assert_eq!((host.status().restarts, host.status().handler_errors), (1, 0));
    assert_eq!(get(&host, "/api/rooms?do=exit0").await, "500 Internal Server Error");
    assert_eq!(get(&host, "/api/rooms").await, "500 Internal Server Error");
    assert_eq!((host.status().restarts, host.status().handler.as_str()), (1, "zombie"));
}

#[tokio::test]
async fn a_post_is_repeated_whole_with_the_same_id() {
    let app = App::new();
    let host = app.start().await;
    let body = format!("{{\"w\":\"do:crash1\",\"filler\":\"{}\"}}", "x".repeat(50_000));
    let head = format!("POST /api/sendMessage HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len());
    let answer = exchange(&host, format!("{head}{body}").as_bytes()).await;
    assert_eq!((answer.status.as_str(), &answer.body[..]), ("200 OK", &b"{\"second\":true}"[..]));
    let calls = app.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0]["body"], body);
    assert_eq!(calls[0], calls[1], "the invocation id too");
}

#[tokio::test]
async fn latecomers_wait_for_the_handler() {
    let app = App::new();
    let options = app.options().setting("RECORDER_LISTENS_AFTER_MS", "500");
    let host = FuncHost::start(options).await.unwrap();
    assert_eq!(host.status().handler, "starting");
    host.send("chat-queue", Message::new("m").with_session("s")).await.unwrap();
    assert_eq!(get(&host, "/api/rooms").await, "200 OK");
    let status = host.wait_for(LIMIT, Status::queues_are_empty).await.unwrap();
    assert_eq!(status.functions["processQueue"].failures, 0, "nothing was burnt meanwhile");
}

#[tokio::test]
async fn a_killed_handler_comes_back_and_a_stopped_host_leaves_nobody() {
    let app = App::new();
    let host = app.start().await;
    host.kill_handler().await;
    host.wait_for(LIMIT, |status| status.restarts == 1 && status.handler == "ready").await.unwrap();
    assert_eq!(get(&host, "/api/rooms").await, "200 OK");
    let listening = app.events().into_iter().find(|event| event["event"] == "listening").unwrap();
    let port = u16::try_from(listening["port"].as_u64().unwrap()).unwrap();
    let front_door = host.address();
    host.stop().await;
    for address in [SocketAddr::from(([127, 0, 0, 1], port)), front_door] {
        assert!(tokio::net::TcpStream::connect(address).await.is_err(), "{address} is still open");
    }
}

#[tokio::test]
async fn messages_outlive_the_host() {
    let app = App::new();
    let data = tempfile::tempdir().unwrap();
    let host = FuncHost::start(app.options().data(data.path())).await.unwrap();
    host.pause();
    for number in 0..50 {
        let message = Message::new(format!("{number}")).with_session(format!("s{}", number % 5));
        host.send("chat-queue", message).await.unwrap();
    }
    host.stop().await;
    let reopened = async {
        loop {
            // The file is closed a moment after the broker.
            match FuncHost::start(app.options().data(data.path())).await {
                Ok(host) => return host,
                Err(StartError::Broker(_)) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        }
    };
    let host = tokio::time::timeout(LIMIT, reopened).await.unwrap();
    let status = host.wait_for(LIMIT, Status::queues_are_empty).await.unwrap();
    assert_eq!(status.functions["processQueue"].successes, 50);
}

#[tokio::test]
async fn a_paused_host_delivers_nothing() {
    let app = App::new();
    let host = app.start().await;
    host.pause();
    host.send("chat-queue", Message::new("m").with_session("s")).await.unwrap();
    assert_eq!(get(&host, "/api/rooms").await, "200 OK");
    assert_eq!(host.status().entities["chat-queue"].messages, 1);
    host.resume();
    host.wait_for(LIMIT, Status::queues_are_empty).await.unwrap();
}

/// As the instances of one app.
#[tokio::test]
async fn hosts_with_one_broker_share_its_messages() {
    let broker = Broker::open(None, BrokerOptions::default()).unwrap();
    let apps = [App::new(), App::new()];
    let mut hosts = Vec::new();
    for app in &apps {
        app.edit("host.json", |host| host["extensions"]["serviceBus"]["maxConcurrentSessions"] = json!(1));
        let mut options = app.options();
        options.shared_broker = Some(broker.clone());
        hosts.push(FuncHost::start(options).await.unwrap());
    }
    // Each is idle for less than a session's idle time, so the other host takes the second session.
    for n in 0..20 {
        for session in ["s", "t"] {
            hosts[n % 2].send("chat-queue", Message::new("m").with_session(session)).await.unwrap();
        }
    }
    hosts[0].wait_for(LIMIT, Status::queues_are_empty).await.unwrap();
    let successes = |host: &FuncHost| host.status().functions["processQueue"].successes;
    assert_eq!(hosts.iter().map(successes).sum::<u64>(), 40);
    assert!(hosts.iter().all(|host| successes(host) > 0));
}

#[tokio::test]
async fn keys_limits_and_the_status_page() {
    let app = App::new();
    let options = Options { body_limit: 1000, ..app.options() };
    let host = FuncHost::start(options).await.unwrap();
    let key = host.function_key().to_owned();
    assert_eq!(get(&host, "/api/secure").await, "401 Unauthorized");
    assert_eq!(get(&host, &format!("/api/secure?code={key}")).await, "200 OK");
    let wrong_header =
        format!("GET /api/secure?code={key} HTTP/1.1\r\nHost: h\r\nx-functions-key: no\r\n\r\n");
    assert_eq!(exchange(&host, wrong_header.as_bytes()).await.status, "401 Unauthorized", "the header wins");

    let stated = "POST /api/sendMessage HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n";
    assert_eq!(exchange(&host, stated.as_bytes()).await.status, "413 Payload Too Large");
    let in_chunks = format!(
        "POST /api/sendMessage HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n",
        "x".repeat(1001)
    );
    assert_eq!(exchange(&host, in_chunks.as_bytes()).await.status, "413 Payload Too Large");

    let page = exchange(&host, b"GET /admin/double/status HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let status: Value = serde_json::from_slice(&page.body).unwrap();
    assert_eq!(status["functions"]["secure"]["successes"], 1);
    assert_eq!(status["entities"]["chat-queue"]["messages"], 0);
}

#[tokio::test]
async fn the_send_call_refuses_with_a_reason() {
    let app = App::new();
    let host = app.start().await;
    let http = reqwest::Client::new();
    let send = |entity: &str, token: String, broker: &str| {
        let request = http.post(host.send_url(entity).unwrap()).header("Authorization", token);
        let request = request.header("BrokerProperties", broker.to_owned()).body("m");
        async move { request.send().await.unwrap().status().as_u16() }
    };
    let token = || host.sas_token("chat-queue").unwrap();
    assert_eq!(send("chat-queue", token(), r#"{"SessionId":"s"}"#).await, 201);
    assert_eq!(send("chat-queue", token(), r"{}").await, 400, "no session");
    assert_eq!(send("chat-queue", token(), "{").await, 400, "no JSON");
    assert_eq!(send("chat-queue", "Bearer x".into(), r#"{"SessionId":"s"}"#).await, 401);
    assert_eq!(send("batch-queue", token(), "{}").await, 401, "a token for another entity");
    assert_eq!(send("nowhere", host.sas_token("nowhere").unwrap(), "{}").await, 404);
}

#[tokio::test]
async fn refuses_what_the_host_refuses() {
    let refusal = |app: App, options: Options| async move {
        let error = FuncHost::start(options).await.err().expect("this does not start").to_string();
        drop(app);
        error
    };
    let app = App::new();
    app.edit("host.json", |host| {
        host["customHandler"]["description"]["defaultExecutablePath"] = json!("bin/none");
    });
    let options = app.options();
    assert!(
        refusal(app, options).await.contains("the executable \"bin/none\" of host.json is neither a file")
    );

    let app = App::new();
    let options = Options { hand_connection: false, ..app.options() };
    let error = refusal(app, options).await;
    assert!(
        error.contains("processQueue: the Service Bus connection setting 'ServiceBusConnection' is missing"),
        "{error}"
    );

    let app = App::new();
    let options = app.options().setting("ServiceBusConnection", "Endpoint=sb://x.servicebus.windows.net/");
    assert!(refusal(app, options).await.contains("delivers from its own only"));

    let app = App::new();
    app.edit("web/function.json", |function| function["bindings"][0]["route"] = json!("admin/{*path}"));
    let options = app.options();
    assert!(refusal(app, options).await.contains("web/function.json: the route \"admin/{*path}\" conflicts"));
}

#[tokio::test]
async fn without_its_triggers_an_app_needs_no_service_bus() {
    let app = App::new();
    let mut options = Options { hand_connection: false, ..app.options() };
    for function in ["processQueue", "processTopic", "processBatch", "deadLetters", "jsonHttp"] {
        options = options.setting(format!("AzureWebJobs.{function}.Disabled"), "true");
    }
    let host = FuncHost::start(options).await.unwrap();
    assert_eq!(host.connection_string(), None);
    assert_eq!(get(&host, "/json/42").await, "200 OK", "a disabled function leaves its route to the next");
    assert_eq!(app.calls()[0]["target"], "/json/42");
    assert!(app.events()[0]["env"].get("ServiceBusConnection").is_none());
}
