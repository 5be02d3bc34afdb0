//! What a reliable connection keeps until its client has acknowledged it.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::time::Instant;

use crate::outbox::Frame;

/// Messages with their numbers: from 1, one more each, for as long as the connection lives.
#[derive(Debug)]
pub(crate) struct Unacknowledged {
    messages: VecDeque<Stored>,
    last: u64,
    bytes: usize,
    max_messages: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Stored {
    sequence_id: u64,
    body: Bytes,
    /// After this it need not be replayed any more.
    expires: Option<Instant>,
}

/// The client left too much unacknowledged; its connection is over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Unacknowledged {
    pub(crate) fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self { messages: VecDeque::new(), last: 0, bytes: 0, max_messages, max_bytes }
    }

    /// Numbers a message, stores it, and gives the frame to send. `body` is the JSON without its closing brace.
    pub(crate) fn store(&mut self, body: Bytes, expires: Option<Instant>) -> Result<Frame, Full> {
        if !self.has_room(body.len()) {
            self.drop_expired();
        }
        if !self.has_room(body.len()) {
            return Err(Full);
        }
        self.last += 1;
        self.bytes += body.len();
        self.messages.push_back(Stored { sequence_id: self.last, body: body.clone(), expires });
        Ok(Frame::Numbered { body, sequence_id: self.last })
    }

    /// The client has everything up to `sequence_id`.
    pub(crate) fn acknowledge(&mut self, sequence_id: u64) {
        while self.messages.front().is_some_and(|message| message.sequence_id <= sequence_id) {
            self.bytes -= self.messages.pop_front().map_or(0, |message| message.body.len());
        }
        if self.messages.is_empty() && self.messages.capacity() > 64 {
            self.messages = VecDeque::new();
        }
    }

    /// The frames for a new socket, in order. What expired meanwhile is left out; its number stays a hole.
    pub(crate) fn replay(&mut self) -> impl Iterator<Item = Frame> {
        self.drop_expired();
        self.messages
            .iter()
            .map(|message| Frame::Numbered { body: message.body.clone(), sequence_id: message.sequence_id })
    }

    /// Gives back memory that a quiet connection does not need.
    pub(crate) fn shrink(&mut self) {
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
    }

    fn has_room(&self, length: usize) -> bool {
        self.messages.len() < self.max_messages && self.bytes + length <= self.max_bytes
    }

    fn drop_expired(&mut self) {
        let now = Instant::now();
        self.messages.retain(|message| message.expires.is_none_or(|expires| expires > now));
        self.bytes = self.messages.iter().map(|message| message.body.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ids(store: &mut Unacknowledged) -> Vec<u64> {
        let id = |frame| match frame {
            Frame::Numbered { sequence_id, .. } => sequence_id,
            Frame::Whole(_) => panic!("not numbered"),
        };
        store.replay().map(id).collect()
    }

    fn body(length: usize) -> Bytes {
        vec![b'x'; length].into()
    }

    #[test]
    fn limits_count_what_is_not_acknowledged() {
        let mut store = Unacknowledged::new(3, 100);
        for _ in 0..3 {
            store.store(body(30), None).expect("room");
        }
        assert_eq!(store.store(body(1), None), Err(Full), "a fourth message");
        store.acknowledge(2);
        store.acknowledge(1);
        assert_eq!(ids(&mut store), [3]);
        assert_eq!(store.store(body(71), None), Err(Full), "101 bytes");
        store.store(body(70), None).expect("100 bytes");
        assert_eq!(ids(&mut store), [3, 4], "a refused message takes no number");
        store.acknowledge(99);
        store.store(body(1), None).expect("room");
        assert_eq!(ids(&mut store), [5], "acknowledging the future does not skip numbers");
    }

    #[tokio::test(start_paused = true)]
    async fn what_expired_is_not_replayed_and_makes_room() {
        let mut store = Unacknowledged::new(2, 100);
        store.store(body(1), Some(Instant::now() + Duration::from_secs(5))).expect("room");
        store.store(body(1), None).expect("room");
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(ids(&mut store), [1, 2]);
        tokio::time::advance(Duration::from_secs(2)).await;
        store.store(body(1), None).expect("the expired one makes room");
        assert_eq!(ids(&mut store), [2, 3]);
    }
}
