use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::model::{Desk, Review, Timestamp};
use crate::ports::{Reviews, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Reviews + ?Sized, W: Around> Reviews for Wrapped<P, W> {
    async fn open(&self, review: &Review) -> Result<Review, StoreError> {
        self.call(Call::again("reviews.open"), || self.inner.open(review)).await
    }

    async fn get(&self, desk: &Desk, id: &str) -> Result<Option<Review>, StoreError> {
        self.call(Call::again("reviews.get"), || self.inner.get(desk, id)).await
    }

    async fn update(&self, review: &Review) -> Result<bool, StoreError> {
        self.call(Call::once("reviews.update"), || self.inner.update(review)).await
    }

    async fn list(
        &self,
        desk: &Desk,
        after: Option<(Timestamp, &str)>,
        limit: usize,
    ) -> Result<Vec<Review>, StoreError> {
        self.call(Call::again("reviews.list"), || self.inner.list(desk, after, limit)).await
    }

    async fn all(&self, desk: &Desk, after: Option<&str>, limit: usize) -> Result<Vec<Review>, StoreError> {
        self.call(Call::again("reviews.all"), || self.inner.all(desk, after, limit)).await
    }

    async fn remove(&self, desk: &Desk, id: &str) -> Result<bool, StoreError> {
        self.call(Call::once("reviews.remove"), || self.inner.remove(desk, id)).await
    }
}
