//! A message as it travels on the queue, written by us or by a foreign producer, and the judgement both ways in share.

use bytes::Bytes;
use serde::Serialize;

use super::Refused;
use super::fields::{Field, Fields, Naming};
use crate::model::{
    AttachmentId, ConversationId, InvalidId, Marker, MessageId, NewMessage, RoomId, Timestamp, UserId, bounds,
};
use crate::ports::{Entity, Received};

/// Property that names the room on the topic, for subscription rules.
pub(super) const ROOM_PROPERTY: &str = "room_id";

/// The room of foreign messages that name none.
pub(super) const GENERAL: &str = "general";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Room(RoomId),
    Direct(UserId),
}

impl Target {
    #[must_use]
    pub fn conversation(&self, sender: &UserId) -> ConversationId {
        match self {
            Self::Room(room) => room.conversation(),
            Self::Direct(receiver) => ConversationId::direct(sender, receiver),
        }
    }
}

/// A message that can be appended as far as its own words tell.
#[derive(Clone, Debug, PartialEq)]
pub struct QueuedMessage {
    pub target: Target,
    pub conversation: ConversationId,
    pub marker: Marker,
    /// When it was accepted: by the body's word, else the queue's.
    pub accepted_at: Option<Timestamp>,
    /// What it says was judged when it was accepted. Of a foreign producer's it is not, unless they say so: who may write to the
    /// bus is believed.
    pub moderated: bool,
    pub message: NewMessage,
}

/// Why bytes will never be a message, however often they are delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poison {
    pub code: &'static str,
    pub reason: String,
}

impl From<Refused> for Poison {
    fn from(refused: Refused) -> Self {
        Self { code: refused.code, reason: refused.message.into_owned() }
    }
}

impl QueuedMessage {
    #[must_use]
    pub fn new(target: Target, message: NewMessage, accepted_at: Option<Timestamp>) -> Self {
        let conversation = target.conversation(&message.sender);
        let marker = Marker::new(&conversation, &message.sender, &message.id);
        Self { target, conversation, marker, accepted_at, moderated: false, message }
    }

    /// The body for the queue. [`QueuedMessage::read`] reads it back, and so does whoever reads foreign producers' bodies.
    #[must_use]
    pub fn to_body(&self) -> Bytes {
        let (room, receiver) = match &self.target {
            Target::Room(room) => (Some(room), None),
            Target::Direct(receiver) => (None, Some(receiver)),
        };
        super::view::encode(&Body {
            message_id: &self.message.id,
            sender_id: &self.message.sender,
            room_id: room,
            receiver_id: receiver,
            message_text: &self.message.content,
            timestamp: self.message.sent_at,
            attachment_url: self.message.attachment_url.as_deref(),
            attachment_id: self.message.attachment_id.as_ref(),
            reply_to: self.message.reply_to,
            accepted_at: self.accepted_at,
            moderated: self.moderated,
        })
    }

    /// Reads what the queue delivered. Depends on nothing but its arguments: poison is known before any remote call.
    pub fn read(received: &Received, now: Timestamp) -> Result<Self, Poison> {
        let mut fields = Fields::read(&received.body)?;
        // Our own name, but a foreign body may hold anything under it.
        let accepted_at = fields.text(Field::AcceptedAt)?;
        let accepted_at = match &accepted_at {
            Some(text) => Some(read_time(fields.name(Field::AcceptedAt), text)?),
            None => received.enqueued_at,
        };
        let moderated = fields.flag(Field::Moderated)?.unwrap_or(false);
        let mut submission = Submission::take(&mut fields)?;
        let sender = submission.sender()?;
        if submission.room.as_deref().is_some_and(|room| room.is_empty() || room == "all") {
            submission.room = Some(GENERAL.to_owned());
        }
        if submission.room.is_none() && submission.receiver.is_none() {
            submission.room =
                Some(received.properties.get(ROOM_PROPERTY).map_or(GENERAL, String::as_str).to_owned());
        }
        let id = match submission.message_id()? {
            Some(id) => id,
            None => broker_id(received)?,
        };
        let (target, message) = submission.judge(sender, id)?;
        if accepted_at.is_some_and(|at| is_expired(at, now)) {
            return Err(Poison {
                code: "too_old",
                reason: format!("Accepted more than {} days ago.", bounds::MARKER_DAYS),
            });
        }
        Ok(Self { moderated, ..Self::new(target, message, accepted_at) })
    }
}

