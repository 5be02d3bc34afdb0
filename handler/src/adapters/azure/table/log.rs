use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::sync::oneshot;

use super::client::{Match, Query, Refusal, Table, Tables, Write, WriteError};
use super::lanes::{Lane, Lanes, Seen, Waiting};
use super::log_rows::{
    ENTRY, HEAD, STATE, find_state, head_row, marker_key, partition, read_entry, read_head, read_marker,
    read_state, seqs,
};
use super::{STORE, pause};
use crate::adapters::sent_marks::SentMarks;
use crate::model::bounds::MARKER_DAYS;
use crate::model::{ConversationId, Entry, Head, Marker, MessageState, Timestamp, UserId};
use crate::ports::{EntryPage, Log, LogError, MessagePage, NewEntry, Outcome, Page, Position, StoreError};

/// A `sent` mark that no append has carried along is written by itself once its conversation has been quiet for so long. An
/// instance that appends in between sends again what the mark would have told it of; such a frame costs more than the write.
const MARK_AFTER: Duration = Duration::from_millis(250);
/// Reads under way at once for one call.
const AT_ONCE: usize = 16;
/// Messages looked for at once, at least, on the way backwards through a log.
const WINDOW: u64 = 16;
/// The same, at most: a window is read as a whole, and a message has up to 64 KiB.
const LARGEST_WINDOW: u64 = 1_000;

/// The conversations of a storage account, shared with whatever other processes have them open.
#[derive(Clone, Debug)]
pub struct TableLog {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) table: Table,
    pub(super) lanes: Lanes,
    pub(super) sent: SentMarks,
    conflicts: AtomicU64,
}

impl TableLog {
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        let shared = Shared {
            table: tables.table("log"),
            lanes: Lanes::default(),
            sent: SentMarks::default(),
            conflicts: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How often another process's write came before one of ours, so far.
    #[must_use]
    pub fn conflicts(&self) -> u64 {
        self.shared.conflicts.load(Ordering::Relaxed)
    }
}

impl Shared {
    pub(super) fn count_conflict(&self) {
        self.conflicts.fetch_add(1, Ordering::Relaxed);
    }

    /// The head as it is stored.
    pub(super) async fn stored_head(&self, partition: &str) -> Result<Option<Seen>, StoreError> {
        let Some(row) = self.table.get(partition, HEAD).await? else { return Ok(None) };
        Ok(Some(Seen { head: read_head(&row)?, etag: row.etag()?.to_owned() }))
    }

    /// The head with the mark that is not stored yet.
    async fn head(&self, conversation: &ConversationId) -> Result<Option<Head>, StoreError> {
        let seen = self.stored_head(&partition(conversation)).await?;
        Ok(seen.map(|seen| self.sent.applied(conversation, seen.head)))
    }

    /// Stores the head in place of the one that was seen. `false` when that is not the stored one any more.
    async fn replace_head(
        &self,
        partition: &str,
        seen: &mut Option<Seen>,
        head: Head,
    ) -> Result<bool, StoreError> {
        let condition = seen.take().map(|seen| Match::Etag(seen.etag));
        let row = head_row(partition, &head)?;
        let write = match condition {
            Some(condition) => Write::Replace(row, condition),
            None => Write::Insert(row),
        };
        match self.table.write_one(partition, write).await {
            Ok(etag) => {
                *seen = etag.map(|etag| Seen { head, etag });
                Ok(true)
            }
            Err(WriteError::Refused(_)) => {
                self.count_conflict();
                Ok(false)
            }
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    /// Changes the head until nobody comes between. `change` answers whether there is anything to store.
    async fn change_head(
        &self,
        conversation: &ConversationId,
        make: bool,
        change: impl Fn(&mut Head) -> bool + Send,
    ) -> Result<Option<Head>, StoreError> {
        let (lane, partition) = (self.lanes.of(conversation), partition(conversation));
        let mut seen = lane.seen.lock().await;
        let mut retry = pause::Retry::default();
        loop {
            *seen = self.stored_head(&partition).await?;
            let mut head = match &*seen {
                Some(seen) => seen.head.clone(),
                None if make => Head::default(),
                None => return Ok(None),
            };
            if !change(&mut head) && seen.is_some() {
                return Ok(Some(head));
            }
            if self.replace_head(&partition, &mut seen, head.clone()).await? {
                return Ok(Some(head));
            }
            retry.wait().await?;
        }
    }

    /// Writes the mark, unless it went along with an append meanwhile. Losing it costs a doubled frame, no more.
    async fn write_mark(&self, conversation: &ConversationId, lane: &Lane) -> Result<(), StoreError> {
        let partition = partition(conversation);
        let mut seen = lane.seen.lock().await;
        if seen.is_none() {
            *seen = self.stored_head(&partition).await?;
        }
        let Some(stored) = seen.as_ref().map(|seen| seen.head.clone()) else { return Ok(()) };
        let marked = self.sent.applied(conversation, stored.clone());
        let mark = [(conversation.clone(), marked.sent)];
        if marked == stored || self.replace_head(&partition, &mut seen, marked).await? {
            self.sent.forget(&mark);
        }
        Ok(())
    }

    fn mark_soon(self: &Arc<Self>, conversation: &ConversationId) {
        let (shared, id, lane) = (Arc::clone(self), conversation.clone(), self.lanes.of(conversation));
        lane.is_raised.store(true, Ordering::Relaxed);
        if lane.is_marking.swap(true, Ordering::Relaxed) {
            return;
        }
        tokio::spawn(async move {
            // While it goes on, each append carries the mark of those before it.
            while lane.is_raised.swap(false, Ordering::Relaxed) {
                tokio::time::sleep(MARK_AFTER).await;
            }
            lane.is_marking.store(false, Ordering::Relaxed);
            if let Err(error) = shared.write_mark(&id, &lane).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "a sent mark was not stored");
            }
        });
    }

