//! Live connections from `connect` to `disconnected`. A lease per connection says whose it is, so that a change of membership
//! reaches connections that the transport cannot name yet.
//!
//! `connect` writes its lease before it reads memberships, and `connected` confirms it before it reads them again. A change
//! writes its row before it lists the leases. So whichever comes first, one of the two sees the other.

use std::collections::BTreeSet;

use super::live::Answer;
use super::presence::ROOMS_TOLD;
use super::{Chat, Refused, groups, view};
use crate::model::{Lease, RoomId, UserId};
use crate::ports::StoreError;

/// Rooms a connection is in from its start; others it joins by the `join` event.
const ROOMS_AT_CONNECT: usize = 500;
/// Inbox messages handed over when a connection opens. The rest is asked for, as `next` says.
const INBOX_AT_CONNECT: usize = 20;
/// Why a connection is closed whose rooms could not be looked at again.
const NOT_CONFIRMED: &str = "Connect again.";

/// What a new connection is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Welcome {
    pub groups: Vec<String>,
    /// One right per room. There is no blanket one, which would open every private room, and none to send.
    pub roles: Vec<String>,
}

impl Welcome {
    fn into(user: &UserId, rooms: &[RoomId]) -> Self {
        let mut welcome = Self {
            groups: vec![groups::user(user), groups::ROOM_LIST.to_owned()],
            roles: Vec::with_capacity(rooms.len()),
        };
        for room in rooms {
            let group = groups::room(room);
            welcome.roles.push(groups::join_leave_role(&group));
            welcome.groups.push(group);
        }
        welcome
    }
}

impl Chat {
    /// Groups and rights that a connection of the user would have now.
    pub async fn welcome(&self, user: &UserId) -> Result<Welcome, Refused> {
        Ok(Welcome::into(user, &self.rooms_at_connect(user).await?))
    }

    /// Groups and rights of a connection that is about to open: the user's own group, the list of rooms, and the rooms the
    /// user is in.
    pub async fn connecting(&self, user: &UserId, connection: &str) -> Result<Welcome, Refused> {
        self.connecting_with(user, connection, None).await
    }

    /// The same for a connection whose token was made at `issued_at`, in seconds.
    pub async fn connecting_with(
        &self,
        user: &UserId,
        connection: &str,
        issued_at: Option<u64>,
    ) -> Result<Welcome, Refused> {
        self.limits.act(user)?;
        let mut lease = Lease {
            user: user.clone(),
            connection: connection.to_owned(),
            since: self.ports.clock.now(),
            confirmed: false,
            rooms: Vec::new(),
        };
        self.ports.leases.put(&lease).await?;
        // Behind the lease: of a sign-out that comes meanwhile, either its mark is seen here or the lease there.
        let rooms = match self.check_signed_in(user, issued_at).await {
            Ok(()) => self.rooms_at_connect(user).await,
            Err(refused) => Err(refused),
        };
        match rooms {
            Ok(rooms) => {
                lease.rooms = rooms;
                self.ports.leases.put(&lease).await?;
                Ok(Welcome::into(user, &lease.rooms))
            }
            Err(refused) => {
                // Where this fails too, the repair removes it.
                let _ = self.ports.leases.remove(user, connection).await;
                Err(refused)
            }
        }
    }

    /// The connection is open: takes it out of rooms that the user lost since `connect`, and hands over what waits in the
    /// inbox, as `{"type":"inbox","messages":[…],"next"?}`. Nothing is acknowledged by that.
    pub async fn connected(&self, user: &UserId, connection: &str) -> Result<(), Refused> {
        self.counters.connected.add(1);
        if let Err(refused) = self.confirm(user, connection).await {
            // It may be in a room that it must not hear. The next one is let in by what holds then.
            self.ports.transport.close(connection, NOT_CONFIRMED).await?;
            return Err(refused);
        }
        let page = self.inbox_page(user, None, None, INBOX_AT_CONNECT).await?;
        if !page.items.is_empty() {
            self.ports
                .transport
                .send_to_connection(connection, view::encode(&Answer::Inbox { page }))
                .await?;
        }
        Ok(())
    }

