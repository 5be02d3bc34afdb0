//! From start to end, with the real binary: settings, ports, stop, kill.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod product;

use std::net::TcpListener;
use std::time::Duration;

use futures_util::StreamExt;
use product::{PATIENCE, Product, call, command};
use tokio::time::Instant;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

const HELLO: &str = r#"{"SenderID":"ann","RoomID":"general","MessageText":"hello","MessageID":"m-1"}"#;

fn ends_with(settings: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(settings).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn mistakes_are_all_told_with_64_before_a_port_is_bound() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, stdout, stderr) =
        ends_with(&[("PORT", &port), ("STORAGE_MODE", "disk"), ("AUTH_MODE", "jwt")], &[]);
    assert_eq!((code, stdout.as_str()), (Some(64), ""));
    assert!(stderr.contains("STORAGE_MODE: must be one of memory, file, table"), "{stderr}");
    assert!(stderr.contains("JWT_ISSUER: must be set for AUTH_MODE=jwt"), "{stderr}");
    assert!(!stderr.contains("listened"), "the port, which is taken, was not touched: {stderr}");
}

#[test]
fn a_taken_port_is_said_and_is_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, _, stderr) = ends_with(&[("PORT", &port), ("WS_PORT", "0")], &[]);
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("handler: PORT: 127.0.0.1:"), "{stderr}");
}

#[test]
fn config_shows_what_is_in_effect_without_secrets() {
    let secret = "SECRET-SECRET-SECRET-SECRET-SECRET";
    let (code, stdout, _) = ends_with(&[("HUB_ACCESS_KEY", secret), ("PORT", "7000")], &["config"]);
    assert_eq!(code, Some(0));
    for line in ["PORT=7000", "WS_PORT=7001", "STORAGE_MODE=memory", "HUB_ACCESS_KEY=(hidden)"] {
        assert!(stdout.lines().any(|shown| shown == line), "{line}: {stdout}");
    }
    assert!(!stdout.contains("SECRET-"));
    assert_eq!(ends_with(&[("PORT", "x")], &["config"]).0, Some(64));
    let (code, help, _) = ends_with(&[], &["--help"]);
    assert!(code == Some(0) && help.contains("STORAGE_MODE") && help.contains("hub"), "{help}");
}

#[test]
fn a_store_that_cannot_be_opened_ends_it_alone_with_1() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("chat.redb"), "this is no database, and it is not ours to overwrite")
        .unwrap();
    let settings = [("PORT", "0"), ("STORAGE_MODE", "file"), ("DATA_DIR", dir.path().to_str().unwrap())];
    let (code, _, stderr) = ends_with(&settings, &[]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("the stores cannot be opened: "), "{stderr}");
}

#[test]
fn a_data_dir_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (code, _, told) =
        ends_with(&[("PORT", "0"), ("STORAGE_MODE", "file"), ("DATA_DIR", file.to_str().unwrap())], &[]);
    assert_eq!(code, Some(1));
    assert!(told.contains(&format!("DATA_DIR {} cannot be made", file.display())), "{told}");
}

#[test]
fn a_second_process_is_kept_out_of_the_data_dir() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("PORT", "0"), ("STORAGE_MODE", "file"), ("DATA_DIR", dir.path().to_str().unwrap())];
    let first = Product::alone(&settings);
    assert_eq!(first.get("/api/readyz").status, 200);
    let (code, _, told) = ends_with(&settings, &[]);
    assert_eq!(code, Some(1));
    assert!(told.contains("already open"), "{told}");
    assert_eq!(first.get("/api/readyz").status, 200, "the first one goes on");
}

#[test]
fn under_the_host_it_lives_on_says_503_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data");
    std::fs::write(&file, "a file where the folder should be").unwrap();
    let settings = [("STORAGE_MODE", "file"), ("DATA_DIR", file.to_str().unwrap())];
    let mut product = Product::under_host(&settings);
    product.wait_for("not ready");
    assert_eq!(product.get("/").status, 200);
    let refused = product.post("/api/sendMessage", HELLO);
    assert_eq!((refused.status, refused.error().0.as_str()), (503, "unavailable"));
    assert!(refused.header("retry-after").is_some());
    std::fs::remove_file(&file).unwrap();
    product.eventually("/api/readyz", |answer| answer.status == 200);
    assert_eq!(product.post("/api/sendMessage", HELLO).status, 200);
    product.signal("TERM");
    assert_eq!(product.ended().code(), Some(143), "after 0 the host would not start it again");
}

