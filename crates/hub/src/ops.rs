//! The data plane: what an application does to the connections of a hub. The REST interface calls these too.
//!
//! Nothing here waits: a message is handed over when it is in the queues of its receivers. Calls of one caller reach
//! each connection in their order. A call that names a hub, group, user or connection that is not there does nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use webpubsub::close::Close;
use webpubsub::names::HubName;
use webpubsub::roles::{Action, RoleError};
use webpubsub::server_frame::closed_by_application;

use crate::connection::Connection;
use crate::delivery::Pushed;
use crate::encoded::{Encoded, Origin};
use crate::groups::{Joining, Snapshot};
use crate::hub::Hub;
use crate::id::ConnectionId;
use crate::target::{ConnectionInfo, OutMessage, PermissionError, Selection, Target};

impl Hub {
    /// Sends a message. To a group it arrives as from that group without a user, otherwise as from the server. Gives
    /// the number of connections that it was handed over to, lost reliable ones included.
    pub fn send(&self, hub: &HubName, to: Target<'_>, message: &OutMessage, select: &Selection<'_>) -> usize {
        let origin = match to {
            Target::Group(group) => Origin::Group { group, from_user_id: None },
            Target::All | Target::User(_) | Target::Connection(_) => Origin::Server,
        };
        let Some(state) = self.find(hub) else { return 0 };
        let members = selected(state.members(to), select);
        self.broadcast(members.iter(), &Encoded::new(message, origin), select.ttl)
    }

