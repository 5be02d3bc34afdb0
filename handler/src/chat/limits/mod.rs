//! How much a user, a room and a client's address may do: token buckets in this process, drained by what other processes say
//! they let through. See `docs/decisions/010-rate-limits.md` for how exact that is.

mod bucket;
mod buckets;
mod exchange;

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use self::buckets::{Buckets, Key};
pub use self::exchange::{EXCHANGE_EVERY, Exchange};
use super::message::Target;
use super::scene::Scene;
use super::{Caller, Chat, QueuedMessage, Refused, Via};
use crate::model::{Marker, RateLimit, RateLimits, RoomId, UserId};

/// Refusals that a live connection may earn before it is closed. Who keeps to `Retry-After` never comes near.
const FLOOD: RateLimit = RateLimit { per_second: 5, burst: 50 };
/// Why such a connection is closed.
const FLOODING: &str = "Too many requests. Connect again later.";

/// The events that are charged where they are known to be no repeat.
const CHARGED_LATER: [&str; 8] = ["send", "edit", "delete", "react", "unreact", "pin", "unpin", "report"];

/// All buckets of this process. Cheap to ask: some comparisons under a short lock, and no call of anybody.
pub struct Limits {
    started: Instant,
    user: Option<Buckets>,
    room: Option<Buckets>,
    address: Option<Buckets>,
    floods: Buckets,
}

/// Tokens that were taken, to be given back where nothing came of it.
#[must_use]
#[derive(Debug, Default)]
pub(super) struct Paid {
    user: Option<Key>,
    room: Option<Key>,
}

impl Limits {
    #[must_use]
    pub fn new(limits: &RateLimits) -> Self {
        Self {
            started: Instant::now(),
            user: limits.user.map(Buckets::new),
            room: limits.room.map(Buckets::new),
            address: limits.address.map(Buckets::new),
            floods: Buckets::new(FLOOD),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// One request from a client's address. Of IPv6 the first half counts: the other half is the client's to choose.
    pub fn request(&self, address: IpAddr) -> Result<(), Refused> {
        let name = match address.to_canonical() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets()[..8].to_vec(),
        };
        take(self.address.as_ref(), "address", &key(b'a', &name), self.now())
    }

    /// One act of a user.
    pub fn act(&self, user: &UserId) -> Result<(), Refused> {
        take(self.user.as_ref(), "user", &key(b'u', user.as_str().as_bytes()), self.now())
    }

    /// Whatever a live connection sends.
    fn frame(&self, connection: &str) -> Result<(), Refused> {
        take(self.address.as_ref(), "connection", &key(b'c', connection.as_bytes()), self.now())
    }

    fn in_room(&self, room: &str) -> Result<(), Refused> {
        take(self.room.as_ref(), "room", &key(b'r', room.as_bytes()), self.now())
    }

    /// One act of a user in a room: both have a token, or neither loses one.
    fn act_in(&self, user: &UserId, room: Option<&str>) -> Result<Paid, Refused> {
        self.act(user)?;
        let mut paid = Paid { user: Some(key(b'u', user.as_str().as_bytes())), room: None };
        if let Some(room) = room {
            if let Err(refused) = self.in_room(room) {
                self.give_back(&paid);
                return Err(refused);
            }
            paid.room = Some(key(b'r', room.as_bytes()));
        }
        Ok(paid)
    }

    pub(super) fn give_back(&self, paid: &Paid) {
        for (buckets, key) in [(&self.user, &paid.user), (&self.room, &paid.room)] {
            if let (Some(buckets), Some(key)) = (buckets, key) {
                buckets.give_back(key);
            }
        }
    }

    /// One message.
    fn message(&self, message: &QueuedMessage) -> Result<Paid, Refused> {
        let room = match &message.target {
            Target::Room(room) => Some(room.as_str()),
            Target::Direct(_) => None,
        };
        self.act_in(&message.message.sender, room)
    }

    /// A connection was refused once more; answers whether it has gone on too long.
    fn is_flooding(&self, connection: &str) -> bool {
        self.floods.take(&Key::of(connection.as_bytes()), self.now()).is_err()
    }
}

/// What a bucket is of stands first, so that no user's name is a room's.
fn key(of: u8, name: &[u8]) -> Key {
    let mut whole = Vec::with_capacity(name.len() + 1);
    whole.push(of);
    whole.extend_from_slice(name);
    Key::of(&whole)
}

fn take(buckets: Option<&Buckets>, of: &'static str, key: &Key, now: u64) -> Result<(), Refused> {
    let Some(buckets) = buckets else { return Ok(()) };
    buckets.take(key, now).map_err(|wait| Refused::rate_limited(of, Duration::from_nanos(wait)))
}

impl Chat {
    /// One act of the caller by request. Those of a live connection are charged as they come.
    pub(super) fn charge(&self, caller: &Caller) -> Result<(), Refused> {
        match &caller.via {
            Via::Request => self.limits.act(&caller.user),
            Via::Socket { .. } => Ok(()),
        }
    }

