//! Links to files, made anew whenever a message is read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::files;
use super::{Ports, Refused};
use crate::model::{AttachmentId, Change, ConversationId, Entry, Marker, NewMessage, Timestamp, Upload};
use crate::ports::{LOOKED_AT, Mark};

/// How long a link serves whoever was given it, or took it from who was.
pub(super) const READ_FOR: Duration = Duration::from_secs(5 * 60);
/// Links made at once.
const AT_ONCE: usize = 8;

/// Makes the links of those who may have them.
#[derive(Clone)]
pub(super) struct Links {
    ports: Ports,
}

impl Links {
    pub(super) fn new(ports: Ports) -> Self {
        Self { ports }
    }

    /// Writes the links of one conversation's messages into them. Who reads the messages may read their files: a message
    /// has a link only where the file is checked, and is its own. What fails is left out, with the id to ask again by.
    pub(super) async fn write<'a>(
        &self,
        conversation: &ConversationId,
        messages: impl Iterator<Item = &'a mut NewMessage>,
    ) {
        let mut carrying: Vec<&mut NewMessage> =
            messages.filter(|message| message.attachment_id.is_some()).collect();
        if carrying.is_empty() || self.ports.attachments.is_none() {
            return;
        }
        let ids: Vec<AttachmentId> = carrying.iter().filter_map(|m| m.attachment_id.clone()).collect();
        let uploads = match self.ports.uploads.get(&ids).await {
            Ok(uploads) => uploads,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "messages go without links to their files"
                );
                return;
            }
        };
        let uploads: BTreeMap<AttachmentId, Upload> =
            uploads.into_iter().map(|upload| (upload.id.clone(), upload)).collect();
        let own = carrying.iter().map(|message| {
            let upload = message.attachment_id.as_ref().and_then(|id| uploads.get(id));
            upload.filter(|upload| is_of(upload, conversation, message)).cloned()
        });
        let links = own.map(async |upload| self.of(upload?).await.ok().map(|(_, link)| link));
        let links: Vec<Option<String>> =
            stream::iter(links.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
        for (message, link) in carrying.iter_mut().zip(links) {
            message.attachment_url = link;
        }
    }

    /// The same for an entry, which is somebody else's: a copy, where it carries a file.
    pub(super) async fn in_entry(&self, conversation: &ConversationId, entry: &Entry) -> Option<Entry> {
        let Change::Message(message) = &entry.change else { return None };
        message.attachment_id.as_ref()?;
        let mut message = message.clone();
        self.write(conversation, std::iter::once(&mut message)).await;
        Some(Entry { change: Change::Message(message), ..entry.clone() })
    }

    /// A link to the file, which is checked, and how long it serves.
    pub(super) async fn of(&self, upload: Upload) -> Result<(Timestamp, String), Refused> {
        let upload = self.checked(upload).await?;
        let attachments = self.attachments()?;
        let until = self.after(READ_FOR);
        let link = attachments.read_link(&upload.id, &upload.name, &upload.content_type, until).await?;
        Ok((until, link))
    }

    pub(super) fn after(&self, time: Duration) -> Timestamp {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Timestamp::from_millis(self.ports.clock.now().millis().saturating_add(millis))
    }

    pub(super) fn attachments(&self) -> Result<&Arc<dyn crate::ports::Attachments>, Refused> {
        self.ports.attachments.as_ref().ok_or_else(Refused::no_attachments)
    }

    /// The file is there and is what it was said to be; else it goes, and does not count. A link for storing cannot say how
    /// much may be stored, nor what: so nothing is ever shown that was not looked at here first, and what was looked at
    /// cannot be replaced.
    pub(super) async fn checked(&self, upload: Upload) -> Result<Upload, Refused> {
        if upload.checked {
            return Ok(upload);
        }
        let attachments = self.attachments()?;
        let Some(stored) = attachments.look(&upload.id).await? else { return Err(Refused::not_uploaded()) };
        let is_whole = stored.bytes <= LOOKED_AT as u64;
        let refused = if stored.bytes > upload.bytes {
            Refused::too_large(
                "attachment_too_large",
                "bytes",
                format!("The file has more than {} bytes.", upload.bytes),
            )
        } else if !files::is_of_type(&upload.content_type, &stored.beginning, is_whole) {
            let sentence = format!("The file is not {}.", upload.content_type);
            Refused::invalid("content_mismatch", "content_type", sentence)
        } else {
            let marked = self.ports.uploads.mark(&upload.id, &Mark::Checked { bytes: stored.bytes }).await?;
            return marked.ok_or_else(Refused::attachment_not_found);
        };
        tracing::info!(
            code = refused.code,
            bytes = stored.bytes,
            "a file is removed: it is not what was asked for"
        );
        self.remove(&upload.id).await?;
        Err(refused)
    }

    /// File first: what has a row is found again.
    pub(super) async fn remove(&self, id: &AttachmentId) -> Result<(), Refused> {
        self.attachments()?.remove(id).await?;
        Ok(self.ports.uploads.remove(id).await?)
    }
}

/// A message shows no file but the one that was given to it: a foreign producer can write any id.
fn is_of(upload: &Upload, conversation: &ConversationId, message: &NewMessage) -> bool {
    let marker = Marker::new(conversation, &message.sender, &message.id);
    upload.owner == message.sender && upload.conversation == *conversation && upload.used_by == Some(marker)
}