/// The marker of a message this old may be gone, so another copy of it could not be told from a new one.
fn is_expired(accepted_at: Timestamp, now: Timestamp) -> bool {
    accepted_at < now.days_before(bounds::MARKER_DAYS)
}

/// The broker's MessageId, else entity and sequence number; never a hash of the body, for two honest "ok" are two messages.
fn broker_id(received: &Received) -> Result<MessageId, Poison> {
    if let Some(id) = received.message_id.as_deref().and_then(|id| MessageId::new(id).ok()) {
        return Ok(id);
    }
    let entity = match received.entity {
        Entity::Queue => "queue",
        Entity::Topic => "topic",
    };
    received
        .sequence_number
        .and_then(|number| MessageId::new(&format!("{entity}-{number}")).ok())
        .ok_or_else(|| Poison { code: "missing_field", reason: "MessageID is missing.".to_owned() })
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "MessageID")]
    message_id: &'a MessageId,
    #[serde(rename = "SenderID")]
    sender_id: &'a UserId,
    #[serde(rename = "RoomID", skip_serializing_if = "Option::is_none")]
    room_id: Option<&'a RoomId>,
    #[serde(rename = "ReceiverID", skip_serializing_if = "Option::is_none")]
    receiver_id: Option<&'a UserId>,
    #[serde(rename = "MessageText")]
    message_text: &'a str,
    #[serde(rename = "Timestamp", skip_serializing_if = "Option::is_none")]
    timestamp: Option<Timestamp>,
    #[serde(rename = "AttachmentURL", skip_serializing_if = "Option::is_none")]
    attachment_url: Option<&'a str>,
    #[serde(rename = "AttachmentID", skip_serializing_if = "Option::is_none")]
    attachment_id: Option<&'a AttachmentId>,
    #[serde(rename = "ReplyTo", skip_serializing_if = "Option::is_none")]
    reply_to: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    moderated: bool,
}

/// A message as somebody wants to send it, read but not yet judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    pub sender: Option<String>,
    pub room: Option<String>,
    pub receiver: Option<String>,
    pub content: Option<String>,
    pub sent_at: Option<String>,
    pub attachment_url: Option<String>,
    /// A file of ours that was asked for before.
    pub attachment_id: Option<String>,
    pub message_id: Option<String>,
    /// `seq` of the message this one answers.
    pub reply_to: Option<u64>,
    /// How answers spell the fields.
    pub naming: Naming,
}

impl Submission {
    /// Reads a JSON object. Names count without case and underscores (`SenderID` = `sender_id`), with the short forms
    /// `sender`, `receiver`/`to`, `room`, `content`/`text` and `id`; unknown ones are ignored, null is absent.
    pub fn from_json(body: &[u8]) -> Result<Self, Refused> {
        Self::take(&mut Fields::read(body)?)
    }

    pub(super) fn take(fields: &mut Fields) -> Result<Self, Refused> {
        Ok(Self {
            sender: fields.text(Field::Sender)?,
            room: fields.text(Field::Room)?,
            receiver: fields.text(Field::Receiver)?,
            content: fields.text(Field::Content)?,
            sent_at: fields.text(Field::SentAt)?,
            attachment_url: fields.text(Field::AttachmentUrl)?,
            attachment_id: fields.text(Field::AttachmentId)?,
            message_id: fields.text(Field::MessageId)?,
            reply_to: fields.number(Field::ReplyTo)?,
            naming: fields.naming,
        })
    }

