//! Client frames to messages: unmasking, fragments, control frames between fragments, limits.

use bytes::Bytes;

/// What a client sent, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Valid UTF-8, checked.
    Text(String),
    Binary(Bytes),
    Ping(Bytes),
    Pong,
    /// The code, if there was one, and the reason.
    Close(Option<u16>, String),
}

/// Why a client's bytes cannot be read on. Nothing that follows them means anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Close with 1002.
    #[error("the frame breaks RFC 6455")]
    Frame,
    /// Close with 1007.
    #[error("the text is not valid UTF-8")]
    Utf8,
    /// Close with 1009.
    #[error("the message is longer than the limit")]
    TooLarge,
}

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// The longest header of a client frame: two bytes, eight of length, four of mask.
const MAX_CLIENT_HEADER: usize = 14;

/// Payload buffers grow with what arrived, not with what a header promises.
const FIRST_RESERVATION: usize = 16 * 1024;

/// Turns bytes into messages. Empty, it owns no heap memory.
#[derive(Debug)]
pub struct Decoder {
    max_message: usize,
    header: PartialHeader,
    /// The frame whose payload is arriving.
    frame: Option<Frame>,
    /// The data message whose fragments are arriving: its opcode, and what has come of it.
    message: Option<u8>,
    payload: Vec<u8>,
    control: Vec<u8>,
}

#[derive(Debug, Default)]
struct PartialHeader {
    bytes: [u8; MAX_CLIENT_HEADER],
    have: u8,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    opcode: u8,
    fin: bool,
    mask: [u8; 4],
    length: usize,
    received: usize,
}

impl Decoder {
    /// `max_message` bounds a message's payload, all fragments together, in bytes.
    #[must_use]
    pub fn new(max_message: usize) -> Self {
        Self {
            max_message,
            header: PartialHeader::default(),
            frame: None,
            message: None,
            payload: Vec::new(),
            control: Vec::new(),
        }
    }

    /// Reads all of `input` and appends the messages that became whole, in order.
    ///
    /// # Errors
    /// At the first violation; the messages before it are in `out`. The decoder must not be used afterwards.
    pub fn feed(&mut self, mut input: &[u8], out: &mut Vec<Incoming>) -> Result<(), ProtocolError> {
        loop {
            let Some(frame) = &mut self.frame else {
                if input.is_empty() {
                    return Ok(());
                }
                input = self.read_header(input)?;
                continue;
            };
            let take = input.len().min(frame.length - frame.received);
            let (now, rest) = input.split_at(take);
            let target = if is_control(frame.opcode) { &mut self.control } else { &mut self.payload };
            if target.capacity() - target.len() < take {
                target.reserve(take.max(frame.length.min(FIRST_RESERVATION)));
            }
            append_unmasked(target, now, frame.mask, frame.received);
            frame.received += take;
            input = rest;
            if frame.received < frame.length {
                return Ok(());
            }
            let frame = *frame;
            self.frame = None;
            self.finish_frame(frame, out)?;
        }
    }

    /// Takes header bytes; once the header is whole, checks it and starts its frame.
    fn read_header<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], ProtocolError> {
        let have = usize::from(self.header.have);
        let known = if have < 2 { 2 } else { header_length(self.header.bytes[1]) };
        let take = input.len().min(known - have);
        self.header.bytes[have..have + take].copy_from_slice(&input[..take]);
        self.header.have += take as u8;
        let have = have + take;
        if have == 2 {
            check_first_bytes(self.header.bytes[0], self.header.bytes[1])?;
        }
        if have >= 2 && have == header_length(self.header.bytes[1]) {
            let frame = parse_header(&self.header.bytes)?;
            self.admit(frame)?;
            self.frame = Some(frame);
            self.header.have = 0;
        }
        Ok(&input[take..])
    }

    /// Order of fragments and size, before any payload is stored.
    fn admit(&mut self, frame: Frame) -> Result<(), ProtocolError> {
        if is_control(frame.opcode) {
            return Ok(());
        }
        match (frame.opcode, self.message) {
            (CONTINUATION, Some(_)) => {}
            (TEXT | BINARY, None) => self.message = Some(frame.opcode),
            _ => return Err(ProtocolError::Frame),
        }
        if frame.length > self.max_message - self.payload.len() {
            return Err(ProtocolError::TooLarge);
        }
        Ok(())
    }

    fn finish_frame(&mut self, frame: Frame, out: &mut Vec<Incoming>) -> Result<(), ProtocolError> {
        if is_control(frame.opcode) {
            let payload = std::mem::take(&mut self.control);
            out.push(match frame.opcode {
                CLOSE => parse_close(&payload)?,
                PING => Incoming::Ping(payload.into()),
                _ => Incoming::Pong,
            });
            return Ok(());
        }
        if !frame.fin {
            return Ok(());
        }
        let payload = std::mem::take(&mut self.payload);
        out.push(match self.message.take() {
            Some(TEXT) => Incoming::Text(String::from_utf8(payload).map_err(|_| ProtocolError::Utf8)?),
            _ => Incoming::Binary(payload.into()),
        });
        Ok(())
    }
}

