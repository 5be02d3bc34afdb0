//! RFC 6455 over TCP: each case is played whole, byte by byte, and in threes.
//!
//! A simple client that publishes to a group it is in gets back what it sent, so the hub echoes messages.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code; clippy only knows test functions")]

mod support;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hub::Target;
use support::raw::{Got, RawClient, frame};
use support::{Server, eventually, name, options};

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
/// The bit of a message's last frame.
const FIN: u8 = 0x80;

const LIMIT: usize = 1024 * 1024;

/// What the hub does with the bytes of a case.
enum Outcome {
    /// These frames come back, and the connection lives.
    Lives(Vec<Got>),
    /// These come back, then a close with this code, or with none.
    Closes(Vec<Got>, Option<u16>),
}

struct Case {
    name: String,
    bytes: Vec<u8>,
    outcome: Outcome,
}

fn got(opcode: u8, payload: impl AsRef<[u8]>) -> Got {
    Got { opcode, payload: payload.as_ref().to_vec() }
}

fn lives(name: impl Into<String>, parts: &[Vec<u8>], back: Vec<Got>) -> Case {
    Case { name: name.into(), bytes: parts.concat(), outcome: Outcome::Lives(back) }
}

/// A message comes first, to see that what was right before the fault is still carried out.
fn fails(name: impl Into<String>, parts: &[Vec<u8>], code: u16) -> Case {
    let bytes = [vec![frame(FIN | TEXT, b"before")], parts.to_vec()].concat().concat();
    let outcome = Outcome::Closes(vec![got(TEXT, "before")], Some(code));
    Case { name: name.into(), bytes, outcome }
}

fn closes(name: impl Into<String>, parts: &[Vec<u8>], code: Option<u16>) -> Case {
    Case { name: name.into(), bytes: parts.concat(), outcome: Outcome::Closes(Vec::new(), code) }
}

/// A close frame's payload.
fn reason(code: u16, text: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes(), text].concat()
}

/// A client whose messages come back to it.
async fn echoing(server: &Server) -> RawClient {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let group = format!("g{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let token = server.token(|token| token.groups = vec![group.clone()]);
    let target = format!("/client/hubs/chat?access_token={token}&webpubsub_mode=sendToGroup&group={group}");
    RawClient::open(server, &target, "").await
}

async fn play(server: &Server, case: &Case, chunk: usize) {
    let name = format!("{}, {chunk} bytes at a time", case.name);
    let mut client = echoing(server).await;
    for bytes in case.bytes.chunks(chunk) {
        // After a fault the hub may have gone before the last bytes.
        if tokio::io::AsyncWriteExt::write_all(&mut client.stream, bytes).await.is_err() {
            break;
        }
    }
    let (back, code) = match &case.outcome {
        Outcome::Lives(back) => {
            client.send(&frame(FIN | PING, b"end")).await;
            let back = [back.clone(), vec![got(PONG, "end")]].concat();
            (back, None)
        }
        Outcome::Closes(back, code) => (back.clone(), Some(*code)),
    };
    for expected in back {
        assert_eq!(client.next().await, Some(expected), "{name}");
    }
    let Some(code) = code else { return };
    let close = client.next().await.unwrap_or_else(|| panic!("{name}: ended without a close"));
    let found = close.payload.first_chunk().map(|code| u16::from_be_bytes(*code));
    assert_eq!((close.opcode, found), (CLOSE, code), "{name}");
    let _ =
        tokio::io::AsyncWriteExt::write_all(&mut client.stream, &frame(FIN | CLOSE, &close.payload)).await;
    assert_eq!(client.next().await, None, "{name}: nothing follows a close");
}

async fn play_all(cases: Vec<Case>) {
    let mut options = options();
    options.linger = Duration::from_millis(500);
    let server = Server::start(options).await;
    for case in &cases {
        let small = case.bytes.len() < 2000;
        for chunk in [usize::MAX, 1, 3].into_iter().take(if small { 3 } else { 1 }) {
            play(&server, case, chunk).await;
        }
    }
    eventually(|| server.hub.connection_count() == 0).await;
}

#[tokio::test]
async fn frames_of_every_length_come_back() {
    let mut cases = Vec::new();
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, LIMIT] {
        for (opcode, byte) in [(TEXT, b'*'), (BINARY, 0xFE)] {
            let payload = vec![byte; length];
            let name = format!("{length} bytes of opcode {opcode}");
            cases.push(lives(name, &[frame(FIN | opcode, &payload)], vec![got(opcode, &payload)]));
        }
    }
    let unmasked_look = [vec![FIN | TEXT, 0x82, 0, 0, 0, 0], b"hi".to_vec()];
    cases.push(lives("a mask of zeros", &unmasked_look, vec![got(TEXT, "hi")]));
    let pipelined: Vec<_> = (0..50).map(|n: u8| frame(FIN | BINARY, &[n])).collect();
    cases.push(lives(
        "many frames in a segment",
        &pipelined,
        (0..50).map(|n: u8| got(BINARY, [n])).collect(),
    ));
    play_all(cases).await;
}

