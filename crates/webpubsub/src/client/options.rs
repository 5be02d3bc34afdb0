use std::sync::Arc;
use std::time::Duration;

/// Gives the time in whole seconds since the Unix epoch.
pub type UnixClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Fills the buffer with random bytes.
pub type RandomBytes = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// How long calls may take, and how often they are tried.
#[derive(Clone)]
pub struct ClientOptions {
    /// How long the service may take to answer one try.
    pub try_timeout: Duration,
    /// For all tries of one call together, their pauses included.
    pub budget: Duration,
    /// How often a call is tried at most; 1 never repeats.
    pub tries: u32,
    /// The longest pause before the second try. It doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause before any try, where the service asks for none.
    pub longest_pause: Duration,
    pub repeat_sends: RepeatSends,
    pub clock: UnixClock,
    pub random: RandomBytes,
}

/// Which sends are tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepeatSends {
    /// Only those that the service cannot have taken: no connection came about, or it answered 429. Nothing is delivered
    /// twice.
    #[default]
    IfNotTaken,
    /// All. For messages that carry an id by which receivers drop the second copy.
    Always,
}

impl Default for ClientOptions {
    /// 5 s a try, 20 s in all, four tries, pauses of 100 ms to 2 s. Time and chance come from the system.
    fn default() -> Self {
        Self {
            try_timeout: Duration::from_secs(5),
            budget: Duration::from_secs(20),
            tries: 4,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(2),
            repeat_sends: RepeatSends::default(),
            clock: Arc::new(system_clock),
            random: Arc::new(system_random),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one real clock of the client; tests pass another")]
fn system_clock() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Only pauses and the ids of requests depend on it, so that a failure may leave zeros.
fn system_random(buffer: &mut [u8]) {
    let _ = getrandom::fill(buffer);
}
