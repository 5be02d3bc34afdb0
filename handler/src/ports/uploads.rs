use async_trait::async_trait;

use super::StoreError;
use crate::model::{AttachmentId, Marker, Timestamp, Upload, UserId};

/// What is known of files that were asked for, and how much of the store each user has.
///
/// # Contract
/// An `Ok` is durable and visible to every later call. Each call is atomic and may be repeated. A user's bytes are the sum
/// over their rows, exactly, however many processes write at once.
#[async_trait]
pub trait Uploads: Send + Sync {
    /// Adds the row, and has it [due](Self::due) at its time, unless the owner would have more than `quota` bytes then. A
    /// row of this id that is there stays as it is.
    async fn reserve(&self, upload: &Upload, quota: u64) -> Result<Reserved, StoreError>;

    /// The rows that are there, in the order asked; others are left out.
    async fn get(&self, ids: &[AttachmentId]) -> Result<Vec<Upload>, StoreError>;

    /// Changes the row and answers it as it is then; `None` where there is none.
    async fn mark(&self, id: &AttachmentId, mark: &Mark) -> Result<Option<Upload>, StoreError>;

    /// What waits to be looked after since before this time, oldest first, the places behind `after`, at most `limit`.
    async fn due(&self, after: Option<&Due>, before: Timestamp, limit: usize)
    -> Result<Vec<Due>, StoreError>;

    /// It waits no longer. The row stays.
    async fn settle(&self, due: &Due) -> Result<(), StoreError>;

    /// A user's rows by ascending id, those with id > `after`, at most `limit`.
    async fn of_owner(
        &self,
        owner: &UserId,
        after: Option<&AttachmentId>,
        limit: usize,
    ) -> Result<Vec<Upload>, StoreError>;

    /// Removes the row and gives its bytes back. What is not there is no mistake; what waits goes on waiting.
    async fn remove(&self, id: &AttachmentId) -> Result<(), StoreError>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    New,
    /// As it was reserved before, and became since.
    There(Upload),
    OverQuota,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The file is there and has so many bytes, which count from now on.
    Checked { bytes: u64 },
    /// A message carries it. The first one has it for ever.
    Used(Marker),
    /// It is due again, as if it had been asked for at this time.
    DueAgain(Timestamp),
}

/// A place in the list of what waits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// When it was asked for, or as [`Mark::DueAgain`] says.
    pub at: Timestamp,
    pub id: AttachmentId,
}

impl Mark {
    /// The row after it.
    #[must_use]
    pub fn apply(&self, mut upload: Upload) -> Upload {
        match self {
            Self::Checked { bytes } => (upload.checked, upload.bytes) = (true, *bytes),
            Self::Used(marker) => upload.used_by = upload.used_by.or(Some(*marker)),
            Self::DueAgain(_) => {}
        }
        upload
    }
}
