//! Frames, as little of RFC 6455 as a load generator needs. Clients mask with a zero key: valid, and free of cost.

/// Appends an unmasked frame, as servers send it.
pub(crate) fn server_frame(payload: &[u8], out: &mut Vec<u8>) {
    header(0x81, 0, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends a frame masked with the zero key, as clients send it.
pub(crate) fn client_frame(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    header(0x80 | opcode, 0x80, payload.len(), out);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const PONG: u8 = 10;

fn header(first: u8, mask: u8, len: usize, out: &mut Vec<u8>) {
    out.push(first);
    match len {
        0..=125 => out.push(mask | len as u8),
        126..=0xffff => {
            out.push(mask | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(mask | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

/// What a stretch of incoming bytes held.
#[derive(Default, Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Complete data frames.
    pub frames: u64,
    /// Payload bytes of data frames.
    pub payload: u64,
    pub pings: u64,
}

/// Walks over frames without keeping them. Only a frame's header may be split between two calls and is kept.
#[derive(Default)]
pub(crate) struct FrameReader {
    head: Vec<u8>,
    left: u64,
    data: bool,
    partial: Vec<u8>,
}

impl FrameReader {
    /// Counts what is in `bytes`, sent by a server.
    pub(crate) fn count(&mut self, mut bytes: &[u8]) -> Seen {
        let mut seen = Seen::default();
        loop {
            if self.left > 0 {
                let n = (bytes.len() as u64).min(self.left);
                self.left -= n;
                bytes = &bytes[n as usize..];
                if self.data {
                    seen.payload += n;
                }
                if self.left > 0 {
                    return seen;
                }
                seen.frames += u64::from(self.data);
            }
            let Some(len) = self.read_header(&mut bytes) else { return seen };
            seen.pings += u64::from(self.head[0] & 0x0f == 9);
            self.data = self.head[0] & 0x0f <= 2;
            self.left = len;
            self.head.clear();
            if len == 0 {
                seen.frames += u64::from(self.data);
            }
        }
    }

    /// The payload length when the header is complete.
    fn read_header(&mut self, bytes: &mut &[u8]) -> Option<u64> {
        loop {
            if self.head.len() >= 2 {
                let masked = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
                let (need, extended) = match self.head[1] & 0x7f {
                    126 => (4, 2),
                    127 => (10, 8),
                    _ => (2, 0),
                };
                if self.head.len() == need + masked {
                    let short = u64::from(self.head[1] & 0x7f);
                    let long = self.head[2..2 + extended].iter().fold(0, |n, b| n << 8 | u64::from(*b));
                    return Some(if extended == 0 { short } else { long });
                }
            }
            let (first, rest) = bytes.split_first()?;
            self.head.push(*first);
            *bytes = rest;
        }
    }

    /// Hands over the payload of every complete frame that a client sent (its mask is taken to be zero).
    pub(crate) fn feed_masked(&mut self, bytes: &mut [u8], mut on_payload: impl FnMut(&[u8])) {
        let mut rest: &[u8] = bytes;
        loop {
            if self.left > 0 {
                let n = (rest.len() as u64).min(self.left) as usize;
                self.partial.extend_from_slice(&rest[..n]);
                self.left -= n as u64;
                rest = &rest[n..];
                if self.left > 0 {
                    return;
                }
                on_payload(&self.partial);
                self.partial.clear();
            }
            let Some(len) = self.read_header(&mut rest) else { return };
            self.left = len;
            self.head.clear();
        }
    }
}

/// The answer to [`KEY`], which is what every client here sends.
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// The key of RFC 6455's own example.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_frames_however_they_are_cut() {
        let mut wire = Vec::new();
        for len in [0, 5, 200, 70_000] {
            server_frame(&vec![b'x'; len], &mut wire);
        }
        wire.extend_from_slice(&[0x89, 0]);
        for cut in [1, 2, 3, 7, 1000, wire.len()] {
            let mut reader = FrameReader::default();
            let mut total = Seen::default();
            for chunk in wire.chunks(cut) {
                let seen = reader.count(chunk);
                total.frames += seen.frames;
                total.payload += seen.payload;
                total.pings += seen.pings;
            }
            assert_eq!((total.frames, total.payload, total.pings), (4, 70_205, 1), "cut every {cut}");
        }
    }

    #[test]
    fn payloads_of_client_frames_come_whole() {
        let mut wire = Vec::new();
        client_frame(TEXT, b"one", &mut wire);
        client_frame(TEXT, &[b'y'; 300], &mut wire);
        let mut reader = FrameReader::default();
        let mut got = Vec::new();
        for chunk in wire.chunks_mut(11) {
            reader.feed_masked(chunk, |payload| got.push(payload.len()));
        }
        assert_eq!(got, [3, 300]);
    }
}
