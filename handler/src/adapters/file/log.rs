use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use redb::{ReadTransaction, WriteTransaction};

use super::keys::Key;
use super::log_rows::{
    self, Conversation, ENTRIES, HEADS, MARKERS, STATES, TABLES, marked_at, read_head, read_marker, seq_key,
    write_head,
};
use super::rows::{corrupt, decode, get, make_tables};
use super::sweep::{Sweep, has_ended};
use crate::adapters::engine::Engine;
use crate::adapters::log_rules;
use crate::adapters::sent_marks::SentMarks;
use crate::model::{ConversationId, Head, Marker, MessageState, Timestamp, UserId};
use crate::ports::{EntryPage, Log, LogError, MessagePage, NewEntry, Outcome, Page, Position, StoreError};

/// The conversations of a data directory.
#[derive(Clone)]
pub struct FileLog {
    engine: Engine,
    sent: Arc<SentMarks>,
    sweep: Arc<Sweep>,
}

impl FileLog {
    pub async fn open(engine: &Engine) -> Result<Self, StoreError> {
        make_tables(engine, TABLES).await?;
        Ok(Self { engine: engine.clone(), sent: Arc::default(), sweep: Arc::default() })
    }

    /// Stores every mark, which makes room for others.
    async fn write_marks(&self) -> Result<(), StoreError> {
        let marks = Arc::new(self.sent.all());
        let writing = marks.clone();
        let write = move |txn: &WriteTransaction| {
            let mut heads = txn.open_table(HEADS)?;
            for (conversation, mark) in &*writing {
                if let Some(mut head) = read_head(&heads, conversation)? {
                    head.sent = head.sent.max(*mark);
                    write_head(&mut heads, conversation, &head)?;
                }
            }
            Ok(())
        };
        self.engine.write(write).await?;
        self.sent.forget(&marks);
        Ok(())
    }
}

#[async_trait]
impl Log for FileLog {
    async fn open(&self, conversation: &ConversationId) -> Result<Head, StoreError> {
        // Most are open: they need no transaction.
        if let Some(head) = self.head(conversation).await?
            && !head.closed
        {
            return Ok(head);
        }
        let id = conversation.clone();
        let open = move |txn: &WriteTransaction| {
            let mut heads = txn.open_table(HEADS)?;
            let head = Head { closed: false, ..read_head(&heads, &id)?.unwrap_or_default() };
            write_head(&mut heads, &id, &head)?;
            Ok(head)
        };
        let head = self.engine.write(open).await?;
        Ok(self.sent.applied(conversation, head))
    }

    async fn append(
        &self,
        conversation: &ConversationId,
        entries: Vec<NewEntry>,
    ) -> Result<Vec<Outcome>, LogError> {
        let (id, sent, sweep) = (conversation.clone(), self.sent.clone(), self.sweep.clone());
        let append = move |txn: &WriteTransaction| {
            let mut rows = Conversation::open(txn, &id)?;
            let head = read_head(&rows.heads, &id)?.map(|head| sent.applied(&id, head));
            let plan = match log_rules::plan(head, &rows, entries.clone()) {
                Ok(plan) => plan,
                Err(LogError::Store(error)) => return Err(error),
                Err(refusal) => return Ok(Err(refusal)),
            };
            if let Some(last) = plan.entries.last() {
                rows.write(&plan)?;
                let ended =
                    |_: &[u8], value: &[u8]| marked_at(value).is_some_and(|at| has_ended(at, last.at));
                sweep.step(&mut rows.markers, 2 * plan.markers.len(), ended)?;
            }
            Ok(Ok(plan.outcomes))
        };
        self.engine.write(append).await?
    }

    async fn find(
        &self,
        conversation: &ConversationId,
        marker: &Marker,
    ) -> Result<Option<Position>, StoreError> {
        self.engine.read(|txn| read_marker(&txn.open_table(MARKERS)?, conversation, marker))
    }

    async fn head(&self, conversation: &ConversationId) -> Result<Option<Head>, StoreError> {
        let head = self.engine.read(|txn| read_head(&txn.open_table(HEADS)?, conversation))?;
        Ok(head.map(|head| self.sent.applied(conversation, head)))
    }

    async fn messages(
        &self,
        conversation: &ConversationId,
        page: Page,
        limit: usize,
    ) -> Result<Option<MessagePage>, StoreError> {
        let (id, sent) = (conversation.clone(), self.sent.clone());
        let read = move |txn: &ReadTransaction| {
            let Some(head) = read_head(&txn.open_table(HEADS)?, &id)? else { return Ok(None) };
            let messages = read_messages(txn, &id, page, limit, head.floor)?;
            Ok(Some(MessagePage { messages, head: sent.applied(&id, head) }))
        };
        self.engine.scan(read).await
    }

