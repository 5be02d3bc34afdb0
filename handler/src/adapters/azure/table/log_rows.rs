//! The rows of one conversation: all in one partition, told apart by the first letter of the key.

use super::client::{Query, Table};
use super::keys;
use super::row::{Row, corrupt, is_plain};
use crate::model::{Change, ConversationId, Entry, Head, Marker, MessageState, Timestamp};
use crate::ports::{Position, StoreError};

/// Stands in front of the partition's key. A layout that the former code cannot read gets another one.
pub(super) const FORMAT: &str = "v1-";
pub(super) const HEAD: &str = "h";
pub(super) const ENTRY: char = 'e';
pub(super) const STATE: char = 's';
/// `x`, seq of a message, seq of an edit of it: what a deletion has to blank.
pub(super) const EDIT: char = 'x';

/// Ids of conversations are made of what a key may hold.
pub(super) fn partition(conversation: &ConversationId) -> String {
    format!("{FORMAT}{conversation}")
}

pub(super) fn conversation_in(row: &Row) -> Result<ConversationId, StoreError> {
    let partition = row.get_text("PartitionKey")?;
    let id = partition.strip_prefix(FORMAT).ok_or_else(|| corrupt("a partition of another format"))?;
    ConversationId::new(id).map_err(corrupt)
}

pub(super) fn marker_key(marker: &Marker) -> String {
    format!("m{marker}")
}

pub(super) fn edit_key(target: u64, edit: u64) -> String {
    format!("{}{}", keys::number(EDIT, target), keys::number('-', edit))
}

pub(super) fn head_row(partition: &str, head: &Head) -> Result<Row, StoreError> {
    let pins: Vec<String> = head.pins.iter().map(u64::to_string).collect();
    let row = Row::new(partition, HEAD)?
        .number("seq", head.seq)
        .number("count", head.count)
        .number("floor", head.floor)
        .number("sent", head.sent);
    Ok(row.flag("closed", head.closed).text("pins", &pins.join(",")))
}

pub(super) fn read_head(row: &Row) -> Result<Head, StoreError> {
    let pins = row.get_text("pins")?.split(',').filter(|pin| !pin.is_empty());
    Ok(Head {
        seq: row.get_number("seq")?,
        count: row.get_number("count")?,
        floor: row.get_number("floor")?,
        sent: row.get_number("sent")?,
        closed: row.get_flag("closed"),
        pins: pins.map(|pin| pin.parse().map_err(corrupt)).collect::<Result<_, _>>()?,
    })
}

/// The entry with its content in a column of its own, and columns for people to read.
pub(super) fn entry_row(partition: &str, entry: &Entry) -> Result<Row, StoreError> {
    let mut row = Row::new(partition, &keys::number(ENTRY, entry.seq))?
        .number("number", entry.number)
        .text("ts", &entry.at.to_string())
        .text("fromUser", &keys::escaped(entry.change.author().as_str()));
    if let Change::Message(message) = &entry.change {
        row = row.text("messageId", &keys::escaped(message.id.as_str()));
    }
    let mut rest = entry.clone();
    if let Some(content) = content(&mut rest.change)
        && is_plain(content)
    {
        row = row.text("text", content);
        content.clear();
    }
    row.text("type", kind(&entry.change)).json(&rest)
}

pub(super) fn read_entry(row: &Row) -> Result<Entry, StoreError> {
    let mut entry: Entry = row.get_json()?;
    if let (Some(content), Some(text)) = (content(&mut entry.change), row.find_text("text")) {
        text.clone_into(content);
    }
    Ok(entry)
}

fn content(change: &mut Change) -> Option<&mut String> {
    match change {
        Change::Message(message) => Some(&mut message.content),
        Change::Edit { content, .. } => Some(content),
        _ => None,
    }
}

const fn kind(change: &Change) -> &'static str {
    match change {
        Change::Message(_) => "message",
        Change::Edit { .. } => "edit",
        Change::Delete { .. } => "delete",
        Change::Reaction { .. } => "reaction",
        Change::Joined { .. } => "joined",
        Change::Left { .. } => "left",
        Change::RoleChanged { .. } => "role_changed",
        Change::Sanctioned { .. } => "sanctioned",
        Change::Pinned { .. } => "pinned",
        Change::RoomChanged { .. } => "room_changed",
        Change::RoomDeleted { .. } => "room_deleted",
    }
}

pub(super) fn state_row(partition: &str, state: &MessageState) -> Result<Row, StoreError> {
    let row = Row::new(partition, &keys::number(STATE, state.seq))?.number("as_of", state.as_of);
    if !is_plain(&state.message.content) {
        return row.json(state);
    }
    let mut rest = state.clone();
    let text = std::mem::take(&mut rest.message.content);
    row.text("text", &text).json(&rest)
}

pub(super) fn read_state(row: &Row) -> Result<MessageState, StoreError> {
    let mut state: MessageState = row.get_json()?;
    if let Some(text) = row.find_text("text") {
        text.clone_into(&mut state.message.content);
    }
    Ok(state)
}

pub(super) fn marker_row(partition: &str, marker: &Marker, position: &Position) -> Result<Row, StoreError> {
    Ok(Row::new(partition, &marker_key(marker))?
        .number("seq", position.seq)
        .number("number", position.number)
        .text("ts", &position.at.to_string()))
}

pub(super) fn read_marker(row: &Row) -> Result<Position, StoreError> {
    let at = Timestamp::parse(row.get_text("ts")?).ok_or_else(|| corrupt("a marker without its time"))?;
    Ok(Position { seq: row.get_number("seq")?, number: row.get_number("number")?, at })
}

/// Rows with `first` ≤ seq ≤ `last`.
pub(super) fn seqs(partition: &str, prefix: char, first: u64, last: u64) -> Query {
    Query::partition(partition).from(&keys::number(prefix, first)).up_to(&keys::number(prefix, last))
}

pub(super) async fn find_state(
    table: &Table,
    partition: &str,
    seq: u64,
) -> Result<Option<MessageState>, StoreError> {
    table.get(partition, &keys::number(STATE, seq)).await?.map(|row| read_state(&row)).transpose()
}

/// `seq` of every edit of the message.
pub(super) async fn edits_of(table: &Table, partition: &str, target: u64) -> Result<Vec<u64>, StoreError> {
    let query = Query::partition(partition).beginning(&keys::number(EDIT, target)).columns("RowKey");
    let rows = table.query(&query, usize::MAX).await?;
    rows.iter()
        .map(|row| {
            let edit = row.key()?.rsplit('-').next().unwrap_or_default();
            edit.parse().map_err(corrupt)
        })
        .collect()
}
