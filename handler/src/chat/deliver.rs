//! From the queue to log, inbox and groups. What a message itself decides is decided first; what depends on others is
//! waited for.

use std::borrow::Borrow;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::appender::{BATCH, BATCH_BYTES};
use super::backoff::Backoff;
use super::command::{Audience, Command, Failure, Verdict};
use super::known::AT_APPEND;
use super::parking;
use super::{Chat, QueuedMessage};
use crate::calls::Tally;
use crate::model::{Change, ConversationId, Timestamp};
use crate::ports::{NewEntry, Position, Received};
use crate::trace::Trace;

/// How long a delivery waits for dependencies that fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Up to this long (at least a second), then the delivery fails and the queue delivers again.
    Until(Duration),
    Forever,
}

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// In its log, its inbox, and handed to the transport.
    Delivered { seq: u64, number: u64, duplicate: bool },
    /// Refused by the state of its conversation, kept and told to the sender.
    Rejected { code: &'static str },
    /// Parked with its reason.
    Dead { code: &'static str },
    /// None of it yet: the queue has to deliver it again.
    Waiting,
}

impl Fate {
    /// How many of a batch came to which end, as in `delivered=3 waiting=1`.
    #[must_use]
    pub fn summary(fates: &[Self]) -> String {
        let count = |is: fn(&Self) -> bool| fates.iter().filter(|fate| is(fate)).count();
        let counts = [
            ("delivered", count(|fate| matches!(fate, Self::Delivered { duplicate: false, .. }))),
            ("duplicate", count(|fate| matches!(fate, Self::Delivered { duplicate: true, .. }))),
            ("rejected", count(|fate| matches!(fate, Self::Rejected { .. }))),
            ("dead", count(|fate| matches!(fate, Self::Dead { .. }))),
            ("waiting", count(|fate| *fate == Self::Waiting)),
        ];
        let counts = counts.iter().filter(|(_, count)| *count > 0);
        counts.map(|(end, count)| format!("{end}={count}")).collect::<Vec<_>>().join(" ")
    }
}

/// At least one message is [`Fate::Waiting`].
#[derive(Debug, thiserror::Error)]
#[error("{} of {} messages could not be delivered yet", self.waiting(), .fates.len())]
pub struct NotDelivered {
    /// In the batch's order.
    pub fates: Vec<Fate>,
}

impl NotDelivered {
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.fates.iter().filter(|fate| **fate == Fate::Waiting).count()
    }
}

/// No delivery fails in less: the host delivers again within milliseconds and counts.
const SHORTEST_FAILURE: Duration = Duration::from_secs(1);
/// Deliveries after which a message may be parked for their number.
const DELIVERIES: u32 = 20;
/// Deliveries after which messages are appended one by one, so that one that cannot be does not hold up the others.
const DELIVERIES_TOGETHER: u32 = 3;
/// How long the store has to answer whether a message is in the log, when it is to be parked for its deliveries.
const LAST_WORD: Duration = Duration::from_secs(2);

/// A readable message under way.
struct Item<'a> {
    index: usize,
    received: &'a Received,
    message: QueuedMessage,
    /// When this delivery began; what it stores more than once says the same time.
    now: Timestamp,
    /// Code and sentence, once decided: a state that changes during the retries does not undo it.
    refused: Option<(&'static str, String)>,
    fate: Fate,
}

/// The first message's sender began the trace that the delivery belongs to.
fn follow_trace<R: Borrow<Received>>(batch: &[R]) {
    let of = |received: &Received| Trace::parse(received.properties.get(Trace::NAME)?);
    if let Some(trace) = batch.iter().find_map(|received| of(received.borrow())) {
        Tally::follow(trace);
    }
}

