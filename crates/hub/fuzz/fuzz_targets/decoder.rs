//! Any bytes, cut in two ways, decode to the same messages and the same error.
#![no_main]

use hub::ws::{Decoder, Incoming, ProtocolError};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 4096;

fn decode<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Incoming>, Result<(), ProtocolError>) {
    let (mut decoder, mut out) = (Decoder::new(LIMIT), Vec::new());
    for part in parts {
        if let Err(error) = decoder.feed(part, &mut out) {
            return (out, Err(error));
        }
    }
    (out, Ok(()))
}

fuzz_target!(|input: (usize, &[u8])| {
    let (cut, bytes) = input;
    let whole = decode([bytes]);
    for message in &whole.0 {
        match message {
            Incoming::Text(text) => assert!(text.len() <= LIMIT),
            Incoming::Binary(bytes) => assert!(bytes.len() <= LIMIT),
            Incoming::Ping(payload) => assert!(payload.len() <= 125),
            Incoming::Pong | Incoming::Close(..) => {}
        }
    }
    assert_eq!(decode(bytes.chunks(cut % 7 + 1)), whole);
});
