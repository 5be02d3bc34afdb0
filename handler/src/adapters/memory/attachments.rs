use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::adapters::local_links::{LocalLinks, Permit};
use crate::adapters::receiving::Receiving;
use crate::model::{AttachmentId, Timestamp};
use crate::ports::{Attachments, Content, LOOKED_AT, LinkError, LocalFiles, Served, StoreError, Stored};

/// Of all files together, which the process has to hold.
const MOST_BYTES: usize = 256 * 1024 * 1024;
const STORE: &str = "the memory of files";

/// The files of this process.
#[derive(Debug)]
pub struct MemoryAttachments {
    files: Mutex<HashMap<AttachmentId, Bytes>>,
    links: LocalLinks,
}

impl MemoryAttachments {
    #[must_use]
    pub fn new(links: LocalLinks) -> Self {
        Self { files: Mutex::default(), links }
    }

    fn files(&self) -> MutexGuard<'_, HashMap<AttachmentId, Bytes>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Attachments for MemoryAttachments {
    async fn upload_link(
        &self,
        id: &AttachmentId,
        bytes: u64,
        until: Timestamp,
    ) -> Result<String, StoreError> {
        Ok(self.links.link(id, &Permit::Store { bytes }, until))
    }

    async fn look(&self, id: &AttachmentId) -> Result<Option<Stored>, StoreError> {
        let files = self.files();
        let stored = |file: &Bytes| Stored {
            bytes: file.len() as u64,
            beginning: file.iter().take(LOOKED_AT).copied().collect(),
        };
        Ok(files.get(id).map(stored))
    }

    async fn read_link(
        &self,
        id: &AttachmentId,
        name: &str,
        content_type: &str,
        until: Timestamp,
    ) -> Result<String, StoreError> {
        Ok(self.links.read_link(id, name, content_type, until))
    }

    async fn remove(&self, id: &AttachmentId) -> Result<(), StoreError> {
        self.files().remove(id);
        Ok(())
    }
}

#[async_trait]
impl LocalFiles for MemoryAttachments {
    async fn receive(&self, id: &str, query: &str, content: Content) -> Result<(), LinkError> {
        let (id, Permit::Store { bytes }) = self.links.read(id, query)? else {
            return Err(LinkError::Refused);
        };
        if self.files().contains_key(&id) {
            return Err(LinkError::Exists);
        }
        let (mut coming, mut file) = (Receiving::new(content, bytes), Vec::new());
        while let Some(chunk) = coming.next().await? {
            file.extend_from_slice(&chunk);
        }
        let mut files = self.files();
        if files.values().map(Bytes::len).sum::<usize>() + file.len() > MOST_BYTES {
            return Err(StoreError::unavailable(STORE, "it is full").into());
        }
        if files.contains_key(&id) {
            return Err(LinkError::Exists);
        }
        files.insert(id, file.into());
        Ok(())
    }

    async fn serve(&self, id: &str, query: &str) -> Result<Served, LinkError> {
        let (id, Permit::Read { name, content_type }) = self.links.read(id, query)? else {
            return Err(LinkError::Refused);
        };
        let file = self.files().get(&id).cloned().ok_or(LinkError::NotFound)?;
        let bytes = file.len() as u64;
        Ok(Served { name, content_type, bytes, content: stream::iter([Ok(file)]).boxed() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::attachments::{Local, links};

    crate::contract_suite!(attachments, || Local::new(MemoryAttachments::new(links())));
}