    fn name(&self, field: Field) -> &'static str {
        field.name(self.naming)
    }

    fn missing(&self, field: Field) -> Refused {
        let name = self.name(field);
        Refused::invalid("missing_field", name, format!("{name} is missing."))
    }

    /// The field that names the sender, as the writer spells it.
    #[must_use]
    pub fn sender_name(&self) -> &'static str {
        self.name(Field::Sender)
    }

    fn sender(&self) -> Result<UserId, Refused> {
        let sender = self.sender.as_deref().ok_or_else(|| self.missing(Field::Sender))?;
        UserId::new(sender).map_err(|error| Refused::bad_id(self.name(Field::Sender), &error))
    }

    /// Nobody speaks for somebody else.
    pub(super) fn check_sender(&self, caller: &UserId) -> Result<(), Refused> {
        match &self.sender {
            Some(sender) if sender != caller.as_str() => Err(Refused {
                field: Some(self.name(Field::Sender)),
                ..Refused::forbidden("sender_mismatch", "The sender is not the caller.")
            }),
            _ => Ok(()),
        }
    }

    /// What is in the queue already may be to an id of before.
    pub(super) fn check_receiver(&self) -> Result<(), Refused> {
        match self.receiver.as_deref().map(UserId::given) {
            Some(Err(error @ InvalidId::Control)) => Err(Refused::bad_id(self.name(Field::Receiver), &error)),
            _ => Ok(()),
        }
    }

    pub(super) fn message_id(&self) -> Result<Option<MessageId>, Refused> {
        let Some(id) = &self.message_id else { return Ok(None) };
        MessageId::new(id).map(Some).map_err(|error| Refused::bad_id(self.name(Field::MessageId), &error))
    }

    /// Holds everything against its bounds.
    pub(super) fn judge(self, sender: UserId, id: MessageId) -> Result<(Target, NewMessage), Refused> {
        let target = self.target()?;
        let sent_at = match &self.sent_at {
            Some(text) => Some(read_time(self.name(Field::SentAt), text)?),
            None => None,
        };
        self.check_attachment()?;
        let attachment_id = self.attachment_id()?;
        self.check_reply()?;
        let content = self.check_content()?;
        let message = NewMessage {
            id,
            sender,
            sender_name: None,
            content,
            sent_at,
            attachment_url: self.attachment_url,
            attachment_id,
            reply_to: self.reply_to,
            to: match &target {
                Target::Direct(receiver) => Some(receiver.clone()),
                Target::Room(_) => None,
            },
        };
        Ok((target, message))
    }

    fn target(&self) -> Result<Target, Refused> {
        match (&self.room, &self.receiver) {
            (Some(_), Some(_)) => {
                let (room, receiver) = (self.name(Field::Room), self.name(Field::Receiver));
                Err(Refused::invalid(
                    "two_targets",
                    receiver,
                    format!("Give {room} or {receiver}, not both."),
                ))
            }
            (Some(room), None) => RoomId::new(room)
                .map(Target::Room)
                .map_err(|error| Refused::bad_id(self.name(Field::Room), &error)),
            (None, Some(receiver)) => UserId::new(receiver)
                .map(Target::Direct)
                .map_err(|error| Refused::bad_id(self.name(Field::Receiver), &error)),
            (None, None) => Err(self.missing(Field::Room)),
        }
    }

    /// A message says something, unless its attachment does.
    fn check_content(&self) -> Result<String, Refused> {
        let name = self.name(Field::Content);
        let content = match &self.content {
            Some(content) => content.clone(),
            None if self.has_attachment() => String::new(),
            None => return Err(self.missing(Field::Content)),
        };
        if !self.has_attachment() {
            not_empty(name, &content)?;
        }
        check_length(name, &content)?;
        Ok(content)
    }

    /// Numbers begin with 1. A number of no message is kept as it was given: the message may be gone by now, and of a
    /// queue's message nobody knows what will stand before it.
    fn check_reply(&self) -> Result<(), Refused> {
        if self.reply_to != Some(0) {
            return Ok(());
        }
        let name = self.name(Field::ReplyTo);
        Err(Refused::invalid("invalid_field", name, format!("{name} must be at least 1.")))
    }

    fn has_attachment(&self) -> bool {
        self.attachment_url.is_some() || self.attachment_id.is_some()
    }

    /// The name of a file that is to be stored with us, where `AttachmentURL` is one and no URL.
    pub(super) fn file_name(&self) -> Option<&str> {
        self.attachment_url.as_deref().filter(|url| self.attachment_id.is_none() && is_bare_name(url))
    }

    fn attachment_id(&self) -> Result<Option<AttachmentId>, Refused> {
        let Some(text) = &self.attachment_id else { return Ok(None) };
        let name = self.name(Field::AttachmentId);
        if self.attachment_url.is_some() {
            let url = self.name(Field::AttachmentUrl);
            return Err(Refused::invalid(
                "two_attachments",
                name,
                format!("Give {url} or {name}, not both."),
            ));
        }
        let id = AttachmentId::parse(text);
        id.map(Some)
            .ok_or_else(|| Refused::invalid("invalid_id", name, format!("{name} is no id of a file.")))
    }

    /// A link with a signature is a key that others would be given.
    pub(super) fn refuse_signed_url(&self) -> Result<(), Refused> {
        let Some(url) = self.attachment_url.as_deref().filter(|url| is_signed(url)) else { return Ok(()) };
        let name = self.name(Field::AttachmentUrl);
        tracing::debug!(bytes = url.len(), "a signed link was refused");
        let sentence = format!("{name} must not be a signed link: whoever reads the message could use it.");
        Err(Refused::invalid("signed_url", name, sentence))
    }

    fn check_attachment(&self) -> Result<(), Refused> {
        self.attachment_url.as_deref().map_or(Ok(()), |url| check_url(self.name(Field::AttachmentUrl), url))
    }
}

