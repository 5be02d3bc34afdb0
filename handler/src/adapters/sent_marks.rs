use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{ConversationId, Head};

/// Conversations whose marks are kept at most; more, and they are written to make room.
const MOST: usize = 4_096;

/// The `sent` marks that are not stored yet. A mark is written with the next append of its conversation: losing one
/// makes a message be sent again, which is harmless, and a transaction of its own for each would double the writes.
#[derive(Debug, Default)]
pub(crate) struct SentMarks {
    marks: Mutex<HashMap<ConversationId, u64>>,
    is_being_cleared: AtomicBool,
}

/// The turn to clear the marks away. Whoever raises one meanwhile has nothing to do.
#[must_use]
#[derive(Debug)]
pub(crate) struct Clearing<'a>(&'a AtomicBool);

impl Drop for Clearing<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl SentMarks {
    /// Raises the mark. `seq` must have been clamped to a head. Where there are too many, one caller at a time is answered the
    /// turn to clear them away.
    pub(crate) fn raise(&self, conversation: &ConversationId, seq: u64) -> Option<Clearing<'_>> {
        let mut marks = self.lock();
        match marks.get_mut(conversation) {
            Some(mark) => *mark = seq.max(*mark),
            None => drop(marks.insert(conversation.clone(), seq)),
        }
        let are_too_many = marks.len() > MOST;
        drop(marks);
        (are_too_many && !self.is_being_cleared.swap(true, Ordering::Acquire))
            .then(|| Clearing(&self.is_being_cleared))
    }

    /// The stored head as it is with the mark. A mark may be newer than the head that was read.
    pub(crate) fn applied(&self, conversation: &ConversationId, mut head: Head) -> Head {
        let mark = self.lock().get(conversation).copied().unwrap_or_default();
        head.sent = head.sent.max(mark.min(head.seq));
        head
    }

    pub(crate) fn all(&self) -> Vec<(ConversationId, u64)> {
        self.lock().iter().map(|(conversation, mark)| (conversation.clone(), *mark)).collect()
    }

    /// Forgets marks that were stored, but for those that were raised since.
    pub(crate) fn forget(&self, stored: &[(ConversationId, u64)]) {
        let mut marks = self.lock();
        for (conversation, mark) in stored {
            if marks.get(conversation) == Some(mark) {
                marks.remove(conversation);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConversationId, u64>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::data::conversation;

    #[test]
    fn where_there_are_too_many_one_clears_them_away() {
        let marks = SentMarks::default();
        let raise = |n: usize| marks.raise(&conversation(&n.to_string()), 1);
        assert!((0..MOST).all(|n| raise(n).is_none()));
        let clearing = raise(MOST);
        assert!(clearing.is_some());
        assert!((MOST..MOST + 100).all(|n| raise(n).is_none()), "it is under way");
        drop(clearing);
        assert!(raise(0).is_some(), "it did not come to its end");
        marks.forget(&marks.all());
        assert!(raise(0).is_none());
    }
}
