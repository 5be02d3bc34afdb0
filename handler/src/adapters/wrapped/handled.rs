use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::model::{HandledEvent, Timestamp};
use crate::ports::{Handled, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Handled + ?Sized, W: Around> Handled for Wrapped<P, W> {
    async fn note(&self, event: &HandledEvent) -> Result<(), StoreError> {
        self.call(Call::again("handled.note"), || self.inner.note(event)).await
    }

    async fn find(&self, connection: &str, id: &str) -> Result<Option<HandledEvent>, StoreError> {
        self.call(Call::again("handled.find"), || self.inner.find(connection, id)).await
    }

    async fn forget(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.call(Call::once("handled.forget"), || self.inner.forget(before, limit)).await
    }
}
