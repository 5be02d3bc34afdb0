//! The log's tables, and what a write transaction does in them.

use redb::{ReadableTable, WriteTransaction};

use super::keys::Key;
use super::rows::{Open, Table, corrupt, encode, get};
use crate::adapters::log_rules::{self, Plan, Rows, blank};
use crate::model::{ConversationId, Entry, Head, Marker, MessageState, Timestamp, UserId};
use crate::ports::{Position, StoreError};

/// Conversation -> its head: seq, count, floor, sent (8 bytes each), the pins (8 bytes each), closed (1 byte).
pub(super) const HEADS: Table = Table::new("log.v1.heads");
/// Conversation, `seq` -> the entry.
pub(super) const ENTRIES: Table = Table::new("log.v1.entries");
/// Conversation, `seq` of a message -> its state.
pub(super) const STATES: Table = Table::new("log.v1.states");
/// Conversation, marker -> what its entry got: seq, number, time (8 bytes each).
pub(super) const MARKERS: Table = Table::new("log.v1.markers");
/// Conversation, `seq` of a message, `seq` of an edit of it -> nothing.
pub(super) const EDITS: Table = Table::new("log.v1.edits");
/// Conversation whose floor was raised and whose rows below are not known to be removed -> nothing.
pub(super) const TRIMS: Table = Table::new("log.v1.trims");

pub(super) const TABLES: &[Table] = &[HEADS, ENTRIES, STATES, MARKERS, EDITS, TRIMS];

/// Rows of one table that a single transaction removes.
const STEP: usize = 1_000;

/// The key of an entry or a state.
pub(super) fn seq_key(conversation: &ConversationId, seq: u64) -> Key {
    Key::conversation(conversation).then_number(seq)
}

pub(super) fn read_head(
    heads: &impl ReadableTable<&'static [u8], &'static [u8]>,
    conversation: &ConversationId,
) -> Result<Option<Head>, StoreError> {
    let Some(value) = heads.get(Key::conversation(conversation).as_bytes())? else { return Ok(None) };
    let Some((closed, numbers)) = value.value().split_last() else { return Err(corrupt("an empty head")) };
    let Some((numbers, pins)) = numbers.split_at_checked(4 * 8) else { return Err(corrupt("a short head")) };
    let [seq, count, floor, sent] = numbers_in(numbers)?;
    let (pins, rest) = pins.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(corrupt("pins of odd length"));
    }
    let pins = pins.iter().map(|pin| u64::from_be_bytes(*pin)).collect();
    Ok(Some(Head { seq, count, floor, sent, closed: *closed != 0, pins }))
}

pub(super) fn write_head(
    heads: &mut Open<'_>,
    conversation: &ConversationId,
    head: &Head,
) -> Result<(), StoreError> {
    let mut value = [head.seq, head.count, head.floor, head.sent].map(u64::to_be_bytes).concat();
    value.extend(head.pins.iter().flat_map(|pin| pin.to_be_bytes()));
    value.push(u8::from(head.closed));
    heads.insert(Key::conversation(conversation).as_bytes(), value.as_slice())?;
    Ok(())
}

pub(super) fn read_marker(
    markers: &impl ReadableTable<&'static [u8], &'static [u8]>,
    conversation: &ConversationId,
    marker: &Marker,
) -> Result<Option<Position>, StoreError> {
    let key = Key::conversation(conversation).then_marker(marker);
    markers.get(key.as_bytes())?.map(|value| read_position(value.value())).transpose()
}

fn read_position(value: &[u8]) -> Result<Position, StoreError> {
    let [seq, number, at] = numbers_in(value)?;
    Ok(Position { seq, number, at: Timestamp::from_millis(at) })
}

/// When the marker of this row was made, if the row can be read.
pub(super) fn marked_at(value: &[u8]) -> Option<Timestamp> {
    read_position(value).ok().map(|position| position.at)
}

fn numbers_in<const N: usize>(bytes: &[u8]) -> Result<[u64; N], StoreError> {
    let (numbers, rest) = bytes.as_chunks::<8>();
    let numbers: [[u8; 8]; N] = numbers.try_into().map_err(corrupt)?;
    if rest.is_empty() { Ok(numbers.map(u64::from_be_bytes)) } else { Err(corrupt("numbers of odd length")) }
}

/// One conversation within a write transaction.
pub(super) struct Conversation<'txn> {
    id: ConversationId,
    txn: &'txn WriteTransaction,
    pub(super) heads: Open<'txn>,
    entries: Open<'txn>,
    states: Open<'txn>,
    pub(super) markers: Open<'txn>,
}

impl<'txn> Conversation<'txn> {
    pub(super) fn open(txn: &'txn WriteTransaction, id: &ConversationId) -> Result<Self, StoreError> {
        Ok(Self {
            id: id.clone(),
            txn,
            heads: txn.open_table(HEADS)?,
            entries: txn.open_table(ENTRIES)?,
            states: txn.open_table(STATES)?,
            markers: txn.open_table(MARKERS)?,
        })
    }