#[tokio::test]
async fn what_a_frame_must_not_be() {
    let mut cases = vec![
        fails("not masked", &[vec![FIN | TEXT, 1, b'x']], 1002),
        fails("a length that fits one byte in three", &[vec![FIN | TEXT, 0xFE, 0, 125, 1, 2, 3, 4]], 1002),
        fails("a length of zero in three bytes", &[vec![FIN | TEXT, 0xFE, 0, 0, 1, 2, 3, 4]], 1002),
        fails(
            "a length that fits three bytes in nine",
            &[vec![FIN | TEXT, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 1, 2, 3, 4]],
            1002,
        ),
        fails(
            "the highest bit of a length",
            &[vec![FIN | TEXT, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4]],
            1002,
        ),
        // The header alone; the payload is not waited for.
        fails("a byte too many", &[vec![FIN | BINARY, 0xFF, 0, 0, 0, 0, 0, 0x10, 0, 1, 1, 2, 3, 4]], 1009),
    ];
    for reserved in [0x40, 0x20, 0x10, 0x70] {
        for opcode in [TEXT, BINARY, CLOSE, PING] {
            let name = format!("reserved bits {reserved:#x} with opcode {opcode}");
            cases.push(fails(name, &[frame(FIN | reserved | opcode, b"")], 1002));
        }
    }
    for opcode in [0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        cases.push(fails(format!("opcode {opcode:#x}"), &[frame(FIN | opcode, b"x")], 1002));
    }
    play_all(cases).await;
}

#[tokio::test]
async fn control_frames() {
    let mut cases = vec![
        lives("an empty ping", &[frame(FIN | PING, b"")], vec![got(PONG, "")]),
        lives("a ping of 125 bytes", &[frame(FIN | PING, &[0xFE; 125])], vec![got(PONG, [0xFE; 125])]),
        lives("pongs that nobody asked for", &[frame(FIN | PONG, b""), frame(FIN | PONG, b"x")], vec![]),
        lives(
            "ten pings",
            &(0..10).map(|n: u8| frame(FIN | PING, &[n])).collect::<Vec<_>>(),
            (0..10).map(|n: u8| got(PONG, [n])).collect(),
        ),
    ];
    for opcode in [PING, PONG, CLOSE] {
        let long = frame(FIN | opcode, &[b'x'; 126]);
        cases.push(fails(format!("opcode {opcode:#x} of 126 bytes"), &[long], 1002));
        cases.push(fails(format!("opcode {opcode:#x} in fragments"), &[frame(opcode, b"")], 1002));
    }
    play_all(cases).await;
}

