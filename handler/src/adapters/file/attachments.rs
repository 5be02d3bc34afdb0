use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::adapters::local_links::{LocalLinks, Permit};
use crate::adapters::receiving::Receiving;
use crate::model::{AttachmentId, Timestamp};
use crate::ports::{Attachments, Content, Ids, LOOKED_AT, LinkError, LocalFiles, Served, StoreError, Stored};

const STORE: &str = "the folder of files";
/// Bytes read at once while a file is served.
const CHUNK: usize = 64 * 1024;

/// The files of a data directory: `{first two digits}/{id}`, and `coming/` for what is not whole yet.
pub struct FileAttachments {
    folder: PathBuf,
    links: LocalLinks,
    ids: std::sync::Arc<dyn Ids>,
}

impl FileAttachments {
    /// Makes the folder, and forgets what was coming when a process before this one ended.
    pub async fn open(
        folder: PathBuf,
        links: LocalLinks,
        ids: std::sync::Arc<dyn Ids>,
    ) -> Result<Self, StoreError> {
        let coming = folder.join("coming");
        match fs::remove_dir_all(&coming).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => fs::create_dir_all(&coming).await.map_err(failed)?,
        }
        Ok(Self { folder, links, ids })
    }

    fn path(&self, id: &AttachmentId) -> PathBuf {
        // The file's half: its owner's half is the same for all of theirs.
        let shard = id.as_str().get(32..34).unwrap_or_default();
        self.folder.join(shard).join(id.as_str())
    }

    /// Writes all of it beside its place first.
    async fn take(&self, beside: &Path, content: Content, limit: u64) -> Result<(), LinkError> {
        let mut file = File::create_new(beside).await.map_err(failed)?;
        let mut coming = Receiving::new(content, limit);
        while let Some(chunk) = coming.next().await? {
            file.write_all(&chunk).await.map_err(failed)?;
        }
        file.sync_all().await.map_err(failed)?;
        Ok(())
    }

    /// A link of the file system takes no place that is taken, which a renaming would.
    async fn put_in_place(&self, beside: &Path, path: &Path) -> Result<(), LinkError> {
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder).await.map_err(failed)?;
        match fs::hard_link(beside, path).await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(LinkError::Exists),
            Err(error) => return Err(failed(error).into()),
        }
        let folder = File::open(folder).await.map_err(failed)?;
        Ok(folder.sync_all().await.map_err(failed)?)
    }
}

/// A name that goes again, also when its sender goes away in the middle.
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let path = std::mem::take(&mut self.0);
            runtime.spawn_blocking(move || std::fs::remove_file(path));
        }
    }
}

fn failed(error: io::Error) -> StoreError {
    StoreError::unavailable(STORE, error)
}

/// `None` where there is no file.
fn found<T>(result: io::Result<T>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

#[async_trait]
impl Attachments for FileAttachments {
    async fn upload_link(
        &self,
        id: &AttachmentId,
        bytes: u64,
        until: Timestamp,
    ) -> Result<String, StoreError> {
        Ok(self.links.link(id, &Permit::Store { bytes }, until))
    }

    async fn look(&self, id: &AttachmentId) -> Result<Option<Stored>, StoreError> {
        let Some(file) = found(File::open(self.path(id)).await)? else { return Ok(None) };
        let bytes = file.metadata().await.map_err(failed)?.len();
        let mut beginning = Vec::new();
        file.take(LOOKED_AT as u64).read_to_end(&mut beginning).await.map_err(failed)?;
        Ok(Some(Stored { bytes, beginning }))
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
        found(fs::remove_file(self.path(id)).await)?;
        Ok(())
    }
}

#[async_trait]
impl LocalFiles for FileAttachments {
    async fn receive(&self, id: &str, query: &str, content: Content) -> Result<(), LinkError> {
        let (id, Permit::Store { bytes }) = self.links.read(id, query)? else {
            return Err(LinkError::Refused);
        };
        let path = self.path(&id);
        if found(fs::metadata(&path).await)?.is_some() {
            return Err(LinkError::Exists);
        }
        let beside = Beside(self.folder.join("coming").join(self.ids.token()));
        self.take(&beside.0, content, bytes).await?;
        self.put_in_place(&beside.0, &path).await
    }

    async fn serve(&self, id: &str, query: &str) -> Result<Served, LinkError> {
        let (id, Permit::Read { name, content_type }) = self.links.read(id, query)? else {
            return Err(LinkError::Refused);
        };
        let file = found(File::open(self.path(&id)).await)?.ok_or(LinkError::NotFound)?;
        let bytes = file.metadata().await.map_err(failed)?.len();
        let chunks = stream::try_unfold(file, async |mut file| {
            let mut chunk = vec![0; CHUNK];
            let length = file.read(&mut chunk).await?;
            chunk.truncate(length);
            Ok::<_, io::Error>((length > 0).then(|| (Bytes::from(chunk), file)))
        });
        Ok(Served { name, content_type, bytes, content: chunks.boxed() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::adapters::clock::RandomIds;
    use crate::contract::attachments::{Local, links};

    async fn open(folder: &Path) -> FileAttachments {
        FileAttachments::open(folder.join("attachments"), links(), Arc::new(RandomIds)).await.unwrap()
    }

    crate::contract_suite!(attachments, |dir| Local::new(open(dir).await));

    #[tokio::test]
    async fn what_was_coming_when_a_process_ended_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).await;
        let left = dir.path().join("attachments/coming/half");
        std::fs::write(&left, "half").unwrap();
        open(dir.path()).await;
        assert!(!left.exists());
    }
}