    pub(super) fn write(&mut self, plan: &Plan) -> Result<(), StoreError> {
        write_head(&mut self.heads, &self.id, &plan.head)?;
        for entry in &plan.entries {
            self.write_entry(entry)?;
        }
        for (seq, state) in &plan.states {
            self.states.insert(seq_key(&self.id, *seq).as_bytes(), encode(state)?.as_slice())?;
        }
        for (marker, Position { seq, number, at }) in &plan.markers {
            let value = [*seq, *number, at.millis()].map(u64::to_be_bytes).concat();
            let key = Key::conversation(&self.id).then_marker(marker);
            self.markers.insert(key.as_bytes(), value.as_slice())?;
        }
        if !plan.edits.is_empty() {
            let mut edits = self.txn.open_table(EDITS)?;
            for (target, edit) in &plan.edits {
                edits.insert(seq_key(&self.id, *target).then_number(*edit).as_bytes(), [].as_slice())?;
            }
        }
        for seq in &plan.blanked {
            let entry = get::<Entry>(&self.entries, &seq_key(&self.id, *seq))?;
            if let Some(mut entry) = entry {
                blank(&mut entry.change);
                self.write_entry(&entry)?;
            }
        }
        Ok(())
    }

    /// What [`crate::ports::Log::redact`] does to one entry and its state.
    pub(super) fn redact(&mut self, user: &UserId, seq: u64, now: Timestamp) -> Result<(), StoreError> {
        let Some(mut entry) = get::<Entry>(&self.entries, &seq_key(&self.id, seq))? else { return Ok(()) };
        let Some(target) = log_rules::redact_entry(&mut entry, user) else { return Ok(()) };
        self.write_entry(&entry)?;
        let key = seq_key(&self.id, target);
        if let Some(mut state) = get::<MessageState>(&self.states, &key)? {
            log_rules::redact_state(&mut state, user, now);
            self.states.insert(key.as_bytes(), encode(&state)?.as_slice())?;
        }
        Ok(())
    }

    fn write_entry(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.entries.insert(seq_key(&self.id, entry.seq).as_bytes(), encode(entry)?.as_slice())?;
        Ok(())
    }
}

impl Rows for Conversation<'_> {
    fn marker(&self, marker: &Marker) -> Result<Option<Position>, StoreError> {
        read_marker(&self.markers, &self.id, marker)
    }

    fn state(&self, seq: u64) -> Result<Option<MessageState>, StoreError> {
        get(&self.states, &seq_key(&self.id, seq))
    }

    fn edits(&self, target: u64) -> Result<Vec<u64>, StoreError> {
        let edits = self.txn.open_table(EDITS)?;
        let prefix = seq_key(&self.id, target);
        let rows = edits.range::<&[u8]>(prefix.as_bytes()..prefix.end_of_prefix().as_bytes())?;
        rows.map(|row| {
            super::keys::number_before(row?.0.value(), 0).ok_or_else(|| corrupt("a key without its number"))
        })
        .collect()
    }
}

/// Raises the floor and notes that rows have to be removed.
pub(super) fn raise_floor(
    txn: &WriteTransaction,
    conversation: &ConversationId,
    seq: u64,
) -> Result<(), StoreError> {
    let mut heads = txn.open_table(HEADS)?;
    let Some(mut head) = read_head(&heads, conversation)? else { return Ok(()) };
    if log_rules::raise_floor(&mut head, seq) {
        write_head(&mut heads, conversation, &head)?;
        txn.open_table(TRIMS)?.insert(conversation.as_str().as_bytes(), [].as_slice())?;
    }
    Ok(())
}

/// Removes some of the rows that a trim has left below its floor, of the first conversation that has any. `false` when
/// there is nothing left to do.
pub(super) fn remove_below_a_floor(txn: &WriteTransaction) -> Result<bool, StoreError> {
    let mut trims = txn.open_table(TRIMS)?;
    let Some(id) =
        trims.first()?.map(|(id, _)| String::from_utf8(id.value().to_vec())).transpose().map_err(corrupt)?
    else {
        return Ok(false);
    };
    let conversation = ConversationId::new(&id).map_err(corrupt)?;
    let floor = read_head(&txn.open_table(HEADS)?, &conversation)?.unwrap_or_default().floor;
    let (start, end) = (Key::conversation(&conversation), seq_key(&conversation, floor).end_of_prefix());
    let mut more = false;
    for table in [ENTRIES, STATES, EDITS] {
        let mut table = txn.open_table(table)?;
        let mut removed = 0;
        for row in
            table.extract_from_if::<&[u8], _>(start.as_bytes()..end.as_bytes(), |_, _| true)?.take(STEP)
        {
            row?;
            removed += 1;
        }
        more |= removed == STEP;
    }
    if !more {
        trims.remove(id.as_bytes())?;
    }
    Ok(true)
}
