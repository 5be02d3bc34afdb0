//! Who is connected to one hub, and which connections belong to a user or a group.
//!
//! One lock per hub. A broadcast takes it only to fetch a snapshot of the members, which is made when first needed and
//! dropped on the next change, and delivers without it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use webpubsub::names::HubName;
use webpubsub::roles::Action;

use crate::connection::{Connection, lock};
use crate::id::ConnectionId;
use crate::target::{ConnectionInfo, Target};

/// One hub: a name space of connections, users and groups.
pub(crate) struct HubState {
    pub(crate) name: HubName,
    registry: Mutex<Registry>,
}

/// Connections in ascending order of their ids.
#[derive(Default)]
struct Members {
    by_id: BTreeMap<ConnectionId, Arc<Connection>>,
    snapshot: Option<Snapshot>,
}

/// The members at one moment, shared by all who deliver to them.
pub(crate) type Snapshot = Arc<[Arc<Connection>]>;

#[derive(Default)]
struct Registry {
    all: Members,
    // Users and groups are named by clients, so these maps keep the standard hasher, which withstands chosen keys.
    users: HashMap<Box<str>, Members>,
    groups: HashMap<Arc<str>, Members>,
    /// The hub was empty and is no longer the one that its name leads to.
    retired: bool,
}

/// The hub was retired while it was looked up; look again.
#[derive(Debug)]
pub(crate) struct Retired;

/// Why a connection is not a member now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotJoined {
    /// The connection is over.
    Gone,
    /// It is in as many groups as one may be.
    TooMany,
    /// The client may not join this group.
    Forbidden,
}

/// Who puts a connection into a group.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Joining {
    /// The application, which knows what it does.
    Application,
    /// The client itself: with its permission, and within this number of groups.
    Client { max_groups: usize },
}

impl Members {
    fn insert(&mut self, connection: &Arc<Connection>) {
        if self.by_id.insert(connection.id, connection.clone()).is_none() {
            self.snapshot = None;
        }
    }

    fn remove(&mut self, id: ConnectionId) -> bool {
        let removed = self.by_id.remove(&id).is_some();
        if removed {
            self.snapshot = None;
        }
        removed
    }

    fn snapshot(&mut self) -> Snapshot {
        self.snapshot.get_or_insert_with(|| self.by_id.values().cloned().collect()).clone()
    }
}

impl HubState {
    pub(crate) fn new(name: HubName) -> Self {
        Self { name, registry: Mutex::default() }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }

    /// Adds a new connection with the groups it starts in.
    pub(crate) fn register(&self, connection: &Arc<Connection>, groups: &[String]) -> Result<(), Retired> {
        let mut registry = self.registry();
        if registry.retired {
            return Err(Retired);
        }
        registry.all.insert(connection);
        if let Some(user) = &connection.user_id {
            registry.users.entry(user.clone()).or_default().insert(connection);
        }
        for group in groups {
            registry.join(connection, group);
        }
        Ok(())
    }

    /// Removes a connection from everywhere. `true` the first time.
    pub(crate) fn unregister(&self, connection: &Connection) -> bool {
        let mut registry = self.registry();
        if !registry.all.remove(connection.id) {
            return false;
        }
        if let Some(user) = &connection.user_id {
            remove_member(&mut registry.users, user, connection.id);
        }
        let groups = std::mem::take(&mut connection.session().groups);
        for group in groups {
            remove_member(&mut registry.groups, &group, connection.id);
        }
        true
    }

    /// Retires the hub if nobody is connected. `true` the first time.
    pub(crate) fn retire_if_empty(&self) -> bool {
        let mut registry = self.registry();
        let retires = !registry.retired && registry.all.by_id.is_empty();
        registry.retired |= retires;
        retires
    }

    pub(crate) fn len(&self) -> usize {
        self.registry().all.by_id.len()
    }

    /// Joins a group; joining it again changes nothing.
    ///
    /// A client's permission is looked at here, while nobody else changes groups: whoever revokes it and then takes the
    /// connection out finds that it is out and stays out, even if the client is joining meanwhile.
    pub(crate) fn join(
        &self,
        connection: &Arc<Connection>,
        group: &str,
        joining: Joining,
    ) -> Result<(), NotJoined> {
        let mut registry = self.registry();
        if !registry.all.by_id.contains_key(&connection.id) {
            return Err(NotJoined::Gone);
        }
        if let Joining::Client { max_groups } = joining {
            let session = connection.session();
            if !session.permissions.allows(Action::JoinLeaveGroup, group) {
                return Err(NotJoined::Forbidden);
            }
            if session.groups.len() >= max_groups && !session.groups.contains(group) {
                return Err(NotJoined::TooMany);
            }
        }
        registry.join(connection, group);
        Ok(())
    }

    /// Leaves a group. `true` if the connection was in it.
    pub(crate) fn leave(&self, connection: &Connection, group: &str) -> bool {
        let mut registry = self.registry();
        let was_in = connection.session().groups.remove(group);
        if was_in {
            remove_member(&mut registry.groups, group, connection.id);
        }
        was_in
    }

    /// Leaves every group. The number of groups left.
    pub(crate) fn leave_all(&self, connection: &Connection) -> usize {
        let mut registry = self.registry();
        let groups = std::mem::take(&mut connection.session().groups);
        for group in &groups {
            remove_member(&mut registry.groups, group, connection.id);
        }
        groups.len()
    }

    pub(crate) fn get(&self, connection_id: &str) -> Option<Arc<Connection>> {
        let id = ConnectionId::parse(connection_id)?;
        self.registry().all.by_id.get(&id).cloned()
    }

