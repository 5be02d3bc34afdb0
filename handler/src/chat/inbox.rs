use serde::{Serialize, Serializer};

use super::{Caller, Chat, Refused};

/// Serialises as `{"messages":[…],"next"?}`; each message carries `inbox_id`.
#[derive(Clone, Debug)]
pub struct InboxPage {}

impl Serialize for InboxPage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl Chat {
    /// The caller's direct messages that are not acknowledged, oldest first. Cursors are opaque (`next`, `inbox_id`), at
    /// most one of them.
    pub async fn inbox(
        &self,
        caller: &Caller,
        after: Option<&str>,
        before: Option<&str>,
        limit: Option<usize>,
    ) -> Result<InboxPage, Refused> {
        todo!()
    }

    /// Marks items as done by their message `id` or `inbox_id`; at most 1,000 ids. Answers how many changed.
    pub async fn acknowledge(&self, caller: &Caller, ids: &[String]) -> Result<usize, Refused> {
        todo!()
    }

    /// Marks as done what `with` wrote up to this `seq`.
    pub async fn acknowledge_read(&self, caller: &Caller, with: &str, up_to: u64) -> Result<usize, Refused> {
        todo!()
    }
}