#[test]
fn what_it_prints_can_be_typed() {
    let mut product = Product::alone(&[]);
    product.wait_for("curl -X POST");
    let data = product.wait_for("-d '");
    let body = data.trim().trim_start_matches("-d '").trim_end_matches('\'').to_owned();
    assert_eq!(product.post("/api/sendMessage", &body).status, 200);
    let shown = product.wait_for("curl http");
    let path = shown.trim().split(&product.http.to_string()).nth(1).unwrap().to_owned();
    product.eventually(&path, |answer| answer.text().contains("hello"));
    assert!(
        product.seen[0].contains("transport") && product.seen[0].contains("storage"),
        "{:?}",
        product.seen
    );
}

#[test]
fn the_hub_is_on_its_own_port_and_on_the_apis() {
    let product = Product::alone(&[]);
    for port in [product.http, product.hub.unwrap()] {
        assert_eq!(
            call(port, "GET", "/client/hubs/demo_ai_chat", &[], b"").status,
            400,
            "no WebSocket request"
        );
        assert_eq!(call(port, "POST", "/api/hubs/demo_ai_chat/:send", &[], b"x").status, 401);
    }
    assert_eq!(
        call(product.hub.unwrap(), "HEAD", "/api/health", &[], b"").status,
        200,
        "as Web PubSub has it"
    );
    assert_eq!(call(product.hub.unwrap(), "GET", "/api/rooms", &[], b"").status, 404);
}

#[test]
fn what_was_accepted_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("STORAGE_MODE", "file"), ("DATA_DIR", dir.path().to_str().unwrap())];
    let product = Product::alone(&settings);
    let url = |product: &Product| {
        product.get("/api/negotiate?user_id=ann").json()["url"].as_str().unwrap().to_owned()
    };
    assert_eq!(product.post("/api/sendMessage", HELLO).status, 200);
    let before = url(&product);
    drop(product);
    let product = Product::alone(&settings);
    product.eventually("/api/rooms/general/messages", |answer| answer.json()["messages"][0]["id"] == "m-1");
    assert_eq!(product.post("/api/sendMessage", HELLO).status, 200);
    let other = HELLO.replace("m-1", "m-2");
    assert_eq!(product.post("/api/sendMessage", &other).status, 200);
    let history = product.eventually("/api/rooms/general/messages", |answer| answer.text().contains("m-2"));
    let ids: Vec<_> =
        history.json()["messages"].as_array().unwrap().iter().map(|m| m["id"].clone()).collect();
    assert_eq!(ids, ["m-1", "m-2"], "the repeat is the same message");
    assert!(before.contains("access_token="));
}

#[test]
fn a_first_start_that_is_killed_leaves_nothing_that_stops_the_next() {
    for moment in 0..40 {
        let dir = tempfile::tempdir().unwrap();
        let settings = [("STORAGE_MODE", "file"), ("DATA_DIR", dir.path().to_str().unwrap())];
        let product = Product::alone(&settings);
        // From the bound port on, in steps of a tenth of a millisecond, across the making of the files.
        let until = Instant::now() + Duration::from_micros(100 * moment);
        while Instant::now() < until {}
        drop(product);
        let product = Product::alone(&settings);
        assert_eq!(product.get("/api/readyz").status, 200, "killed after {moment} tenths of a millisecond");
    }
}

#[test]
fn sigterm_ends_it_with_0_and_messages_in_hand_are_finished() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("STORAGE_MODE", "file"), ("DATA_DIR", dir.path().to_str().unwrap())];
    let mut product = Product::alone(&settings);
    for i in 0..200 {
        let sent = product.post("/api/sendMessage", &HELLO.replace("m-1", &format!("m-{i}")));
        assert_eq!(sent.status, 200);
    }
    let began = Instant::now();
    product.signal("TERM");
    assert_eq!(product.ended().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(9));
    assert!(product.all_lines().last().unwrap().contains("stopped"));
    let product = Product::alone(&settings);
    product.eventually("/api/rooms/general/messages?limit=500", |answer| {
        let messages = answer.json()["messages"].as_array().unwrap().clone();
        messages.len() == 200 && messages.iter().zip(0..).all(|(m, i)| m["id"] == format!("m-{i}"))
    });
}

