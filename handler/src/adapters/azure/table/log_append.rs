//! An append: planned from what was read, written in one transaction that fails where the log has changed since, and
//! planned anew until it goes through.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::client::{Match, Refusal, TRANSACTION_BYTES, TRANSACTION_ROWS, Write, WriteError};
use super::lanes::{APPEND_ENTRIES, Answer, Lane, Seen, Waiting, Writer};
use super::log::Shared;
use super::log_rows::{ENTRY, edit_key, entry_row, head_row, marker_row, partition, read_entry, state_row};
use super::log_view::{View, find_markers};
use super::row::Row;
use super::{STORE, keys, pause};
use crate::adapters::log_rules::{self, Plan};
use crate::model::ConversationId;
use crate::ports::{LogError, NewEntry, Outcome, StoreError, reasons};

/// What became of a try to write some entries at once.
enum Part {
    Written(Vec<Outcome>),
    /// They need more rows or bytes than a transaction has.
    TooLarge,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

impl Shared {
    /// Writes and answers what waits, until nothing does. Whoever wants the head besides gets it between two batches.
    pub(super) async fn append_all(&self, conversation: &ConversationId, mut writer: Writer) {
        let lane = Arc::clone(&writer.lane);
        loop {
            let mut seen = lane.seen.lock().await;
            let Some(batch) = writer.next() else { return };
            self.append_batch(conversation, &lane, &mut seen, batch).await;
        }
    }

    async fn append_batch(
        &self,
        conversation: &ConversationId,
        lane: &Lane,
        seen: &mut Option<Seen>,
        batch: Vec<Waiting>,
    ) {
        if batch.len() > 1 {
            let all = batch.iter().flat_map(|waiting| waiting.entries.iter().cloned()).collect();
            match self.append_parts(conversation, lane, seen, all).await {
                Ok(mut outcomes) => {
                    for waiting in batch {
                        let rest = outcomes.split_off(waiting.entries.len().min(outcomes.len()));
                        let own = std::mem::replace(&mut outcomes, rest);
                        // Nobody may be waiting any more; the entries are in the log all the same.
                        let _ = waiting.answer.send(Ok(own));
                    }
                    return;
                }
                Err(LogError::Store(error)) => {
                    for waiting in batch {
                        let _ = waiting.answer.send(Err(copy(&error).into()));
                    }
                    return;
                }
                // Refused together; some of them may not be by themselves.
                Err(_) => {}
            }
        }
        for waiting in batch {
            let answer = self.append_parts(conversation, lane, seen, waiting.entries).await;
            let _ = waiting.answer.send(answer);
        }
    }

    /// All of them in one transaction where they fit, else in as few as it takes.
    async fn append_parts(
        &self,
        conversation: &ConversationId,
        lane: &Lane,
        seen: &mut Option<Seen>,
        entries: Vec<NewEntry>,
    ) -> Answer {
        let (mut outcomes, mut size) = (Vec::with_capacity(entries.len()), APPEND_ENTRIES);
        let mut rest = entries.as_slice();
        loop {
            let (part, behind) = rest.split_at(size.min(rest.len()));
            match self.append_part(conversation, lane, seen, part).await? {
                Part::Written(written) => outcomes.extend(written),
                Part::TooLarge => {
                    size = part.len() / 2;
                    continue;
                }
            }
            rest = behind;
            if rest.is_empty() {
                return Ok(outcomes);
            }
        }
    }

