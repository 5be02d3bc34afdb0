//! Erasing a person: what they put into some entries goes, with what it made of their messages' states.

use std::collections::BTreeMap;

use super::client::{Match, Write, WriteError};
use super::log::Shared;
use super::log_rows::{ENTRY, entry_row, find_state, head_row, partition, read_entry, state_row};
use super::{keys, pause};
use crate::adapters::log_rules;
use crate::model::{ConversationId, Timestamp, UserId};
use crate::ports::StoreError;

/// Entries of one transaction: with the largest states beside them they fit.
pub(super) const AT_ONCE: usize = 8;

impl Shared {
    /// The head goes along unchanged, under its etag: whatever is appended meanwhile makes this begin anew, so no state is
    /// lost that an append has shaped.
    pub(super) async fn redact(
        &self,
        conversation: &ConversationId,
        user: &UserId,
        seqs: &[u64],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (lane, key) = (self.lanes.of(conversation), partition(conversation));
        let mut seen = lane.seen.lock().await;
        let mut retry = pause::Retry::default();
        loop {
            *seen = None;
            let Some(stored) = self.stored_head(&key).await? else { return Ok(()) };
            let above = seqs.iter().filter(|seq| **seq > stored.head.floor);
            let rows = self.redacted(&key, user, above, now).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut writes = vec![Write::Replace(head_row(&key, &stored.head)?, Match::Etag(stored.etag))];
            writes.extend(rows);
            match self.table.write(&key, writes).await {
                Ok(_) => return Ok(()),
                Err(WriteError::Refused(_)) => {
                    self.count_conflict();
                    retry.wait().await?;
                }
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
    }

    async fn redacted(
        &self,
        key: &str,
        user: &UserId,
        seqs: impl Iterator<Item = &u64>,
        now: Timestamp,
    ) -> Result<Vec<Write>, StoreError> {
        let (mut writes, mut states) = (Vec::new(), BTreeMap::new());
        for seq in seqs {
            let Some(row) = self.table.get(key, &keys::number(ENTRY, *seq)).await? else { continue };
            let mut entry = read_entry(&row)?;
            let Some(target) = log_rules::redact_entry(&mut entry, user) else { continue };
            writes.push(Write::Replace(entry_row(key, &entry)?, Match::Any));
            // Several entries may be about one message, whose row stands in the transaction once.
            if !states.contains_key(&target)
                && let Some(mut state) = find_state(&self.table, key, target).await?
            {
                log_rules::redact_state(&mut state, user, now);
                states.insert(target, state);
            }
        }
        for state in states.values() {
            writes.push(Write::Replace(state_row(key, state)?, Match::Any));
        }
        Ok(writes)
    }
}
