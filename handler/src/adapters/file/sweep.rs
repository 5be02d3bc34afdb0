use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use super::rows::Open;
use crate::model::Timestamp;
use crate::model::bounds::MARKER_DAYS;
use crate::ports::StoreError;

/// Removes what has outlived its time, a few rows with each write: it walks round and round through a table and looks
/// at more rows than are added, so what is expired never adds up. Costs no index and no pass of its own.
///
/// Where it stands is not stored: after a start it begins anew, after a write that is undone it has skipped rows that
/// the next round finds.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// The last key looked at.
    last: Mutex<Vec<u8>>,
}

impl Sweep {
    /// Looks at the next `rows` rows and removes those that are `expired`, given key and value.
    pub(super) fn step(
        &self,
        table: &mut Open<'_>,
        rows: usize,
        expired: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outlived = Vec::new();
        let mut seen = 0;
        let start = (Bound::Excluded(last.as_slice()), Bound::Unbounded);
        let mut next = Vec::new();
        for row in redb::ReadableTable::range::<&[u8]>(table, start)?.take(rows) {
            let (key, value) = row?;
            seen += 1;
            next.clear();
            next.extend_from_slice(key.value());
            if expired(key.value(), value.value()) {
                outlived.push(next.clone());
            }
        }
        // Fewer than asked for: the end, and from the start again.
        *last = if seen < rows { Vec::new() } else { next };
        for key in outlived {
            table.remove(key.as_slice())?;
        }
        Ok(())
    }
}

/// Whether a marker of that time has ended by now.
pub(super) fn has_ended(at: Timestamp, now: Timestamp) -> bool {
    at < now.days_before(MARKER_DAYS)
}
