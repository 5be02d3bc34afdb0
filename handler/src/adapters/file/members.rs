use async_trait::async_trait;
use redb::ReadableTable;

use super::keys::Key;
use super::rows::{Open, Table, behind, corrupt, decode, encode, get, make_tables, text_behind};
use crate::adapters::engine::Engine;
use crate::model::{Member, ReadMark, Role, RoomId, UserId};
use crate::ports::{Members, StoreError};

/// Room, user -> the membership.
const MEMBERS: Table = Table::new("members.v1.members");
/// User, room -> nothing: the other direction.
const ROOMS_OF: Table = Table::new("members.v1.rooms_of");
/// Room -> how many members it has, as 8 bytes.
const COUNTS: Table = Table::new("members.v1.counts");

/// The memberships of a data directory.
#[derive(Clone)]
pub struct FileMembers {
    engine: Engine,
}

impl FileMembers {
    pub async fn open(engine: &Engine) -> Result<Self, StoreError> {
        make_tables(engine, &[MEMBERS, ROOMS_OF, COUNTS]).await?;
        Ok(Self { engine: engine.clone() })
    }

    /// Changes the row if it is there, and answers what it is then. `change` says whether there is anything to write.
    async fn change(
        &self,
        key: Key,
        change: impl Fn(&mut Member) -> bool + Send + 'static,
    ) -> Result<Option<Member>, StoreError> {
        let write = move |txn: &redb::WriteTransaction| {
            let mut members = txn.open_table(MEMBERS)?;
            let Some(mut member) = get::<Member>(&members, &key)? else { return Ok(None) };
            if change(&mut member) {
                members.insert(key.as_bytes(), encode(&member)?.as_slice())?;
            }
            Ok(Some(member))
        };
        self.engine.write(write).await
    }
}

#[async_trait]
impl Members for FileMembers {
    async fn add(&self, room: &RoomId, member: &Member) -> Result<Member, StoreError> {
        // Most joins are of members: they need no transaction.
        if let Some(there) = self.get(room, &member.user).await? {
            return Ok(there);
        }
        let (room, member, row) = (room.clone(), member.clone(), encode(member)?);
        let add = move |txn: &redb::WriteTransaction| {
            let mut members = txn.open_table(MEMBERS)?;
            let key = member_key(&room, &member.user);
            if let Some(there) = get(&members, &key)? {
                return Ok(there);
            }
            let mut counts = txn.open_table(COUNTS)?;
            let count = count(&counts, &room)?.saturating_add(1);
            members.insert(key.as_bytes(), row.as_slice())?;
            txn.open_table(ROOMS_OF)?.insert(room_of_key(&member.user, &room).as_bytes(), [].as_slice())?;
            set_count(&mut counts, &room, count)?;
            Ok(member.clone())
        };
        self.engine.write(add).await
    }

    async fn confirm(&self, room: &RoomId, member: &Member, joined_seq: u64) -> Result<(), StoreError> {
        let (key, member) = (member_key(room, &member.user), member.clone());
        let confirm = move |there: &mut Member| {
            there.is_same_as(&member) && there.joined_seq.replace(joined_seq) != Some(joined_seq)
        };
        self.change(key, confirm).await.map(drop)
    }

    async fn remove(&self, room: &RoomId, member: &Member) -> Result<bool, StoreError> {
        let (room, member) = (room.clone(), member.clone());
        let remove = move |txn: &redb::WriteTransaction| {
            let mut members = txn.open_table(MEMBERS)?;
            let key = member_key(&room, &member.user);
            if !get::<Member>(&members, &key)?.is_some_and(|there| there.is_same_as(&member)) {
                return Ok(false);
            }
            let mut counts = txn.open_table(COUNTS)?;
            let count = count(&counts, &room)?.saturating_sub(1);
            members.remove(key.as_bytes())?;
            txn.open_table(ROOMS_OF)?.remove(room_of_key(&member.user, &room).as_bytes())?;
            set_count(&mut counts, &room, count)?;
            Ok(true)
        };
        self.engine.write(remove).await
    }

    async fn set_role(&self, room: &RoomId, user: &UserId, role: Role) -> Result<Option<Member>, StoreError> {
        let set = move |member: &mut Member| std::mem::replace(&mut member.role, role) != role;
        self.change(member_key(room, user), set).await
    }

    async fn get(&self, room: &RoomId, user: &UserId) -> Result<Option<Member>, StoreError> {
        self.engine.read(|txn| get(&txn.open_table(MEMBERS)?, &member_key(room, user)))
    }

    async fn count(&self, room: &RoomId) -> Result<usize, StoreError> {
        let count = self.engine.read(|txn| count(&txn.open_table(COUNTS)?, room))?;
        usize::try_from(count).map_err(corrupt)
    }

    async fn list(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError> {
        let (room, after) = (Key::room(room), after.map(|user| member_key(room, user)));
        let list = move |txn: &redb::ReadTransaction| {
            let (members, end) = (txn.open_table(MEMBERS)?, room.end_of_prefix());
            let page = members.range::<&[u8]>(behind(&room, &end, after.as_ref()))?.take(limit);
            page.map(|row| decode(row?.1.value())).collect()
        };
        self.engine.scan(list).await
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Member)>, StoreError> {
        let (user, prefix) = (user.clone(), Key::user(user));
        let after = after.map(|room| room_of_key(&user, room));
        let list = move |txn: &redb::ReadTransaction| {
            let (rooms, members) = (txn.open_table(ROOMS_OF)?, txn.open_table(MEMBERS)?);
            let end = prefix.end_of_prefix();
            let page = rooms.range::<&[u8]>(behind(&prefix, &end, after.as_ref()))?.take(limit);
            page.map(|row| {
                let room = RoomId::new(&text_behind(&prefix, row?.0.value())?).map_err(corrupt)?;
                let member = get(&members, &member_key(&room, &user))?;
                Ok((room, member.ok_or_else(|| corrupt("a room of a user without the membership"))?))
            })
            .collect()
        };
        self.engine.scan(list).await
    }

    async fn raise_mark(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: ReadMark,
    ) -> Result<Option<ReadMark>, StoreError> {
        match self.get(room, user).await? {
            None => return Ok(None),
            Some(member) if member.read.raised_to(mark) == member.read => return Ok(Some(member.read)),
            Some(_) => {}
        }
        let raise = move |member: &mut Member| {
            let before = member.read;
            member.read = before.raised_to(mark);
            member.read != before
        };
        Ok(self.change(member_key(room, user), raise).await?.map(|member| member.read))
    }
}

fn member_key(room: &RoomId, user: &UserId) -> Key {
    Key::room(room).then_text(user.as_str())
}

fn room_of_key(user: &UserId, room: &RoomId) -> Key {
    Key::user(user).then_text(room.as_str())
}

fn count(
    counts: &impl ReadableTable<&'static [u8], &'static [u8]>,
    room: &RoomId,
) -> Result<u64, StoreError> {
    let Some(value) = counts.get(Key::room(room).as_bytes())? else { return Ok(0) };
    value.value().try_into().map(u64::from_be_bytes).map_err(corrupt)
}

fn set_count(counts: &mut Open<'_>, room: &RoomId, count: u64) -> Result<(), StoreError> {
    let key = Key::room(room);
    match count {
        0 => drop(counts.remove(key.as_bytes())?),
        count => drop(counts.insert(key.as_bytes(), count.to_be_bytes().as_slice())?),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::engine_in;
    use super::*;

    crate::contract_suite!(members, |dir| FileMembers::open(&engine_in(dir).await).await.unwrap());
}
