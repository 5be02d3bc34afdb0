//! The broker's file. One thread writes; whatever waits is written in one transaction, so many sends share one fsync.

use std::path::Path;
use std::sync::mpsc;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::oneshot;

use super::message::Stored;

/// (entity, sequence number) -> message.
const MESSAGES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("messages");
/// entity -> last sequence number.
const SEQUENCES: TableDefinition<'_, &str, u64> = TableDefinition::new("sequences");
/// (entity, message id) -> when it was accepted, in milliseconds since 1970.
const SEEN: TableDefinition<'_, (&str, &str), i64> = TableDefinition::new("seen");

/// One change. Changes are written in the order in which they were given.
#[derive(Debug)]
pub(super) enum Change {
    Put { entity: String, stored: Box<Stored> },
    Remove { entity: String, sequence_number: u64 },
    Seen { entity: String, message_id: String, at_ms: i64 },
    Forget { entity: String, message_id: String },
}

/// What a file held when it was opened.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) messages: Vec<(String, Stored)>,
    pub(super) sequences: Vec<(String, u64)>,
    pub(super) seen: Vec<(String, String, i64)>,
}

struct Batch {
    changes: Vec<Change>,
    done: Option<oneshot::Sender<Result<(), String>>>,
}

/// The writer's inbox; without a file nothing is kept.
#[derive(Debug)]
pub(super) struct Journal {
    writer: Option<mpsc::Sender<Batch>>,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("changes", &self.changes.len()).finish()
    }
}

/// Resolves when the changes are on disk.
pub(super) struct Written(Option<oneshot::Receiver<Result<(), String>>>);

impl Written {
    pub(super) async fn wait(self) -> Result<(), String> {
        match self.0 {
            None => Ok(()),
            Some(done) => done.await.unwrap_or_else(|_| Err("the writer is gone".into())),
        }
    }
}

impl Journal {
    pub(super) fn in_memory() -> Self {
        Self { writer: None }
    }

    pub(super) fn open(path: &Path) -> Result<(Self, Contents), String> {
        let database = Database::create(path).map_err(|error| error.to_string())?;
        let contents = read(&database).map_err(|error| error.to_string())?;
        let (writer, inbox) = mpsc::channel();
        std::thread::Builder::new()
            .name("funchost-journal".into())
            .spawn(move || write_all(&database, &inbox))
            .map_err(|error| error.to_string())?;
        Ok((Self { writer: Some(writer) }, contents))
    }

    /// Hands changes to the writer; their order is the order of these calls.
    pub(super) fn write(&self, changes: Vec<Change>) -> Written {
        let Some(writer) = &self.writer else { return Written(None) };
        let (done, written) = oneshot::channel();
        // Where the writer is gone, `done` is dropped here and the wait answers an error.
        drop(writer.send(Batch { changes, done: Some(done) }));
        Written(Some(written))
    }
}

fn write_all(database: &Database, inbox: &mpsc::Receiver<Batch>) {
    while let Ok(first) = inbox.recv() {
        let mut batches = vec![first];
        batches.extend(inbox.try_iter());
        let result = write(database, &batches).map_err(|error| error.to_string());
        if let Err(error) = &result {
            tracing::error!(error, "the broker's file cannot be written");
        }
        for done in batches.iter_mut().filter_map(|batch| batch.done.take()) {
            // A caller that no longer waits is none of the writer's business.
            drop(done.send(result.clone()));
        }
    }
}

fn write(database: &Database, batches: &[Batch]) -> Result<(), redb::Error> {
    if batches.iter().all(|batch| batch.changes.is_empty()) {
        return Ok(());
    }
    let transaction = database.begin_write()?;
    {
        let mut messages = transaction.open_table(MESSAGES)?;
        let mut sequences = transaction.open_table(SEQUENCES)?;
        let mut seen = transaction.open_table(SEEN)?;
        for change in batches.iter().flat_map(|batch| &batch.changes) {
            match change {
                Change::Put { entity, stored } => {
                    let bytes = serde_json::to_vec(stored).unwrap_or_default();
                    messages.insert((entity.as_str(), stored.sequence_number), bytes.as_slice())?;
                    let last = sequences.get(entity.as_str())?.map_or(0, |last| last.value());
                    sequences.insert(entity.as_str(), last.max(stored.sequence_number))?;
                }
                Change::Remove { entity, sequence_number } => {
                    messages.remove((entity.as_str(), *sequence_number))?;
                }
                Change::Seen { entity, message_id, at_ms } => {
                    seen.insert((entity.as_str(), message_id.as_str()), at_ms)?;
                }
                Change::Forget { entity, message_id } => {
                    seen.remove((entity.as_str(), message_id.as_str()))?;
                }
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

fn read(database: &Database) -> Result<Contents, redb::Error> {
    // A table that was never written cannot be read: open them once for writing.
    let transaction = database.begin_write()?;
    transaction.open_table(MESSAGES)?;
    transaction.open_table(SEQUENCES)?;
    transaction.open_table(SEEN)?;
    transaction.commit()?;
    let transaction = database.begin_read()?;
    let mut contents = Contents::default();
    for row in transaction.open_table(MESSAGES)?.iter()? {
        let (key, value) = row?;
        match serde_json::from_slice(value.value()) {
            Ok(stored) => contents.messages.push((key.value().0.to_owned(), stored)),
            Err(error) => tracing::error!(%error, entity = key.value().0, "a stored message cannot be read"),
        }
    }
    for row in transaction.open_table(SEQUENCES)?.iter()? {
        let (key, value) = row?;
        contents.sequences.push((key.value().to_owned(), value.value()));
    }
    for row in transaction.open_table(SEEN)?.iter()? {
        let (key, value) = row?;
        let (entity, id) = key.value();
        contents.seen.push((entity.to_owned(), id.to_owned(), value.value()));
    }
    Ok(contents)
}
