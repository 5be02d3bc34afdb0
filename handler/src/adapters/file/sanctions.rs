use std::ops::Bound;

use async_trait::async_trait;
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::keys::Key;
use super::rows::{Table, behind, corrupt, decode, encode, get, make_tables};
use crate::adapters::engine::Engine;
use crate::model::{RoomId, Sanction, SanctionKind, Timestamp, UserId};
use crate::ports::{Sanctions, StoreError};

/// Room, kind, user -> the sanction.
const SANCTIONS: Table = Table::new("sanctions.v1.sanctions");
/// Room, kind, user -> the room, as text. Those that are not applied alone.
const UNAPPLIED: Table = Table::new("sanctions.v1.unapplied");
/// Until, room, kind, user -> the room, as text. Those that are applied and have an end alone.
const EXPIRING: Table = Table::new("sanctions.v1.expiring");

/// What stands before a row's key in [`EXPIRING`].
const UNTIL_BYTES: usize = size_of::<u64>();

/// The sanctions of a data directory.
#[derive(Clone)]
pub struct FileSanctions {
    engine: Engine,
}

impl FileSanctions {
    pub async fn open(engine: &Engine) -> Result<Self, StoreError> {
        make_tables(engine, &[SANCTIONS, UNAPPLIED, EXPIRING]).await?;
        Ok(Self { engine: engine.clone() })
    }
}

#[async_trait]
impl Sanctions for FileSanctions {
    async fn put(&self, room: &RoomId, sanction: &Sanction) -> Result<(), StoreError> {
        let (room, row) = (room.clone(), sanction.clone());
        let put = move |txn: &WriteTransaction| write(txn, &room, &row);
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
        let remove =
            move |txn: &WriteTransaction| Ok(erase(txn, &key, |row| row.is_same(&wanted))?.is_some());
        self.engine.write(remove).await
    }

    async fn mark_applied(&self, room: &RoomId, sanction: &Sanction) -> Result<(), StoreError> {
        let (room, key) = (room.clone(), row_key(room, sanction.kind, &sanction.user));
        let wanted = sanction.clone();
        let mark = move |txn: &WriteTransaction| {
            let row = get::<Sanction>(&txn.open_table(SANCTIONS)?, &key)?;
            match row.filter(|row| row.is_same(&wanted) && !row.applied) {
                Some(row) => write(txn, &room, &Sanction { applied: true, ..row }),
                None => Ok(()),
            }
        };
        self.engine.write(mark).await
    }

    async fn unapplied(
        &self,
        after: Option<(&RoomId, &Sanction)>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Sanction)>, StoreError> {
        let after = after.map(|(room, row)| row_key(room, row.kind, &row.user));
        let list = move |txn: &ReadTransaction| {
            let (sanctions, unapplied) = (txn.open_table(SANCTIONS)?, txn.open_table(UNAPPLIED)?);
            let start = after.as_ref().map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_bytes()));
            let rows = unapplied.range::<&[u8]>((start, Bound::Unbounded))?.take(limit);
            rows.map(|row| {
                let (key, room) = row?;
                row_of(&sanctions, key.value(), room.value())
            })
            .collect()
        };
        self.engine.scan(list).await
    }

    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<(RoomId, Sanction)>, StoreError> {
        let list = move |txn: &ReadTransaction| {
            let (sanctions, expiring) = (txn.open_table(SANCTIONS)?, txn.open_table(EXPIRING)?);
            let end = Key::default().then_number(now.millis() + 1);
            let rows = expiring.range::<&[u8]>(..end.as_bytes())?.take(limit);
            rows.map(|row| {
                let (key, room) = row?;
                row_of(&sanctions, key.value().get(UNTIL_BYTES..).unwrap_or_default(), room.value())
            })
            .collect()
        };
        self.engine.scan(list).await
    }
}

/// Stores the row in place of what is there, and keeps the indexes at what it says.
fn write(txn: &WriteTransaction, room: &RoomId, row: &Sanction) -> Result<(), StoreError> {
    let key = row_key(room, row.kind, &row.user);
    erase(txn, &key, |_| true)?;
    txn.open_table(SANCTIONS)?.insert(key.as_bytes(), encode(row)?.as_slice())?;
    if !row.applied {
        txn.open_table(UNAPPLIED)?.insert(key.as_bytes(), room.as_str().as_bytes())?;
    } else if let Some(until) = row.until {
        txn.open_table(EXPIRING)?.insert(expiry(until, &key).as_bytes(), room.as_str().as_bytes())?;
    }
    Ok(())
}

/// Removes the row, if it is there and meant, from table and indexes, and answers it.
fn erase(
    txn: &WriteTransaction,
    key: &Key,
    is_meant: impl FnOnce(&Sanction) -> bool,
) -> Result<Option<Sanction>, StoreError> {
    let mut sanctions = txn.open_table(SANCTIONS)?;
    let Some(row) = get::<Sanction>(&sanctions, key)?.filter(is_meant) else { return Ok(None) };
    sanctions.remove(key.as_bytes())?;
    txn.open_table(UNAPPLIED)?.remove(key.as_bytes())?;
    if let Some(until) = row.until {
        txn.open_table(EXPIRING)?.remove(expiry(until, key).as_bytes())?;
    }
    Ok(Some(row))
}

/// The row that an index names.
fn row_of(
    sanctions: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &[u8],
    room: &[u8],
) -> Result<(RoomId, Sanction), StoreError> {
    let room = std::str::from_utf8(room).map_err(corrupt)?;
    let row = sanctions.get(key)?.ok_or_else(|| corrupt("a sanction in an index without its row"))?;
    Ok((RoomId::new(room).map_err(corrupt)?, decode(row.value())?))
}

/// The row's key behind its end.
fn expiry(until: Timestamp, key: &Key) -> Key {
    Key::default().then_number(until.millis()).then_key(key)
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