    /// Hands a message over to each of these connections.
    pub(crate) fn broadcast<'a>(
        &self,
        members: impl Iterator<Item = &'a Arc<Connection>>,
        message: &Encoded<'_>,
        ttl: Option<Duration>,
    ) -> usize {
        let expires = ttl.filter(|ttl| !ttl.is_zero()).map(|ttl| Instant::now() + ttl);
        let mut batch = self.inner.flusher.batch();
        let (mut delivered, mut slow) = (0, 0);
        for connection in members {
            match connection.deliver(message, expires) {
                Pushed::Waiting => delivered += 1,
                Pushed::Schedule => {
                    delivered += 1;
                    batch.add(connection);
                }
                Pushed::Overflow => {
                    slow += 1;
                    batch.add(connection);
                }
                Pushed::Refused => {}
            }
        }
        let counters = &self.inner.counters;
        counters.deliveries.fetch_add(delivered as u64, Ordering::Relaxed);
        if slow > 0 {
            counters.slow_consumers.fetch_add(slow, Ordering::Relaxed);
            tracing::warn!(connections = slow, "closing connections whose clients read too slowly");
        }
        delivered
    }

    /// Closes connections for good. Clients of a JSON subprotocol first read a `disconnected` frame with the reason;
    /// all get close code 1000. They leave the hub at once. Gives their number.
    pub fn close(&self, hub: &HubName, to: Target<'_>, excluded: &[String], reason: Option<&str>) -> usize {
        let Some(state) = self.find(hub) else { return 0 };
        let message = closed_by_application(reason);
        let members = selected(state.members(to), &Selection { excluded, ..Selection::default() });
        let end = |c: &&Arc<Connection>| self.end(c, Close::Normal, message.clone(), Some(&message));
        members.iter().filter(end).count()
    }

    /// Whether there is at least one such connection.
    #[must_use]
    pub fn exists(&self, hub: &HubName, to: Target<'_>) -> bool {
        self.find(hub).is_some_and(|state| state.exists(to))
    }

    /// Adds connections to a group. Gives the number that are in it now: 0 when none was found.
    pub fn add_to_group(&self, hub: &HubName, who: Target<'_>, group: &str, select: &Selection<'_>) -> usize {
        let Some(state) = self.find(hub) else { return 0 };
        let join = |c: &&Arc<Connection>| state.join(c, group, Joining::Application).is_ok();
        selected(state.members(who), select).iter().filter(join).count()
    }

    /// Removes connections from a group. Gives the number that were in it.
    pub fn remove_from_group(
        &self,
        hub: &HubName,
        who: Target<'_>,
        group: &str,
        select: &Selection<'_>,
    ) -> usize {
        let Some(state) = self.find(hub) else { return 0 };
        selected(state.members(who), select).iter().filter(|c| state.leave(c, group)).count()
    }

    /// Removes connections from all their groups. Gives the number of memberships that ended.
    pub fn remove_from_all_groups(&self, hub: &HubName, who: Target<'_>) -> usize {
        let Some(state) = self.find(hub) else { return 0 };
        state.members(who).iter().map(|connection| state.leave_all(connection)).sum()
    }

    /// Permits an action on one group, or with `None` on every group.
    ///
    /// # Errors
    /// There is no such connection, or it has as many grants by name as one may have.
    pub fn grant(
        &self,
        hub: &HubName,
        connection: &str,
        action: Action,
        group: Option<&str>,
    ) -> Result<(), PermissionError> {
        let connection = self.connection(hub, connection)?;
        let permissions = &mut connection.session().permissions;
        match group {
            Some(group) => permissions.grant(action, group).map_err(too_many),
            None => {
                permissions.grant_all(action);
                Ok(())
            }
        }
    }

    /// Takes the permission for one group, or with `None` for every group. Memberships stay.
    ///
    /// # Errors
    /// There is no such connection, or it has as many grants and denials by name as one may have; the permission then
    /// stands.
    pub fn revoke(
        &self,
        hub: &HubName,
        connection: &str,
        action: Action,
        group: Option<&str>,
    ) -> Result<(), PermissionError> {
        let connection = self.connection(hub, connection)?;
        let permissions = &mut connection.session().permissions;
        match group {
            Some(group) => permissions.revoke(action, group).map_err(too_many),
            None => {
                permissions.revoke_all(action);
                Ok(())
            }
        }
    }

    /// Whether an action is permitted on one group, or with `None` on every group.
    ///
    /// # Errors
    /// There is no such connection.
    pub fn has_permission(
        &self,
        hub: &HubName,
        connection: &str,
        action: Action,
        group: Option<&str>,
    ) -> Result<bool, PermissionError> {
        let connection = self.connection(hub, connection)?;
        let session = connection.session();
        Ok(match group {
            Some(group) => session.permissions.allows(action, group),
            None => session.permissions.allows_all(action),
        })
    }

    /// Up to `limit` members of a group in ascending order of connection ids, those after `after` only.
    #[must_use]
    pub fn connections_in(
        &self,
        hub: &HubName,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<ConnectionInfo> {
        self.find(hub).map(|state| state.page(group, after, limit)).unwrap_or_default()
    }

    /// The connection ids of a user, in ascending order.
    #[must_use]
    pub fn connections_of(&self, hub: &HubName, user: &str) -> Vec<String> {
        let Some(state) = self.find(hub) else { return Vec::new() };
        state.members(Target::User(user)).iter().map(|connection| connection.id.to_string()).collect()
    }

    fn connection(&self, hub: &HubName, id: &str) -> Result<Arc<Connection>, PermissionError> {
        self.find(hub).and_then(|state| state.get(id)).ok_or(PermissionError::NoConnection)
    }
}

fn too_many(_: RoleError) -> PermissionError {
    PermissionError::TooMany
}

/// The members that a selection leaves; the snapshot itself when it leaves all.
fn selected(members: Snapshot, select: &Selection<'_>) -> Snapshot {
    if select.excluded.is_empty() && select.filter.is_none() {
        return members;
    }
    let excluded: HashSet<_> = select.excluded.iter().filter_map(|id| ConnectionId::parse(id)).collect();
    let keep = |c: &&Arc<Connection>| {
        !excluded.contains(&c.id) && select.filter.is_none_or(|filter| c.matches(filter))
    };
    members.iter().filter(keep).cloned().collect()
}
