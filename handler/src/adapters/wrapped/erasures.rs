use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::model::{Erasure, UserId};
use crate::ports::{Erasures, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Erasures + ?Sized, W: Around> Erasures for Wrapped<P, W> {
    async fn put(&self, erasure: &Erasure) -> Result<(), StoreError> {
        self.call(Call::again("erasures.put"), || self.inner.put(erasure)).await
    }

    async fn get(&self, user: &UserId) -> Result<Option<Erasure>, StoreError> {
        self.call(Call::again("erasures.get"), || self.inner.get(user)).await
    }

    async fn under_way(&self, limit: usize) -> Result<Vec<Erasure>, StoreError> {
        self.call(Call::again("erasures.under_way"), || self.inner.under_way(limit)).await
    }
}
