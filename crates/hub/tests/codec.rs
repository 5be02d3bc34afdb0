//! Our codec against another's: tungstenite plays the client.
#![allow(clippy::expect_used, reason = "this is test code; clippy only knows test functions")]

use std::io::{self, Cursor, Read, Write};

use hub::ws::{Decoder, Incoming, Opcode, close_frame, frame};
use proptest::prelude::*;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
use tokio_tungstenite::tungstenite::{Error, Message};

/// A wire with both ends in memory.
struct Wire {
    to_client: Cursor<Vec<u8>>,
    from_client: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.to_client.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.from_client.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn client(to_client: Vec<u8>) -> WebSocket<Wire> {
    let wire = Wire { to_client: Cursor::new(to_client), from_client: Vec::new() };
    WebSocket::from_raw_socket(wire, Role::Client, None)
}

fn message() -> impl Strategy<Value = Message> {
    let length = prop_oneof![0..130_usize, Just(125), Just(126), Just(65_535), Just(65_536), 0..70_000_usize];
    prop_oneof![
        ".{0,60}".prop_map(Message::text),
        length.prop_map(|length| Message::binary(vec![0xA5; length])),
        prop::collection::vec(any::<u8>(), 0..125).prop_map(|bytes| Message::Ping(bytes.into())),
    ]
}

fn expected(message: &Message) -> Incoming {
    match message {
        Message::Text(text) => Incoming::Text(text.to_string()),
        Message::Ping(bytes) => Incoming::Ping(bytes.clone()),
        other => Incoming::Binary(other.clone().into_data()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a client writes arrives, however the bytes are cut.
    #[test]
    fn client_to_server(messages in prop::collection::vec(message(), 0..12), cuts in prop::collection::vec(1..5000_usize, 1..8)) {
        let mut client = client(Vec::new());
        for message in &messages {
            client.send(message.clone()).expect("written");
        }
        let wire = &client.get_ref().from_client;
        let (mut decoder, mut arrived, mut rest) = (Decoder::new(100_000), Vec::new(), &wire[..]);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at(rest.len().min(*cut));
            decoder.feed(now, &mut arrived).expect("valid");
            rest = later;
        }
        prop_assert_eq!(arrived, messages.iter().map(expected).collect::<Vec<_>>());
    }

    /// What we write is read as it was meant.
    #[test]
    fn server_to_client(messages in prop::collection::vec(message(), 0..12), code in 1000..1004_u16, reason in ".{0,80}") {
        let mut wire = Vec::new();
        for message in &messages {
            let opcode = match message {
                Message::Text(_) => Opcode::Text,
                Message::Ping(_) => Opcode::Ping,
                _ => Opcode::Binary,
            };
            wire.extend_from_slice(&frame(opcode, &message.clone().into_data()));
        }
        wire.extend_from_slice(&close_frame(Some(code), &reason));
        let mut client = client(wire);
        for message in &messages {
            prop_assert_eq!(&client.read().expect("a message"), message);
        }
        let Message::Close(Some(close)) = client.read().expect("a close") else { panic!("not a close") };
        prop_assert_eq!(u16::from(close.code), code);
        prop_assert!(reason.starts_with(close.reason.as_str()));
        prop_assert!(!matches!(client.read(), Err(Error::Protocol(_))));
    }

    /// Any bytes at all: an answer or an error, and memory in proportion to what came.
    #[test]
    fn any_bytes(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..10)) {
        let (mut decoder, mut out) = (Decoder::new(1000), Vec::new());
        for chunk in &chunks {
            if decoder.feed(chunk, &mut out).is_err() {
                break;
            }
        }
    }
}
