use serde::{Deserialize, Serialize};

use super::{Timestamp, UserId};

/// An event of a live connection that was acted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandledEvent {
    pub connection: String,
    /// By which the service tells a connection's events apart.
    pub id: String,
    /// Whose connection it is.
    pub user: Option<UserId>,
    pub at: Timestamp,
}
