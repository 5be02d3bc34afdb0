use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::keys::{Key, number_before};
use super::rows::{Table, corrupt, decode, encode, get, make_tables};
use super::sweep::{Sweep, has_ended};
use crate::adapters::engine::Engine;
use crate::model::{ConversationId, Marker, MessageId, Timestamp, UserId};
use crate::ports::{Inbox, InboxItem, InboxKey, StoreError};

/// Receiver, place -> the item.
const WAITING: Table = Table::new("inbox.v1.waiting");
/// Receiver, message id, place -> nothing. The waiting ones alone; an id is unique only per sender.
const BY_ID: Table = Table::new("inbox.v1.by_id");
/// Receiver, conversation, `seq`, place -> nothing. The waiting ones alone.
const BY_SEQ: Table = Table::new("inbox.v1.by_seq");
/// Receiver, place -> nothing.
const DONE: Table = Table::new("inbox.v1.done");

/// Bytes of an [`InboxKey`] at the end of a key: time and marker.
const PLACE: usize = 8 + 32;

/// The inboxes of a data directory. Of a message that is done only the place is kept.
#[derive(Clone)]
pub struct FileInbox {
    engine: Engine,
    sweep: Arc<Sweep>,
}

impl FileInbox {
    pub async fn open(engine: &Engine) -> Result<Self, StoreError> {
        make_tables(engine, &[WAITING, BY_ID, BY_SEQ, DONE]).await?;
        Ok(Self { engine: engine.clone(), sweep: Arc::default() })
    }

    /// Marks as done those of the items that still wait. Answers how many.
    async fn finish(&self, receiver: &UserId, places: BTreeSet<InboxKey>) -> Result<usize, StoreError> {
        if places.is_empty() {
            return Ok(0);
        }
        let receiver = receiver.clone();
        let finish = move |txn: &WriteTransaction| {
            let (mut waiting, mut done) = (txn.open_table(WAITING)?, txn.open_table(DONE)?);
            let (mut by_id, mut by_seq) = (txn.open_table(BY_ID)?, txn.open_table(BY_SEQ)?);
            let mut changed = 0;
            for place in &places {
                let key = Key::user(&receiver).then_place(place);
                let Some(item) = get::<InboxItem>(&waiting, &key)? else { continue };
                waiting.remove(key.as_bytes())?;
                by_id.remove(id_key(&receiver, &item, place).as_bytes())?;
                by_seq.remove(seq_key(&receiver, &item, place).as_bytes())?;
                done.insert(key.as_bytes(), [].as_slice())?;
                changed += 1;
            }
            Ok(changed)
        };
        self.engine.write(finish).await
    }
}

#[async_trait]
impl Inbox for FileInbox {
    async fn put(&self, receiver: &UserId, item: &InboxItem) -> Result<(), StoreError> {
        let (receiver, item, row, sweep) =
            (receiver.clone(), item.clone(), encode(item)?, self.sweep.clone());
        let put = move |txn: &WriteTransaction| {
            let (mut waiting, mut done) = (txn.open_table(WAITING)?, txn.open_table(DONE)?);
            let place = item.key();
            let key = Key::user(&receiver).then_place(&place);
            if waiting.get(key.as_bytes())?.is_some() || done.get(key.as_bytes())?.is_some() {
                return Ok(());
            }
            waiting.insert(key.as_bytes(), row.as_slice())?;
            txn.open_table(BY_ID)?.insert(id_key(&receiver, &item, &place).as_bytes(), [].as_slice())?;
            txn.open_table(BY_SEQ)?.insert(seq_key(&receiver, &item, &place).as_bytes(), [].as_slice())?;
            let ended =
                |key: &[u8], _: &[u8]| place_of(key).is_some_and(|place| has_ended(place.at, item.at));
            sweep.step(&mut done, 2, ended)
        };
        self.engine.write(put).await
    }

