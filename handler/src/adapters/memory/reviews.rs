use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::{Desk, Review, Timestamp};
use crate::ports::{Reviews, StoreError};

/// The reviews of this process.
#[derive(Debug, Default)]
pub struct MemoryReviews {
    desks: Mutex<Desks>,
}

#[derive(Debug, Default)]
struct Desks {
    reviews: BTreeMap<(Desk, String), Review>,
    /// The open ones, by time and id.
    open: BTreeMap<Desk, BTreeMap<(Timestamp, String), ()>>,
}

impl MemoryReviews {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Desks> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desks {
    fn put(&mut self, review: Review) {
        let open = self.open.entry(review.desk.clone()).or_default();
        let place = (review.opened_at, review.id.clone());
        if review.is_open() {
            open.insert(place, ());
        } else {
            open.remove(&place);
        }
        self.reviews.insert((review.desk.clone(), review.id.clone()), review);
    }
}

#[async_trait]
impl Reviews for MemoryReviews {
    async fn open(&self, review: &Review) -> Result<Review, StoreError> {
        let mut desks = self.lock();
        if let Some(there) = desks.reviews.get(&(review.desk.clone(), review.id.clone())) {
            return Ok(there.clone());
        }
        desks.put(review.clone());
        Ok(review.clone())
    }

    async fn get(&self, desk: &Desk, id: &str) -> Result<Option<Review>, StoreError> {
        Ok(self.lock().reviews.get(&(desk.clone(), id.to_owned())).cloned())
    }

    async fn update(&self, review: &Review) -> Result<bool, StoreError> {
        let mut desks = self.lock();
        let there = desks.reviews.get(&(review.desk.clone(), review.id.clone()));
        let Some(there) = there.filter(|there| there.revision == review.revision) else { return Ok(false) };
        let (opened_at, revision) = (there.opened_at, review.revision + 1);
        desks.put(Review { opened_at, revision, ..review.clone() });
        Ok(true)
    }

    async fn list(
        &self,
        desk: &Desk,
        after: Option<(Timestamp, &str)>,
        limit: usize,
    ) -> Result<Vec<Review>, StoreError> {
        let desks = self.lock();
        let Some(open) = desks.open.get(desk) else { return Ok(Vec::new()) };
        let start = after.map_or(Bound::Unbounded, |(at, id)| Bound::Excluded((at, id.to_owned())));
        let page = open.range((start, Bound::Unbounded)).take(limit);
        Ok(page.filter_map(|((_, id), ())| desks.reviews.get(&(desk.clone(), id.clone())).cloned()).collect())
    }

    async fn all(&self, desk: &Desk, after: Option<&str>, limit: usize) -> Result<Vec<Review>, StoreError> {
        let start = (desk.clone(), after.unwrap_or_default().to_owned());
        let desks = self.lock();
        let of_desk = desks.reviews.range(start..).take_while(|((of, _), _)| of == desk);
        let behind = of_desk.filter(|((_, id), _)| after.is_none_or(|after| id.as_str() > after));
        Ok(behind.take(limit).map(|(_, review)| review.clone()).collect())
    }

    async fn remove(&self, desk: &Desk, id: &str) -> Result<bool, StoreError> {
        let mut desks = self.lock();
        let Some(review) = desks.reviews.remove(&(desk.clone(), id.to_owned())) else { return Ok(false) };
        if let Some(open) = desks.open.get_mut(desk) {
            open.remove(&(review.opened_at, review.id));
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(reviews, MemoryReviews::new);
}