fn is_control(opcode: u8) -> bool {
    opcode & 0x8 != 0
}

/// The whole header's length, from its second byte.
fn header_length(second: u8) -> usize {
    let extended = match second & 0x7F {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + extended + 4
}

fn check_first_bytes(first: u8, second: u8) -> Result<(), ProtocolError> {
    let (fin, reserved, opcode) = (first & 0x80 != 0, first & 0x70, first & 0x0F);
    let masked = second & 0x80 != 0;
    let known = matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG);
    let control_ok = !is_control(opcode) || (fin && second & 0x7F <= 125);
    if reserved == 0 && known && masked && control_ok { Ok(()) } else { Err(ProtocolError::Frame) }
}

fn parse_header(bytes: &[u8; MAX_CLIENT_HEADER]) -> Result<Frame, ProtocolError> {
    let big_endian = |range: std::ops::Range<usize>| {
        bytes[range].iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte))
    };
    let length = match bytes[1] & 0x7F {
        // RFC 6455 5.2: the minimal number of bytes must be used.
        126 => Some(big_endian(2..4)).filter(|length| *length > 125),
        127 => Some(big_endian(2..10)).filter(|length| *length > 0xFFFF && length >> 63 == 0),
        short => Some(u64::from(short)),
    };
    let length = length.ok_or(ProtocolError::Frame)?;
    let length = usize::try_from(length).map_err(|_| ProtocolError::TooLarge)?;
    let at = header_length(bytes[1]) - 4;
    let mask = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    Ok(Frame { opcode: bytes[0] & 0x0F, fin: bytes[0] & 0x80 != 0, mask, length, received: 0 })
}

/// Appends `masked`, whose first byte is number `at` of its frame.
fn append_unmasked(target: &mut Vec<u8>, masked: &[u8], mask: [u8; 4], at: usize) {
    let start = target.len();
    target.extend_from_slice(masked);
    let mut turned = mask;
    turned.rotate_left(at % 4);
    let eight = u64::from_ne_bytes([
        turned[0], turned[1], turned[2], turned[3], turned[0], turned[1], turned[2], turned[3],
    ]);
    let mut chunks = target[start..].chunks_exact_mut(8);
    for chunk in &mut chunks {
        if let Ok(bytes) = <[u8; 8]>::try_from(&*chunk) {
            chunk.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ eight).to_ne_bytes());
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(turned.iter().cycle()) {
        *byte ^= key;
    }
}