    async fn append_part(
        &self,
        conversation: &ConversationId,
        lane: &Lane,
        seen: &mut Option<Seen>,
        entries: &[NewEntry],
    ) -> Result<Part, LogError> {
        let key = partition(conversation);
        let mut retry = pause::Retry::default();
        // What was seen before may be old, and markers are taken for new until one is not: enough to try a write, which
        // would fail. A refusal needs to be sure of both.
        let mut with_markers = false;
        let mut markers = HashMap::new();
        loop {
            let is_fresh = seen.is_none();
            if is_fresh {
                *seen = self.stored_head(&key).await?;
            }
            let Some(Seen { head, etag }) = seen.clone() else { return Err(LogError::NotOpen) };
            let head = self.sent.applied(conversation, head);
            if with_markers {
                markers = find_markers(&self.table, &key, entries).await?;
            }
            let view = View::read(&self.table, &key, &head, entries, markers.clone()).await?;
            let is_sure = is_fresh && with_markers;
            let plan = match log_rules::plan(Some(head), &view, entries.to_vec()) {
                Ok(plan) if is_sure || !has_refusal(&plan) => plan,
                Err(error @ LogError::Store(_)) => return Err(error),
                Err(error) if is_sure => return Err(error),
                _ => {
                    (*seen, with_markers) = (None, true);
                    continue;
                }
            };
            if plan.entries.is_empty() {
                return Ok(Part::Written(plan.outcomes));
            }
            let writes = self.writes(&key, &plan, etag).await?;
            // One entry always fits: what it may blank is bounded.
            if entries.len() > 1 && !fits(&writes) {
                return Ok(Part::TooLarge);
            }
            match self.table.write(&key, writes).await {
                Ok(etags) => {
                    let mark = [(conversation.clone(), plan.head.sent)];
                    lane.top.fetch_max(plan.head.seq, Ordering::Relaxed);
                    *seen = etags.into_iter().next().flatten().map(|etag| Seen { head: plan.head, etag });
                    self.sent.forget(&mark);
                    return Ok(Part::Written(plan.outcomes));
                }
                Err(WriteError::Refused(refusal)) => {
                    *seen = None;
                    with_markers = refusal == Refusal::Exists;
                    self.count_conflict();
                    retry.wait().await?;
                }
                // Whether it was written is not known.
                Err(WriteError::Store(error)) => {
                    *seen = None;
                    return Err(error.into());
                }
            }
        }
    }

    /// The head first: where it has changed, nothing else is tried.
    async fn writes(&self, key: &str, plan: &Plan, etag: String) -> Result<Vec<Write>, StoreError> {
        let mut writes = vec![Write::Replace(head_row(key, &plan.head)?, Match::Etag(etag))];
        for entry in &plan.entries {
            writes.push(Write::Insert(entry_row(key, entry)?));
        }
        for (marker, position) in &plan.markers {
            writes.push(Write::Insert(marker_row(key, marker, position)?));
        }
        for state in plan.states.values() {
            writes.push(Write::Put(state_row(key, state)?));
        }
        for (target, edit) in &plan.edits {
            writes.push(Write::Put(Row::new(key, &edit_key(*target, *edit))?));
        }
        writes.extend(self.blanks(key, &plan.blanked).await?);
        Ok(writes)
    }

    /// Entries are immutable but for this.
    async fn blanks(&self, key: &str, blanked: &BTreeSet<u64>) -> Result<Vec<Write>, StoreError> {
        let mut blanks = Vec::with_capacity(blanked.len());
        for seq in blanked {
            if let Some(row) = self.table.get(key, &keys::number(ENTRY, *seq)).await? {
                let mut entry = read_entry(&row)?;
                log_rules::blank(&mut entry.change);
                blanks.push(Write::Replace(entry_row(key, &entry)?, Match::Any));
            }
        }
        Ok(blanks)
    }
}

fn fits(writes: &[Write]) -> bool {
    let bytes: usize = writes.iter().map(Write::bytes).sum();
    writes.len() <= TRANSACTION_ROWS && bytes <= TRANSACTION_BYTES
}

fn has_refusal(plan: &Plan) -> bool {
    plan.outcomes.iter().any(|outcome| matches!(outcome, Outcome::Refused(_)))
}

/// For each of those that failed together.
fn copy(error: &StoreError) -> StoreError {
    let text = Failed(reasons(error));
    match error {
        StoreError::Corrupt { .. } => StoreError::corrupt(STORE, text),
        _ => StoreError::unavailable(STORE, text).asking_for(error.retry_after()),
    }
}
