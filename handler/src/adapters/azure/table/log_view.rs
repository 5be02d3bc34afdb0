use std::collections::{BTreeSet, HashMap};

use futures_util::StreamExt;
use futures_util::stream;

use super::client::Table;
use super::log_rows::{edits_of, find_state, marker_key, read_marker};
use crate::adapters::log_rules::Rows;
use crate::model::{Change, Head, Marker, MessageState};
use crate::ports::{NewEntry, Position, StoreError};

/// Reads under way at once for one append.
const AT_ONCE: usize = 16;

/// What an append has to know of a conversation, read before it is planned.
#[derive(Debug, Default)]
pub(super) struct View {
    markers: HashMap<Marker, Position>,
    states: HashMap<u64, MessageState>,
    edits: HashMap<u64, Vec<u64>>,
}

impl View {
    pub(super) async fn read(
        table: &Table,
        partition: &str,
        head: &Head,
        entries: &[NewEntry],
        markers: HashMap<Marker, Position>,
    ) -> Result<Self, StoreError> {
        let mut view = Self { markers, ..Self::default() };
        let is_stored = |seq: &u64| *seq > head.floor && *seq <= head.seq;
        let targets: BTreeSet<u64> = entries.iter().filter_map(target).filter(is_stored).collect();
        let read = stream::iter(targets).map(async |seq| (seq, find_state(table, partition, seq).await));
        let mut read = std::pin::pin!(read.buffer_unordered(AT_ONCE));
        while let Some((seq, state)) = read.next().await {
            if let Some(state) = state? {
                view.states.insert(seq, state);
            }
        }
        let has_edits = |change: &Change| matches!(change, Change::Edit { .. } | Change::Delete { .. });
        let edited = entries.iter().filter(|entry| has_edits(&entry.change));
        for seq in edited.filter_map(target).filter(is_stored).collect::<BTreeSet<_>>() {
            view.edits.insert(seq, edits_of(table, partition, seq).await?);
        }
        Ok(view)
    }
}

/// Which of the entries are in the log by now. Most are new, so they are looked up only where there is doubt: the
/// transaction fails where one is not.
pub(super) async fn find_markers(
    table: &Table,
    partition: &str,
    entries: &[NewEntry],
) -> Result<HashMap<Marker, Position>, StoreError> {
    let markers: BTreeSet<Marker> = entries.iter().filter_map(|entry| entry.marker).collect();
    let read =
        stream::iter(markers).map(async |marker| (marker, table.get(partition, &marker_key(&marker)).await));
    let mut read = std::pin::pin!(read.buffer_unordered(AT_ONCE));
    let mut found = HashMap::new();
    while let Some((marker, row)) = read.next().await {
        if let Some(row) = row? {
            found.insert(marker, read_marker(&row)?);
        }
    }
    Ok(found)
}

/// The message that an entry is about.
const fn target(entry: &NewEntry) -> Option<u64> {
    match entry.change {
        Change::Edit { target, .. }
        | Change::Delete { target, .. }
        | Change::Reaction { target, .. }
        | Change::Pinned { target, .. } => Some(target),
        _ => None,
    }
}

impl Rows for View {
    fn marker(&self, marker: &Marker) -> Result<Option<Position>, StoreError> {
        Ok(self.markers.get(marker).copied())
    }

    fn state(&self, seq: u64) -> Result<Option<MessageState>, StoreError> {
        Ok(self.states.get(&seq).cloned())
    }

    fn edits(&self, target: u64) -> Result<Vec<u64>, StoreError> {
        Ok(self.edits.get(&target).cloned().unwrap_or_default())
    }
}
