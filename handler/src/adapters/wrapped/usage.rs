use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::model::UsageReport;
use crate::ports::{StoreError, Usage};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Usage + ?Sized, W: Around> Usage for Wrapped<P, W> {
    async fn tell(&self, report: &UsageReport) -> Result<(), StoreError> {
        self.call(Call::again("usage.tell"), || self.inner.tell(report)).await
    }

    async fn forget(&self, instance: &str) -> Result<(), StoreError> {
        self.call(Call::again("usage.forget"), || self.inner.forget(instance)).await
    }

    async fn all(&self) -> Result<Vec<UsageReport>, StoreError> {
        self.call(Call::again("usage.all"), || self.inner.all()).await
    }
}
