use std::sync::atomic::{AtomicU64, Ordering};

/// What happened since the start, for metrics. Each counts up and says nothing of order between them.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages the queue took.
    pub accepted: Counter,
    /// Messages appended to a log, by queue or socket.
    pub messages_sent: Counter,
    /// Messages of the queue that reached log, inbox and transport.
    pub delivered: Counter,
    /// Repeats that the log knew already.
    pub duplicates: Counter,
    /// Messages refused by the state of their conversation.
    pub rejected: Counter,
    /// Texts that were rejected for what they say.
    pub moderated: Counter,
    /// Messages kept for review.
    pub held: Counter,
    /// Messages parked because they cannot be read, are too old or were delivered too often.
    pub dead: Counter,
    /// Attempts that a dependency's failure ended, to be tried again.
    pub retries: Counter,
    /// Frames published to groups.
    pub published: Counter,
    /// Connections that opened, and that closed, as the transport told.
    pub connected: Counter,
    pub disconnected: Counter,
    /// Acts whose record or outcome the audit's store did not take.
    pub audit_failures: Counter,
    /// Panics caught while delivering.
    pub panics: Counter,
}

#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
