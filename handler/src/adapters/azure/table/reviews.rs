use async_trait::async_trait;

use super::client::{Match, Query, Table, Tables, Write, WriteError};
use super::row::Row;
use super::{keys, pause};
use crate::model::{Desk, Review, Timestamp};
use crate::ports::{Reviews, StoreError};

/// The reviews of a storage account, one partition per desk: `r` and an id, and for the open ones `o`, the time of opening and the
/// id; both rows hold the review and change in one transaction.
#[derive(Clone, Debug)]
pub struct TableReviews {
    table: Table,
}

fn partition(desk: &Desk) -> String {
    match desk {
        Desk::Room(room) => format!("v1-r-{room}"),
        Desk::Direct => "v1-direct".to_owned(),
    }
}

fn row_key(id: &str) -> String {
    format!("r{}", keys::sortable(id))
}

fn open_key(at: Timestamp, id: &str) -> String {
    format!("{}.{}", keys::number('o', at.millis()), keys::sortable(id))
}

impl TableReviews {
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        Self { table: tables.table("reviews") }
    }

    async fn find(&self, desk: &Desk, id: &str) -> Result<Option<(Review, String)>, StoreError> {
        let Some(row) = self.table.get(&partition(desk), &row_key(id)).await? else { return Ok(None) };
        Ok(Some((row.get_json()?, row.etag()?.to_owned())))
    }
}

#[async_trait]
impl Reviews for TableReviews {
    async fn open(&self, review: &Review) -> Result<Review, StoreError> {
        let partition = partition(&review.desk);
        let mut retry = pause::Retry::default();
        loop {
            if let Some((there, _)) = self.find(&review.desk, &review.id).await? {
                return Ok(there);
            }
            let row = Row::new(&partition, &row_key(&review.id))?.json(review)?;
            let open = Row::new(&partition, &open_key(review.opened_at, &review.id))?.json(review)?;
            match self.table.write(&partition, vec![Write::Insert(row), Write::Put(open)]).await {
                Ok(_) => return Ok(review.clone()),
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
    }

    async fn get(&self, desk: &Desk, id: &str) -> Result<Option<Review>, StoreError> {
        Ok(self.find(desk, id).await?.map(|(review, _)| review))
    }

    async fn update(&self, review: &Review) -> Result<bool, StoreError> {
        let partition = partition(&review.desk);
        let found = self.find(&review.desk, &review.id).await?;
        let Some((there, etag)) = found.filter(|(there, _)| there.revision == review.revision) else {
            return Ok(false);
        };
        let next = Review { opened_at: there.opened_at, revision: review.revision + 1, ..review.clone() };
        let place = open_key(next.opened_at, &next.id);
        let row = Row::new(&partition, &row_key(&next.id))?.json(&next)?;
        let mut writes = vec![Write::Replace(row, Match::Etag(etag))];
        if next.is_open() {
            writes.push(Write::Put(Row::new(&partition, &place)?.json(&next)?));
        } else if there.is_open() {
            writes.push(Write::Delete(place, Match::Any));
        }
        match self.table.write(&partition, writes).await {
            Ok(_) => Ok(true),
            Err(WriteError::Refused(_)) => Ok(false),
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    async fn list(
        &self,
        desk: &Desk,
        after: Option<(Timestamp, &str)>,
        limit: usize,
    ) -> Result<Vec<Review>, StoreError> {
        let mut query = Query::partition(&partition(desk)).beginning("o");
        if let Some((at, id)) = after {
            query = query.after(&open_key(at, id));
        }
        self.table.query(&query, limit).await?.iter().map(Row::get_json).collect()
    }

    async fn all(&self, desk: &Desk, after: Option<&str>, limit: usize) -> Result<Vec<Review>, StoreError> {
        let mut query = Query::partition(&partition(desk)).beginning("r");
        if let Some(id) = after {
            query = query.after(&row_key(id));
        }
        self.table.query(&query, limit).await?.iter().map(Row::get_json).collect()
    }

    async fn remove(&self, desk: &Desk, id: &str) -> Result<bool, StoreError> {
        let partition = partition(desk);
        let mut retry = pause::Retry::default();
        loop {
            let Some((there, etag)) = self.find(desk, id).await? else { return Ok(false) };
            let mut writes = vec![Write::Delete(row_key(id), Match::Etag(etag))];
            if there.is_open() {
                writes.push(Write::Delete(open_key(there.opened_at, id), Match::Any));
            }
            match self.table.write(&partition, writes).await {
                Ok(_) => return Ok(true),
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
    }
}
