use serde::{Serialize, Serializer};

use super::{Caller, Chat, Refused};

/// Which page of a history: cursors are exclusive `seq`, at most one of them; none = the newest page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    pub after: Option<u64>,
    pub before: Option<u64>,
    /// Clamped to 500; 100 when absent.
    pub limit: Option<usize>,
}

/// Entries that were removed by retention, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    pub from: u64,
    pub to: u64,
}

/// A page. Serialises as `{"messages":[…],"gap"?,"next"?}`.
#[derive(Clone, Debug)]
pub struct History {}

impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl Chat {
    pub async fn room_history(&self, caller: &Caller, room: &str, page: PageRequest) -> Result<History, Refused> {
        todo!()
    }

    /// What the caller and `with` wrote to each other.
    pub async fn direct_history(&self, caller: &Caller, with: &str, page: PageRequest) -> Result<History, Refused> {
        todo!()
    }
}
