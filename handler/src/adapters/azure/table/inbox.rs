use std::collections::HashSet;

use async_trait::async_trait;

use super::client::{Match, Query, Table, Tables, Write, WriteError, packed};
use super::keys;
use super::row::{Row, is_plain};
use crate::model::bounds::MARKER_DAYS;
use crate::model::{ConversationId, Timestamp, UserId};
use crate::ports::{Inbox, InboxItem, InboxKey, StoreError};

/// Ended rows that one call removes, at most.
const SWEEP: usize = 100;
const WAITING: &str = "Done eq false";

/// The inboxes of a storage account: `PartitionKey` is the receiver, `RowKey` when the log stored the message (with `:` as `-`) and
/// its marker. An item that is done stays as a row without content until its marker's end.
#[derive(Clone, Debug)]
pub struct TableInbox {
    table: Table,
}

impl TableInbox {
    /// Its table has the prefix itself as name.
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        Self { table: tables.table("") }
    }

    async fn waiting(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        let query = query.and(WAITING).columns("PartitionKey,RowKey,MessageID");
        self.table.query(&query, usize::MAX).await
    }

    /// Takes the content out of the rows. Answers how many it found waiting still.
    async fn finish(&self, partition: &str, rows: &[&Row]) -> Result<usize, StoreError> {
        let done = |row: &Row| {
            let done = Row::new(partition, row.key()?)?.flag("Done", true);
            Ok::<_, StoreError>(Write::Replace(done, Match::Etag(row.etag()?.to_owned())))
        };
        let mut count = 0;
        for some in rows.chunks(super::client::TRANSACTION_ROWS) {
            let together = some.iter().map(|row| done(row)).collect::<Result<Vec<_>, _>>()?;
            let writes = together.len();
            match self.table.write(partition, together).await {
                Ok(_) => count += writes,
                Err(WriteError::Store(error)) => return Err(error),
                // Somebody else finished one of them: each by itself.
                Err(WriteError::Refused(_)) => {
                    for row in some {
                        match self.table.write_one(partition, done(row)?).await {
                            Ok(_) => count += 1,
                            Err(WriteError::Refused(_)) => {}
                            Err(WriteError::Store(error)) => return Err(error),
                        }
                    }
                }
            }
        }
        Ok(count)
    }

    /// Removes some rows whose time has come. What is left is found by a later call.
    async fn sweep(&self, partition: &str, now: Timestamp) -> Result<(), StoreError> {
        let key = InboxKey { at: now.days_before(MARKER_DAYS), ..InboxKey::FIRST }.to_text();
        let query =
            Query::partition(partition).before(&key).and("Done eq true").columns("PartitionKey,RowKey");
        let mut deletes = Vec::new();
        for row in self.table.query(&query, SWEEP).await? {
            deletes.push(Write::Delete(row.key()?.to_owned(), Match::Any));
        }
        for some in packed(deletes) {
            match self.table.write(partition, some).await {
                Ok(_) | Err(WriteError::Refused(_)) => {}
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }
}

fn row_of(partition: &str, item: &InboxItem) -> Result<Row, StoreError> {
    let sender = item.message.sender.as_str();
    let sender = if is_plain(sender) { sender.to_owned() } else { keys::escaped(sender) };
    let mut rest = item.clone();
    let mut row = Row::new(partition, &item.key().to_text())?
        .text("SenderID", &sender)
        .text("MessageID", &keys::escaped(item.message.id.as_str()))
        .text("Conversation", item.conversation.as_str())
        .number("Seq", item.seq)
        .flag("Done", false);
    if is_plain(&item.message.content) {
        row = row.text("MessageText", &std::mem::take(&mut rest.message.content));
    }
    row.json(&rest)
}

fn read_item(row: &Row) -> Result<InboxItem, StoreError> {
    let mut item: InboxItem = row.get_json()?;
    if let Some(text) = row.find_text("MessageText") {
        text.clone_into(&mut item.message.content);
    }
    Ok(item)
}

#[async_trait]
impl Inbox for TableInbox {
    async fn put(&self, receiver: &UserId, item: &InboxItem) -> Result<(), StoreError> {
        let partition = keys::escaped(receiver.as_str());
        match self.table.write_one(&partition, Write::Insert(row_of(&partition, item)?)).await {
            // It is there, done or not.
            Ok(_) | Err(WriteError::Refused(_)) => {}
            Err(WriteError::Store(error)) => return Err(error),
        }
        // Now and then, as chance has it in a hash; what goes wrong goes right another time.
        if item.key().marker.as_bytes()[0] < 4 {
            let _ = self.sweep(&partition, item.at).await;
        }
        Ok(())
    }

    async fn list(
        &self,
        receiver: &UserId,
        after: Option<InboxKey>,
        before: Option<InboxKey>,
        limit: usize,
    ) -> Result<Vec<InboxItem>, StoreError> {
        let mut query = Query::partition(&keys::escaped(receiver.as_str()));
        if let Some(after) = after {
            query = query.after(&after.to_text());
        }
        if let Some(before) = before {
            query = query.before(&before.to_text());
            // The last ones: the service reads forwards only, so first the keys of all.
            let keys = self.waiting(query.clone()).await?;
            let Some(first) = keys.get(keys.len().saturating_sub(limit)) else { return Ok(Vec::new()) };
            query = query.from(first.key()?);
        }
        self.table.query(&query.and(WAITING), limit).await?.iter().map(read_item).collect()
    }

    async fn acknowledge(&self, receiver: &UserId, ids: &[String]) -> Result<usize, StoreError> {
        let partition = keys::escaped(receiver.as_str());
        let by_key: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let by_id: HashSet<String> = ids.iter().map(|id| keys::escaped(id)).collect();
        let rows = self.waiting(Query::partition(&partition)).await?;
        let is_named = |row: &&Row| {
            row.key().is_ok_and(|key| by_key.contains(key))
                || row.find_text("MessageID").is_some_and(|id| by_id.contains(id))
        };
        self.finish(&partition, &rows.iter().filter(is_named).collect::<Vec<_>>()).await
    }

    async fn acknowledge_read(
        &self,
        receiver: &UserId,
        conversation: &ConversationId,
        up_to: u64,
    ) -> Result<usize, StoreError> {
        let partition = keys::escaped(receiver.as_str());
        // The service's numbers are signed.
        let up_to = i64::try_from(up_to).unwrap_or(i64::MAX);
        let query = Query::partition(&partition).and(&format!("Conversation eq '{conversation}'"));
        let rows = self.waiting(query.and(&format!("Seq le {up_to}L"))).await?;
        self.finish(&partition, &rows.iter().collect::<Vec<_>>()).await
    }
}
