use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::model::Timestamp;
use crate::ports::{Audit, AuditOutcome, AuditPlace, AuditRecord, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Audit + ?Sized, W: Around> Audit for Wrapped<P, W> {
    async fn append(&self, record: &AuditRecord) -> Result<AuditPlace, StoreError> {
        self.call(Call::again("audit.append"), || self.inner.append(record)).await
    }

    async fn settle(&self, place: &AuditPlace, outcome: &AuditOutcome) -> Result<(), StoreError> {
        self.call(Call::again("audit.settle"), || self.inner.settle(place, outcome)).await
    }

    async fn list(&self, before: Option<&AuditPlace>, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        self.call(Call::again("audit.list"), || self.inner.list(before, limit)).await
    }

    async fn forget(&self, until: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.call(Call::once("audit.forget"), || self.inner.forget(until, limit)).await
    }
}
