//! Reads the JSON object of a message, whoever wrote it. One reading for requests, sockets and the queue, so that no two of
//! them can understand the same bytes differently.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Refused;

/// How the writer spells names, so that answers name fields in the same way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// `SenderID`, `MessageText`
    #[default]
    Pascal,
    /// `sender`, `content`
    Snake,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Sender,
    Receiver,
    Room,
    Content,
    SentAt,
    AttachmentUrl,
    AttachmentId,
    MessageId,
    ReplyTo,
    AcceptedAt,
    Moderated,
    Decision,
    Review,
    BlockedWords,
    Links,
    Action,
    Ids,
    With,
    After,
    Before,
    User,
    Users,
    Role,
    Reason,
    Token,
    Invitation,
    Name,
    Description,
    IsPrivate,
    AllowedUsers,
    RetentionDays,
    ExpiresIn,
    MaxUses,
    Prefix,
    Online,
    Seq,
    Emoji,
    DisplayName,
    AvatarUrl,
    Limit,
    Cursors,
    Duration,
    On,
}

const FIELDS: usize = Field::On as usize + 1;

impl Field {
    /// Names are compared without case and underscores.
    fn of(folded: &[u8]) -> Option<Self> {
        Some(match folded {
            b"senderid" | b"sender" => Self::Sender,
            b"receiverid" | b"receiver" | b"to" => Self::Receiver,
            b"roomid" | b"room" => Self::Room,
            b"messagetext" | b"content" | b"text" => Self::Content,
            b"timestamp" => Self::SentAt,
            b"attachmenturl" => Self::AttachmentUrl,
            b"attachmentid" => Self::AttachmentId,
            b"messageid" | b"id" => Self::MessageId,
            b"replyto" => Self::ReplyTo,
            b"acceptedat" => Self::AcceptedAt,
            b"moderated" => Self::Moderated,
            b"decision" => Self::Decision,
            b"blockedwords" => Self::BlockedWords,
            b"links" => Self::Links,
            b"review" | b"reviewid" => Self::Review,
            b"action" => Self::Action,
            b"ids" => Self::Ids,
            b"with" => Self::With,
            b"after" => Self::After,
            b"before" => Self::Before,
            b"user" => Self::User,
            b"users" => Self::Users,
            b"role" => Self::Role,
            b"reason" => Self::Reason,
            b"token" => Self::Token,
            b"invitation" => Self::Invitation,
            b"name" => Self::Name,
            b"description" => Self::Description,
            b"isprivate" => Self::IsPrivate,
            b"allowedusers" => Self::AllowedUsers,
            b"retentiondays" => Self::RetentionDays,
            b"expiresin" => Self::ExpiresIn,
            b"maxuses" => Self::MaxUses,
            b"prefix" => Self::Prefix,
            b"online" => Self::Online,
            b"seq" => Self::Seq,
            b"emoji" => Self::Emoji,
            b"displayname" => Self::DisplayName,
            b"avatarurl" => Self::AvatarUrl,
            b"limit" => Self::Limit,
            b"cursors" => Self::Cursors,
            b"duration" => Self::Duration,
            b"on" => Self::On,
            _ => return None,
        })
    }

    pub(super) const fn name(self, naming: Naming) -> &'static str {
        match (naming, self) {
            (Naming::Pascal, Self::Sender) => "SenderID",
            (Naming::Pascal, Self::Receiver) => "ReceiverID",
            (Naming::Pascal, Self::Room) => "RoomID",
            (Naming::Pascal, Self::Content) => "MessageText",
            (Naming::Pascal, Self::SentAt) => "Timestamp",
            (Naming::Pascal, Self::AttachmentUrl) => "AttachmentURL",
            (Naming::Pascal, Self::AttachmentId) => "AttachmentID",
            (Naming::Pascal, Self::MessageId) => "MessageID",
            (Naming::Pascal, Self::ReplyTo) => "ReplyTo",
            (Naming::Snake, Self::Sender) => "sender",
            (Naming::Snake, Self::Receiver) => "receiver_id",
            (Naming::Snake, Self::Room) => "room_id",
            (Naming::Snake, Self::Content) => "content",
            (Naming::Snake, Self::SentAt) => "timestamp",
            (Naming::Snake, Self::AttachmentUrl) => "attachment_url",
            (Naming::Snake, Self::AttachmentId) => "attachment_id",
            (Naming::Snake, Self::MessageId) => "message_id",
            (Naming::Snake, Self::ReplyTo) => "reply_to",
            (_, Self::AcceptedAt) => "accepted_at",
            (_, Self::Moderated) => "moderated",
            (_, Self::Decision) => "decision",
            (_, Self::Review) => "review",
            (_, Self::BlockedWords) => "blocked_words",
            (_, Self::Links) => "links",
            (_, Self::Action) => "action",
            (_, Self::Ids) => "ids",
            (_, Self::With) => "with",
            (_, Self::After) => "after",
            (_, Self::Before) => "before",
            (_, Self::User) => "user",
            (_, Self::Users) => "users",
            (_, Self::Role) => "role",
            (_, Self::Reason) => "reason",
            (_, Self::Token) => "token",
            (_, Self::Invitation) => "invitation",
            (_, Self::Name) => "name",
            (_, Self::Description) => "description",
            (_, Self::IsPrivate) => "is_private",
            (_, Self::AllowedUsers) => "allowed_users",
            (_, Self::RetentionDays) => "retention_days",
            (_, Self::ExpiresIn) => "expires_in",
            (_, Self::MaxUses) => "max_uses",
            (_, Self::Prefix) => "prefix",
            (_, Self::Online) => "online",
            (_, Self::Seq) => "seq",
            (_, Self::Emoji) => "emoji",
            (_, Self::DisplayName) => "display_name",
            (_, Self::AvatarUrl) => "avatar_url",
            (_, Self::Limit) => "limit",
            (_, Self::Cursors) => "cursors",
            (_, Self::Duration) => "duration",
            (_, Self::On) => "on",
        }
    }
}