#[tokio::test]
async fn fragments() {
    let cases = vec![
        lives("two", &[frame(TEXT, b"one "), frame(FIN, b"two")], vec![got(TEXT, "one two")]),
        lives(
            "of bytes",
            &[frame(BINARY, &[1]), frame(0, &[2]), frame(FIN, &[3])],
            vec![got(BINARY, [1, 2, 3])],
        ),
        lives("all empty", &[frame(TEXT, b""), frame(0, b""), frame(FIN, b"")], vec![got(TEXT, "")]),
        lives(
            "only the middle one full",
            &[frame(TEXT, b""), frame(0, b"mid"), frame(FIN, b"")],
            vec![got(TEXT, "mid")],
        ),
        lives(
            "control frames between",
            &[
                frame(TEXT, b"a"),
                frame(FIN | PING, b"1"),
                frame(0, b"b"),
                frame(FIN | PONG, b"2"),
                frame(FIN | PING, b"3"),
                frame(FIN, b"c"),
                frame(FIN | TEXT, b"next"),
            ],
            vec![got(PONG, "1"), got(PONG, "3"), got(TEXT, "abc"), got(TEXT, "next")],
        ),
        lives(
            "very many",
            &[vec![frame(TEXT, b"")], vec![frame(0, b"x"); 200], vec![frame(FIN, b"")]].concat(),
            vec![got(TEXT, "x".repeat(200))],
        ),
        closes("a close between", &[frame(TEXT, b"a"), frame(FIN | CLOSE, &reason(1000, b""))], Some(1000)),
        fails("a continuation of nothing", &[frame(FIN, b"x")], 1002),
        fails("a continuation of nothing, not the last", &[frame(0, b"x")], 1002),
        fails("a text inside", &[frame(TEXT, b"a"), frame(FIN | TEXT, b"b")], 1002),
        fails("a binary inside", &[frame(TEXT, b"a"), frame(BINARY, b"b")], 1002),
        lives(
            "the limit in two",
            &[frame(BINARY, &vec![1; LIMIT - 1]), frame(FIN, &[1])],
            vec![got(BINARY, vec![1; LIMIT])],
        ),
        fails("a byte more than the limit in two", &[frame(BINARY, &vec![1; LIMIT]), frame(FIN, &[1])], 1009),
    ];
    play_all(cases).await;
}

#[tokio::test]
async fn text_is_utf_8() {
    let text = "Hello-µ@ßöäüàá-UTF-8!! ☕ 𝄞 \u{0} \u{FFFF} \u{10FFFF}";
    let mut cases = vec![
        lives("text", &[frame(FIN | TEXT, text.as_bytes())], vec![got(TEXT, text)]),
        lives(
            "a fragment per byte",
            &[text.bytes().map(|byte| frame(0, &[byte])).collect::<Vec<_>>(), vec![frame(FIN, b"")]]
                .concat()
                .into_iter()
                .enumerate()
                .map(|(at, mut bytes)| {
                    bytes[0] |= if at == 0 { TEXT } else { 0 };
                    bytes
                })
                .collect::<Vec<_>>(),
            vec![got(TEXT, text)],
        ),
        lives("bytes may be anything", &[frame(FIN | BINARY, b"\xFF\xC0")], vec![got(BINARY, b"\xFF\xC0")]),
        fails("over two fragments", &[frame(TEXT, b"\xCE"), frame(FIN, b"\x28")], 1007),
        fails("cut at the end of the message", &[frame(TEXT, b"\xE2\x98"), frame(FIN, b"")], 1007),
    ];
    let invalid: [(&str, &[u8]); 9] = [
        ("a lone continuation byte", b"a\x80"),
        ("FE", b"\xFE"),
        ("FF", b"\xFF"),
        ("overlong slash", b"\xC0\xAF"),
        ("overlong NUL", b"\xE0\x80\x80"),
        ("a surrogate", b"\xED\xA0\x80"),
        ("above U+10FFFF", b"\xF4\x90\x80\x80"),
        ("five bytes", b"\xF8\x88\x80\x80\x80"),
        ("half a character", b"\xF0\x9D\x84"),
    ];
    cases.extend(invalid.map(|(name, bytes)| fails(name, &[frame(FIN | TEXT, bytes)], 1007)));
    play_all(cases).await;
}

#[tokio::test]
async fn the_clients_close() {
    let mut cases = vec![
        closes("empty", &[frame(FIN | CLOSE, b"")], None),
        closes("the longest reason", &[frame(FIN | CLOSE, &reason(1000, &[b'*'; 123]))], Some(1000)),
        closes("a reason in UTF-8", &[frame(FIN | CLOSE, &reason(3000, "☕".as_bytes()))], Some(3000)),
        closes(
            "what follows is not read",
            &[frame(FIN | CLOSE, &reason(1000, b"")), frame(FIN | TEXT, b"late"), frame(FIN | PING, b"late")],
            Some(1000),
        ),
        closes("rubbish after it", &[frame(FIN | CLOSE, &reason(1000, b"")), vec![0xFF; 20]], Some(1000)),
        closes(
            "two",
            &[frame(FIN | CLOSE, &reason(1001, b"")), frame(FIN | CLOSE, &reason(1000, b""))],
            Some(1001),
        ),
        fails("of one byte", &[frame(FIN | CLOSE, &[3])], 1002),
        fails("a reason that is not UTF-8", &[frame(FIN | CLOSE, &reason(1000, b"\xCE\xFF"))], 1007),
    ];
    for code in
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        cases.push(closes(format!("code {code}"), &[frame(FIN | CLOSE, &reason(code, b"why"))], Some(code)));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push(fails(format!("code {code}"), &[frame(FIN | CLOSE, &reason(code, b""))], 1002));
    }
    play_all(cases).await;
}

