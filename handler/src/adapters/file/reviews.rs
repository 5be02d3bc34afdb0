use async_trait::async_trait;
use redb::{ReadTransaction, WriteTransaction};

use super::keys::Key;
use super::rows::{Table, behind, corrupt, decode, encode, get, make_tables};
use crate::adapters::engine::Engine;
use crate::model::{Desk, Review, Timestamp};
use crate::ports::{Reviews, StoreError};

/// Desk, id -> the review.
const REVIEWS: Table = Table::new("reviews.v1.reviews");
/// Desk, time of opening, id -> the key in [`REVIEWS`]. The open ones alone.
const OPEN: Table = Table::new("reviews.v1.open");

/// The reviews of a data directory.
#[derive(Clone)]
pub struct FileReviews {
    engine: Engine,
}

impl FileReviews {
    pub async fn open(engine: &Engine) -> Result<Self, StoreError> {
        make_tables(engine, &[REVIEWS, OPEN]).await?;
        Ok(Self { engine: engine.clone() })
    }
}

#[async_trait]
impl Reviews for FileReviews {
    async fn open(&self, review: &Review) -> Result<Review, StoreError> {
        let review = review.clone();
        let open = move |txn: &WriteTransaction| {
            let there = get::<Review>(&txn.open_table(REVIEWS)?, &row_key(&review.desk, &review.id))?;
            match there {
                Some(there) => Ok(there),
                None => put(txn, &review).map(|()| review.clone()),
            }
        };
        self.engine.write(open).await
    }

    async fn get(&self, desk: &Desk, id: &str) -> Result<Option<Review>, StoreError> {
        self.engine.read(|txn| get(&txn.open_table(REVIEWS)?, &row_key(desk, id)))
    }

    async fn update(&self, review: &Review) -> Result<bool, StoreError> {
        let review = review.clone();
        let update = move |txn: &WriteTransaction| {
            let there = get::<Review>(&txn.open_table(REVIEWS)?, &row_key(&review.desk, &review.id))?;
            let Some(there) = there.filter(|there| there.revision == review.revision) else {
                return Ok(false);
            };
            let (opened_at, revision) = (there.opened_at, review.revision + 1);
            put(txn, &Review { opened_at, revision, ..review.clone() }).map(|()| true)
        };
        self.engine.write(update).await
    }

    async fn list(
        &self,
        desk: &Desk,
        after: Option<(Timestamp, &str)>,
        limit: usize,
    ) -> Result<Vec<Review>, StoreError> {
        let prefix = desk_key(desk);
        let after = after.map(|(at, id)| open_key(desk, at, id));
        let list = move |txn: &ReadTransaction| {
            let (reviews, open) = (txn.open_table(REVIEWS)?, txn.open_table(OPEN)?);
            let end = prefix.end_of_prefix();
            let page = open.range::<&[u8]>(behind(&prefix, &end, after.as_ref()))?.take(limit);
            page.map(|row| {
                let key = row?.1;
                let review =
                    reviews.get(key.value())?.ok_or_else(|| corrupt("an open review without its row"))?;
                decode(review.value())
            })
            .collect()
        };
        self.engine.scan(list).await
    }

    async fn all(&self, desk: &Desk, after: Option<&str>, limit: usize) -> Result<Vec<Review>, StoreError> {
        let (prefix, after) = (desk_key(desk), after.map(|id| row_key(desk, id)));
        let scan = move |txn: &ReadTransaction| {
            let (reviews, end) = (txn.open_table(REVIEWS)?, prefix.end_of_prefix());
            let page = reviews.range::<&[u8]>(behind(&prefix, &end, after.as_ref()))?.take(limit);
            page.map(|row| decode(row?.1.value())).collect()
        };
        self.engine.scan(scan).await
    }

    async fn remove(&self, desk: &Desk, id: &str) -> Result<bool, StoreError> {
        let (desk, key) = (desk.clone(), row_key(desk, id));
        let remove = move |txn: &WriteTransaction| {
            let mut reviews = txn.open_table(REVIEWS)?;
            let Some(review) = get::<Review>(&reviews, &key)? else { return Ok(false) };
            reviews.remove(key.as_bytes())?;
            let open = open_key(&desk, review.opened_at, &review.id);
            txn.open_table(OPEN)?.remove(open.as_bytes())?;
            Ok(true)
        };
        self.engine.write(remove).await
    }
}

fn put(txn: &WriteTransaction, review: &Review) -> Result<(), StoreError> {
    let key = row_key(&review.desk, &review.id);
    txn.open_table(REVIEWS)?.insert(key.as_bytes(), encode(review)?.as_slice())?;
    let (mut open, place) = (txn.open_table(OPEN)?, open_key(&review.desk, review.opened_at, &review.id));
    if review.is_open() {
        open.insert(place.as_bytes(), key.as_bytes())?;
    } else {
        open.remove(place.as_bytes())?;
    }
    Ok(())
}

fn desk_key(desk: &Desk) -> Key {
    match desk {
        Desk::Room(room) => Key::default().then_byte(b'r').then_key(&Key::room(room)),
        Desk::Direct => Key::default().then_byte(b'd'),
    }
}

fn row_key(desk: &Desk, id: &str) -> Key {
    desk_key(desk).then_text(id)
}

fn open_key(desk: &Desk, at: Timestamp, id: &str) -> Key {
    desk_key(desk).then_number(at.millis()).then_text(id)
}

#[cfg(test)]
mod tests {
    use super::super::tests::engine_in;
    use super::*;

    crate::contract_suite!(reviews, |dir| FileReviews::open(&engine_in(dir).await).await.unwrap());
}
