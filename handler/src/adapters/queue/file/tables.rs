use std::collections::BTreeMap;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};

use super::row;
use crate::ports::StoreError;

/// Waiting messages by sequence number: sends fill its end, completions empty its beginning.
const MESSAGES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("messages");
/// Deliveries of messages that were delivered more than once.
const ATTEMPTS: TableDefinition<'_, u64, u32> = TableDefinition::new("attempts");
/// Messages that cannot be read, with their bytes.
const DEAD: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("dead");
/// The sequence number to give next; never one twice, whatever was removed.
const NEXT: TableDefinition<'_, (), u64> = TableDefinition::new("next");

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Delivered(u32),
    Completed,
    /// It cannot be read.
    PutAside {
        attempt: u32,
        reason: String,
    },
}

pub(super) fn create(txn: &WriteTransaction) -> Result<(), StoreError> {
    txn.open_table(MESSAGES)?;
    txn.open_table(ATTEMPTS)?;
    txn.open_table(DEAD)?;
    txn.open_table(NEXT)?;
    Ok(())
}

/// Adds a message and answers its sequence number.
pub(super) fn append(txn: &WriteTransaction, row: &[u8]) -> Result<u64, StoreError> {
    let mut next = txn.open_table(NEXT)?;
    let sequence = next.get(())?.map_or(1, |value| value.value());
    next.insert((), sequence + 1)?;
    txn.open_table(MESSAGES)?.insert(sequence, row)?;
    Ok(sequence)
}

/// Carries out what became of messages. Doing it again changes nothing, and what is gone stays gone.
pub(super) fn apply(txn: &WriteTransaction, changes: &BTreeMap<u64, Change>) -> Result<(), StoreError> {
    let mut messages = txn.open_table(MESSAGES)?;
    let mut attempts = txn.open_table(ATTEMPTS)?;
    let mut dead = txn.open_table(DEAD)?;
    for (&sequence, change) in changes {
        if let Change::Delivered(count) = change {
            if messages.get(sequence)?.is_some() {
                attempts.insert(sequence, count)?;
            }
            continue;
        }
        attempts.remove(sequence)?;
        let row = messages.remove(sequence)?;
        if let (Change::PutAside { attempt, reason }, Some(row)) = (change, row) {
            dead.insert(sequence, row::encode_unreadable(*attempt, reason, row.value()).as_slice())?;
        }
    }
    Ok(())
}

/// The row of a message, unless it is gone.
pub(super) fn get(txn: &ReadTransaction, sequence: u64) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(txn.open_table(MESSAGES)?.get(sequence)?.map(|row| row.value().to_vec()))
}

/// Hands over every waiting message in order: sequence number, deliveries so far, row.
pub(super) fn each_message(
    txn: &ReadTransaction,
    mut act: impl FnMut(u64, u32, &[u8]),
) -> Result<(), StoreError> {
    let attempts = txn.open_table(ATTEMPTS)?;
    for message in txn.open_table(MESSAGES)?.iter()? {
        let (sequence, row) = message?;
        let sequence = sequence.value();
        let delivered = attempts.get(sequence)?.map_or(0, |count| count.value());
        act(sequence, delivered, row.value());
    }
    Ok(())
}

/// How many messages were put aside.
pub(super) fn unreadable(txn: &ReadTransaction) -> Result<u64, StoreError> {
    Ok(txn.open_table(DEAD)?.len()?)
}

/// The messages that were put aside, in order.
#[cfg(test)]
pub(super) fn all_unreadable(txn: &ReadTransaction) -> Result<Vec<Vec<u8>>, StoreError> {
    txn.open_table(DEAD)?.iter()?.map(|row| Ok(row?.1.value().to_vec())).collect()
}