impl Chat {
    /// Brings messages of the queue to where they belong, those of a conversation in their order. The fates stand in the
    /// order of the batch. Never fails in under a second.
    pub async fn deliver<R>(&self, batch: &[R], patience: Patience) -> Result<Vec<Fate>, NotDelivered>
    where
        R: Borrow<Received> + Sync,
    {
        let started = Instant::now();
        let deadline = match patience {
            Patience::Until(budget) => Some(started + budget.max(SHORTEST_FAILURE)),
            Patience::Forever => None,
        };
        let mut fates = vec![Fate::Waiting; batch.len()];
        let mut conversations: Vec<Vec<Item<'_>>> = Vec::new();
        let mut places: FxHashMap<ConversationId, usize> = FxHashMap::default();
        let mut parked = Vec::new();
        let now = self.ports.clock.now();
        follow_trace(batch);
        for (index, received) in batch.iter().map(Borrow::borrow).enumerate() {
            match QueuedMessage::read(received, now) {
                Ok(message) => {
                    let next = conversations.len();
                    let place = *places.entry(message.conversation.clone()).or_insert(next);
                    if place == next {
                        conversations.push(Vec::new());
                    }
                    if let Some(items) = conversations.get_mut(place) {
                        items.push(Item {
                            index,
                            received,
                            message,
                            now,
                            refused: None,
                            fate: Fate::Waiting,
                        });
                    }
                }
                Err(poison) => parked
                    .push(async move { (index, self.park_poison(received, &poison, now, deadline).await) }),
            }
        }
        let parked = join_all(parked);
        let delivered =
            join_all(conversations.into_iter().map(|items| self.deliver_in_order(items, deadline)));
        let (parked, delivered) = tokio::join!(parked, delivered);
        for (index, fate) in parked.into_iter().chain(delivered.into_iter().flatten()) {
            if let Some(place) = fates.get_mut(index) {
                *place = fate;
            }
        }
        if fates.contains(&Fate::Waiting) {
            tokio::time::sleep_until(started + SHORTEST_FAILURE).await;
            return Err(NotDelivered { fates });
        }
        Ok(fates)
    }

    /// Delivers the messages of one conversation. Those behind one that has to wait, wait too.
    async fn deliver_in_order(
        &self,
        mut items: Vec<Item<'_>>,
        deadline: Option<Instant>,
    ) -> Vec<(usize, Fate)> {
        loop {
            let attempts = AssertUnwindSafe(self.deliver_patiently(&mut items, deadline)).catch_unwind();
            let ended = match deadline {
                Some(deadline) => tokio::time::timeout_at(deadline, attempts).await.unwrap_or(Ok(false)),
                None => attempts.await,
            };
            let has_panicked = ended.unwrap_or(true);
            if has_panicked {
                self.counters.panics.add(1);
                tracing::error!("a delivery panicked; the message stays in the queue");
            }
            // Goes on behind a message that was settled for its deliveries, unless the time is up.
            let is_settled = self.settle_after_many(&mut items, has_panicked).await;
            let has_time = deadline.is_none_or(|deadline| Instant::now() < deadline);
            if !(is_settled && has_time && items.iter().any(|item| item.fate == Fate::Waiting)) {
                return items.into_iter().map(|item| (item.index, item.fate)).collect();
            }
        }
    }

