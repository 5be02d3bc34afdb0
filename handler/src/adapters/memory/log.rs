use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;

use async_trait::async_trait;

use super::shards::Shards;
use crate::adapters::log_rules::{self, Plan, Rows};
use crate::model::{ConversationId, Entry, Head, Marker, MessageState, Timestamp, UserId};
use crate::ports::{EntryPage, Log, LogError, MessagePage, NewEntry, Outcome, Page, Position, StoreError};

/// The conversations of this process. Markers are kept for as long as it lives.
#[derive(Debug, Default)]
pub struct MemoryLog {
    conversations: Shards<ConversationId, Conversation>,
}

#[derive(Debug, Default)]
struct Conversation {
    head: Head,
    /// Those above the floor, without gaps: the first one's `seq` is `floor` + 1.
    entries: VecDeque<Entry>,
    states: BTreeMap<u64, MessageState>,
    markers: HashMap<Marker, Position>,
    edits: BTreeSet<(u64, u64)>,
}

impl MemoryLog {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn open(&self, conversation: &ConversationId) -> Result<Head, StoreError> {
        let mut conversations = self.conversations.lock(conversation);
        let head = &mut conversations.entry(conversation.clone()).or_default().head;
        head.closed = false;
        Ok(head.clone())
    }

    async fn append(
        &self,
        conversation: &ConversationId,
        entries: Vec<NewEntry>,
    ) -> Result<Vec<Outcome>, LogError> {
        let mut conversations = self.conversations.lock(conversation);
        let conversation = conversations.get_mut(conversation).ok_or(LogError::NotOpen)?;
        let plan = log_rules::plan(Some(conversation.head.clone()), &*conversation, entries)?;
        Ok(conversation.write(plan))
    }

    async fn find(
        &self,
        conversation: &ConversationId,
        marker: &Marker,
    ) -> Result<Option<Position>, StoreError> {
        let conversations = self.conversations.lock(conversation);
        Ok(conversations.get(conversation).and_then(|found| found.markers.get(marker).copied()))
    }

    async fn head(&self, conversation: &ConversationId) -> Result<Option<Head>, StoreError> {
        let conversations = self.conversations.lock(conversation);
        Ok(conversations.get(conversation).map(|found| found.head.clone()))
    }

    async fn messages(
        &self,
        conversation: &ConversationId,
        page: Page,
        limit: usize,
    ) -> Result<Option<MessagePage>, StoreError> {
        let conversations = self.conversations.lock(conversation);
        Ok(conversations
            .get(conversation)
            .map(|found| MessagePage { messages: found.messages(page, limit), head: found.head.clone() }))
    }

    async fn entries(
        &self,
        conversation: &ConversationId,
        after: u64,
        limit: usize,
    ) -> Result<Option<EntryPage>, StoreError> {
        let conversations = self.conversations.lock(conversation);
        Ok(conversations.get(conversation).map(|found| {
            let skip = found.index_of(after.saturating_add(1)).unwrap_or(0);
            let entries = found.entries.iter().skip(skip).take(limit).cloned().collect();
            EntryPage { entries, head: found.head.clone() }
        }))
    }

    async fn states(
        &self,
        conversation: &ConversationId,
        seqs: &[u64],
    ) -> Result<Vec<MessageState>, StoreError> {
        let conversations = self.conversations.lock(conversation);
        let Some(found) = conversations.get(conversation) else { return Ok(Vec::new()) };
        let seqs: BTreeSet<u64> = seqs.iter().copied().collect();
        Ok(seqs.iter().filter_map(|seq| found.states.get(seq).cloned()).collect())
    }

    async fn mark_sent(&self, conversation: &ConversationId, seq: u64) -> Result<(), StoreError> {
        if let Some(found) = self.conversations.lock(conversation).get_mut(conversation) {
            found.head.sent = found.head.sent.max(seq.min(found.head.seq));
        }
        Ok(())
    }

