use async_trait::async_trait;

use super::Faulty;
use crate::ports::{DeadLetters, Letter, LetterKind, NewLetter, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: DeadLetters + ?Sized> DeadLetters for Faulty<P> {
    async fn put(&self, letter: &NewLetter) -> Result<(), StoreError> {
        self.call("dead_letters.put", self.inner.put(letter)).await
    }

    async fn list(
        &self,
        kind: LetterKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Letter>, StoreError> {
        self.call("dead_letters.list", self.inner.list(kind, after, limit)).await
    }

    async fn remove(&self, kind: LetterKind, id: &str) -> Result<Option<Letter>, StoreError> {
        self.call("dead_letters.remove", self.inner.remove(kind, id)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Faults;
    use super::*;
    use crate::adapters::memory::MemoryDeadLetters;

    crate::contract_suite!(dead_letters, || Faulty::new(
        Arc::new(MemoryDeadLetters::new()),
        Faults::default()
    ));
}
