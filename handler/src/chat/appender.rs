//! One appender per conversation and process. Whoever appends to a log and fans out does it here.
//!
//! An appender is an actor: what waits for it goes into the log as one batch, then to inboxes and groups in the order of
//! `seq`, then the head's `sent` mark follows, then those who asked are answered. It ends when it has been idle.

use std::collections::hash_map::Entry as Slot;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::backoff::asked_for;
use super::command::{Appended, Audience, Command, Failure, Verdict};
use super::fanout::{Fanout, Fresh};
use super::known::Known;
use super::{Counters, Ports};
use crate::calls::Tally;
use crate::model::{Change, ConversationId, Entry};
use crate::ports::{LogError, NewEntry, Position};

/// Entries of one append at most: with head, state row and marker they fit a transaction of 100 rows.
pub(super) const BATCH: usize = 32;
/// Content of one append at most, in bytes of UTF-8, so that a transaction keeps below 3.5 MiB. One entry always goes.
pub(super) const BATCH_BYTES: usize = 768 * 1024;
/// Askers that wait for one appender before the next one waits to be let in.
const MAILBOX: usize = 256;
/// An appender nobody has asked for this long ends.
const IDLE: Duration = Duration::from_secs(30);
/// Pauses between tries to hand over what the transport did not take, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// The same between looks for an append whose answer was lost.
const LONGEST_DOUBT_PAUSE: Duration = Duration::from_secs(5);
/// A store may finish an append this long after it was given up.
const LATE: Duration = Duration::from_secs(30);
/// Where the store does not even say how far the log is, nobody looks longer than this.
const DOUBT: Duration = Duration::from_secs(10 * 60);

struct Job {
    /// None where only what was left behind is to be sent.
    commands: Vec<Command>,
    answer: oneshot::Sender<Result<Appended, Failure>>,
    /// Of whoever asks, for the calls that are made for it here.
    tally: Option<Tally>,
}

impl Job {
    fn bytes(&self) -> usize {
        self.commands.iter().map(|command| content_bytes(&command.entry.change)).sum()
    }
}

fn content_bytes(change: &Change) -> usize {
    match change {
        Change::Message(message) => message.content.len(),
        Change::Edit { content, .. } => content.len(),
        _ => 0,
    }
}

type Mailboxes = Mutex<FxHashMap<ConversationId, mpsc::Sender<Job>>>;

/// The appenders of this process.
pub(super) struct Appenders {
    shared: Arc<Shared>,
}

struct Shared {
    ports: Ports,
    known: Arc<Known>,
    counters: Arc<Counters>,
    mailboxes: Mailboxes,
}

impl Appenders {
    pub(super) fn new(ports: Ports, known: Arc<Known>, counters: Arc<Counters>) -> Self {
        Self { shared: Arc::new(Shared { ports, known, counters, mailboxes: Mutex::default() }) }
    }

    /// Appends the commands in their order, and no other between them that came later. At most [`BATCH`] and [`BATCH_BYTES`] at once. They are
    /// appended even when the caller stops waiting.
    pub(super) async fn append(
        &self,
        audience: &Audience,
        conversation: &ConversationId,
        commands: Vec<Command>,
    ) -> Result<Appended, Failure> {
        self.ask(audience, conversation, commands).await
    }

    /// Sends what the head's mark shows as left behind. For whoever finds done what they were to do: the answer to it, and with it
    /// the fan-out, may have been lost.
    pub(super) async fn send_left_behind(
        &self,
        audience: &Audience,
        conversation: &ConversationId,
    ) -> Result<(), Failure> {
        let head = self.shared.ports.log.head(conversation).await?;
        if head.is_some_and(|head| head.sent < head.seq) {
            self.ask(audience, conversation, Vec::new()).await?;
        }
        Ok(())
    }

    async fn ask(
        &self,
        audience: &Audience,
        conversation: &ConversationId,
        commands: Vec<Command>,
    ) -> Result<Appended, Failure> {
        let (answer, answered) = oneshot::channel();
        Tally::about(conversation.as_str());
        let mut job = Job { commands, answer, tally: Tally::current() };
        loop {
            let mailbox = self.mailbox(audience, conversation);
            match mailbox.send(job).await {
                Ok(()) => break,
                // Its actor died of a panic: the next round starts another.
                Err(mpsc::error::SendError(back)) => {
                    job = back;
                    self.shared.forget(conversation, &mailbox);
                }
            }
        }
        answered.await.unwrap_or(Err(Failure::Stopped))
    }

    fn mailbox(&self, audience: &Audience, conversation: &ConversationId) -> mpsc::Sender<Job> {
        let mut mailboxes = self.shared.mailboxes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mailbox) = mailboxes.get(conversation) {
            return mailbox.clone();
        }
        let (mailbox, jobs) = mpsc::channel(MAILBOX);
        mailboxes.insert(conversation.clone(), mailbox.clone());
        let actor = Appender {
            fanout: Fanout::new(
                self.shared.ports.clone(),
                Arc::clone(&self.shared.known),
                Arc::clone(&self.shared.counters),
                conversation.clone(),
                audience.clone(),
            ),
            shared: Arc::clone(&self.shared),
            conversation: conversation.clone(),
            held_back: None,
            doubted_since: None,
            asked: Duration::ZERO,
        };
        tokio::spawn(actor.run(jobs));
        mailbox
    }

    /// Appenders that are alive.
    #[cfg(test)]
    pub(super) fn alive(&self) -> usize {
        self.shared.mailboxes.lock().unwrap().len()
    }
}