    async fn trim(&self, conversation: &ConversationId, seq: u64) -> Result<(), StoreError> {
        let removed =
            self.conversations.lock(conversation).get_mut(conversation).map(|found| found.trim(seq));
        // Freeing a long history takes a while: not under the lock.
        drop(removed);
        Ok(())
    }

    async fn redact(
        &self,
        conversation: &ConversationId,
        user: &UserId,
        seqs: &[u64],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut conversations = self.conversations.lock(conversation);
        if let Some(found) = conversations.get_mut(conversation) {
            seqs.iter().for_each(|seq| found.redact(user, *seq, now));
        }
        Ok(())
    }

    async fn conversations(
        &self,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<ConversationId>, StoreError> {
        let mut ids = self.conversations.keys();
        ids.retain(|id| after.is_none_or(|after| id > after));
        ids.sort_unstable();
        ids.truncate(limit);
        Ok(ids)
    }
}

impl Conversation {
    fn write(&mut self, plan: Plan) -> Vec<Outcome> {
        for seq in plan.blanked {
            let entry = self.index_of(seq).and_then(|index| self.entries.get_mut(index));
            if let Some(entry) = entry {
                log_rules::blank(&mut entry.change);
            }
        }
        self.head = plan.head;
        self.entries.extend(plan.entries);
        self.states.extend(plan.states);
        self.markers.extend(plan.markers);
        self.edits.extend(plan.edits);
        plan.outcomes
    }

    fn messages(&self, page: Page, limit: usize) -> Vec<MessageState> {
        let last = |states: std::collections::btree_map::Range<'_, u64, MessageState>| {
            let mut page: Vec<_> = states.rev().take(limit).map(|(_, state)| state.clone()).collect();
            page.reverse();
            page
        };
        match page {
            Page::Newest => last(self.states.range(..)),
            Page::Before(seq) => last(self.states.range(..seq)),
            Page::After(seq) => {
                let states = self.states.range((Bound::Excluded(seq), Bound::Unbounded));
                states.take(limit).map(|(_, state)| state.clone()).collect()
            }
        }
    }

    /// Answers what was removed.
    fn trim(&mut self, seq: u64) -> impl Sized + use<> {
        let former = self.head.floor;
        log_rules::raise_floor(&mut self.head, seq);
        let floor = self.head.floor;
        // The first entry's `seq` was one above the former floor.
        let removed = usize::try_from(floor - former).unwrap_or(usize::MAX).min(self.entries.len());
        let kept_entries = self.entries.split_off(removed);
        let kept_states = self.states.split_off(&(floor + 1));
        let kept_edits = self.edits.split_off(&(floor + 1, 0));
        (
            std::mem::replace(&mut self.entries, kept_entries),
            std::mem::replace(&mut self.states, kept_states),
            std::mem::replace(&mut self.edits, kept_edits),
        )
    }

    fn redact(&mut self, user: &UserId, seq: u64, now: Timestamp) {
        let entry = self.index_of(seq).and_then(|index| self.entries.get_mut(index));
        let target = entry.and_then(|entry| log_rules::redact_entry(entry, user));
        if let Some(state) = target.and_then(|target| self.states.get_mut(&target)) {
            log_rules::redact_state(state, user, now);
        }
    }

    /// Where in `entries` the entry stands, or would stand; `None` below the floor.
    fn index_of(&self, seq: u64) -> Option<usize> {
        seq.checked_sub(self.head.floor + 1).map(|index| usize::try_from(index).unwrap_or(usize::MAX))
    }
}

impl Rows for Conversation {
    fn marker(&self, marker: &Marker) -> Result<Option<Position>, StoreError> {
        Ok(self.markers.get(marker).copied())
    }

    fn state(&self, seq: u64) -> Result<Option<MessageState>, StoreError> {
        Ok(self.states.get(&seq).cloned())
    }

    fn edits(&self, target: u64) -> Result<Vec<u64>, StoreError> {
        Ok(self.edits.range((target, 0)..=(target, u64::MAX)).map(|(_, edit)| *edit).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(log, MemoryLog::new);
}