#[tokio::test]
async fn clients_are_told_to_come_back() {
    let mut product = Product::alone(&[]);
    let url = product.get("/api/negotiate?user_id=ann").json()["url"].as_str().unwrap().to_owned();
    let (mut socket, _) = connect_async(&url).await.unwrap();
    product.eventually("/api/health", |answer| answer.json()["connections"] == 1);
    product.signal("TERM");
    let close = tokio::time::timeout(PATIENCE, async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return u16::from(frame.code),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(close.await.unwrap(), 1001);
    drop(socket);
    assert_eq!(product.ended().code(), Some(0));
}

#[test]
fn a_request_under_way_is_answered_and_new_ones_are_not_taken() {
    use std::io::{Read, Write};
    let mut product = Product::alone(&[]);
    product.wait_for("ready");
    let mut slow = std::net::TcpStream::connect(product.http).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /api/sendMessage HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n\
         content-length: {}\r\n\r\n",
        HELLO.len()
    );
    slow.write_all(head.as_bytes()).unwrap();
    // The server asks for the body: the request is under way.
    let mut go_on = [0; 25];
    slow.read_exact(&mut go_on).unwrap();
    product.signal("TERM");
    product.wait_for("told to stop");
    let deadline = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(product.http).is_ok() {
        assert!(Instant::now() < deadline, "still takes connections");
        std::thread::yield_now();
    }
    slow.write_all(HELLO.as_bytes()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(product.ended().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    use std::io::{Read, Write};
    let mut product = Product::alone(&[]);
    let mut slow = std::net::TcpStream::connect(product.http).unwrap();
    let head =
        "POST /api/sendMessage HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n";
    slow.write_all(head.as_bytes()).unwrap();
    slow.read_exact(&mut [0; 25]).unwrap();
    product.signal("INT");
    product.wait_for("told to stop");
    product.signal("INT");
    let began = Instant::now();
    assert_eq!(product.ended().code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn the_hub_alone_prints_a_connection_string_that_works() {
    let mut hub =
        Product::spawn(command(&[]).args(["hub", "--port", "0", "--anonymous", "--ack-delay-ms", "2"]));
    let line = hub.wait_for("Endpoint=http://127.0.0.1:");
    assert!(line.contains(";AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;"), "{line}");
    let address =
        line.trim().trim_start_matches("Endpoint=http://").split(';').next().unwrap().parse().unwrap();
    assert_eq!(call(address, "HEAD", "/api/health", &[], b"").status, 200);
    hub.signal("TERM");
    assert_eq!(hub.ended().code(), Some(0));
}

#[test]
fn tables_that_are_away_at_the_start_are_waited_for() {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (address, tables) = (free(), free());
    let account = format!("AccountName=chat;AccountKey=a2V5;TableEndpoint=http://{tables}/chat");
    let data = tempfile::tempdir().unwrap();
    let mut product = Product::spawn(&mut command(&[
        ("STORAGE_MODE", "table"),
        ("AZURE_STORAGE_CONNECTION_STRING", &account),
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("PORT", &address.port().to_string()),
        ("WS_PORT", "0"),
    ]));
    for _ in 0..2 {
        product.wait_for("not ready, trying again");
    }
    let answer = call(address, "GET", "/api/rooms", &[], b"");
    assert_eq!((answer.status, answer.error().0.as_str()), (503, "unavailable"));
    product.signal("TERM");
    assert_eq!(product.ended().code(), Some(0));
}

#[test]
fn what_the_hub_alone_says_to_try_works() {
    let mut hub = Product::spawn(command(&[]).args(["hub", "--port", "0"]));
    let client = hub.wait_for("wscat -c '");
    let client = client.split('\'').nth(1).unwrap().to_owned();
    let send = hub.wait_for("curl -X POST '");
    let parts: Vec<&str> = send.split('\'').collect();
    let (address, path) = parts[1].trim_start_matches("http://").split_once('/').unwrap();
    let headers = [parts[3], parts[5]].map(|header| header.split_once(": ").unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (socket, _) = runtime.block_on(connect_async(client)).unwrap();
    assert_eq!(call(address.parse().unwrap(), "POST", &format!("/{path}"), &headers, b"hello").status, 202);
    // On a busy machine a ping may be due before.
    let mut messages = socket.filter(|frame| std::future::ready(!matches!(frame, Ok(Message::Ping(_)))));
    let message = runtime.block_on(async { tokio::time::timeout(PATIENCE, messages.next()).await });
    assert_eq!(message.unwrap().unwrap().unwrap(), Message::text("hello"));
}

#[test]
fn mistakes_in_the_hubs_arguments_are_explained() {
    let twice = ["--upstream", "chat=http://x", "--upstream", "CHAT=http://y"];
    let table: [(&[&str], &str); 7] = [
        (&["--access-key", ""], "The access key is empty."),
        (&["--upstream", "chat"], "write HUB=URL, such as"),
        (&["--upstream", "chat=ftp://x"], "`ftp://x` is not an http or https URL"),
        (&["--upstream", "1=http://x"], "'1' is no hub name: a letter,"),
        (&["--ack-delay-ms", "2s"], "must be a number of milliseconds"),
        (&twice, "hub chat is given twice"),
        (&["--port", "70000"], "--port"),
    ];
    for (wrong, sentence) in table {
        let (code, stdout, stderr) = ends_with(&[], &[&["hub", "--port", "0"], wrong].concat());
        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{wrong:?}");
        assert!(stderr.contains(sentence), "{stderr}");
    }
    let (code, help, _) = ends_with(&[], &["hub", "--help"]);
    assert!(code == Some(0) && help.contains("Examples:"), "{help}");
}