    async fn list(
        &self,
        receiver: &UserId,
        after: Option<InboxKey>,
        before: Option<InboxKey>,
        limit: usize,
    ) -> Result<Vec<InboxItem>, StoreError> {
        let receiver = Key::user(receiver);
        let list = move |txn: &ReadTransaction| {
            let start = after.map(|place| receiver.clone().then_place(&place));
            let end =
                before.map_or_else(|| receiver.end_of_prefix(), |place| receiver.clone().then_place(&place));
            let start = start
                .as_ref()
                .map_or(Bound::Included(receiver.as_bytes()), |key| Bound::Excluded(key.as_bytes()));
            if matches!(start, Bound::Excluded(start) if start >= end.as_bytes()) {
                return Ok(Vec::new());
            }
            let waiting = txn.open_table(WAITING)?;
            let range = waiting.range::<&[u8]>((start, Bound::Excluded(end.as_bytes())))?;
            let item = |row: Result<(_, redb::AccessGuard<'_, &[u8]>), redb::StorageError>| {
                decode::<InboxItem>(row?.1.value())
            };
            if before.is_none() {
                return range.take(limit).map(item).collect();
            }
            let mut page: Vec<_> = range.rev().take(limit).map(item).collect::<Result<_, StoreError>>()?;
            page.reverse();
            Ok(page)
        };
        self.engine.scan(list).await
    }

    async fn acknowledge(&self, receiver: &UserId, ids: &[String]) -> Result<usize, StoreError> {
        let (owner, ids) = (receiver.clone(), ids.to_vec());
        let find = move |txn: &ReadTransaction| {
            let by_id = txn.open_table(BY_ID)?;
            let mut places: BTreeSet<InboxKey> = ids.iter().filter_map(|id| InboxKey::parse(id)).collect();
            for id in ids.iter().filter_map(|id| MessageId::new(id).ok()) {
                let prefix = Key::user(&owner).then_message_id(&id);
                let end = prefix.end_of_prefix();
                for row in by_id.range::<&[u8]>(prefix.as_bytes()..end.as_bytes())? {
                    places.insert(place_of(row?.0.value()).ok_or_else(|| corrupt("a key without a place"))?);
                }
            }
            Ok(places)
        };
        let places = self.engine.scan(find).await?;
        self.finish(receiver, places).await
    }

    async fn acknowledge_read(
        &self,
        receiver: &UserId,
        conversation: &ConversationId,
        up_to: u64,
    ) -> Result<usize, StoreError> {
        let start = Key::user(receiver).then_conversation(conversation);
        let find = move |txn: &ReadTransaction| {
            let end = start.clone().then_number(up_to).end_of_prefix();
            let by_seq = txn.open_table(BY_SEQ)?;
            let rows = by_seq.range::<&[u8]>(start.as_bytes()..end.as_bytes())?;
            rows.map(|row| place_of(row?.0.value()).ok_or_else(|| corrupt("a key without a place"))).collect()
        };
        let places = self.engine.scan(find).await?;
        self.finish(receiver, places).await
    }
}

fn id_key(receiver: &UserId, item: &InboxItem, place: &InboxKey) -> Key {
    Key::user(receiver).then_message_id(&item.message.id).then_place(place)
}

fn seq_key(receiver: &UserId, item: &InboxItem, place: &InboxKey) -> Key {
    Key::user(receiver).then_conversation(&item.conversation).then_number(item.seq).then_place(place)
}

fn place_of(key: &[u8]) -> Option<InboxKey> {
    let marker = key.get(key.len().checked_sub(PLACE - 8)?..)?;
    let at = Timestamp::from_millis(number_before(key, PLACE - 8)?);
    Some(InboxKey { at, marker: Marker::from_bytes(marker.try_into().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::super::tests::engine_in;
    use super::*;

    crate::contract_suite!(inbox, |dir| FileInbox::open(&engine_in(dir).await).await.unwrap());
}
