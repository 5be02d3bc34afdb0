use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::model::{AttachmentId, Timestamp};
use crate::ports::{Attachments, StoreError, Stored};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Attachments + ?Sized, W: Around> Attachments for Wrapped<P, W> {
    async fn upload_link(
        &self,
        id: &AttachmentId,
        bytes: u64,
        until: Timestamp,
    ) -> Result<String, StoreError> {
        self.call(Call::again("attachments.upload_link"), || self.inner.upload_link(id, bytes, until)).await
    }

    async fn look(&self, id: &AttachmentId) -> Result<Option<Stored>, StoreError> {
        self.call(Call::again("attachments.look"), || self.inner.look(id)).await
    }

    async fn read_link(
        &self,
        id: &AttachmentId,
        name: &str,
        content_type: &str,
        until: Timestamp,
    ) -> Result<String, StoreError> {
        let call = Call::again("attachments.read_link");
        self.call(call, || self.inner.read_link(id, name, content_type, until)).await
    }

    async fn remove(&self, id: &AttachmentId) -> Result<(), StoreError> {
        self.call(Call::again("attachments.remove"), || self.inner.remove(id)).await
    }
}
