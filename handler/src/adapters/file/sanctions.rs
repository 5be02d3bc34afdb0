use async_trait::async_trait;
use redb::{ReadTransaction, WriteTransaction};

use super::keys::Key;
use super::rows::{Open, Table, behind, corrupt, decode, encode, get, make_tables};
use crate::adapters::engine::Engine;
use crate::model::{RoomId, Sanction, SanctionKind, UserId};
use crate::ports::{Sanctions, StoreError};

/// Room, kind, user -> the sanction.
const SANCTIONS: Table = Table::new("sanctions.v1.sanctions");
/// Room, kind, user -> the room, as text. Those that are not applied alone.
const UNAPPLIED: Table = Table::new("sanctions.v1.unapplied");

/// The sanctions of a data directory.
#[derive(Clone)]
pub struct FileSanctions {
    engine: Engine,
}

impl FileSanctions {
    pub async fn open(engine: &Engine) -> Result<Self, StoreError> {
        make_tables(engine, &[SANCTIONS, UNAPPLIED]).await?;
        Ok(Self { engine: engine.clone() })
    }
}

#[async_trait]
impl Sanctions for FileSanctions {
    async fn put(&self, room: &RoomId, sanction: &Sanction) -> Result<(), StoreError> {
        let (room, row) = (room.clone(), encode(sanction)?);
        let (key, applied) = (row_key(&room, sanction.kind, &sanction.user), sanction.applied);
        let put = move |txn: &WriteTransaction| {
            txn.open_table(SANCTIONS)?.insert(key.as_bytes(), row.as_slice())?;
            note(&mut txn.open_table(UNAPPLIED)?, &key, &room, applied)
        };
        self.engine.write(put).await
    }

    async fn of(&self, room: &RoomId, user: &UserId) -> Result<Vec<Sanction>, StoreError> {
        self.engine.read(|txn| {
            let sanctions = txn.open_table(SANCTIONS)?;
            let kinds = [SanctionKind::Ban, SanctionKind::Mute, SanctionKind::Removal];
            let rows = kinds.into_iter().map(|kind| get(&sanctions, &row_key(room, kind, user)));
            rows.filter_map(Result::transpose).collect()
        })
    }

    async fn list(
        &self,
        room: &RoomId,
        kind: SanctionKind,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Sanction>, StoreError> {
        let prefix = kind_key(room, kind);
        let after = after.map(|user| row_key(room, kind, user));
        let list = move |txn: &ReadTransaction| {
            let (sanctions, end) = (txn.open_table(SANCTIONS)?, prefix.end_of_prefix());
            let page = sanctions.range::<&[u8]>(behind(&prefix, &end, after.as_ref()))?.take(limit);
            page.map(|row| decode(row?.1.value())).collect()
        };
        self.engine.scan(list).await
    }

    async fn remove(&self, room: &RoomId, sanction: &Sanction) -> Result<bool, StoreError> {
        let (key, wanted) = (row_key(room, sanction.kind, &sanction.user), sanction.clone());
        let remove = move |txn: &WriteTransaction| {
            let mut sanctions = txn.open_table(SANCTIONS)?;
            if !get::<Sanction>(&sanctions, &key)?.is_some_and(|row| row.is_same(&wanted)) {
                return Ok(false);
            }
            sanctions.remove(key.as_bytes())?;
            txn.open_table(UNAPPLIED)?.remove(key.as_bytes())?;
            Ok(true)
        };
        self.engine.write(remove).await
    }

    async fn mark_applied(&self, room: &RoomId, sanction: &Sanction) -> Result<(), StoreError> {
        let (key, wanted) = (row_key(room, sanction.kind, &sanction.user), sanction.clone());
        let mark = move |txn: &WriteTransaction| {
            let mut sanctions = txn.open_table(SANCTIONS)?;
            let row = get::<Sanction>(&sanctions, &key)?.filter(|row| row.is_same(&wanted) && !row.applied);
            if let Some(mut row) = row {
                row.applied = true;
                sanctions.insert(key.as_bytes(), encode(&row)?.as_slice())?;
                txn.open_table(UNAPPLIED)?.remove(key.as_bytes())?;
            }
            Ok(())
        };
        self.engine.write(mark).await
    }

    async fn unapplied(&self, limit: usize) -> Result<Vec<(RoomId, Sanction)>, StoreError> {
        let list = move |txn: &ReadTransaction| {
            let (sanctions, unapplied) = (txn.open_table(SANCTIONS)?, txn.open_table(UNAPPLIED)?);
            let rows = redb::ReadableTable::iter(&unapplied)?.take(limit);
            rows.map(|row| {
                let (key, room) = row?;
                let room = std::str::from_utf8(room.value()).map_err(corrupt)?;
                let row = redb::ReadableTable::get(&sanctions, key.value())?;
                let row = row.ok_or_else(|| corrupt("work under way without its sanction"))?;
                Ok((RoomId::new(room).map_err(corrupt)?, decode(row.value())?))
            })
            .collect()
        };
        self.engine.scan(list).await
    }
}

/// Keeps the index at what the row says.
fn note(unapplied: &mut Open<'_>, key: &Key, room: &RoomId, applied: bool) -> Result<(), StoreError> {
    if applied {
        unapplied.remove(key.as_bytes())?;
    } else {
        unapplied.insert(key.as_bytes(), room.as_str().as_bytes())?;
    }
    Ok(())
}

fn kind_key(room: &RoomId, kind: SanctionKind) -> Key {
    Key::room(room).then_byte(match kind {
        SanctionKind::Ban => b'b',
        SanctionKind::Mute => b'm',
        SanctionKind::Removal => b'r',
    })
}

fn row_key(room: &RoomId, kind: SanctionKind, user: &UserId) -> Key {
    kind_key(room, kind).then_text(user.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::tests::engine_in;
    use super::*;

    crate::contract_suite!(sanctions, |dir| FileSanctions::open(&engine_in(dir).await).await.unwrap());
}