    /// The connections a target names, at this moment.
    pub(crate) fn members(&self, target: Target<'_>) -> Snapshot {
        let mut registry = self.registry();
        match target {
            Target::All => registry.all.snapshot(),
            Target::Group(group) => registry.groups.get_mut(group).map(Members::snapshot).unwrap_or_default(),
            Target::User(user) => registry.users.get_mut(user).map(Members::snapshot).unwrap_or_default(),
            Target::Connection(id) => ConnectionId::parse(id)
                .and_then(|id| registry.all.by_id.get(&id).cloned())
                .into_iter()
                .collect(),
        }
    }

    pub(crate) fn exists(&self, target: Target<'_>) -> bool {
        let registry = self.registry();
        match target {
            Target::All => !registry.all.by_id.is_empty(),
            Target::Group(group) => registry.groups.contains_key(group),
            Target::User(user) => registry.users.contains_key(user),
            Target::Connection(id) => {
                ConnectionId::parse(id).is_some_and(|id| registry.all.by_id.contains_key(&id))
            }
        }
    }

    /// Members of a group in ascending order of their ids, after `after`.
    pub(crate) fn page(&self, group: &str, after: Option<&str>, limit: usize) -> Vec<ConnectionInfo> {
        let start = match after.map(ConnectionId::parse) {
            None => Bound::Unbounded,
            Some(Some(id)) => Bound::Excluded(id),
            Some(None) => return Vec::new(),
        };
        let registry = self.registry();
        let Some(members) = registry.groups.get(group) else { return Vec::new() };
        let info = |(id, connection): (&ConnectionId, &Arc<Connection>)| ConnectionInfo {
            connection_id: id.to_string(),
            user_id: connection.user_id.as_deref().map(str::to_owned),
        };
        members.by_id.range((start, Bound::Unbounded)).take(limit).map(info).collect()
    }
}

impl Registry {
    fn join(&mut self, connection: &Arc<Connection>, group: &str) {
        let name = match self.groups.get_key_value(group) {
            Some((name, _)) => name.clone(),
            None => Arc::from(group),
        };
        connection.session().groups.insert(name.clone());
        self.groups.entry(name).or_default().insert(connection);
    }
}

/// Removes a member, and the set when it was the last one.
fn remove_member<K>(sets: &mut HashMap<K, Members>, name: &str, id: ConnectionId)
where
    K: std::hash::Hash + Eq + std::borrow::Borrow<str>,
{
    if let Some(members) = sets.get_mut(name) {
        members.remove(id);
        if members.by_id.is_empty() {
            sets.remove(name);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
pub(crate) mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::connection::{Identity, Kind};
    use crate::delivery::Delivery;
    use webpubsub::roles::Permissions;

    const CLIENT: Joining = Joining::Client { max_groups: 2 };

    pub(crate) fn connection(hub: &Arc<HubState>, id: u8) -> Arc<Connection> {
        let identity = Identity {
            id: ConnectionId::new([id; 16]),
            user_id: Some("ann".into()),
            kind: Kind::Json,
            foreign_subprotocol: None,
            permissions: Permissions::default(),
            state: None,
            events: 0,
        };
        let connection = Arc::new(Connection::new(Arc::clone(hub), identity, Delivery::new(1024, None)));
        assert!(hub.register(&connection, &[]).is_ok());
        connection
    }

    #[test]
    fn an_empty_hub_retires_once_and_lets_nobody_in_any_more() {
        let hub = hub();
        let ann = connection(&hub, 1);
        assert!(!hub.retire_if_empty());
        hub.unregister(&ann);
        assert!(hub.retire_if_empty() && !hub.retire_if_empty());
        assert!(hub.register(&ann, &[]).is_err());
    }

    fn hub() -> Arc<HubState> {
        Arc::new(HubState::new(HubName::new("chat").unwrap()))
    }

    #[test]
    fn a_client_joins_what_it_may_and_not_too_much_while_the_application_does_as_it_likes() {
        let hub = hub();
        let ann = connection(&hub, 1);
        assert!(matches!(hub.join(&ann, "tea", CLIENT), Err(NotJoined::Forbidden)));
        ann.session().permissions.grant_all(Action::JoinLeaveGroup);
        assert!(hub.join(&ann, "tea", CLIENT).is_ok() && hub.join(&ann, "oats", CLIENT).is_ok());
        assert!(hub.join(&ann, "tea", CLIENT).is_ok(), "in it already");
        assert!(matches!(hub.join(&ann, "milk", CLIENT), Err(NotJoined::TooMany)));
        assert!(hub.join(&ann, "milk", Joining::Application).is_ok());
        hub.unregister(&ann);
        assert!(matches!(hub.join(&ann, "tea", CLIENT), Err(NotJoined::Gone)));
    }

    /// Both at the same moment, many times: a permission that is looked at before the groups are held loses this race.
    #[test]
    fn who_is_taken_out_while_joining_is_out() {
        const ROUNDS: usize = 20_000;
        let hub = hub();
        let ann = connection(&hub, 1);
        let start = Barrier::new(2);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for _ in 0..ROUNDS {
                    start.wait();
                    let _ = hub.join(&ann, "tea", CLIENT);
                    start.wait();
                }
            });
            let mut slipped_in = 0;
            for _ in 0..ROUNDS {
                ann.session().permissions.grant(Action::JoinLeaveGroup, "tea").unwrap();
                start.wait();
                ann.session().permissions.revoke(Action::JoinLeaveGroup, "tea").unwrap();
                hub.leave(&ann, "tea");
                start.wait();
                slipped_in += usize::from(hub.leave(&ann, "tea"));
            }
            assert_eq!(slipped_in, 0, "of {ROUNDS}");
        });
    }
}
