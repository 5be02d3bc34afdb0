//! How much one answer holds. Over a socket an answer is one frame, and a frame that is too long ends the connection.

use std::io;

use serde::Serialize;

use crate::model::bounds;

/// Rows read at once for an answer: 12 MiB of the longest messages.
pub(super) const ROWS_AT_ONCE: usize = 128;

/// What may still be answered.
pub(super) struct Budget {
    pub(super) places: usize,
    pub(super) bytes: usize,
    pub(super) spent: usize,
}

impl Budget {
    pub(super) fn new(places: usize) -> Self {
        Self { places, bytes: bounds::ANSWER_BYTES, spent: 0 }
    }

    /// The first of an answer always goes, so that asking again gets on.
    pub(super) fn pay(&mut self, bytes: usize) -> bool {
        if self.places == 0 || (bytes > self.bytes && self.spent > 0) {
            return false;
        }
        self.places -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
        self.spent += 1;
        true
    }

    /// Pays for what a view takes as JSON.
    pub(super) fn pay_for(&mut self, view: &impl Serialize) -> bool {
        self.places > 0 && self.pay(json_length(view))
    }

    /// Rows to read next: one more than there are places, to know whether something is left.
    pub(super) fn rows(&self) -> usize {
        self.places.saturating_add(1).min(ROWS_AT_ONCE)
    }
}

fn json_length(view: &impl Serialize) -> usize {
    struct Counter(usize);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // What cannot be encoded is told where it is.
    let _ = serde_json::to_writer(&mut counter, view);
    counter.0
}
