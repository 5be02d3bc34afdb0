//! The frames that wait for one connection's socket.

use std::collections::VecDeque;
use std::io::Write as _;

use bytes::Bytes;

use crate::ws::{self, MAX_HEADER, Opcode};

/// What a waiting frame costs beside its bytes; it keeps very many very small frames within the bound.
const FRAME_OVERHEAD: usize = 64;

/// One frame, whole and ready for the wire or to be completed on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A WebSocket frame, header included; a broadcast's is shared by all who get it.
    Whole(Bytes),
    /// A message of a reliable connection: the shared JSON up to its closing brace, and the number of its own.
    Numbered { body: Bytes, sequence_id: u64 },
}

impl Frame {
    pub(crate) fn text(json: &str) -> Self {
        Self::Whole(ws::frame(Opcode::Text, json.as_bytes()))
    }

    pub(crate) fn cost(&self) -> usize {
        FRAME_OVERHEAD
            + match self {
                Self::Whole(bytes) => bytes.len(),
                Self::Numbered { body, .. } => body.len() + MAX_HEADER + 40,
            }
    }

    /// Appends the frame's bytes after the first `skip`, as long as `out` stays within `limit`.
    fn append_to(&self, skip: usize, out: &mut Vec<u8>, limit: usize) {
        match self {
            Self::Whole(bytes) => append_parts([bytes], skip, out, limit),
            Self::Numbered { body, sequence_id } => {
                let (head, used) = ws::header(Opcode::Text, body.len() + suffix_len(*sequence_id));
                let mut suffix = [0; MAX_SUFFIX];
                let suffix = write_suffix(*sequence_id, &mut suffix);
                append_parts([&head[..used], body, suffix], skip, out, limit);
            }
        }
    }

    fn wire_len(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Numbered { body, sequence_id } => {
                let payload = body.len() + suffix_len(*sequence_id);
                ws::header(Opcode::Text, payload).1 + payload
            }
        }
    }
}

fn append_parts<const N: usize>(parts: [&[u8]; N], mut skip: usize, out: &mut Vec<u8>, limit: usize) {
    for part in parts {
        let skipped = skip.min(part.len());
        skip -= skipped;
        let part = &part[skipped..];
        let room = limit.saturating_sub(out.len());
        out.extend_from_slice(&part[..part.len().min(room)]);
    }
}

/// `,"sequenceId":` and up to 20 digits and the brace.
const MAX_SUFFIX: usize = 35;

/// [`MessageFrame::sequence_suffix`](webpubsub::server_frame::MessageFrame::sequence_suffix) without a string of its
/// own, because every delivery to a reliable connection needs one.
fn write_suffix(sequence_id: u64, buffer: &mut [u8; MAX_SUFFIX]) -> &[u8] {
    let length = suffix_len(sequence_id);
    // The buffer holds the longest suffix, so writing cannot fail.
    let _ = write!(&mut buffer[..], ",\"sequenceId\":{sequence_id}}}");
    &buffer[..length]
}

fn suffix_len(sequence_id: u64) -> usize {
    r#","sequenceId":}"#.len() + 1 + sequence_id.checked_ilog10().unwrap_or(0) as usize
}

/// Frames in order, bounded in bytes. A frame leaves it only when the socket has taken all of it.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    frames: VecDeque<Frame>,
    cost: usize,
    /// How much of the first frame the socket has.
    sent: usize,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// What the waiting frames cost, in bytes.
    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    pub(crate) fn push(&mut self, frame: Frame) {
        self.cost += frame.cost();
        self.frames.push_back(frame);
    }

    /// Copies waiting bytes into `out`, at most `limit` of them. The frames stay here until [`Outbox::advance`].
    pub(crate) fn gather(&self, out: &mut Vec<u8>, limit: usize) {
        out.clear();
        let mut skip = self.sent;
        for frame in &self.frames {
            frame.append_to(std::mem::take(&mut skip), out, limit);
            if out.len() >= limit {
                break;
            }
        }
    }

    /// The socket took `taken` bytes of what was gathered.
    pub(crate) fn advance(&mut self, taken: usize) {
        let mut taken = taken + self.sent;
        while let Some(front) = self.frames.front() {
            let length = front.wire_len();
            if length > taken {
                break;
            }
            taken -= length;
            self.cost -= front.cost();
            self.frames.pop_front();
        }
        self.sent = taken;
        if self.frames.is_empty() && self.frames.capacity() > 64 {
            self.frames = VecDeque::new();
        }
    }

    /// Drops what waits, but for a frame of which the socket has a part already.
    pub(crate) fn clear_unsent(&mut self) {
        self.frames.truncate(usize::from(self.sent > 0));
        self.cost = self.frames.iter().map(Frame::cost).sum();
    }

    /// Drops everything, for a new socket.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Gives back memory that a quiet connection does not need.
    pub(crate) fn shrink(&mut self) {
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_suffix_is_the_protocols() {
        for id in [0, 1, 9, 10, 99, 100, u64::MAX] {
            let mut buffer = [0; MAX_SUFFIX];
            let suffix = write_suffix(id, &mut buffer);
            assert_eq!(suffix, webpubsub::server_frame::MessageFrame::sequence_suffix(id).as_bytes());
        }
    }

    fn numbered(text: &str, sequence_id: u64) -> Frame {
        Frame::Numbered { body: Bytes::from(text.to_owned()), sequence_id }
    }

    #[test]
    fn a_numbered_frame_is_completed_on_the_way() {
        let mut outbox = Outbox::default();
        outbox.push(numbered(r#"{"type":"message""#, 12));
        let mut wire = Vec::new();
        outbox.gather(&mut wire, 1000);
        assert_eq!(&wire[2..], br#"{"type":"message","sequenceId":12}"#);
        assert_eq!(wire[..2], [0x81, 34]);
    }

    #[test]
    fn a_frame_half_sent_survives_clearing() {
        let mut outbox = Outbox::default();
        outbox.push(Frame::text("first"));
        outbox.push(Frame::text("second"));
        outbox.advance(3);
        outbox.clear_unsent();
        outbox.push(Frame::text("last"));
        let mut wire = Vec::new();
        outbox.gather(&mut wire, 1000);
        assert_eq!(wire, b"irst\x81\x04last");
        outbox.advance(wire.len());
        assert!(outbox.is_empty());
        assert_eq!(outbox.cost(), 0);
    }

    proptest! {
        /// Whatever the socket takes at a time, all bytes arrive once and in order.
        #[test]
        fn bytes_arrive_in_order(
            texts in prop::collection::vec((".{0,40}", any::<bool>()), 1..30),
            takes in prop::collection::vec(1..50_usize, 1..20),
            limit in 1..200_usize,
        ) {
            let (mut outbox, mut expected, mut arrived) = (Outbox::default(), Vec::new(), Vec::new());
            for (at, (text, reliable)) in texts.iter().enumerate() {
                let frame = if *reliable { numbered(text, at as u64) } else { Frame::text(text) };
                frame.append_to(0, &mut expected, usize::MAX);
                outbox.push(frame);
            }
            let mut takes = takes.iter().cycle();
            let mut wire = Vec::new();
            while !outbox.is_empty() {
                outbox.gather(&mut wire, limit);
                let take = wire.len().min(*takes.next().expect("a cycle"));
                arrived.extend_from_slice(&wire[..take]);
                outbox.advance(take);
            }
            prop_assert_eq!(arrived, expected);
            prop_assert_eq!(outbox.cost(), 0);
        }
    }
}
