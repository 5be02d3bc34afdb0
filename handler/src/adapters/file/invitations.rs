use async_trait::async_trait;
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::keys::Key;
use super::rows::{Table, behind, corrupt, encode, get, make_tables, text_behind};
use crate::adapters::engine::Engine;
use crate::model::{Invitation, RoomId, Timestamp, UserId};
use crate::ports::{Invitations, Redeemed, StoreError};

/// Id -> the invitation.
const INVITATIONS: Table = Table::new("invitations.v1.invitations");
/// Room, id -> nothing.
const BY_ROOM: Table = Table::new("invitations.v1.by_room");

/// The invitations of a data directory.
#[derive(Clone)]
pub struct FileInvitations {
    engine: Engine,
}

impl FileInvitations {
    pub async fn open(engine: &Engine) -> Result<Self, StoreError> {
        make_tables(engine, &[INVITATIONS, BY_ROOM]).await?;
        Ok(Self { engine: engine.clone() })
    }
}

#[async_trait]
impl Invitations for FileInvitations {
    async fn create(&self, invitation: &Invitation) -> Result<(), StoreError> {
        let (key, row) = (id_key(&invitation.id), encode(invitation)?);
        let by_room = room_key(&invitation.room, &invitation.id);
        let create = move |txn: &WriteTransaction| {
            let mut invitations = txn.open_table(INVITATIONS)?;
            if invitations.get(key.as_bytes())?.is_none() {
                invitations.insert(key.as_bytes(), row.as_slice())?;
                txn.open_table(BY_ROOM)?.insert(by_room.as_bytes(), [].as_slice())?;
            }
            Ok(())
        };
        self.engine.write(create).await
    }

    async fn get(&self, id: &str) -> Result<Option<Invitation>, StoreError> {
        self.engine.read(|txn| get(&txn.open_table(INVITATIONS)?, &id_key(id)))
    }

    async fn redeem(&self, id: &str, user: &UserId, now: Timestamp) -> Result<Redeemed, StoreError> {
        let key = id_key(id);
        // Guesses, repeats and late comers change nothing: they need no transaction.
        let there = self.engine.read(|txn| get::<Invitation>(&txn.open_table(INVITATIONS)?, &key))?;
        let Some(there) = there else { return Ok(Redeemed::Unknown) };
        let mut used = there.clone();
        let answer = used.redeem(user, now);
        if used == there {
            return Ok(answer);
        }
        let user = user.clone();
        let redeem = move |txn: &WriteTransaction| {
            let mut invitations = txn.open_table(INVITATIONS)?;
            let Some(mut invitation) = get::<Invitation>(&invitations, &key)? else {
                return Ok(Redeemed::Unknown);
            };
            let answer = invitation.redeem(&user, now);
            if matches!(answer, Redeemed::Yes(_)) {
                invitations.insert(key.as_bytes(), encode(&invitation)?.as_slice())?;
            }
            Ok(answer)
        };
        self.engine.write(redeem).await
    }

    async fn list(
        &self,
        room: &RoomId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Invitation>, StoreError> {
        let (prefix, after) = (Key::room(room), after.map(|id| room_key(room, id)));
        let list = move |txn: &ReadTransaction| {
            let (invitations, by_room) = (txn.open_table(INVITATIONS)?, txn.open_table(BY_ROOM)?);
            let end = prefix.end_of_prefix();
            let page = by_room.range::<&[u8]>(behind(&prefix, &end, after.as_ref()))?.take(limit);
            page.map(|row| {
                let invitation = get(&invitations, &id_key(&text_behind(&prefix, row?.0.value())?))?;
                invitation.ok_or_else(|| corrupt("an invitation of a room without its row"))
            })
            .collect()
        };
        self.engine.scan(list).await
    }

    async fn revoke(&self, room: &RoomId, id: &str) -> Result<bool, StoreError> {
        let (key, by_room) = (id_key(id), room_key(room, id));
        let revoke = move |txn: &WriteTransaction| {
            let was_there = txn.open_table(BY_ROOM)?.remove(by_room.as_bytes())?.is_some();
            if was_there {
                txn.open_table(INVITATIONS)?.remove(key.as_bytes())?;
            }
            Ok(was_there)
        };
        self.engine.write(revoke).await
    }
}

fn id_key(id: &str) -> Key {
    Key::default().then_text(id)
}

fn room_key(room: &RoomId, id: &str) -> Key {
    Key::room(room).then_text(id)
}

#[cfg(test)]
mod tests {
    use super::super::tests::engine_in;
    use super::*;

    crate::contract_suite!(invitations, |dir| FileInvitations::open(&engine_in(dir).await).await.unwrap());
}