fn parse_close(payload: &[u8]) -> Result<Incoming, ProtocolError> {
    match payload {
        [] => Ok(Incoming::Close(None, String::new())),
        [_] => Err(ProtocolError::Frame),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            // 1004 to 1006 and 1015 must not be on the wire; 1016 to 2999 are not assigned.
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(ProtocolError::Frame);
            }
            let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::Utf8)?;
            Ok(Incoming::Close(Some(code), reason.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client frame with a fixed mask.
    fn client(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xFA, 0x21, 0x3D];
        let mut bytes = vec![first];
        match payload.len() {
            length @ ..126 => bytes.push(0x80 | length as u8),
            length @ ..65_536 => {
                bytes.push(0x80 | 126);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 127);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&mask);
        bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
        bytes
    }

    fn decode(bytes: &[u8]) -> (Vec<Incoming>, Result<(), ProtocolError>) {
        let mut out = Vec::new();
        let result = Decoder::new(1000).feed(bytes, &mut out);
        (out, result)
    }

    #[test]
    fn the_rfc_example_reads_hello() {
        let bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(decode(&bytes), (vec![Incoming::Text("Hello".into())], Ok(())));
    }

    #[test]
    fn control_frames_may_come_between_fragments_and_arrive_first() {
        let bytes =
            [client(0x01, b"He"), client(0x89, b"?"), client(0x00, b"l"), client(0x80, b"lo")].concat();
        let expected = vec![Incoming::Ping(Bytes::from_static(b"?")), Incoming::Text("Hello".into())];
        assert_eq!(decode(&bytes), (expected, Ok(())));
    }

    #[test]
    fn violations_have_their_error_and_keep_what_came_before() {
        let valid = client(0x81, b"ok");
        let table: &[(&str, Vec<u8>, ProtocolError)] = &[
            ("not masked", vec![0x81, 0x01, b'x'], ProtocolError::Frame),
            ("reserved bit", client(0xC1, b"x"), ProtocolError::Frame),
            ("unknown opcode", client(0x83, b"x"), ProtocolError::Frame),
            ("unknown control", client(0x8B, b""), ProtocolError::Frame),
            ("fragmented control", client(0x09, b"x"), ProtocolError::Frame),
            ("long control", client(0x89, &[0; 126]), ProtocolError::Frame),
            ("continuation of nothing", client(0x80, b"x"), ProtocolError::Frame),
            (
                "text inside a message",
                [client(0x01, b"a"), client(0x81, b"b")].concat(),
                ProtocolError::Frame,
            ),
            ("length not minimal", vec![0x81, 0xFE, 0, 5, 0, 0, 0, 0], ProtocolError::Frame),
            (
                "length over 63 bits",
                vec![0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                ProtocolError::Frame,
            ),
            ("close of one byte", client(0x88, &[3]), ProtocolError::Frame),
            ("close 1005", client(0x88, &1005_u16.to_be_bytes()), ProtocolError::Frame),
            ("close 999", client(0x88, &999_u16.to_be_bytes()), ProtocolError::Frame),
            ("close reason not UTF-8", client(0x88, &[3, 0xE8, 0xFF]), ProtocolError::Utf8),
            ("text not UTF-8", client(0x81, &[0xC3, 0x28]), ProtocolError::Utf8),
            ("one frame too large", client(0x82, &[0; 1001]), ProtocolError::TooLarge),
            (
                "fragments too large",
                [client(0x02, &[0; 600]), client(0x80, &[0; 401])].concat(),
                ProtocolError::TooLarge,
            ),
            (
                "a promise too large",
                vec![0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0],
                ProtocolError::TooLarge,
            ),
        ];
        for (name, bytes, error) in table {
            let (before, result) = decode(&[valid.clone(), bytes.clone()].concat());
            assert_eq!((before, result), (vec![Incoming::Text("ok".into())], Err(*error)), "{name}");
        }
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        let (messages, result) = decode(&client(0x82, &[7; 1000]));
        assert_eq!((messages, result), (vec![Incoming::Binary(vec![7; 1000].into())], Ok(())));
    }

    #[test]
    fn a_message_may_arrive_byte_by_byte_and_leaves_no_buffer_behind() {
        let bytes = [client(0x81, &[b'a'; 300]), client(0x88, &[0x03, 0xE8, b'b'])].concat();
        let (mut decoder, mut out) = (Decoder::new(1000), Vec::new());
        for byte in bytes.chunks(1) {
            decoder.feed(byte, &mut out).expect("valid");
        }
        assert_eq!(out, [Incoming::Text("a".repeat(300)), Incoming::Close(Some(1000), "b".into())]);
        assert_eq!(decoder.payload.capacity() + decoder.control.capacity(), 0);
    }
}
