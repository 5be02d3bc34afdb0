//! Server frames: never masked, never fragmented, so header and payload can be one shared buffer.

use bytes::{BufMut, Bytes, BytesMut};

/// The longest header of a server frame, in bytes.
pub const MAX_HEADER: usize = 10;

/// A close reason may have at most this many bytes: a control frame carries 125, and the code takes two.
const MAX_REASON: usize = 123;

/// The frame types a server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

/// The header of an unmasked, final frame: the bytes and how many of them count.
#[must_use]
pub fn header(opcode: Opcode, length: usize) -> ([u8; MAX_HEADER], usize) {
    let mut bytes = [0; MAX_HEADER];
    bytes[0] = 0x80 | opcode as u8;
    let used = if let Ok(short @ ..=125) = u8::try_from(length) {
        bytes[1] = short;
        2
    } else if let Ok(medium) = u16::try_from(length) {
        bytes[1] = 126;
        bytes[2..4].copy_from_slice(&medium.to_be_bytes());
        4
    } else {
        bytes[1] = 127;
        bytes[2..].copy_from_slice(&(length as u64).to_be_bytes());
        MAX_HEADER
    };
    (bytes, used)
}

/// A whole frame in one buffer.
#[must_use]
pub fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    let (head, used) = header(opcode, payload.len());
    let mut bytes = BytesMut::with_capacity(used + payload.len());
    bytes.put_slice(&head[..used]);
    bytes.put_slice(payload);
    bytes.freeze()
}

/// A close frame. Without a code it is empty; a reason that is too long is cut at a character's border.
#[must_use]
pub fn close_frame(code: Option<u16>, reason: &str) -> Bytes {
    let Some(code) = code else { return frame(Opcode::Close, &[]) };
    let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
    let mut payload = Vec::with_capacity(2 + reason.len());
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(reason.as_bytes());
    frame(Opcode::Close, &payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_takes_the_shortest_form() {
        assert_eq!(frame(Opcode::Text, b"hi")[..], [0x81, 2, b'h', b'i']);
        assert_eq!(frame(Opcode::Binary, &[0; 125])[..2], [0x82, 125]);
        assert_eq!(frame(Opcode::Text, &[0; 126])[..4], [0x81, 126, 0, 126]);
        assert_eq!(frame(Opcode::Text, &[0; 65_535])[..4], [0x81, 126, 0xFF, 0xFF]);
        assert_eq!(frame(Opcode::Text, &[0; 65_536])[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_close_reason_is_cut_between_characters() {
        assert_eq!(close_frame(None, "ignored")[..], [0x88, 0]);
        assert_eq!(close_frame(Some(1000), "")[..], [0x88, 2, 0x03, 0xE8]);
        let cut = close_frame(Some(1008), &"é".repeat(100));
        assert_eq!(cut[1], 2 + 122, "61 characters of two bytes fit in 123");
        assert!(std::str::from_utf8(&cut[4..]).is_ok());
    }
}