/// A value as far as a message needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Scalar {
    #[default]
    Absent,
    Text(String),
    Number(u64),
    Flag(bool),
    Texts(Vec<String>),
    /// An object whose values are whole numbers, in its order.
    Numbers(Vec<(String, u64)>),
    /// Something no field takes.
    Other,
}

/// The object's known fields. The first of several spellings wins; null is absent.
#[derive(Debug)]
pub(super) struct Fields {
    values: [Scalar; FIELDS],
    pub(super) naming: Naming,
}

impl Fields {
    pub(super) fn read(json: &[u8]) -> Result<Self, Refused> {
        let text = std::str::from_utf8(json)
            .map_err(|_| Refused::malformed("invalid_utf8", "The body is not UTF-8."))?;
        serde_json::from_str(text).map_err(|error| {
            if error.is_data() {
                Refused::malformed("not_an_object", "The body is not a JSON object.")
            } else {
                Refused::malformed("invalid_json", format!("The body is not JSON: {error}."))
            }
        })
    }

    pub(super) fn name(&self, field: Field) -> &'static str {
        field.name(self.naming)
    }

    fn take(&mut self, field: Field) -> Scalar {
        self.values.get_mut(field as usize).map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn text(&mut self, field: Field) -> Result<Option<String>, Refused> {
        match self.take(field) {
            Scalar::Absent => Ok(None),
            Scalar::Text(text) => Ok(Some(text)),
            _ => Err(self.wrong_type(field, "a string")),
        }
    }

    pub(super) fn number(&mut self, field: Field) -> Result<Option<u64>, Refused> {
        match self.take(field) {
            Scalar::Absent => Ok(None),
            Scalar::Number(number) => Ok(Some(number)),
            _ => Err(self.wrong_type(field, "a whole number from 0")),
        }
    }

    pub(super) fn flag(&mut self, field: Field) -> Result<Option<bool>, Refused> {
        match self.take(field) {
            Scalar::Absent => Ok(None),
            Scalar::Flag(flag) => Ok(Some(flag)),
            _ => Err(self.wrong_type(field, "true or false")),
        }
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, field: Field) -> Result<String, Refused> {
        let text = self.text(field)?;
        text.ok_or_else(|| {
            let name = self.name(field);
            Refused::invalid("missing_field", name, format!("{name} is missing."))
        })
    }

    pub(super) fn texts(&mut self, field: Field) -> Result<Option<Vec<String>>, Refused> {
        match self.take(field) {
            Scalar::Absent => Ok(None),
            Scalar::Texts(texts) => Ok(Some(texts)),
            _ => Err(self.wrong_type(field, "an array of strings")),
        }
    }

    /// An object from names to numbers, in the order written.
    pub(super) fn numbers(&mut self, field: Field) -> Result<Option<Vec<(String, u64)>>, Refused> {
        match self.take(field) {
            Scalar::Absent => Ok(None),
            Scalar::Numbers(numbers) => Ok(Some(numbers)),
            _ => Err(self.wrong_type(field, "an object of whole numbers from 0")),
        }
    }

    fn wrong_type(&self, field: Field, wanted: &str) -> Refused {
        let name = self.name(field);
        Refused::invalid("wrong_type", name, format!("{name} must be {wanted}."))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields =
            Fields { values: std::array::from_fn(|_| Scalar::Absent), naming: Naming::default() };
        let mut named = false;
        while let Some(Name { field, snake }) = map.next_key()? {
            let Some(field) = field else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if !named && snake {
                fields.naming = Naming::Snake;
            }
            named = true;
            let value = map.next_value()?;
            if let Some(slot @ Scalar::Absent) = fields.values.get_mut(field as usize) {
                *slot = value;
            }
        }
        Ok(fields)
    }
}

struct Name {
    field: Option<Field>,
    snake: bool,
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = Name;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
                Ok(Name { field: fold(name), snake: name.starts_with(|c: char| c.is_ascii_lowercase()) })
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

/// Longer than every known name without its underscores.
const LONGEST_NAME: usize = 16;

fn fold(name: &str) -> Option<Field> {
    let mut folded = [0; LONGEST_NAME];
    let mut length = 0;
    for byte in name.bytes().filter(|byte| *byte != b'_') {
        *folded.get_mut(length)? = byte.to_ascii_lowercase();
        length += 1;
    }
    Field::of(folded.get(..length)?)
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Scalar, E> {
        Ok(Scalar::Text(text))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Scalar, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
        Ok(Scalar::Absent)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        let mut numbers = Vec::new();
        let mut only_numbers = true;
        while let Some((name, item)) = map.next_entry::<String, &serde_json::value::RawValue>()? {
            match serde_json::from_str(item.get()) {
                Ok(number) if only_numbers => numbers.push((name, number)),
                _ => only_numbers = false,
            }
        }
        Ok(if only_numbers { Scalar::Numbers(numbers) } else { Scalar::Other })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
        let mut texts = Vec::new();
        let mut only_texts = true;
        while let Some(item) = seq.next_element::<Item>()? {
            match item {
                Item::Text(text) if only_texts => texts.push(text),
                _ => only_texts = false,
            }
        }
        Ok(if only_texts { Scalar::Texts(texts) } else { Scalar::Other })
    }
}

/// An array's element: nesting is not followed, so nothing recurses on input.
enum Item {
    Text(String),
    Other,
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
        Ok(serde_json::from_str(raw.get()).map_or(Self::Other, Self::Text))
    }
}
