//! Everything the chat keeps of one person, for themself, page by page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::audit::Act;
use super::erasing::{is_content_of, names_sender};
use super::letters::ID_BYTES;
use super::{Caller, Chat, Refused};
use crate::model::{
    AttachmentId, ConversationId, Desk, Entry, Matter, Member, NewMessage, Profile, Report, Review, RoomId,
    Ruling, Sanction, Timestamp, Upload, UserId,
};
use crate::ports::{InboxItem, InboxKey, LetterKind, NewLetter};

/// Rows read at once, which bounds a page.
const PAGE: usize = 200;
/// Conversations that one page looks into.
const CONVERSATIONS: usize = 50;

/// One fact. Its kind tells which.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ExportRecord {
    Profile {
        profile: Profile,
    },
    Membership {
        room: RoomId,
        member: Member,
    },
    Sanction {
        room: RoomId,
        sanction: Sanction,
    },
    /// A message that waits for them.
    Inbox {
        item: InboxItem,
    },
    /// A file of theirs. Before a message has it nobody else can read it.
    File {
        id: AttachmentId,
        conversation: ConversationId,
        name: String,
        content_type: String,
        bytes: u64,
        at: Timestamp,
    },
    /// A message of theirs that was held, until it goes with its time; `decision` is whether it was published.
    Held {
        conversation: ConversationId,
        opened_at: Timestamp,
        message: NewMessage,
        #[serde(skip_serializing_if = "Option::is_none")]
        decision: Option<Ruling>,
    },
    /// A message that they reported.
    Report {
        conversation: ConversationId,
        seq: u64,
        at: Timestamp,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An accepted message of theirs that did not reach its log, until it goes.
    Letter {
        letter: NewLetter,
    },
    /// What they wrote into a log: messages, edits, deletions, reactions; `entry` as it is stored.
    Entry {
        conversation: ConversationId,
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<RoomId>,
        entry: Entry,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExportPage {
    pub user: UserId,
    pub records: Vec<ExportRecord>,
    /// Given back as `after` for what follows. A page may be empty while there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Where a page begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Profile,
    Memberships(Option<RoomId>),
    Inbox(Option<String>),
    Files(Option<AttachmentId>),
    /// At the desk of direct messages; those of rooms come with the conversations.
    Reviews(Option<String>),
    /// Among those of a kind.
    Letters(LetterKind, Option<String>),
    /// In the conversations behind this one, after this `seq` of the first of them.
    Conversations(Option<ConversationId>, u64),
}

impl Chat {
    /// A page of all there is of the caller, or, for admins, of somebody else. Their messages are found by looking into every
    /// conversation, so a page may take some hundred reads and hold nothing. What admins look at is on record.
    pub async fn export(
        &self,
        caller: &Caller,
        user: Option<&str>,
        after: Option<&str>,
    ) -> Result<ExportPage, Refused> {
        let user = self.whose_data(caller, user)?;
        let place = after.map_or(Ok(Place::Profile), Place::read)?;
        if user != caller.user {
            // Every page: a cursor is no secret, so a page tells nothing of those before it.
            let act = Act {
                action: "user.export",
                on: Some(user.clone()),
                target: Some(place.part().to_owned()),
                occasion: self.ports.ids.token(),
                ..Act::default()
            };
            self.note_act(caller, act).await?;
        }
        let (records, next) = match place {
            Place::Profile => {
                let found = self.ports.profiles.get(std::slice::from_ref(&user)).await?;
                let records = found.into_iter().map(|profile| ExportRecord::Profile { profile }).collect();
                (records, Some(Place::Memberships(None)))
            }
            Place::Memberships(after) => self.export_memberships(&user, after).await?,
            Place::Inbox(after) => self.export_inbox(&user, after.as_deref()).await?,
            Place::Files(after) => self.export_files(&user, after).await?,
            Place::Reviews(after) => self.export_direct_reviews(&user, after).await?,
            Place::Letters(kind, after) => self.export_letters(&user, kind, after.as_deref()).await?,
            Place::Conversations(after, seq) => self.export_entries(&user, after, seq).await?,
        };
        Ok(ExportPage { user, records, next: next.map(|place| place.to_text()) })
    }

    async fn export_memberships(
        &self,
        user: &UserId,
        after: Option<RoomId>,
    ) -> Result<(Vec<ExportRecord>, Option<Place>), Refused> {
        let rows = self.ports.members.rooms_of(user, after.as_ref(), PAGE).await?;
        let last = rows.last().filter(|_| rows.len() == PAGE).map(|(room, _)| room.clone());
        let next = last.map_or(Place::Inbox(None), |room| Place::Memberships(Some(room)));
        let records = rows.into_iter().map(|(room, member)| ExportRecord::Membership { room, member });
        Ok((records.collect(), Some(next)))
    }

    async fn export_inbox(
        &self,
        user: &UserId,
        after: Option<&str>,
    ) -> Result<(Vec<ExportRecord>, Option<Place>), Refused> {
        let after = after.map(|text| InboxKey::parse(text).ok_or_else(invalid_cursor)).transpose()?;
        let items = self.ports.inbox.list(user, after, None, PAGE).await?;
        let last = items.last().filter(|_| items.len() == PAGE).map(|item| item.key().to_text());
        let next = last.map_or(Place::Files(None), |key| Place::Inbox(Some(key)));
        Ok((items.into_iter().map(|item| ExportRecord::Inbox { item }).collect(), Some(next)))
    }

    async fn export_files(
        &self,
        user: &UserId,
        after: Option<AttachmentId>,
    ) -> Result<(Vec<ExportRecord>, Option<Place>), Refused> {
        let rows = self.ports.uploads.of_owner(user, after.as_ref(), PAGE).await?;
        let last = rows.last().filter(|_| rows.len() == PAGE).map(|row| row.id.clone());
        let next = last.map_or(Place::Reviews(None), |id| Place::Files(Some(id)));
        let record = |Upload { id, conversation, name, content_type, bytes, at, .. }| ExportRecord::File {
            id,
            conversation,
            name,
            content_type,
            bytes,
            at,
        };
        Ok((rows.into_iter().map(record).collect(), Some(next)))
    }

    async fn export_direct_reviews(
        &self,
        user: &UserId,
        mut after: Option<String>,
    ) -> Result<(Vec<ExportRecord>, Option<Place>), Refused> {
        let Some(page) = self.reviews_behind(&Desk::Direct, &mut after).await? else {
            return Ok((Vec::new(), Some(Place::Letters(LetterKind::ALL[0], None))));
        };
        let records = page.iter().flat_map(|review| records_of(user, review));
        Ok((records.collect(), Some(Place::Reviews(after))))
    }

    /// Nothing finds letters by who wrote them: a page is what is theirs among the next ones of all.
    async fn export_letters(
        &self,
        user: &UserId,
        kind: LetterKind,
        after: Option<&str>,
    ) -> Result<(Vec<ExportRecord>, Option<Place>), Refused> {
        if after.is_some_and(|after| after.len() > ID_BYTES) {
            return Err(invalid_cursor());
        }
        let letters = self.ports.letters.list(kind, after, PAGE).await?;
        let last = letters.last().filter(|_| letters.len() == PAGE).map(|letter| letter.id.clone());
        let next = match (last, kind.next()) {
            (Some(id), _) => Place::Letters(kind, Some(id)),
            (None, Some(next)) => Place::Letters(next, None),
            (None, None) => Place::Conversations(None, 0),
        };
        let letters = letters.into_iter().map(|letter| letter.letter);
        let theirs = letters.filter(|letter| names_sender(&letter.body, user));
        Ok((theirs.map(|letter| ExportRecord::Letter { letter }).collect(), Some(next)))
    }

    async fn export_reviews(&self, user: &UserId, id: &ConversationId) -> Result<Vec<ExportRecord>, Refused> {
        let Some(room) = id.room() else { return Ok(Vec::new()) };
        let (desk, mut after, mut records) = (Desk::Room(room), None, Vec::new());
        while let Some(page) = self.reviews_behind(&desk, &mut after).await? {
            records.extend(page.iter().flat_map(|review| records_of(user, review)));
        }
        Ok(records)
    }

    /// The first conversation may be gone through in part; of the others some are, until a page is full or has looked
    /// long enough.
    async fn export_entries(
        &self,
        user: &UserId,
        mut after: Option<ConversationId>,
        mut seq: u64,
    ) -> Result<(Vec<ExportRecord>, Option<Place>), Refused> {
        let ids = self.ports.log.conversations(after.as_ref(), CONVERSATIONS).await?;
        let (is_last, mut records, mut pages) = (ids.len() < CONVERSATIONS, Vec::new(), 0);
        for id in ids {
            if seq == 0 {
                records.extend(self.export_sanctions(user, &id).await?);
                records.extend(self.export_reviews(user, &id).await?);
            }
            loop {
                let page = self.ports.log.entries(&id, seq, PAGE).await?;
                let entries = page.map(|page| page.entries).unwrap_or_default();
                let last = entries.last().filter(|_| entries.len() == PAGE).map(|entry| entry.seq);
                let theirs = entries.into_iter().filter(|entry| is_content_of(user, &entry.change));
                records.extend(theirs.map(|entry| ExportRecord::Entry {
                    conversation: id.clone(),
                    room: id.room(),
                    entry,
                }));
                pages += 1;
                seq = last.unwrap_or(0);
                if last.is_none() {
                    break;
                }
                if records.len() >= PAGE || pages >= CONVERSATIONS {
                    return Ok((records, Some(Place::Conversations(after, seq))));
                }
            }
            after = Some(id);
            if records.len() >= PAGE {
                return Ok((records, Some(Place::Conversations(after, 0))));
            }
        }
        Ok((records, (!is_last).then_some(Place::Conversations(after, 0))))
    }

    async fn export_sanctions(
        &self,
        user: &UserId,
        id: &ConversationId,
    ) -> Result<Vec<ExportRecord>, Refused> {
        let Some(room) = id.room() else { return Ok(Vec::new()) };
        let rows = self.ports.sanctions.of(&room, user).await?;
        Ok(rows.into_iter().map(|sanction| ExportRecord::Sanction { room: room.clone(), sanction }).collect())
    }
}

/// What a review holds of theirs.
fn records_of(user: &UserId, review: &Review) -> Vec<ExportRecord> {
    let conversation = || review.conversation.clone();
    match &review.matter {
        Matter::Held { .. } if review.message.sender == *user => vec![ExportRecord::Held {
            conversation: conversation(),
            opened_at: review.opened_at,
            message: review.message.clone(),
            decision: review.decision.as_ref().map(|decision| decision.ruling),
        }],
        Matter::Held { .. } => Vec::new(),
        Matter::Reported { seq, reports } => {
            let theirs = reports.iter().filter(|report| report.by == *user);
            let record = |report: &Report| ExportRecord::Report {
                conversation: conversation(),
                seq: *seq,
                at: report.at,
                reason: report.reason.clone(),
            };
            theirs.map(record).collect()
        }
    }
}

impl Place {
    /// What a page that begins here holds.
    const fn part(&self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Memberships(_) => "memberships",
            Self::Inbox(_) => "inbox",
            Self::Files(_) => "files",
            Self::Reviews(_) => "reviews",
            Self::Letters(..) => "letters",
            Self::Conversations(..) => "conversations",
        }
    }

    fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(super::view::encode(self))
    }

    fn read(text: &str) -> Result<Self, Refused> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid_cursor())?;
        serde_json::from_slice(&bytes).map_err(|_| invalid_cursor())
    }
}

fn invalid_cursor() -> Refused {
    Refused::invalid("invalid_cursor", "after", "after is no cursor of an export.")
}