    /// One act in a room, beside what it costs its user.
    pub(super) fn charge_room(&self, room: &RoomId) -> Result<(), Refused> {
        self.limits.in_room(room.as_str())
    }

    /// One act where messages are, which is no command to the log.
    pub(super) fn charge_act(&self, caller: &Caller, scene: &Scene) -> Result<Paid, Refused> {
        self.limits.act_in(&caller.user, scene.room().map(RoomId::as_str))
    }

    /// One message. A repeat of one that was accepted here lately costs nothing.
    pub(super) fn charge_message(&self, message: &QueuedMessage) -> Result<Paid, Refused> {
        if self.lately.has(&message.marker) {
            return Ok(Paid::default());
        }
        self.limits.message(message)
    }

    /// One command about a message. Its repeat is let through: the log knows it and changes nothing.
    pub(super) async fn charge_command(
        &self,
        caller: &Caller,
        scene: &Scene,
        marker: &Marker,
    ) -> Result<Paid, Refused> {
        match self.charge_act(caller, scene) {
            Ok(paid) => Ok(paid),
            // While the log cannot say, it is a refusal.
            Err(refused) => match self.ports.log.find(&scene.conversation(), marker).await {
                Ok(Some(_)) => Ok(Paid::default()),
                _ => Err(refused),
            },
        }
    }

    /// Lets a frame of a live connection in.
    pub(super) fn charge_frame(&self, caller: &Caller) -> Result<(), Refused> {
        caller.connection().map_or(Ok(()), |connection| self.limits.frame(connection))
    }

    /// Lets an event of a live connection in.
    pub(super) fn charge_event(&self, caller: &Caller, action: &str) -> Result<(), Refused> {
        match &caller.via {
            Via::Socket { .. } if !CHARGED_LATER.contains(&action) => self.limits.act(&caller.user),
            _ => Ok(()),
        }
    }

    /// Ends a connection that was refused too often and goes on.
    pub(super) async fn note_refusal(&self, caller: &Caller) {
        let Some(connection) = caller.connection().filter(|connection| self.limits.is_flooding(connection))
        else {
            return;
        };
        tracing::info!(
            user = caller.user.as_str(),
            connection,
            "a connection went on after too many refusals"
        );
        if let Err(error) = self.ports.transport.close(connection, FLOODING).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a flooding connection was not closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::data::user;

    fn refused(limits: &Limits, address: &str) -> bool {
        limits.request(address.parse().unwrap()).is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn an_ipv6_client_is_its_network() {
        let one = Some(RateLimit { per_second: 1, burst: 1 });
        let limits = Limits::new(&RateLimits { address: one, ..RateLimits::default() });
        assert!(!refused(&limits, "2001:db8:1:2::1"));
        assert!(refused(&limits, "2001:db8:1:2:ffff::9"), "an address of the same client");
        assert!(!refused(&limits, "2001:db8:1:3::1"));
        assert!(!refused(&limits, "192.0.2.7"));
        assert!(refused(&limits, "::ffff:192.0.2.7"), "the same, written otherwise");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!refused(&limits, "192.0.2.7"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_room_that_is_full_costs_its_user_nothing() {
        let (of_user, of_room) =
            (RateLimit { per_second: 1, burst: 5 }, RateLimit { per_second: 1, burst: 2 });
        let limits = Limits::new(&RateLimits { user: Some(of_user), room: Some(of_room), address: None });
        let ann = user("ann");
        for _ in 0..2 {
            let _ = limits.act_in(&ann, Some("tea")).unwrap();
        }
        for _ in 0..9 {
            assert_eq!(limits.act_in(&ann, Some("tea")).unwrap_err().field, Some("room"));
        }
        for _ in 0..3 {
            let _ = limits.act_in(&ann, Some("mate")).ok();
        }
        let refused = limits.act_in(&ann, Some("mate")).unwrap_err();
        assert_eq!((refused.code, refused.field), ("rate_limited", Some("room")));
        limits.act(&ann).unwrap();
        assert_eq!(limits.act(&ann).unwrap_err().field, Some("user"));
    }
}