impl Shared {
    fn forget(&self, conversation: &ConversationId, mailbox: &mpsc::Sender<Job>) {
        let mut mailboxes = self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Slot::Occupied(slot) = mailboxes.entry(conversation.clone())
            && slot.get().same_channel(mailbox)
        {
            slot.remove();
        }
    }

    /// Ends an appender nobody holds and nobody waits for. The map's own sender is the last one, and no other can be made
    /// while the map is locked.
    fn retire(&self, conversation: &ConversationId, jobs: &mpsc::Receiver<Job>) -> bool {
        let mut mailboxes = self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = jobs.sender_strong_count() <= 1 && jobs.is_empty();
        if unused {
            mailboxes.remove(conversation);
        }
        unused
    }
}

struct Appender {
    shared: Arc<Shared>,
    conversation: ConversationId,
    fanout: Fanout,
    /// A job that did not fit into the last batch.
    held_back: Option<Job>,
    /// When an append failed of which nobody knows whether it took effect, or will.
    doubted_since: Option<Instant>,
    /// How long who failed last wants to be left alone.
    asked: Duration,
}

impl Appender {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut idle_at = Instant::now() + IDLE;
        let mut pause = FIRST_PAUSE;
        loop {
            let next = match self.held_back.take() {
                Some(job) => Some(job),
                None => {
                    let next_try = Instant::now() + pause.max(self.asked);
                    let until = match self.doubted_since {
                        Some(_) => next_try,
                        None if self.fanout.is_behind() => idle_at.min(next_try),
                        None => idle_at,
                    };
                    match tokio::time::timeout_at(until, jobs.recv()).await {
                        Ok(None) => return,
                        Ok(job) => job,
                        Err(_) => None,
                    }
                }
            };
            if let Some(job) = next {
                self.work(job, &mut jobs).await;
                idle_at = Instant::now() + IDLE;
                pause = FIRST_PAUSE;
            } else if self.doubted_since.is_some() {
                self.look_for_late().await;
                let longest = if self.fanout.is_behind() { LONGEST_PAUSE } else { LONGEST_DOUBT_PAUSE };
                pause = (pause * 2).min(longest);
            } else if Instant::now() >= idle_at {
                // What is still behind stays marked in the head, for the next append.
                if self.shared.retire(&self.conversation, &jobs) {
                    return;
                }
                idle_at = Instant::now() + IDLE;
            } else {
                pause = (pause * 2).min(LONGEST_PAUSE);
                let outcome = self.fanout.catch_up().await;
                self.note(&outcome);
                if outcome.is_ok() {
                    pause = FIRST_PAUSE;
                }
            }
        }
    }

    /// Sends what a lost append has put into the log after all, until none can come any more.
    async fn look_for_late(&mut self) {
        let Some(since) = self.doubted_since else { return };
        let age = since.elapsed();
        let outcome = self.send_up_to_head(&[], 0).await;
        self.note(&outcome);
        let is_settled = age >= LATE && outcome.is_ok();
        if is_settled || age >= DOUBT {
            self.doubted_since = None;
        }
    }

    /// Whoever failed is left alone for as long as they ask.
    fn note(&mut self, outcome: &Result<(), Failure>) {
        self.asked = outcome.as_ref().err().map(asked_for).unwrap_or_default();
    }

    async fn send_up_to_head(&mut self, fresh: &[Fresh], top: u64) -> Result<(), Failure> {
        let head = self.shared.ports.log.head(&self.conversation).await?;
        self.fanout.send(fresh, head.map_or(top, |head| top.max(head.seq))).await
    }

    /// Takes what waits besides, as far as one append holds it, and answers every job.
    async fn work(&mut self, first: Job, jobs: &mut mpsc::Receiver<Job>) {
        let (mut entries, mut bytes) = (first.commands.len(), first.bytes());
        let mut batch = vec![first];
        while let Ok(job) = jobs.try_recv() {
            entries += job.commands.len();
            bytes += job.bytes();
            if entries > BATCH || bytes > BATCH_BYTES {
                self.held_back = Some(job);
                break;
            }
            batch.push(job);
        }
        let (mut commands, mut askers) = (Vec::with_capacity(entries), Vec::with_capacity(batch.len()));
        for job in batch {
            askers.push(Asker { count: job.commands.len(), answer: job.answer, tally: job.tally });
            commands.extend(job.commands);
        }
        let looks_back = askers.iter().any(|asker| asker.count == 0);
        let (outcome, tally) = Tally::of(async {
            let (verdicts, fresh) = self.append(commands).await?;
            let reached = self.reach(&verdicts, &fresh, looks_back).await;
            self.note(&reached);
            Ok::<_, Failure>((verdicts, reached))
        })
        .await;
        for asker in &askers {
            asker.tell(&tally, askers.len());
        }
        self.answer(outcome, askers);
    }

    fn answer(&self, outcome: Result<(Vec<Verdict>, Result<(), Failure>), Failure>, askers: Vec<Asker>) {
        let (mut verdicts, reached) = match outcome {
            Ok(outcome) => outcome,
            Err(failure) => {
                for asker in askers {
                    let _ = asker.answer.send(Err(failure.clone()));
                }
                return;
            }
        };
        for asker in askers {
            let rest = verdicts.split_off(asker.count.min(verdicts.len()));
            let own = std::mem::replace(&mut verdicts, rest);
            let is_out = !own.contains(&Verdict::Gone) && top(&own) <= self.fanout.sent();
            let reached = if is_out { Ok(()) } else { reached.clone() };
            // Nobody may be waiting any more; the entries are in the log all the same.
            let _ = asker.answer.send(Ok(Appended { verdicts: own, reached }));
        }
    }

    /// Sends what the verdicts name, and what is before it. Where the log takes no more, a crash may have kept its end
    /// from everybody: whoever finishes a deletion tells of it first.
    async fn reach(
        &mut self,
        verdicts: &[Verdict],
        fresh: &[Fresh],
        looks_back: bool,
    ) -> Result<(), Failure> {
        let top = top(verdicts);
        if looks_back || verdicts.contains(&Verdict::Gone) {
            return self.send_up_to_head(fresh, top).await;
        }
        self.fanout.send(fresh, top).await
    }

    async fn append(&mut self, commands: Vec<Command>) -> Result<(Vec<Verdict>, Vec<Fresh>), Failure> {
        if commands.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let verdicts = self.append_to_log(&commands).await.inspect_err(|_| {
            self.doubted_since = Some(Instant::now());
        })?;
        let mut fresh = Vec::with_capacity(commands.len());
        for (command, verdict) in commands.into_iter().zip(&verdicts) {
            let Verdict::Stored { position: Position { seq, number, at }, duplicate } = *verdict else {
                continue;
            };
            let is_message = matches!(command.entry.change, Change::Message(_));
            if duplicate {
                self.shared.counters.duplicates.add(1);
                continue;
            }
            if is_message {
                self.shared.counters.messages_sent.add(1);
            }
            let entry = Entry { seq, number, at, change: command.entry.change };
            fresh.push(Fresh { entry, excluded: command.excluded });
        }
        if !fresh.is_empty() {
            // The head has gone on: what is late finds another than it was made for, and what was in time is sent before this.
            self.doubted_since = None;
        }
        Ok((verdicts, fresh))
    }

    async fn append_to_log(&self, commands: &[Command]) -> Result<Vec<Verdict>, Failure> {
        let log = &self.shared.ports.log;
        let entries = || commands.iter().map(|command| command.entry.clone()).collect::<Vec<_>>();
        let mut answer = log.append(&self.conversation, entries()).await;
        if let Err(LogError::NotOpen) = answer {
            if !self.open().await? {
                return Ok(vec![Verdict::Gone; commands.len()]);
            }
            answer = log.append(&self.conversation, entries()).await;
        }
        match answer {
            Ok(outcomes) => Ok(outcomes.into_iter().map(Verdict::from).collect()),
            Err(LogError::Store(error)) => Err(error.into()),
            // Some of them may be in the log from before; each is asked for by itself.
            Err(_) => self.append_to_closed(entries()).await,
        }
    }

    /// Opens the conversation of a pair with its first message, and that of a room whose creation did not come that far.
    /// `false` for a room that does not exist.
    async fn open(&self) -> Result<bool, Failure> {
        if let Some(room) = self.conversation.room()
            && self.shared.ports.rooms.get(&room).await?.is_none()
        {
            return Ok(false);
        }
        self.shared.ports.log.open(&self.conversation).await?;
        Ok(true)
    }

    async fn append_to_closed(&self, entries: Vec<NewEntry>) -> Result<Vec<Verdict>, Failure> {
        let mut verdicts = Vec::with_capacity(entries.len());
        for entry in entries {
            verdicts.push(match self.shared.ports.log.append(&self.conversation, vec![entry]).await {
                Ok(outcomes) => outcomes.into_iter().next().map_or(Verdict::Gone, Verdict::from),
                Err(LogError::Store(error)) => return Err(error.into()),
                Err(_) => Verdict::Gone,
            });
        }
        Ok(verdicts)
    }
}

fn top(verdicts: &[Verdict]) -> u64 {
    verdicts.iter().map(Verdict::seq).max().unwrap_or(0)
}

/// Who waits for some of a batch's commands.
struct Asker {
    count: usize,
    answer: oneshot::Sender<Result<Appended, Failure>>,
    tally: Option<Tally>,
}

impl Asker {
    /// The calls of the whole batch, and how many share them.
    fn tell(&self, batch: &Tally, shared_by: usize) {
        if let Some(tally) = &self.tally {
            tally.add(batch, shared_by);
        }
    }
}
