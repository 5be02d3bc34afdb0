use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::ports::{DeadLetters, Letter, LetterKind, NewLetter, StoreError};

/// The letters of this process.
#[derive(Debug, Default)]
pub struct MemoryDeadLetters {
    letters: Mutex<BTreeMap<(LetterKind, String), NewLetter>>,
}

impl MemoryDeadLetters {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(LetterKind, String), NewLetter>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl DeadLetters for MemoryDeadLetters {
    async fn put(&self, letter: &NewLetter) -> Result<(), StoreError> {
        self.lock().entry((letter.kind, letter.id())).or_insert_with(|| letter.clone());
        Ok(())
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
        Ok(page
            .take(limit)
            .map(|((_, id), letter)| Letter { id: id.clone(), letter: letter.clone() })
            .collect())
    }

    async fn remove(&self, kind: LetterKind, id: &str) -> Result<Option<Letter>, StoreError> {
        let removed = self.lock().remove_entry(&(kind, id.to_owned()));
        Ok(removed.map(|((_, id), letter)| Letter { id, letter }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(dead_letters, MemoryDeadLetters::new);
}