    /// Removes what lies below the floor; also what an earlier call, here or elsewhere, has left.
    async fn remove_up_to(&self, partition: &str, floor: u64) -> Result<(), StoreError> {
        for prefix in [ENTRY, STATE, super::log_rows::EDIT] {
            let mut query = Query::partition(partition).from(&format!("{prefix}0"));
            // An edit's key goes on behind its message's seq.
            query = query.before(&super::keys::number(prefix, floor.saturating_add(1)));
            self.table.delete_all(partition, &query.columns("RowKey")).await?;
        }
        Ok(())
    }

    /// A marker ends 90 days after its time; the time of now is that of the last entry, where it is still there.
    async fn remove_ended_markers(&self, partition: &str, last: u64) -> Result<(), StoreError> {
        let Some(last) = self.table.get(partition, &super::keys::number(ENTRY, last)).await? else {
            return Ok(());
        };
        let ended = read_entry(&last)?.at.days_before(MARKER_DAYS);
        let query = Query::partition(partition).beginning("m").and(&format!("ts lt '{ended}'"));
        self.table.delete_all(partition, &query.columns("RowKey")).await
    }

    /// The last `limit` messages with `floor` < seq < `before`. The service reads forwards only, so a window goes backwards.
    async fn messages_before(
        &self,
        partition: &str,
        before: u64,
        floor: u64,
        limit: usize,
    ) -> Result<Vec<MessageState>, StoreError> {
        let first = WINDOW.max(limit as u64).min(LARGEST_WINDOW);
        let (mut found, mut end, mut window) = (Vec::new(), before, first);
        while found.len() < limit && end > floor + 1 {
            let start = end.saturating_sub(window).max(floor + 1);
            let rows = self.table.query(&seqs(partition, STATE, start, end - 1), usize::MAX).await?;
            let mut states = rows.iter().map(read_state).collect::<Result<Vec<_>, _>>()?;
            states.append(&mut found);
            (found, end, window) = (states, start, (window * 2).min(LARGEST_WINDOW));
        }
        let surplus = found.len().saturating_sub(limit);
        Ok(found.split_off(surplus))
    }

    async fn messages_after(
        &self,
        partition: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<MessageState>, StoreError> {
        let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
        let rows = self.table.query(&seqs(partition, STATE, first, u64::MAX), limit).await?;
        rows.iter().map(read_state).collect()
    }
}

#[async_trait]
impl Log for TableLog {
    async fn open(&self, conversation: &ConversationId) -> Result<Head, StoreError> {
        let open = |head: &mut Head| std::mem::replace(&mut head.closed, false);
        let head = self.shared.change_head(conversation, true, open).await?.unwrap_or_default();
        Ok(self.shared.sent.applied(conversation, head))
    }

    /// Goes on when the caller stops waiting. What waits for the same conversation shares a transaction.
    async fn append(
        &self,
        conversation: &ConversationId,
        entries: Vec<NewEntry>,
    ) -> Result<Vec<Outcome>, LogError> {
        let (answer, answered) = oneshot::channel();
        if let Some(writer) = self.shared.lanes.of(conversation).wait(Waiting { entries, answer }) {
            let (shared, id) = (Arc::clone(&self.shared), conversation.clone());
            tokio::spawn(async move { shared.append_all(&id, writer).await });
        }
        answered.await.unwrap_or_else(|stopped| Err(StoreError::unavailable(STORE, stopped).into()))
    }

    async fn find(
        &self,
        conversation: &ConversationId,
        marker: &Marker,
    ) -> Result<Option<Position>, StoreError> {
        let row = self.shared.table.get(&partition(conversation), &marker_key(marker)).await?;
        row.map(|row| read_marker(&row)).transpose()
    }

    async fn head(&self, conversation: &ConversationId) -> Result<Option<Head>, StoreError> {
        self.shared.head(conversation).await
    }