    /// The connection is closed. Memberships stay: closing is not leaving.
    pub async fn disconnected(&self, user: &UserId, connection: &str) {
        self.counters.disconnected.add(1);
        tracing::debug!(user = user.as_str(), connection, "a connection closed");
        if let Err(refused) = self.end_lease(user, connection).await {
            tracing::warn!(code = refused.code, "a connection closed and its lease is left to the repair");
        }
    }

    /// Confirms the lease, and then brings the connection's rooms to what the user's memberships are now.
    pub(super) async fn confirm(&self, user: &UserId, connection: &str) -> Result<(), Refused> {
        let leases = self.ports.leases.of(user).await?;
        let lease = leases.iter().find(|lease| lease.connection == connection);
        if let Some(lease) = lease.filter(|lease| !lease.confirmed)
            && self.has_signed_out_since(user, lease.since).await?
        {
            return Err(Refused::unauthenticated("The user signed out meanwhile."));
        }
        let given = lease.map(|lease| lease.rooms.clone()).unwrap_or_default();
        let was_online = leases.iter().any(|lease| lease.confirmed);
        // Counted from now: a listing of connections that the repair began before did not have to see this one.
        let since = self.ports.clock.now();
        let confirmed = Lease {
            user: user.clone(),
            connection: connection.to_owned(),
            since,
            confirmed: true,
            rooms: given.clone(),
        };
        self.ports.leases.put(&confirmed).await?;
        let given: BTreeSet<RoomId> = given.into_iter().collect();
        let (rooms, ()) = tokio::join!(self.rooms_at_connect(user), self.seen_unless(was_online, user));
        let rooms: BTreeSet<RoomId> = rooms?.into_iter().collect();
        for room in given.symmetric_difference(&rooms) {
            // A page of memberships may not reach as far as the one before: the row itself decides.
            self.settle_live(room, user).await?;
        }
        if !confirmed.rooms.is_empty() {
            self.ports.leases.put(&Lease { rooms: Vec::new(), ..confirmed }).await?;
        }
        if !was_online {
            self.presence.came(user, rooms.into_iter().take(ROOMS_TOLD).collect());
        }
        Ok(())
    }

    /// Notes that somebody came. That this cannot be stored keeps nobody out.
    async fn seen_unless(&self, was_online: bool, user: &UserId) {
        if !was_online && let Err(error) = self.seen(user).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "when somebody came was not stored");
        }
    }

    /// Removes the lease of a connection that was open; whose last one it was, was seen now.
    pub(super) async fn end_lease(&self, user: &UserId, connection: &str) -> Result<(), Refused> {
        self.ports.leases.remove(user, connection).await?;
        if !self.ports.leases.of(user).await?.iter().any(|lease| lease.confirmed) {
            self.presence.went(user);
            self.seen(user).await?;
        }
        Ok(())
    }

    /// Notes that somebody is here or was until now; not of guests, whose rows would stay for ever.
    async fn seen(&self, user: &UserId) -> Result<(), StoreError> {
        if user.is_guest() { Ok(()) } else { self.ports.profiles.seen(user, self.ports.clock.now()).await }
    }

    /// Takes the user's live connections out of the room. The row that forbids them the room must have been written.
    pub(super) async fn expel_live(&self, room: &RoomId, user: &UserId) -> Result<(), Refused> {
        let connections = self.leased(user).await?;
        Ok(self.ports.transport.expel(user, &groups::room(room), &connections).await?)
    }

    async fn leased(&self, user: &UserId) -> Result<Vec<String>, Refused> {
        let leases = self.ports.leases.of(user).await?;
        Ok(leases.into_iter().map(|lease| lease.connection).collect())
    }

    async fn rooms_at_connect(&self, user: &UserId) -> Result<Vec<RoomId>, Refused> {
        let rooms = self.ports.members.rooms_of(user, None, ROOMS_AT_CONNECT).await?;
        Ok(rooms.into_iter().map(|(room, _)| room).collect())
    }
}
