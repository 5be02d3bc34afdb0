use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{ConversationId, Head};

/// Conversations whose marks are kept at most; more, and they are written to make room.
const MOST: usize = 4_096;

/// The `sent` marks that are not stored yet. A mark is written with the next append of its conversation: losing one
/// makes a message be sent again, which is harmless, and a transaction of its own for each would double the writes.
#[derive(Debug, Default)]
pub(crate) struct SentMarks {
    marks: Mutex<HashMap<ConversationId, u64>>,
}

impl SentMarks {
    /// Raises the mark. `seq` must have been clamped to a head. Answers whether there are too many.
    pub(crate) fn raise(&self, conversation: &ConversationId, seq: u64) -> bool {
        let mut marks = self.lock();
        match marks.get_mut(conversation) {
            Some(mark) => *mark = seq.max(*mark),
            None => drop(marks.insert(conversation.clone(), seq)),
        }
        marks.len() > MOST
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
