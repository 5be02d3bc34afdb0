//! A deterministic stand-in for fuzzing: recorded inputs, mutated, go through the checks of the fuzz targets. It needs
//! no nightly compiler, so it runs with every test run.

use crate::checks;
use crate::transcripts;

const ROUNDS: usize = 10_000;

/// What tends to break parsers.
const WORDS: [&[u8]; 26] = [
    b"null",
    b"true",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"-0",
    b"1e999",
    b"18446744073709551616",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\0",
    b"\n",
    b"\r\n",
    b"=",
    b";",
    b"%",
    b"**",
    b".",
    b"\"type\":",
];

/// Marsaglia's xorshift: the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (bound.max(1) as u64)).unwrap()
    }

    fn span(&mut self, length: usize) -> std::ops::Range<usize> {
        let from = self.below(length + 1);
        from..from + self.below(length - from + 1).min(64)
    }
}

fn mutate(numbers: &mut Numbers, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = seeds[numbers.below(seeds.len())].clone();
    for _ in 0..=numbers.below(4) {
        let span = numbers.span(input.len());
        match numbers.below(6) {
            0 => drop(input.drain(span)),
            1 => {
                let piece = input[span.clone()].repeat(1 + numbers.below(20));
                input.splice(span, piece);
            }
            2 => {
                let word = WORDS[numbers.below(WORDS.len())];
                drop(input.splice(span.start..span.start, word.iter().copied()));
            }
            3 => drop(input.splice(span, WORDS[numbers.below(WORDS.len())].iter().copied())),
            4 => {
                if let Some(byte) = input.get_mut(span.start) {
                    *byte ^= 1 << numbers.below(8);
                }
            }
            _ => {
                let other = &seeds[numbers.below(seeds.len())];
                let piece = other[numbers.span(other.len())].to_vec();
                input.splice(span, piece);
            }
        }
    }
    input
}

fn run(check: fn(&[u8]), seeds: impl IntoIterator<Item = impl Into<Vec<u8>>>) {
    let seeds: Vec<Vec<u8>> = seeds.into_iter().map(Into::into).collect();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    seeds.iter().for_each(|seed| check(seed));
    for _ in 0..ROUNDS {
        let input = mutate(&mut numbers, &seeds);
        let shown = String::from_utf8_lossy(&input).into_owned();
        // A panic in a check is a failure; this says of which input.
        let result = std::panic::catch_unwind(|| check(&input));
        assert!(result.is_ok(), "{shown}");
    }
}

fn header_lines() -> Vec<String> {
    let requests = transcripts::handler_requests();
    let lines = |request: &serde_json::Value| {
        let headers = request["headers"].as_object().unwrap().iter();
        headers.map(|(name, value)| format!("{name}: {}\n", value.as_str().unwrap())).collect::<String>()
    };
    requests.iter().map(lines).collect()
}

#[test]
fn frames() {
    run(checks::client_frame, transcripts::frames("sent"));
    run(checks::server_frame, transcripts::frames("got"));
}

#[test]
fn bodies() {
    run(
        checks::payload,
        [
            "application/json\n{\"a\":[1,\"b\"]}",
            "text/plain; charset=utf-8\né",
            "text/x;charset=\"latin1\"\n\u{e9}",
        ],
    );
    let bodies = transcripts::handler_requests();
    let bodies = bodies.iter().map(|request| request["body"].as_str().unwrap().to_owned());
    let answer = r#"{"userId":"u","groups":["g"],"roles":["webpubsub.joinLeaveGroup"],"subprotocol":"two"}"#;
    run(checks::connect_event, bodies.chain([answer.to_owned()]));
}

#[test]
fn headers() {
    run(checks::cloud_events, header_lines());
    run(checks::metadata, ["x-webpubsub-metadata-trace: 7\nx-webpubsub-metadata-b: \nce-id: 1\n"]);
    run(checks::signature_and_state, ["sha256=00ff,sha256=f7bc", "eyJuIjoxfQ=="]);
}

#[test]
fn access() {
    run(
        checks::roles,
        ["a.b.c\nwebpubsub.joinLeaveGroup\nwebpubsub.sendToGroup.a.b\nwebpubsub.sendToGroups.a*?\\*.**"],
    );
    run(
        checks::token,
        [
            "plain\n{\"aud\":\"http://h/client/hubs/plain\",\"exp\":9,\"nbf\":0,\"role\":[\"r\"],\"webpubsub.group\":\"g\"}",
            "/api/hubs/plain/:send?a=1\n{\"aud\":[\"http://h/api/hubs/plain\"],\"exp\":9.5}",
            "plain\neyJhbGciOiJIUzI1NiJ9.eyJleHAiOjl9.AAAA",
        ],
    );
    run(checks::connection_string, ["Endpoint=http://h:1;AccessKey=k=;Version=1.0;Port=8080;"]);
    run(checks::words, ["json.webpubsub.azure.v1, two", "demo_ai_chat", "127.0.0.1:80,*"]);
}
