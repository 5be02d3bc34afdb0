use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::model::{AttachmentId, Timestamp, Upload, UserId};
use crate::ports::{Due, Mark, Reserved, StoreError, Uploads};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Uploads + ?Sized, W: Around> Uploads for Wrapped<P, W> {
    /// Once: a repeat would say that somebody reserved it before.
    async fn reserve(&self, upload: &Upload, quota: u64) -> Result<Reserved, StoreError> {
        self.call(Call::once("uploads.reserve"), || self.inner.reserve(upload, quota)).await
    }

    async fn get(&self, ids: &[AttachmentId]) -> Result<Vec<Upload>, StoreError> {
        self.call(Call::again("uploads.get"), || self.inner.get(ids)).await
    }

    async fn mark(&self, id: &AttachmentId, mark: &Mark) -> Result<Option<Upload>, StoreError> {
        self.call(Call::again("uploads.mark"), || self.inner.mark(id, mark)).await
    }

    async fn due(
        &self,
        after: Option<&Due>,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        self.call(Call::again("uploads.due"), || self.inner.due(after, before, limit)).await
    }

    async fn settle(&self, due: &Due) -> Result<(), StoreError> {
        self.call(Call::again("uploads.settle"), || self.inner.settle(due)).await
    }

    async fn of_owner(
        &self,
        owner: &UserId,
        after: Option<&AttachmentId>,
        limit: usize,
    ) -> Result<Vec<Upload>, StoreError> {
        self.call(Call::again("uploads.of_owner"), || self.inner.of_owner(owner, after, limit)).await
    }

    async fn remove(&self, id: &AttachmentId) -> Result<(), StoreError> {
        self.call(Call::again("uploads.remove"), || self.inner.remove(id)).await
    }
}