pub(super) fn not_empty(name: &'static str, content: &str) -> Result<(), Refused> {
    if content.trim().is_empty() {
        return Err(Refused::invalid("empty_content", name, format!("{name} must not be empty.")));
    }
    Ok(())
}

pub(super) fn check_length(name: &'static str, content: &str) -> Result<(), Refused> {
    let max = bounds::CONTENT_UTF16_UNITS;
    // Bytes of UTF-8 are never fewer than UTF-16 units: most messages need no count.
    if content.len() > max && content.encode_utf16().count() > max {
        let sentence = format!("{name} must be at most {max} UTF-16 units.");
        return Err(Refused::too_large("content_too_long", name, sentence));
    }
    Ok(())
}

/// A file's name alone: no scheme, no folder, no query.
fn is_bare_name(text: &str) -> bool {
    let is_name = |c: char| !c.is_control() && !matches!(c, '/' | '\\' | ':' | '?' | '#');
    !text.trim().is_empty() && text.len() <= bounds::ATTACHMENT_URL_BYTES && text.chars().all(is_name)
}

/// Whether a parameter of the link is a signature, in whatever spelling.
fn is_signed(url: &str) -> bool {
    let parameters = url.split(['?', '#', '&', ';']).skip(1);
    parameters.filter_map(|pair| pair.split_once('=')).any(|(name, _)| {
        percent_encoding::percent_decode_str(name).decode_utf8_lossy().trim().eq_ignore_ascii_case("sig")
    })
}

/// A link that clients may follow: http or https, and no longer than an attachment's.
pub(super) fn check_url(name: &'static str, url: &str) -> Result<(), Refused> {
    let max = bounds::ATTACHMENT_URL_BYTES;
    if url.len() > max {
        return Err(Refused::invalid("too_long", name, format!("{name} must be at most {max} bytes.")));
    }
    let has_scheme = ["https://", "http://"]
        .iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    if !has_scheme || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Refused::invalid("invalid_url", name, format!("{name} must be an http or https URL.")));
    }
    Ok(())
}

fn read_time(name: &'static str, text: &str) -> Result<Timestamp, Refused> {
    Timestamp::parse(text).ok_or_else(|| {
        Refused::invalid("invalid_timestamp", name, format!("{name} must be an RFC 3339 time from 1970 on."))
    })
}