    /// Tries until everything is settled or the time is up. `true` when the appender died under it: one more try could kill
    /// it again, so that is for the next delivery.
    async fn deliver_patiently(&self, items: &mut [Item<'_>], deadline: Option<Instant>) -> bool {
        let mut backoff = Backoff::new(deadline);
        loop {
            match self.attempt(items).await {
                Ok(()) => return false,
                Err(Failure::Stopped) => return true,
                Err(failure) => {
                    self.counters.retries.add(1);
                    backoff.report(&failure);
                    if !backoff.wait().await {
                        return false;
                    }
                }
            }
        }
    }

    async fn attempt(&self, mut items: &mut [Item<'_>]) -> Result<(), Failure> {
        let together =
            if items.iter().any(|item| item.received.attempt > DELIVERIES_TOGETHER) { 1 } else { BATCH };
        while !items.is_empty() {
            let (chunk, rest) = items.split_at_mut(chunk_length(items, together));
            if chunk.iter().any(|item| item.fate == Fate::Waiting) {
                self.append_chunk(chunk).await?;
            }
            items = rest;
        }
        Ok(())
    }

    async fn append_chunk(&self, chunk: &mut [Item<'_>]) -> Result<(), Failure> {
        let mut commands = Vec::with_capacity(chunk.len());
        let mut appending = Vec::with_capacity(chunk.len());
        for item in chunk.iter_mut().filter(|item| item.fate == Fate::Waiting) {
            if item.refused.is_none() {
                item.refused = self.refusal(item).await?;
            }
            if item.refused.is_some() {
                self.reject(item).await?;
                continue;
            }
            commands.push(Command {
                entry: NewEntry {
                    marker: Some(item.message.marker),
                    at: self.ports.clock.now(),
                    change: Change::Message(item.message.message.clone()),
                    only_behind: None,
                },
                excluded: None,
            });
            appending.push(item);
        }
        self.names.sign(&mut commands).await;
        let Some(first) = appending.first().map(|item| &item.message) else { return Ok(()) };
        let audience = Audience::of(&first.target, &first.message.sender);
        let appended = self.appenders.append(&audience, &first.conversation, commands).await?;
        appended.reached?;
        for (item, verdict) in appending.into_iter().zip(appended.verdicts) {
            match verdict {
                Verdict::Stored { position: position @ Position { seq, number, .. }, duplicate } => {
                    self.take_back_refusal(item).await?;
                    let message = &item.message;
                    self.raise_own_mark(&message.conversation, &message.message.sender, position).await;
                    self.counters.delivered.add(1);
                    item.fate = Fate::Delivered { seq, number, duplicate };
                }
                Verdict::Refused(refusal) => {
                    item.refused = Some(("refused", refusal.to_string()));
                    self.reject(item).await?;
                }
                Verdict::Gone => {
                    item.refused = Some(("room_not_found", "The room is gone.".to_owned()));
                    self.reject(item).await?;
                }
            }
        }
        Ok(())
    }

    /// Why the state of its conversation forbids the message, if it does. One that is in the log already is past that: it was
    /// delivered before, and refused then or never.
    async fn refusal(&self, item: &Item<'_>) -> Result<Option<(&'static str, String)>, Failure> {
        let message = &item.message;
        let Some(room) = message.conversation.room() else { return Ok(None) };
        let checked = self.check_send(&room, &message.message.sender, AT_APPEND).await?;
        let Err(refused) = checked else { return Ok(None) };
        if self.ports.log.find(&message.conversation, &message.marker).await?.is_some() {
            return Ok(None);
        }
        Ok(Some((refused.code, refused.message.into_owned())))
    }

    async fn reject(&self, item: &mut Item<'_>) -> Result<(), Failure> {
        let Some((code, reason)) = &item.refused else { return Ok(()) };
        let letter = parking::rejected(item.received, &item.message, code, reason, item.now);
        self.ports.letters.put(&letter).await?;
        self.tell_rejected(&item.message.message, code, reason).await?;
        self.counters.rejected.add(1);
        item.fate = Fate::Rejected { code };
        Ok(())
    }

    /// A delivery before this one may have refused the message and died before it said so to the queue. What is in the log
    /// is not among the rejected.
    async fn take_back_refusal(&self, item: &Item<'_>) -> Result<(), Failure> {
        if item.received.attempt > 1 {
            let letter = parking::rejected(item.received, &item.message, "", "", item.now);
            self.ports.letters.remove(letter.kind, &letter.id()).await?;
        }
        Ok(())
    }

    /// A message that was delivered too often and is neither in the log nor anybody's fault but its own is parked. The
    /// store's answer to whether it is there is the proof that the store is not to blame. Answers whether one was settled.
    async fn settle_after_many(&self, items: &mut [Item<'_>], has_panicked: bool) -> bool {
        let Some(item) = items.iter_mut().find(|item| item.fate == Fate::Waiting) else { return false };
        if item.received.attempt <= DELIVERIES {
            return false;
        }
        let parking = AssertUnwindSafe(self.park_after_many(item, has_panicked)).catch_unwind();
        matches!(tokio::time::timeout(LAST_WORD, parking).await, Ok(Ok(Ok(true))))
    }

    async fn park_after_many(&self, item: &mut Item<'_>, has_panicked: bool) -> Result<bool, Failure> {
        let message = &item.message;
        let found = self.ports.log.find(&message.conversation, &message.marker).await?;
        if let Some(Position { seq, number, .. }) = found {
            // In the log: only the way out of it fails. The next append of the conversation sends it again.
            if has_panicked {
                item.fate = Fate::Delivered { seq, number, duplicate: true };
            }
            return Ok(has_panicked);
        }
        let letter = parking::too_many_deliveries(item.received, message, item.now);
        self.ports.letters.put(&letter).await?;
        self.counters.dead.add(1);
        item.fate = Fate::Dead { code: parking::TOO_MANY_DELIVERIES };
        Ok(true)
    }
}

/// How many of the first items one append holds: at least one.
fn chunk_length(items: &[Item<'_>], together: usize) -> usize {
    let mut bytes = 0;
    let fits = |item: &&Item<'_>| {
        bytes += item.message.message.content.len();
        bytes <= BATCH_BYTES
    };
    items.iter().take(together).take_while(fits).count().max(1)
}
