//! Bad input through a real port: status, code, field, and nothing of it reaches the queue.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod product;

use product::{Product, call, raw_call};

/// Method, path, content type, body → status, code, field.
type Case<'a> = (&'a str, &'a str, &'a str, &'a [u8], u16, &'a str, &'a str);

const JSON: &str = "application/json";

#[test]
fn each_mistake_has_its_status_code_and_field_and_nothing_is_queued() {
    let product = Product::alone(&[("ADMIN_USERS", "root")]);
    let long_text =
        format!(r#"{{"SenderID":"ann","RoomID":"general","MessageText":"{}"}}"#, "x".repeat(32_001));
    let long_sender = format!(r#"{{"SenderID":"{}","RoomID":"general","MessageText":"x"}}"#, "x".repeat(129));
    let long_id = format!(
        r#"{{"SenderID":"a","RoomID":"general","MessageText":"x","MessageID":"{}"}}"#,
        "x".repeat(129)
    );
    let deep = format!(r#"{{"MessageText":{}{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
    let big = vec![b' '; 300_000];
    let huge = vec![b' '; 3_000_000];
    let send = "/api/sendMessage";
    let cases: &[Case<'_>] = &[
        ("POST", send, JSON, b"", 400, "invalid_json", ""),
        ("POST", send, JSON, b"{\"SenderID\":", 400, "invalid_json", ""),
        ("POST", send, JSON, b"[]", 400, "not_an_object", ""),
        ("POST", send, JSON, b"null", 400, "not_an_object", ""),
        ("POST", send, JSON, b"\"text\"", 400, "not_an_object", ""),
        ("POST", send, JSON, b"{\"SenderID\":\"\xff\"}", 400, "invalid_utf8", ""),
        ("POST", send, JSON, deep.as_bytes(), 400, "wrong_type", "MessageText"),
        (
            "POST",
            send,
            JSON,
            br#"{"SenderID":5,"RoomID":"general","MessageText":"x"}"#,
            400,
            "wrong_type",
            "SenderID",
        ),
        (
            "POST",
            send,
            JSON,
            br#"{"SenderID":"ann","RoomID":"general","MessageText":[]}"#,
            400,
            "wrong_type",
            "MessageText",
        ),
        ("POST", send, JSON, br#"{"RoomID":"general","MessageText":"x"}"#, 400, "missing_field", "SenderID"),
        (
            "POST",
            send,
            JSON,
            br#"{"SenderID":"ann","RoomID":"general"}"#,
            400,
            "missing_field",
            "MessageText",
        ),
        ("POST", send, JSON, br#"{"SenderID":"ann","MessageText":"x"}"#, 400, "missing_field", "RoomID"),
        (
            "POST",
            send,
            JSON,
            br#"{"SenderID":"","RoomID":"general","MessageText":"x"}"#,
            400,
            "missing_field",
            "SenderID",
        ),
        (
            "POST",
            send,
            JSON,
            br#"{"SenderID":"a\u0007","RoomID":"general","MessageText":"x"}"#,
            400,
            "invalid_id",
            "SenderID",
        ),
        ("GET", "/api/inbox?user_id=a%07", JSON, b"", 400, "invalid_id", "user_id"),
        (
            "POST",
            send,
            JSON,
            br#"{"SenderID":"ann","RoomID":"general","ReceiverID":"bob","MessageText":"x"}"#,
            400,
            "two_targets",
            "ReceiverID",
        ),
        (
            "POST",
            send,
            JSON,
            br#"{"SenderID":"ann","RoomID":"a b","MessageText":"x"}"#,
            400,
            "invalid_id",
            "RoomID",
        ),
        (
            "POST",
            send,
            JSON,
            br#"{"SenderID":"ann","RoomID":"general","MessageText":"x","Timestamp":"soon"}"#,
            400,
            "invalid_timestamp",
            "Timestamp",
        ),
        (
            "POST",
            send,
            JSON,
            br#"{"SenderID":"ann","RoomID":"general","MessageText":"x","AttachmentURL":"javascript:1"}"#,
            400,
            "invalid_url",
            "AttachmentURL",
        ),
        (
            "POST",
            send,
            JSON,
            br#"{"SenderID":"ann","RoomID":"nowhere","MessageText":"x"}"#,
            404,
            "room_not_found",
            "",
        ),
        ("POST", send, JSON, long_text.as_bytes(), 413, "content_too_long", "MessageText"),
        ("POST", send, JSON, long_sender.as_bytes(), 400, "too_long", "SenderID"),
        ("POST", send, JSON, long_id.as_bytes(), 400, "too_long", "MessageID"),
        ("POST", send, JSON, &big, 413, "body_too_large", ""),
        ("POST", send, JSON, &huge, 413, "body_too_large", ""),
        ("POST", send, "text/plain", b"{}", 415, "unsupported_media_type", ""),
        ("POST", "/api/sendMessage?x=%ff", JSON, b"{}", 400, "invalid_utf8", ""),
        ("GET", "/api/rooms?limit=0", JSON, b"", 400, "invalid_limit", "limit"),
        ("GET", "/api/rooms?limit=%2B1", JSON, b"", 400, "invalid_field", "limit"),
        ("GET", "/api/inbox?user_id=ann&limit=0", JSON, b"", 400, "invalid_limit", "limit"),
        ("GET", "/api/rooms/general/messages?limit=0", JSON, b"", 400, "invalid_limit", "limit"),
        (
            "GET",
            "/api/rooms/general/messages?after=18446744073709551616",
            JSON,
            b"",
            400,
            "invalid_field",
            "after",
        ),
        ("GET", "/api/rooms/general%2Fmessages", JSON, b"", 400, "invalid_id", "room_id"),
        ("GET", "/api/rooms/a%00b", JSON, b"", 400, "invalid_id", "room_id"),
        ("GET", "/api/rooms/../health", JSON, b"", 404, "not_found", ""),
        ("GET", "/%zz", JSON, b"", 404, "not_found", ""),
        ("POST", "/api/publish?sender=ann&content=x", JSON, b"{\"room\":7}", 400, "wrong_type", "room_id"),
        ("POST", send, "application/x-www-form-urlencoded", b"a=b", 415, "unsupported_media_type", ""),
        ("GET", send, JSON, b"", 405, "method_not_allowed", ""),
        ("DELETE", "/sendMessage", JSON, b"", 405, "method_not_allowed", ""),
        ("PUT", "/api/rooms", JSON, b"{}", 405, "method_not_allowed", ""),
        ("PUT", "/api/rooms/general?user_id=ann", JSON, b"{}", 400, "missing_field", "name"),
        ("GET", "/api/nothing", JSON, b"", 404, "not_found", ""),
        ("POST", "/processQueue", JSON, b"{}", 404, "not_found", ""),
        ("POST", "/processTopic", JSON, b"{}", 404, "not_found", ""),
        ("POST", "/api/publish", JSON, b"", 400, "missing_field", "sender"),
        ("POST", "/api/publish?user_id=ann&room_id=general", JSON, b"", 400, "missing_field", "content"),
        ("POST", "/api/publish?user_id=ann&room_id=nowhere&content=x", JSON, b"", 404, "room_not_found", ""),
        ("POST", "/api/publish?user_id=ann", JSON, b"{", 400, "invalid_json", ""),
        ("POST", "/api/rooms?user_id=ann", JSON, b"{}", 400, "missing_field", "name"),
        ("POST", "/api/rooms?user_id=ann", JSON, br#"{"name":7}"#, 400, "wrong_type", "name"),
        (
            "POST",
            "/api/rooms?user_id=ann",
            JSON,
            br#"{"name":"x","is_private":"yes"}"#,
            400,
            "wrong_type",
            "is_private",
        ),
        (
            "POST",
            "/api/rooms?user_id=ann",
            JSON,
            br#"{"name":"x","allowed_users":[1]}"#,
            400,
            "wrong_type",
            "allowed_users",
        ),
        ("POST", "/api/rooms?user_id=ann", JSON, br#"{"name":"General"}"#, 409, "room_name_taken", "name"),
        ("POST", "/api/rooms", JSON, br#"{"name":"x"}"#, 400, "missing_user", "X-User-Id"),
        ("GET", "/api/rooms?user_id=ann&user_id=root", JSON, b"", 400, "invalid_field", ""),
        ("GET", "/api/rooms?limit=1&limit=1", JSON, b"", 400, "invalid_field", ""),
        ("GET", "/api/rooms?limit=many", JSON, b"", 400, "invalid_field", "limit"),
        ("GET", "/api/rooms?after=a%20b", JSON, b"", 400, "invalid_id", "after"),
        ("GET", "/api/rooms/nowhere", JSON, b"", 404, "room_not_found", ""),
        ("GET", "/api/rooms/a%20b", JSON, b"", 400, "invalid_id", "room_id"),
        ("GET", "/api/rooms/%ff", JSON, b"", 400, "invalid_utf8", "room_id"),
        ("DELETE", "/api/rooms/general/invitations/%ff", JSON, b"", 400, "invalid_utf8", "room_id"),
        ("DELETE", "/api/rooms/general", JSON, b"", 400, "missing_user", "X-User-Id"),
        // The body names the caller too.
        ("PATCH", "/api/rooms/general", JSON, br#"{"user_id":"ann","name":"x"}"#, 403, "not_a_member", ""),
        (
            "POST",
            "/api/rooms/general/members",
            JSON,
            br#"{"user_id":"ann","user":"bob"}"#,
            403,
            "not_a_member",
            "",
        ),
        (
            "PATCH",
            "/api/rooms/general/members",
            JSON,
            br#"{"user_id":"ann","user":"bob","role":"owner"}"#,
            403,
            "not_a_member",
            "",
        ),
        ("POST", "/api/rooms/general/invitations", JSON, br#"{"user_id":"ann"}"#, 403, "not_a_member", ""),
        ("GET", "/api/rooms/general/messages?after=-1", JSON, b"", 400, "invalid_field", "after"),
        ("GET", "/api/rooms/general/messages?after=1&before=2", JSON, b"", 400, "two_cursors", "before"),
        ("GET", "/api/rooms/nowhere/messages", JSON, b"", 404, "room_not_found", ""),
        ("GET", "/api/messages?user_id=ann", JSON, b"", 400, "missing_field", "with"),
        ("GET", "/api/messages?with=ann", JSON, b"", 400, "missing_user", "X-User-Id"),
        ("GET", "/api/inbox", JSON, b"", 400, "missing_user", "X-User-Id"),
        ("GET", "/api/inbox?user_id=ann&after=x", JSON, b"", 400, "invalid_cursor", "after"),
        ("POST", "/api/inbox/ack?user_id=ann", JSON, b"{}", 400, "missing_field", "ids"),
        ("POST", "/api/inbox/ack?user_id=ann", JSON, br#"{"ids":"m"}"#, 400, "wrong_type", "ids"),
        ("GET", "/api/admin/letters?user_id=ann", JSON, b"", 403, "admins_only", ""),
        ("GET", "/api/admin/letters?user_id=root&kind=old", JSON, b"", 400, "invalid_field", "kind"),
        ("GET", "/api/admin/letters/one?user_id=ann&kind=dead&id=x", JSON, b"", 403, "admins_only", ""),
        ("GET", "/api/admin/letters/one?user_id=root&kind=dead", JSON, b"", 400, "missing_field", "id"),
        (
            "POST",
            "/api/admin/letters/replay?user_id=root",
            JSON,
            br#"{"kind":"old","id":"x"}"#,
            400,
            "invalid_field",
            "kind",
        ),
        (
            "POST",
            "/api/admin/letters/discard?user_id=root",
            JSON,
            br#"{"kind":"dead"}"#,
            400,
            "missing_field",
            "id",
        ),
        ("GET", "/api/admin/audit?user_id=ann", JSON, b"", 403, "admins_only", ""),
        ("GET", "/api/admin/audit?user_id=root&since=soon", JSON, b"", 400, "invalid_field", "since"),
        ("OPTIONS", "/api/eventhandler", JSON, b"", 400, "missing_field", "WebHook-Request-Origin"),
        ("POST", "/api/eventhandler", JSON, b"{}", 400, "invalid_field", "ce-type"),
    ];
    let mut wrong = Vec::new();
    for (method, path, content_type, body, status, code, field) in cases {
        let answer = call(product.http, method, path, &[("content-type", content_type)], body);
        let got = (answer.status, answer.error());
        if got != (*status, ((*code).to_owned(), (*field).to_owned())) {
            let shown = String::from_utf8_lossy(&body[..body.len().min(90)]).into_owned();
            wrong.push(format!(
                "{method} {path} {shown}\n    expected {status} {code} {field:?}, got {got:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let metrics = product.get("/api/metrics").json();
    assert_eq!((&metrics["accepted"], &metrics["messages_sent"]), (&0.into(), &0.into()));
    assert_eq!(product.get("/api/rooms/general/messages").json()["messages"], serde_json::json!([]));
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let product = Product::alone(&[]);
    let answer = call(product.http, "DELETE", "/api/negotiate", &[], b"");
    assert_eq!(answer.status, 405);
    let allow = answer.header("allow").unwrap();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
}

#[test]
fn headers_that_are_no_users_are_refused() {
    let product = Product::alone(&[]);
    let raw = b"GET /api/inbox HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-user-id: \xff\r\n\r\n";
    let answer = raw_call(product.http, raw);
    assert_eq!((answer.status, answer.error()), (400, ("invalid_utf8".into(), "X-User-Id".into())));
    let long = "x".repeat(129);
    let answer = call(product.http, "GET", "/api/inbox", &[("x-user-id", &long)], b"");
    assert_eq!((answer.status, answer.error()), (400, ("too_long".into(), "X-User-Id".into())));
    let raw = b"DELETE /api/rooms/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-user-id: ann\r\n\
        idempotency-key: \xff\r\n\r\n";
    let answer = raw_call(product.http, raw);
    assert_eq!((answer.status, answer.error()), (400, ("invalid_utf8".into(), "Idempotency-Key".into())));
    let body = br#"{"name":"x"}"#;
    let headers = [("x-user-id", "ann"), ("idempotency-key", long.as_str()), ("content-type", JSON)];
    let answer = call(product.http, "POST", "/api/rooms", &headers, body);
    assert_eq!((answer.status, answer.error()), (400, ("too_long".into(), "Idempotency-Key".into())));
}

#[test]
fn what_is_no_http_is_refused_and_the_process_lives() {
    let product = Product::alone(&[]);
    for raw in
        [&b"\x00\x01\x02\r\n\r\n"[..], b"GET / HTTP/9.9\r\n\r\n", b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n"]
    {
        assert_eq!(raw_call(product.http, raw).status, 400);
    }
    let many = (0..200).map(|i| format!("x-{i}: y\r\n")).collect::<String>();
    let raw = format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n");
    assert_eq!(raw_call(product.http, raw.as_bytes()).status, 431);
    assert_eq!(product.get("/api/health").status, 200);
}

#[test]
fn a_body_that_ends_early_or_lies_is_not_queued() {
    let product = Product::alone(&[]);
    let head = "POST /api/sendMessage HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let whole = r#"{"SenderID":"ann","RoomID":"general","MessageText":"x"}"#;
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n{whole}\r\n0\r\n\r\n");
    assert_eq!(raw_call(product.http, chunked.as_bytes()).status, 400);
    assert_eq!(product.get("/api/metrics").json()["accepted"], 0);
}

#[test]
fn content_is_counted_in_utf16_units_whatever_its_bytes() {
    let product = Product::alone(&[]);
    let send = |text: &str| {
        let body = serde_json::json!({"SenderID": "ann", "RoomID": "general", "MessageText": text});
        product.post("/api/sendMessage", &body.to_string()).status
    };
    assert_eq!(send(&"x".repeat(32_000)), 200);
    assert_eq!(send(&"漢".repeat(32_000)), 200, "96,000 bytes");
    assert_eq!(send(&format!("{}🦀", "x".repeat(31_998))), 200);
    assert_eq!(send(&format!("{}🦀", "x".repeat(31_999))), 413, "a surrogate pair is two units");
    assert_eq!(send(&"漢".repeat(32_001)), 413);
}

#[test]
fn whoever_asks_before_sending_too_much_is_told_at_once() {
    let product = Product::alone(&[]);
    let raw = b"POST /api/sendMessage HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
        expect: 100-continue\r\nconnection: close\r\ncontent-length: 3000000\r\n\r\n";
    // The body never comes: waiting for it would outlast the test's patience.
    let mut stream = std::net::TcpStream::connect(product.http).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(3))).unwrap();
    std::io::Write::write_all(&mut stream, raw).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[test]
fn a_coded_body_is_not_taken_for_plain() {
    let product = Product::alone(&[]);
    let headers = [("content-type", JSON), ("content-encoding", "gzip")];
    let answer = call(product.http, "POST", "/api/sendMessage", &headers, b"{}");
    assert_eq!((answer.status, answer.error().0), (415, "unsupported_media_type".into()));
}
