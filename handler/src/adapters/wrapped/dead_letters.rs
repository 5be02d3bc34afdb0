use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::ports::{DeadLetters, Letter, LetterKind, NewLetter, Replays, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: DeadLetters + ?Sized, W: Around> DeadLetters for Wrapped<P, W> {
    async fn put(&self, letter: &NewLetter) -> Result<(), StoreError> {
        self.call(Call::again("dead_letters.put"), || self.inner.put(letter)).await
    }

    async fn get(&self, kind: LetterKind, id: &str) -> Result<Option<Letter>, StoreError> {
        self.call(Call::again("dead_letters.get"), || self.inner.get(kind, id)).await
    }

    async fn list(
        &self,
        kind: LetterKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Letter>, StoreError> {
        self.call(Call::again("dead_letters.list"), || self.inner.list(kind, after, limit)).await
    }

    async fn note_replays(&self, kind: LetterKind, id: &str, replays: &Replays) -> Result<(), StoreError> {
        let call = Call::again("dead_letters.note_replays");
        self.call(call, || self.inner.note_replays(kind, id, replays)).await
    }

    async fn remove(&self, kind: LetterKind, id: &str) -> Result<Option<Letter>, StoreError> {
        self.call(Call::once("dead_letters.remove"), || self.inner.remove(kind, id)).await
    }
}
