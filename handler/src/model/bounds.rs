//! One table of bounds for ingest, worker and every store.

/// Content of a message, in UTF-16 units: a Table string holds 64 KiB of UTF-16.
pub const CONTENT_UTF16_UNITS: usize = 32_000;
/// User id, in bytes of UTF-8 (at least 1).
pub const USER_ID_BYTES: usize = 128;
/// `MessageID`, in bytes of UTF-8 (at least 1).
pub const MESSAGE_ID_BYTES: usize = 128;
/// Room id, in bytes; its alphabet is `[A-Za-z0-9_-]`.
pub const ROOM_ID_BYTES: usize = 64;
/// Room name, in characters after trimming (at least 1).
pub const ROOM_NAME_CHARS: usize = 50;
/// Room description, in characters.
pub const ROOM_DESCRIPTION_CHARS: usize = 1_000;
/// `AttachmentURL`, in bytes of UTF-8.
pub const ATTACHMENT_URL_BYTES: usize = 2_048;
/// Name of an attached file, in characters.
pub const FILE_NAME_CHARS: usize = 120;
/// An HTTP request's body, in bytes: content of the greatest length, escaped (`\uXXXX`), and the other fields.
pub const REQUEST_BODY_BYTES: usize = 256 * 1024;
/// History: entries of a page when the caller names no limit, and at most.
pub const HISTORY_PAGE_DEFAULT: usize = 100;
pub const HISTORY_PAGE_MAX: usize = 500;
/// Inbox: messages of a page, default and maximum.
pub const INBOX_PAGE: usize = 1_000;
/// A day, in milliseconds.
pub const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;
/// How long a marker is kept, in days. No copy of a message older than this is appended.
pub const MARKER_DAYS: u64 = 90;
/// Days that messages are kept, where somebody sets it, at most (at least 1).
pub const RETENTION_DAYS: u32 = 36_500;
/// Pinned messages of a conversation, at most.
pub const PINS: usize = 50;
/// An emoji of a reaction, in bytes of UTF-8 (at least 1).
pub const EMOJI_BYTES: usize = 64;
/// Different emoji on one message, at most.
pub const EMOJI_PER_MESSAGE: usize = 50;
/// Reactions of one message, at most: each is one user's one emoji. With the longest ids they fit a Table's row (1 MiB)
/// beside the longest content.
pub const REACTIONS_PER_MESSAGE: usize = 1_000;
/// Edits of one message, at most: its deletion blanks all of them in one transaction of 100 rows.
pub const EDITS_PER_MESSAGE: usize = 50;
/// Display name, in characters after trimming (at least 1).
pub const DISPLAY_NAME_CHARS: usize = 50;
/// Reason of a deletion, ban, mute or removal, in characters.
pub const REASON_CHARS: usize = 500;
/// Words that a room refuses, at most, and characters of each (at least 1).
pub const BLOCKED_WORDS: usize = 200;
pub const BLOCKED_WORD_CHARS: usize = 50;
/// Reports of one message that are kept; with the longest reasons they fit a Table's row beside the longest content.
pub const REPORTS_PER_MESSAGE: usize = 50;
/// Held messages of one sender that wait at one desk.
pub const HELD_OF_A_SENDER: usize = 20;
/// Held messages that wait at one desk, of all senders.
pub const HELD_AT_A_DESK: usize = 500;
/// Messages reported by one user that wait at one desk.
pub const REPORTS_OF_A_USER: usize = 20;
/// Reported messages that wait at one desk.
pub const REPORTED_AT_A_DESK: usize = 2_000;
/// Reviews of a page: default and maximum.
pub const REVIEWS_PAGE: usize = 50;
/// Members of a page: default and maximum.
pub const MEMBERS_PAGE_DEFAULT: usize = 100;
pub const MEMBERS_PAGE_MAX: usize = 500;
/// Users whose presence is asked for at once, at most.
pub const PRESENCE_USERS: usize = 100;
/// Uses of one invitation, at most.
pub const INVITATION_USES: u32 = 1_000;
/// Sync: conversations asked of at once, at most.
pub const SYNC_CURSORS: usize = 500;
/// Sync: entries of an answer, over all conversations, when the caller names no limit, and at most.
pub const SYNC_ENTRIES_DEFAULT: usize = 500;
pub const SYNC_ENTRIES_MAX: usize = 2_000;
/// One frame to a client, in bytes: what Web PubSub takes.
pub const FRAME_BYTES: usize = 1024 * 1024;
/// Entries or messages of an answer (sync, history, inbox), in bytes of JSON. One always goes.
pub const ANSWER_BYTES: usize = 768 * 1024;
/// Keys that a process tells the others of, at most.
pub const USAGE_COUNTS: usize = 400;
