//! Values for the suites.

use crate::model::{
    Change, ConversationId, Invitation, Lease, Marker, Member, MessageId, NewMessage, Origin, ReadMark, Role,
    Room, RoomId, Sanction, SanctionKind, Timestamp, UserId,
};
use crate::ports::{AuditKey, AuditOutcome, AuditRecord, Entity, InboxItem, LetterKind, NewEntry, NewLetter};

pub fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub fn message_id(id: &str) -> MessageId {
    MessageId::new(id).unwrap()
}

pub fn room_id(id: &str) -> RoomId {
    RoomId::new(id).unwrap()
}

pub fn conversation(id: &str) -> ConversationId {
    ConversationId::new(id).unwrap()
}

/// `n` milliseconds into a day.
pub fn at(n: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + n)
}

/// Texts of 1–128 bytes that have broken keys, paths and queries before.
pub fn odd_texts() -> Vec<String> {
    let mut texts: Vec<String> = (0_u8..0x20).chain([0x7f]).map(|b| char::from(b).to_string()).collect();
    texts.extend(
        [
            "a",
            "b",
            "a/b",
            "a\\b",
            "a#b",
            "a?b",
            "a%b",
            "a%2Fb",
            "a'b",
            "a\"b",
            "a''b",
            "=2F",
            "a=b",
            "a b",
            " a",
            "a ",
            "a\0",
            "a\0b",
            "\0a",
            "a\u{1}b",
            "é",
            "e\u{301}",
            "ß",
            "İ",
            "🦀",
            "👩‍👩‍👧",
            "\u{202e}x",
            "\u{feff}",
            "\u{ffff}",
            "\u{10ffff}",
            ".",
            "..",
            "null",
            "{}",
            "a\r\nb",
            "a\tb",
            "A",
            "room\0user",
            "d_0123456789abcdef0123456789abcdef",
        ]
        .map(str::to_owned),
    );
    texts.push("x".repeat(127));
    texts.push("x".repeat(128));
    texts.push("🦀".repeat(32));
    texts.push("\0".repeat(128));
    texts
}

pub fn message_by(sender: &str, id: &str, content: &str) -> Change {
    Change::Message(NewMessage {
        id: message_id(id),
        sender: user(sender),
        sender_name: None,
        content: content.to_owned(),
        sent_at: None,
        attachment_url: None,
        attachment_id: None,
        reply_to: None,
        to: None,
    })
}

pub fn message(id: &str, content: &str) -> Change {
    message_by("ann", id, content)
}

pub fn edit(target: u64, content: &str) -> Change {
    Change::Edit { target, content: content.to_owned(), by: user("ann") }
}

pub fn delete(target: u64) -> Change {
    Change::Delete { target, by: user("ann"), reason: None }
}

pub fn react(target: u64, emoji: &str, by: &str, on: bool) -> Change {
    Change::Reaction { target, emoji: emoji.to_owned(), by: user(by), on }
}

pub fn pin(target: u64, on: bool) -> Change {
    Change::Pinned { target, by: user("ann"), on }
}

pub fn joined(who: &str) -> Change {
    Change::Joined { user: user(who), role: Role::Member }
}

pub fn room_deleted() -> Change {
    Change::RoomDeleted { by: user("ann") }
}

/// An entry without a marker.
pub fn new(change: Change) -> NewEntry {
    NewEntry { marker: None, at: at(0), change, only_behind: None }
}

/// An entry whose marker comes from `id`.
pub fn marked(conversation: &ConversationId, id: &str, change: Change) -> NewEntry {
    let marker = Marker::new(conversation, &user("ann"), &message_id(id));
    NewEntry { marker: Some(marker), at: at(0), change, only_behind: None }
}

pub fn room(id: &str, name: &str) -> Room {
    Room {
        id: room_id(id),
        name: name.to_owned(),
        description: format!("about {name}"),
        created_by: user("ann"),
        created_at: at(0),
        is_private: false,
        was_private: false,
        allowed_users: Vec::new(),
        retention_days: None,
        revision: 0,
        fleeting: false,
        instance: String::new(),
    }
}

pub fn member(id: &str) -> Member {
    Member {
        user: user(id),
        role: Role::Member,
        joined_at: at(0),
        joined_seq: None,
        since: 0,
        read: ReadMark::default(),
    }
}

/// A sanction without an end, put at `at(millis)` and not applied.
pub fn sanction(id: &str, kind: SanctionKind, millis: u64) -> Sanction {
    Sanction {
        user: user(id),
        kind,
        by: user("owner"),
        at: at(millis),
        until: None,
        reason: None,
        ends: None,
        applied: false,
    }
}

/// An invitation that ends at `at(1_000)`.
pub fn invitation(id: &str, room: &str, max_uses: u32) -> Invitation {
    Invitation {
        id: id.to_owned(),
        room: room_id(room),
        by: user("ann"),
        created_at: at(0),
        expires_at: at(1_000),
        max_uses,
        used_by: Vec::new(),
        role: Role::Member,
    }
}

pub fn lease(id: &str, connection: &str, confirmed: bool) -> Lease {
    let rooms = vec![room_id("tea"), room_id("oats")];
    Lease { user: user(id), connection: connection.to_owned(), since: at(7), confirmed, rooms }
}

/// A direct message from `sender`, stored at `seq` of a conversation of their own at `at(seq)`.
pub fn inbox_item(sender: &str, id: &str, seq: u64) -> InboxItem {
    let Change::Message(message) = message_by(sender, id, &format!("{id} from {sender}")) else {
        unreachable!()
    };
    let conversation = ConversationId::direct(&user(sender), &user("receiver"));
    InboxItem { conversation, seq, number: seq, at: at(seq), message }
}

/// Of an act of its own at `at(millis)`, which has begun.
pub fn audit_record(key: &str, millis: u64) -> AuditRecord {
    AuditRecord {
        key: AuditKey::of([key]),
        at: at(millis),
        by: Some(user("ann")),
        action: "room.ban".into(),
        on: Some(user("bob")),
        room: Some(room_id("tea")),
        conversation: Some(conversation("tea")),
        target: Some(key.to_owned()),
        reason: Some("spam".into()),
        origin: Origin::address([203, 0, 113, 9].into()),
        outcome: AuditOutcome::Begun,
    }
}

pub fn letter(kind: LetterKind, key: &str, millis: u64) -> NewLetter {
    NewLetter {
        kind,
        key: key.to_owned(),
        entity: Entity::Queue,
        code: "invalid_json".into(),
        reason: "it is no JSON".into(),
        at: at(millis),
        session: Some("tea".into()),
        body: format!("body of {key}"),
        body_is_base64: false,
        delivery_count: 3,
        message_id: Some(key.to_owned()),
        sequence_number: Some(millis),
        enqueued_at: Some(at(millis)),
        properties: [("room_id".to_owned(), "tea".to_owned())].into(),
        parked_at: Some(at(millis + 1)),
    }
}
