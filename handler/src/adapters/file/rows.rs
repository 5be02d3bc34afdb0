//! What the file adapters share: tables of bytes, and values as JSON.

use std::ops::Bound;

use redb::{ReadableTable, TableDefinition, TableError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keys::Key;
use crate::adapters::engine::Engine;
use crate::ports::StoreError;

const STORE: &str = "the file store";

/// A table's definition. Its name begins with the port and the version of its keys and values.
pub(super) type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// A table open for writing.
pub(super) type Open<'txn> = redb::Table<'txn, &'static [u8], &'static [u8]>;

/// A range of keys.
pub(super) type Range<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// Makes the tables that are not there.
pub(super) async fn make_tables(engine: &Engine, tables: &'static [Table]) -> Result<(), StoreError> {
    let missing = engine.read(|txn| {
        for table in tables {
            match txn.open_table(*table) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(true),
                opened => drop(opened?),
            }
        }
        Ok(false)
    })?;
    if !missing {
        return Ok(());
    }
    let make = move |txn: &redb::WriteTransaction| {
        for table in tables {
            txn.open_table(*table)?;
        }
        Ok(())
    };
    engine.write(make).await
}

pub(super) fn corrupt(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::corrupt(STORE, why)
}

pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(corrupt)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(corrupt)
}

/// The row under the key.
pub(super) fn get<T: DeserializeOwned>(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &Key,
) -> Result<Option<T>, StoreError> {
    table.get(key.as_bytes())?.map(|value| decode(value.value())).transpose()
}

/// Every key that begins with the prefix and is greater than `after`.
pub(super) fn behind<'a>(prefix: &'a Key, end: &'a Key, after: Option<&'a Key>) -> Range<'a> {
    let start = after.map_or(Bound::Included(prefix.as_bytes()), |after| Bound::Excluded(after.as_bytes()));
    (start, Bound::Excluded(end.as_bytes()))
}

/// A text at the end of a key.
pub(super) fn text_behind(prefix: &Key, key: &[u8]) -> Result<String, StoreError> {
    let bytes = key.get(prefix.as_bytes().len()..).unwrap_or_default();
    String::from_utf8(bytes.to_vec()).map_err(corrupt)
}