#[tokio::test]
async fn the_hubs_close_waits_for_its_answer_but_not_for_ever() {
    let mut options = options();
    options.linger = Duration::from_millis(100);
    let server = Server::start(options).await;
    for answers in [true, false] {
        let mut client = echoing(&server).await;
        eventually(|| server.hub.connection_count() == 1).await;
        server.hub.close(&name("chat"), Target::All, &[], None);
        assert_eq!(client.next().await, Some(got(CLOSE, reason(1000, b""))));
        if answers {
            client.send(&frame(FIN | CLOSE, &reason(1000, b""))).await;
        }
        assert_eq!(client.next().await, None, "answered: {answers}");
    }
}

#[tokio::test]
async fn who_does_not_ask_for_a_websocket_is_told() {
    let server = Server::start(options()).await;
    let target = format!("/client/hubs/chat?access_token={}", server.token(|_| ()));
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let (version, upgrade) =
        ("sec-websocket-version: 13\r\n", "connection: upgrade\r\nupgrade: websocket\r\n");
    let table = [
        ("a page", format!("GET {target} HTTP/1.1\r\nhost: h\r\n\r\n")),
        (
            "another version",
            format!("GET {target} HTTP/1.1\r\nhost: h\r\n{upgrade}{key}sec-websocket-version: 8\r\n\r\n"),
        ),
        ("no version", format!("GET {target} HTTP/1.1\r\nhost: h\r\n{upgrade}{key}\r\n")),
        ("no key", format!("GET {target} HTTP/1.1\r\nhost: h\r\n{upgrade}{version}\r\n")),
        (
            "a short key",
            format!("GET {target} HTTP/1.1\r\nhost: h\r\n{upgrade}{version}sec-websocket-key: AAAA\r\n\r\n"),
        ),
        (
            "another protocol",
            format!(
                "GET {target} HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: h2c\r\n{version}{key}\r\n"
            ),
        ),
        ("a post", format!("POST {target} HTTP/1.1\r\nhost: h\r\n{upgrade}{version}{key}\r\n")),
        ("HTTP/1.0", format!("GET {target} HTTP/1.0\r\nhost: h\r\n{upgrade}{version}{key}\r\n")),
    ];
    for (name, request) in table {
        let mut client = RawClient::connect(&server).await;
        client.send(request.as_bytes()).await;
        let head = client.head().await;
        assert!(head.contains(" 400 ") && head.contains("sec-websocket-version: 13\r\n"), "{name}: {head}");
    }
    // More header lines, and longer ones, than HTTP here takes.
    for headers in ["x: y\r\n".repeat(200), format!("x: {}\r\n", "y".repeat(1024 * 1024))] {
        let mut client = RawClient::connect(&server).await;
        let request = format!("GET {target} HTTP/1.1\r\nhost: h\r\n{upgrade}{version}{key}{headers}\r\n");
        let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, request.as_bytes()).await;
        let head = client.head().await;
        assert!(head.contains(" 431 "), "{head}");
    }
    assert_eq!(server.hub.connection_count(), 0);
}

#[tokio::test]
async fn frames_may_come_with_the_request() {
    let server = Server::start(options()).await;
    let target = format!("/client/hubs/chat?access_token={}", server.token(|_| ()));
    let mut client = RawClient::connect(&server).await;
    let headers = "sec-websocket-protocol: json.webpubsub.azure.v1\r\n";
    let early = [frame(FIN | TEXT, br#"{"type":"ping"}"#), frame(FIN | PING, b"early")].concat();
    client.request(&target, headers, &early).await;
    assert!(client.head().await.contains("sec-websocket-protocol: json.webpubsub.azure.v1\r\n"));
    let connected = client.next().await.expect("a frame").payload;
    assert!(connected.starts_with(br#"{"type":"system","event":"connected""#));
    assert_eq!(client.next().await, Some(got(TEXT, r#"{"type":"pong"}"#)));
    assert_eq!(client.next().await, Some(got(PONG, "early")));
}
