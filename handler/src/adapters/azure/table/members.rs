use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use super::client::{Match, Query, Table, Tables, Write, WriteError};
use super::row::{Row, corrupt};
use super::{keys, pause};
use crate::model::{Member, ReadMark, Role, RoomId, UserId};
use crate::ports::{Members, StoreError};

/// Memberships read at once for one user.
const AT_ONCE: usize = 16;

/// The memberships of a storage account. The row in the room's partition is the membership; the row in the user's only
/// tells where to look, and counts for nothing where there is no membership.
///
/// The two lie in different partitions, so no transaction holds both. What never may be missing is the user's row beside a
/// membership: it is written before and once more behind it, and removed behind it unless there is a membership again. A crash
/// anywhere leaves at most a user's row too many, which readers pass over; or, where a join and a leave of the same
/// user cross and one of them dies, a membership that the next join makes whole.
#[derive(Clone, Debug)]
pub struct TableMembers {
    table: Table,
}

fn of_room(room: &RoomId) -> String {
    format!("v1-r-{room}")
}

fn of_user(user: &UserId) -> String {
    format!("v1-u-{}", keys::escaped(user.as_str()))
}

fn user_key(user: &UserId) -> String {
    keys::sortable(user.as_str())
}

impl TableMembers {
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        Self { table: tables.table("members") }
    }

    async fn find(&self, room: &RoomId, user: &UserId) -> Result<Option<(Member, String)>, StoreError> {
        let Some(row) = self.table.get(&of_room(room), &user_key(user)).await? else { return Ok(None) };
        Ok(Some((row.get_json()?, row.etag()?.to_owned())))
    }

    async fn point_to(&self, room: &RoomId, user: &UserId) -> Result<(), StoreError> {
        let partition = of_user(user);
        let row = Row::new(&partition, room.as_str())?;
        match self.table.write_one(&partition, Write::Put(row)).await {
            Ok(_) => Ok(()),
            Err(WriteError::Refused(refusal)) => Err(refusal.into()),
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    /// Changes the row until nobody comes between. `None` when there is none.
    async fn change(
        &self,
        room: &RoomId,
        user: &UserId,
        change: impl Fn(&mut Member) + Send,
    ) -> Result<Option<Member>, StoreError> {
        let partition = of_room(room);
        let mut retry = pause::Retry::default();
        loop {
            let Some((there, etag)) = self.find(room, user).await? else { return Ok(None) };
            let mut member = there.clone();
            change(&mut member);
            if member == there {
                return Ok(Some(member));
            }
            let row = Row::new(&partition, &user_key(user))?.json(&member)?;
            match self.table.write_one(&partition, Write::Replace(row, Match::Etag(etag))).await {
                Ok(_) => return Ok(Some(member)),
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
    }
}

#[async_trait]
impl Members for TableMembers {
    async fn add(&self, room: &RoomId, member: &Member) -> Result<Member, StoreError> {
        let (partition, key) = (of_room(room), user_key(&member.user));
        let mut retry = pause::Retry::default();
        loop {
            self.point_to(room, &member.user).await?;
            let row = Row::new(&partition, &key)?.json(member)?;
            match self.table.write_one(&partition, Write::Insert(row)).await {
                Ok(_) => {
                    self.point_to(room, &member.user).await?;
                    return Ok(member.clone());
                }
                Err(WriteError::Refused(_)) => {}
                Err(WriteError::Store(error)) => return Err(error),
            }
            if let Some((there, _)) = self.find(room, &member.user).await? {
                return Ok(there);
            }
            // Who was there has left since.
            retry.wait().await?;
        }
    }

    async fn confirm(&self, room: &RoomId, member: &Member, joined_seq: u64) -> Result<(), StoreError> {
        let confirm = |there: &mut Member| {
            if there.is_same_as(member) {
                there.joined_seq = Some(joined_seq);
            }
        };
        self.change(room, &member.user, confirm).await.map(drop)
    }

    async fn remove(&self, room: &RoomId, member: &Member) -> Result<bool, StoreError> {
        let user = &member.user;
        let mut retry = pause::Retry::default();
        let was_there = loop {
            let etag = match self.find(room, user).await? {
                Some((there, etag)) if there.is_same_as(member) => etag,
                Some(_) => return Ok(false),
                // Also where an earlier call got no further: its pointer goes now.
                None => break false,
            };
            let delete = Write::Delete(user_key(user), Match::Etag(etag));
            match self.table.write_one(&of_room(room), delete).await {
                Ok(_) => break true,
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        };
        let pointer = Write::Delete(room.as_str().to_owned(), Match::Any);
        match self.table.write_one(&of_user(user), pointer).await {
            Ok(_) | Err(WriteError::Refused(_)) => {}
            Err(WriteError::Store(error)) => return Err(error),
        }
        if self.find(room, user).await?.is_some() {
            self.point_to(room, user).await?;
        }
        Ok(was_there)
    }

    async fn set_role(&self, room: &RoomId, user: &UserId, role: Role) -> Result<Option<Member>, StoreError> {
        self.change(room, user, |member| member.role = role).await
    }

    async fn get(&self, room: &RoomId, user: &UserId) -> Result<Option<Member>, StoreError> {
        Ok(self.find(room, user).await?.map(|(member, _)| member))
    }

    /// Reads the keys of all: exact, and no row that every join would fight for.
    async fn count(&self, room: &RoomId) -> Result<usize, StoreError> {
        let query = Query::partition(&of_room(room)).columns("RowKey");
        Ok(self.table.query(&query, usize::MAX).await?.len())
    }

    async fn list(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError> {
        let mut query = Query::partition(&of_room(room));
        if let Some(after) = after {
            query = query.after(&user_key(after));
        }
        self.table.query(&query, limit).await?.iter().map(Row::get_json).collect()
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Member)>, StoreError> {
        let (mut found, mut after) = (Vec::new(), after.cloned());
        while found.len() < limit {
            let mut query = Query::partition(&of_user(user)).columns("RowKey");
            if let Some(after) = &after {
                query = query.after(after.as_str());
            }
            let wanted = limit - found.len();
            let rows = self.table.query(&query, wanted).await?;
            let rooms: Vec<RoomId> = rows
                .iter()
                .map(|row| RoomId::new(row.key()?).map_err(corrupt))
                .collect::<Result<_, StoreError>>()?;
            let is_last = rooms.len() < wanted;
            after = rooms.last().cloned();
            let read = stream::iter(rooms).map(async |room| {
                let member = self.get(&room, user).await;
                (room, member)
            });
            let read: Vec<_> = read.buffered(AT_ONCE).collect().await;
            for (room, member) in read {
                found.extend(member?.map(|member| (room, member)));
            }
            if is_last {
                break;
            }
        }
        Ok(found)
    }

    async fn raise_mark(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: ReadMark,
    ) -> Result<Option<ReadMark>, StoreError> {
        let member = self.change(room, user, |member| member.read = member.read.raised_to(mark)).await?;
        Ok(member.map(|member| member.read))
    }
}
