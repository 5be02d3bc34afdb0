use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::ports::{DeadLetters, Letter, LetterKind, NewLetter, Replays, StoreError};

/// The letters of this process.
#[derive(Debug, Default)]
pub struct MemoryDeadLetters {
    letters: Mutex<BTreeMap<(LetterKind, String), Letter>>,
}

impl MemoryDeadLetters {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(LetterKind, String), Letter>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl DeadLetters for MemoryDeadLetters {
    async fn put(&self, letter: &NewLetter) -> Result<(), StoreError> {
        self.lock().entry((letter.kind, letter.id())).or_insert_with(|| Letter::new(letter.clone()));
        Ok(())
    }

    async fn get(&self, kind: LetterKind, id: &str) -> Result<Option<Letter>, StoreError> {
        Ok(self.lock().get(&(kind, id.to_owned())).cloned())
    }

    async fn list(
        &self,
        kind: LetterKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Letter>, StoreError> {
        let start = match after {
            Some(id) => Bound::Excluded((kind, id.to_owned())),
            None => Bound::Included((kind, String::new())),
        };
        let letters = self.lock();
        let page = letters.range((start, Bound::Unbounded)).take_while(|((other, _), _)| *other == kind);
        Ok(page.take(limit).map(|(_, letter)| letter.clone()).collect())
    }

    async fn note_replays(&self, kind: LetterKind, id: &str, replays: &Replays) -> Result<(), StoreError> {
        if let Some(letter) = self.lock().get_mut(&(kind, id.to_owned())) {
            letter.replays = replays.clone();
        }
        Ok(())
    }

    async fn remove(&self, kind: LetterKind, id: &str) -> Result<Option<Letter>, StoreError> {
        Ok(self.lock().remove(&(kind, id.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(dead_letters, MemoryDeadLetters::new);
}
