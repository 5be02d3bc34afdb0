use async_trait::async_trait;
use redb::{ReadTransaction, WriteTransaction};

use super::keys::Key;
use super::rows::{Table, behind, corrupt, decode, encode, get, make_tables, text_behind};
use crate::adapters::engine::Engine;
use crate::model::{AttachmentId, Timestamp, Upload, UserId};
use crate::ports::{Due, Mark, Reserved, StoreError, Uploads};

/// Id -> the row. All of one user's begin alike.
const ROWS: Table = Table::new("uploads.v1.rows");
/// The half of the id that a user's rows share -> the sum of their bytes.
const USED: Table = Table::new("uploads.v1.used");
/// Time, id -> nothing.
const WAITING: Table = Table::new("uploads.v1.waiting");

/// What is known of the files of a data directory.
#[derive(Clone)]
pub struct FileUploads {
    engine: Engine,
}

impl FileUploads {
    pub async fn open(engine: &Engine) -> Result<Self, StoreError> {
        make_tables(engine, &[ROWS, USED, WAITING]).await?;
        Ok(Self { engine: engine.clone() })
    }
}

const NOTHING: &[u8] = &[];

fn key(id: &AttachmentId) -> Key {
    Key::default().then_text(id.as_str())
}

fn waiting(at: Timestamp, id: &AttachmentId) -> Key {
    Key::default().then_number(at.millis()).then_text(id.as_str())
}

/// Bytes come to the owner's sum and go from it.
fn count(txn: &WriteTransaction, id: &AttachmentId, more: u64, less: u64) -> Result<(), StoreError> {
    let (mut used, key) = (txn.open_table(USED)?, Key::default().then_text(id.shelf()));
    let before: u64 = get(&used, &key)?.unwrap_or_default();
    let after = before.saturating_add(more).saturating_sub(less);
    used.insert(key.as_bytes(), encode(&after)?.as_slice())?;
    Ok(())
}

#[async_trait]
impl Uploads for FileUploads {
    async fn reserve(&self, upload: &Upload, quota: u64) -> Result<Reserved, StoreError> {
        let upload = upload.clone();
        let reserve = move |txn: &WriteTransaction| {
            let (mut rows, key) = (txn.open_table(ROWS)?, key(&upload.id));
            if let Some(there) = get(&rows, &key)? {
                return Ok(Reserved::There(there));
            }
            let shelf = Key::default().then_text(upload.id.shelf());
            let used: u64 = get(&txn.open_table(USED)?, &shelf)?.unwrap_or_default();
            if used.saturating_add(upload.bytes) > quota {
                return Ok(Reserved::OverQuota);
            }
            rows.insert(key.as_bytes(), encode(&upload)?.as_slice())?;
            txn.open_table(WAITING)?.insert(waiting(upload.at, &upload.id).as_bytes(), NOTHING)?;
            count(txn, &upload.id, upload.bytes, 0)?;
            Ok(Reserved::New)
        };
        self.engine.write(reserve).await
    }

    async fn get(&self, ids: &[AttachmentId]) -> Result<Vec<Upload>, StoreError> {
        let ids = ids.to_vec();
        let read = move |txn: &ReadTransaction| {
            let rows = txn.open_table(ROWS)?;
            ids.iter().filter_map(|id| get(&rows, &key(id)).transpose()).collect()
        };
        self.engine.scan(read).await
    }

    async fn mark(&self, id: &AttachmentId, mark: &Mark) -> Result<Option<Upload>, StoreError> {
        let (id, mark) = (id.clone(), *mark);
        let write = move |txn: &WriteTransaction| {
            let mut rows = txn.open_table(ROWS)?;
            let Some(before) = get::<Upload>(&rows, &key(&id))? else { return Ok(None) };
            let after = mark.apply(before.clone());
            rows.insert(key(&id).as_bytes(), encode(&after)?.as_slice())?;
            if let Mark::DueAgain(at) = mark {
                txn.open_table(WAITING)?.insert(waiting(at, &id).as_bytes(), NOTHING)?;
            }
            count(txn, &id, after.bytes, before.bytes)?;
            Ok(Some(after))
        };
        self.engine.write(write).await
    }

    async fn due(
        &self,
        after: Option<&Due>,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        let (all, end) = (Key::default(), Key::default().then_number(before.millis()));
        let after = after.map(|due| waiting(due.at, &due.id));
        let scan = move |txn: &ReadTransaction| {
            let (table, mut found) = (txn.open_table(WAITING)?, Vec::new());
            for row in table.range::<&[u8]>(behind(&all, &end, after.as_ref()))?.take(limit) {
                let (place, _) = row?;
                let (time, id) = place.value().split_at_checked(8).ok_or_else(|| corrupt("a short key"))?;
                let at = Timestamp::from_millis(u64::from_be_bytes(time.try_into().map_err(corrupt)?));
                let id = AttachmentId::parse(&text_behind(&Key::default(), id)?);
                found.push(Due { at, id: id.ok_or_else(|| corrupt("a key without an id"))? });
            }
            Ok(found)
        };
        self.engine.scan(scan).await
    }

    async fn settle(&self, due: &Due) -> Result<(), StoreError> {
        let place = waiting(due.at, &due.id);
        let settle = move |txn: &WriteTransaction| {
            txn.open_table(WAITING)?.remove(place.as_bytes())?;
            Ok(())
        };
        self.engine.write(settle).await
    }

    async fn of_owner(
        &self,
        owner: &UserId,
        after: Option<&AttachmentId>,
        limit: usize,
    ) -> Result<Vec<Upload>, StoreError> {
        let shelf = Key::default().then_text(&AttachmentId::shelf_of(owner));
        let after = after.map(key);
        let scan = move |txn: &ReadTransaction| {
            let rows = txn.open_table(ROWS)?;
            let end = shelf.end_of_prefix();
            let page = rows.range::<&[u8]>(behind(&shelf, &end, after.as_ref()))?.take(limit);
            page.map(|row| decode(row?.1.value())).collect()
        };
        self.engine.scan(scan).await
    }

    async fn remove(&self, id: &AttachmentId) -> Result<(), StoreError> {
        let id = id.clone();
        let remove = move |txn: &WriteTransaction| {
            let mut rows = txn.open_table(ROWS)?;
            let there: Option<Upload> =
                rows.remove(key(&id).as_bytes())?.map(|row| decode(row.value())).transpose()?;
            match there {
                Some(row) => count(txn, &id, 0, row.bytes),
                None => Ok(()),
            }
        };
        self.engine.write(remove).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::engine_in;
    use super::*;

    crate::contract_suite!(uploads, |dir| FileUploads::open(&engine_in(dir).await).await.unwrap());
}
