use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use redb::{Database, Durability};
use tokio::sync::{mpsc, oneshot};

use super::Message;
use super::error::{NotCommitted, closed, panicked};
use super::job::Job;
use super::slot::Slot;
use crate::ports::StoreError;

/// Writes that share one transaction at most: it bounds how long the first of them waits for the others.
const GROUP: usize = 512;

type Jobs = VecDeque<Box<dyn Job>>;

/// The writer thread: everything that waits goes into one transaction, one commit pays for all of it, and meanwhile the
/// next group gathers.
pub(super) fn run(slot: &Slot, mut messages: mpsc::Receiver<Message>) {
    while let Some(first) = messages.blocking_recv() {
        let (jobs, close) = gather(first, &mut messages);
        commit_all(slot, jobs);
        if let Some(done) = close {
            messages.close();
            slot.close();
            let _ = done.send(());
            return;
        }
    }
    slot.close();
}

fn gather(first: Message, messages: &mut mpsc::Receiver<Message>) -> (Jobs, Option<oneshot::Sender<()>>) {
    let mut jobs = Jobs::new();
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Write(job) => jobs.push_back(job),
            Message::Close(done) => return (jobs, Some(done)),
        }
        next = if jobs.len() < GROUP { messages.try_recv().ok() } else { None };
    }
    (jobs, None)
}

/// Carries out every job and answers it. One that fails is taken out: those before it are run again and committed
/// without it, then those after it. So each failure costs one commit, however many there are.
fn commit_all(slot: &Slot, mut jobs: Jobs) {
    let mut later = Jobs::new();
    loop {
        let attempted = catch_unwind(AssertUnwindSafe(|| attempt(slot, &mut jobs)));
        match attempted.unwrap_or_else(|_| Err(panicked())) {
            Ok(End::Committed) => jobs.drain(..).for_each(Job::answer),
            Ok(End::Failed(at)) => {
                let mut rest = jobs.split_off(at);
                if let Some(failed) = rest.pop_front() {
                    failed.answer();
                }
                rest.append(&mut later);
                later = rest;
                continue;
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a transaction was lost");
                let reason = NotCommitted(Arc::new(error));
                jobs.drain(..).for_each(|job| job.fail(reason.clone()));
                reopen(slot);
            }
        }
        if later.is_empty() {
            return;
        }
        mem::swap(&mut jobs, &mut later);
    }
}

/// After an I/O error redb refuses everything until it was closed and opened. Where opening fails, the next write tries
/// again.
fn reopen(slot: &Slot) {
    slot.close();
    if let Err(error) = slot.ensure_open() {
        tracing::error!(error = &error as &dyn std::error::Error, "the database cannot be opened again");
    }
}

enum End {
    Committed,
    /// The job at this place failed; nothing was committed.
    Failed(usize),
}

fn attempt(slot: &Slot, jobs: &mut Jobs) -> Result<End, StoreError> {
    if jobs.is_empty() {
        return Ok(End::Committed);
    }
    slot.ensure_open()?;
    let end = slot.with(|database| transact(database, jobs)).unwrap_or_else(|| Err(closed()))?;
    if matches!(end, End::Committed) {
        slot.count_commit();
    }
    Ok(end)
}

fn transact(database: &Database, jobs: &mut Jobs) -> Result<End, StoreError> {
    let mut txn = database.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    // Without it, opening after a crash reads the whole file.
    txn.set_quick_repair(true);
    for (at, job) in jobs.iter_mut().enumerate() {
        if !job.run(&txn) {
            txn.abort()?;
            return Ok(End::Failed(at));
        }
    }
    txn.commit()?;
    Ok(End::Committed)
}