    async fn entries(
        &self,
        conversation: &ConversationId,
        after: u64,
        limit: usize,
    ) -> Result<Option<EntryPage>, StoreError> {
        let (id, sent) = (conversation.clone(), self.sent.clone());
        let read = move |txn: &ReadTransaction| {
            let Some(head) = read_head(&txn.open_table(HEADS)?, &id)? else { return Ok(None) };
            let start = seq_key(&id, after.max(head.floor));
            let end = Key::conversation(&id).end_of_prefix();
            let table = txn.open_table(ENTRIES)?;
            let rows =
                table.range::<&[u8]>((Bound::Excluded(start.as_bytes()), Bound::Excluded(end.as_bytes())))?;
            let entries =
                rows.take(limit).map(|row| decode(row?.1.value())).collect::<Result<_, StoreError>>()?;
            Ok(Some(EntryPage { entries, head: sent.applied(&id, head) }))
        };
        self.engine.scan(read).await
    }

    async fn states(
        &self,
        conversation: &ConversationId,
        seqs: &[u64],
    ) -> Result<Vec<MessageState>, StoreError> {
        let (id, seqs) = (conversation.clone(), seqs.iter().copied().collect::<BTreeSet<u64>>());
        let read = move |txn: &ReadTransaction| {
            let Some(head) = read_head(&txn.open_table(HEADS)?, &id)? else { return Ok(Vec::new()) };
            let table = txn.open_table(STATES)?;
            let kept = seqs.iter().filter(|seq| **seq > head.floor);
            kept.filter_map(|seq| get(&table, &seq_key(&id, *seq)).transpose()).collect()
        };
        self.engine.scan(read).await
    }

    async fn mark_sent(&self, conversation: &ConversationId, seq: u64) -> Result<(), StoreError> {
        // Clamped to the head of now: a later one may hold what was not sent.
        let Some(head) = self.head(conversation).await? else { return Ok(()) };
        let seq = seq.min(head.seq);
        if seq > head.sent
            && let Some(_clearing) = self.sent.raise(conversation, seq)
        {
            self.write_marks().await?;
        }
        Ok(())
    }

    /// Goes on with what an earlier call, here or before a crash, has left unfinished in any conversation.
    async fn trim(&self, conversation: &ConversationId, seq: u64) -> Result<(), StoreError> {
        let id = conversation.clone();
        self.engine.write(move |txn| log_rows::raise_floor(txn, &id, seq)).await?;
        while self.engine.write(log_rows::remove_below_a_floor).await? {}
        Ok(())
    }

    async fn redact(
        &self,
        conversation: &ConversationId,
        user: &UserId,
        seqs: &[u64],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (id, user, seqs) = (conversation.clone(), user.clone(), seqs.to_vec());
        let redact = move |txn: &WriteTransaction| {
            let mut rows = Conversation::open(txn, &id)?;
            let floor = read_head(&rows.heads, &id)?.unwrap_or_default().floor;
            seqs.iter().filter(|seq| **seq > floor).try_for_each(|seq| rows.redact(&user, *seq, now))
        };
        self.engine.write(redact).await
    }

    async fn conversations(
        &self,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<ConversationId>, StoreError> {
        let after = after.map(Key::conversation);
        let read = move |txn: &ReadTransaction| {
            let heads = txn.open_table(HEADS)?;
            let start = after.as_ref().map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_bytes()));
            let rows = heads.range::<&[u8]>((start, Bound::Unbounded))?.take(limit);
            rows.map(|row| {
                let (key, _) = row?;
                let text =
                    key.value().strip_suffix(&[0]).ok_or_else(|| corrupt("a head's key without its end"))?;
                let text = std::str::from_utf8(text).map_err(corrupt)?;
                ConversationId::new(text).map_err(corrupt)
            })
            .collect()
        };
        self.engine.scan(read).await
    }
}

fn read_messages(
    txn: &ReadTransaction,
    id: &ConversationId,
    page: Page,
    limit: usize,
    floor: u64,
) -> Result<Vec<MessageState>, StoreError> {
    let (after, before) = match page {
        Page::Newest => (floor, None),
        Page::After(seq) => (seq.max(floor), None),
        Page::Before(seq) if seq <= floor => return Ok(Vec::new()),
        Page::Before(seq) => (floor, Some(seq)),
    };
    let start = seq_key(id, after);
    let end = before.map_or_else(|| Key::conversation(id).end_of_prefix(), |seq| seq_key(id, seq));
    let table = txn.open_table(STATES)?;
    let rows = table.range::<&[u8]>((Bound::Excluded(start.as_bytes()), Bound::Excluded(end.as_bytes())))?;
    let decoded = |row: Result<(_, redb::AccessGuard<'_, &[u8]>), redb::StorageError>| decode(row?.1.value());
    if matches!(page, Page::After(_)) {
        return rows.take(limit).map(decoded).collect();
    }
    let mut messages = rows.rev().take(limit).map(decoded).collect::<Result<Vec<_>, StoreError>>()?;
    messages.reverse();
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use super::super::tests::engine_in;
    use super::*;

    crate::contract_suite!(log, |dir| FileLog::open(&engine_in(dir).await).await.unwrap());
}
