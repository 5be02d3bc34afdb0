//! What an owner of a hub may choose.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use webpubsub::key::AccessKey;
use webpubsub::names::HubName;

/// Gives the time in whole seconds since the Unix epoch.
pub type UnixClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Fills the buffer with random bytes fit for secrets.
pub type RandomBytes = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Settings of a [`Hub`](crate::Hub). [`HubOptions::new`] gives the service's own values.
#[derive(Clone)]
pub struct HubOptions {
    /// Keys that client tokens and REST tokens may be signed with. The first one signs what the hub makes.
    pub access_keys: Vec<AccessKey>,
    /// Let clients without a token connect, with every role, and serve `/ws`. A token that is sent must be valid.
    pub anonymous: bool,
    /// The hub of `/ws?user_id=`, which exists only together with `anonymous`.
    pub default_hub: Option<HubName>,
    /// An ack leaves at least this long after its request arrived. One official client loses acks that come sooner
    /// than it expects; 2 ms suffices. The connection's later requests wait with it, so nothing is reordered.
    pub ack_delay: Duration,
    /// How often a connection is pinged. One that was silent from one ping to the next is taken for lost.
    pub keep_alive: Duration,
    /// How long a reliable connection without a socket can be recovered.
    pub recovery_window: Duration,
    /// How many messages a reliable connection may leave unacknowledged.
    pub reliable_messages: usize,
    /// How many bytes of messages a reliable connection may leave unacknowledged.
    pub reliable_bytes: usize,
    /// How many bytes may wait for a connection's socket before it counts as a slow consumer.
    pub outbox_bytes: usize,
    /// The longest message of a client, in bytes.
    pub max_message: usize,
    /// How many groups one connection may be in. The service publishes no such limit; this one keeps memory bounded.
    pub max_groups: usize,
    /// How long a closing handshake may take before the socket is dropped.
    pub linger: Duration,
    pub clock: UnixClock,
    pub random: RandomBytes,
}

impl HubOptions {
    /// The service's values for these keys: 20 s keep-alive, 30 s recovery, 1,000 messages or 16 MB unacknowledged,
    /// messages of 1 MiB; tokens required; no ack delay. Time and chance come from the system.
    #[must_use]
    pub fn new(access_keys: Vec<AccessKey>) -> Self {
        Self {
            access_keys,
            anonymous: false,
            default_hub: None,
            ack_delay: Duration::ZERO,
            keep_alive: Duration::from_secs(20),
            recovery_window: Duration::from_secs(30),
            reliable_messages: 1000,
            reliable_bytes: 16 * 1024 * 1024,
            outbox_bytes: 16 * 1024 * 1024,
            max_message: 1024 * 1024,
            max_groups: 4096,
            linger: Duration::from_secs(2),
            clock: Arc::new(system_clock),
            random: Arc::new(system_random),
        }
    }
}

impl fmt::Debug for HubOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubOptions")
            .field("access_keys", &self.access_keys.len())
            .field("anonymous", &self.anonymous)
            .field("default_hub", &self.default_hub)
            .field("ack_delay", &self.ack_delay)
            .field("keep_alive", &self.keep_alive)
            .field("recovery_window", &self.recovery_window)
            .finish_non_exhaustive()
    }
}

#[expect(clippy::disallowed_methods, reason = "the one real clock of this crate; tests pass another")]
fn system_clock() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[expect(
    clippy::expect_used,
    reason = "without the system's randomness no token is safe, and nothing could go on"
)]
fn system_random(buffer: &mut [u8]) {
    getrandom::fill(buffer).expect("the system gives random bytes");
}
