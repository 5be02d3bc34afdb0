//! The embedded hub's key, where nobody gave one.

use std::io;
use std::path::Path;

use tokio::io::AsyncWriteExt;
use webpubsub::key::{AccessKey, EmptyAccessKey};

use crate::ports::Ids;

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Empty(#[from] EmptyAccessKey),
}

/// A new key of 256 random bits.
pub fn make(ids: &dyn Ids) -> Result<AccessKey, KeyError> {
    Ok(AccessKey::new(format!("{}{}", ids.token(), ids.token()))?)
}

/// The key in `hub.key` of the folder; the first call makes it. Only the owner may read the file.
pub async fn load_or_make(data_dir: &Path, ids: &dyn Ids) -> Result<AccessKey, KeyError> {
    let path = data_dir.join("hub.key");
    match tokio::fs::read_to_string(&path).await {
        Ok(text) => Ok(AccessKey::new(text.trim())?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = make(ids)?;
            tokio::fs::create_dir_all(data_dir).await?;
            store(&path, &key).await?;
            Ok(key)
        }
        Err(error) => Err(error.into()),
    }
}

/// Beside it first, then renamed: a crash leaves the whole key or none.
async fn store(path: &Path, key: &AccessKey) -> io::Result<()> {
    let beside = path.with_extension("key.new");
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&beside).await?;
    file.write_all(key.reveal().as_bytes()).await?;
    file.sync_all().await?;
    tokio::fs::rename(&beside, path).await
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::adapters::clock::RandomIds;

    #[tokio::test]
    async fn a_key_is_made_once_and_for_the_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("not/there/yet");
        let first = load_or_make(&folder, &RandomIds).await.unwrap();
        assert_eq!(load_or_make(&folder, &RandomIds).await.unwrap(), first);
        assert_eq!(first.reveal().len(), 64);
        let mode = std::fs::metadata(folder.join("hub.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(folder.join("hub.key"), "").unwrap();
        assert!(load_or_make(&folder, &RandomIds).await.is_err());
    }
}
