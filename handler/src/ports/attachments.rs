use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use super::StoreError;
use crate::model::{AttachmentId, Timestamp};

/// The files themselves. Who may have which is decided before this port is asked.
///
/// # Contract
/// A signed link is for one file and one thing to do with it, and of no use from `until` on, changed in any place, or for
/// anything else. Whoever has it needs no other proof. Each call may be repeated.
#[async_trait]
pub trait Attachments: Send + Sync {
    /// Where the file may be stored with one `PUT` (header `x-ms-blob-type: BlockBlob`), once: what is stored is never
    /// replaced. At most `bytes` are asked for; where the store cannot hold to that, [`Self::look`] tells.
    async fn upload_link(
        &self,
        id: &AttachmentId,
        bytes: u64,
        until: Timestamp,
    ) -> Result<String, StoreError>;

    /// What is stored. `None` where nothing is.
    async fn look(&self, id: &AttachmentId) -> Result<Option<Stored>, StoreError>;

    /// Where the file may be read with `GET`. It is served as an attachment under this name and of this type, whatever its
    /// uploader said of it.
    async fn read_link(
        &self,
        id: &AttachmentId,
        name: &str,
        content_type: &str,
        until: Timestamp,
    ) -> Result<String, StoreError>;

    /// Nothing is stored after it. What is not there is no mistake.
    async fn remove(&self, id: &AttachmentId) -> Result<(), StoreError>;
}

/// How many bytes of a file are looked at.
pub const LOOKED_AT: usize = 8 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub bytes: u64,
    /// Its first bytes, at most [`LOOKED_AT`].
    pub beginning: Vec<u8>,
}

/// What stands behind signed links that lead to this process: stores that have no address of their own.
///
/// # Contract
/// The query of a link says all; whatever is wrong with it, the answer is [`LinkError::Refused`].
#[async_trait]
pub trait LocalFiles: Send + Sync {
    /// Stores what comes, all of it or nothing. Nothing is held in memory that grows with the file.
    async fn receive(&self, id: &str, query: &str, content: Content) -> Result<(), LinkError>;

    /// The file, for a link of [`Attachments::read_link`].
    async fn serve(&self, id: &str, query: &str) -> Result<Served, LinkError>;
}

pub type Content = BoxStream<'static, std::io::Result<Bytes>>;

pub struct Served {
    pub name: String,
    pub content_type: String,
    pub bytes: u64,
    pub content: Content,
}

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("the link is not valid, or no longer")]
    Refused,
    #[error("there is no such file")]
    NotFound,
    #[error("the file is there already")]
    Exists,
    #[error("the file has more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the content took too long")]
    Slow,
    #[error("the content ended early")]
    Broken,
    #[error(transparent)]
    Store(#[from] StoreError),
}