    async fn messages(
        &self,
        conversation: &ConversationId,
        page: Page,
        limit: usize,
    ) -> Result<Option<MessagePage>, StoreError> {
        let (shared, key) = (&self.shared, partition(conversation));
        let mut messages = match page {
            Page::After(seq) => shared.messages_after(&key, seq, limit).await?,
            Page::Newest | Page::Before(_) => {
                let Some(head) = shared.head(conversation).await? else { return Ok(None) };
                let end = head.seq.saturating_add(1);
                let before = if let Page::Before(seq) = page { seq.min(end) } else { end };
                shared.messages_before(&key, before, head.floor, limit).await?
            }
        };
        // Read behind the messages: what retention took meanwhile is below its floor.
        let Some(head) = shared.head(conversation).await? else { return Ok(None) };
        if let Page::After(seq) = page
            && seq < head.floor
            && messages.first().is_some_and(|message| message.seq <= head.floor)
        {
            messages = shared.messages_after(&key, head.floor, limit).await?;
        }
        messages.retain(|message| message.seq > head.floor);
        Ok(Some(MessagePage { messages, head }))
    }

    async fn states(
        &self,
        conversation: &ConversationId,
        seqs: &[u64],
    ) -> Result<Vec<MessageState>, StoreError> {
        let (table, key) = (&self.shared.table, partition(conversation));
        let seqs: BTreeSet<u64> = seqs.iter().copied().collect();
        if seqs.is_empty() {
            return Ok(Vec::new());
        }
        let read = stream::iter(seqs).map(|seq| find_state(table, &key, seq)).buffered(AT_ONCE);
        let found: Vec<_> = read.collect().await;
        let mut states = found.into_iter().filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?;
        let floor = self.shared.head(conversation).await?.unwrap_or_default().floor;
        states.retain(|state| state.seq > floor);
        Ok(states)
    }

    async fn entries(
        &self,
        conversation: &ConversationId,
        after: u64,
        limit: usize,
    ) -> Result<Option<EntryPage>, StoreError> {
        let (shared, key) = (&self.shared, partition(conversation));
        let read = async |after: u64| {
            let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
            let rows = shared.table.query(&seqs(&key, ENTRY, first, u64::MAX), limit).await?;
            rows.iter().map(read_entry).collect::<Result<Vec<Entry>, StoreError>>()
        };
        let mut entries = read(after).await?;
        let Some(head) = shared.head(conversation).await? else { return Ok(None) };
        if entries.first().is_some_and(|entry| entry.seq <= head.floor) {
            // What retention has not removed yet is gone all the same.
            entries = read(head.floor).await?;
        }
        entries.retain(|entry| entry.seq > head.floor);
        Ok(Some(EntryPage { entries, head }))
    }

    async fn mark_sent(&self, conversation: &ConversationId, mut seq: u64) -> Result<(), StoreError> {
        let shared = &self.shared;
        // Clamped to a head of before: a later one may hold what was not sent.
        if shared.lanes.of(conversation).top.load(Ordering::Relaxed) < seq {
            let Some(head) = shared.head(conversation).await? else { return Ok(()) };
            seq = seq.min(head.seq);
            if seq <= head.sent {
                return Ok(());
            }
        }
        if let Some(_clearing) = shared.sent.raise(conversation, seq) {
            // More than can be kept while the service is away: losing them doubles frames, no more.
            shared.sent.forget(&shared.sent.all());
        }
        shared.mark_soon(conversation);
        Ok(())
    }

    async fn trim(&self, conversation: &ConversationId, seq: u64) -> Result<(), StoreError> {
        let raise = |head: &mut Head| crate::adapters::log_rules::raise_floor(head, seq);
        let Some(head) = self.shared.change_head(conversation, false, raise).await? else { return Ok(()) };
        let key = partition(conversation);
        self.shared.remove_ended_markers(&key, head.seq).await?;
        self.shared.remove_up_to(&key, head.floor).await
    }

    async fn redact(
        &self,
        conversation: &ConversationId,
        user: &UserId,
        seqs: &[u64],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for some in seqs.chunks(super::log_redact::AT_ONCE) {
            self.shared.redact(conversation, user, some, now).await?;
        }
        Ok(())
    }

    /// From the first row of a partition to the first of the next: what lies between is not read.
    async fn conversations(
        &self,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<ConversationId>, StoreError> {
        let (mut found, mut last) = (Vec::new(), partition_before(after));
        while found.len() < limit {
            let query = Query::behind_partition(&last).columns("PartitionKey");
            let Some(row) = self.shared.table.query(&query, 1).await?.pop() else { break };
            row.get_text("PartitionKey")?.clone_into(&mut last);
            found.push(super::log_rows::conversation_in(&row)?);
        }
        Ok(found)
    }
}

fn partition_before(after: Option<&ConversationId>) -> String {
    after.map_or_else(|| super::log_rows::FORMAT.to_owned(), partition)
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        Self::unavailable(STORE, WriteError::Refused(refusal))
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
