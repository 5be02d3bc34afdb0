//! The table of routes and callers: what each gets. A route that is added stands here before the tests pass.

use handler::functions::Access;

/// What one route answers.
pub struct Row {
    pub method: &'static str,
    /// The route's path, its placeholders filled with words in capitals.
    pub path: &'static str,
    pub query: &'static str,
    pub body: &'static str,
    /// Beside who is calling.
    pub headers: &'static [(&'static str, &'static str)],
    /// For a non-member, a stranger to a private room, a member, a moderator, the owner and an admin who is no member.
    pub expected: [u16; 6],
}

impl Row {
    /// The path as the routes' own table has it.
    pub fn template(&self) -> String {
        let placeholder = |word: &str| match word {
            "ROOM" | "FILE" => "{id}".to_owned(),
            "INVITATION" => "{invitation}".to_owned(),
            "REVIEW" => "{review}".to_owned(),
            "MINE" | "THEIRS" | "1" => "{seq}".to_owned(),
            word => word.to_owned(),
        };
        self.path.split('/').map(placeholder).collect::<Vec<_>>().join("/")
    }
}

const fn row(
    call: (&'static str, &'static str),
    query: &'static str,
    body: &'static str,
    expected: [u16; 6],
) -> Row {
    Row { method: call.0, path: call.1, query, body, headers: &[], expected }
}

/// An event as a service brings it, but for its proof.
const fn event_row(
    call: (&'static str, &'static str),
    headers: &'static [(&'static str, &'static str)],
    expected: [u16; 6],
) -> Row {
    Row { method: call.0, path: call.1, query: "", body: SAY, headers, expected }
}

/// The same for everybody who is somebody.
const ALL: [u16; 6] = [200; 6];
/// Members of the room.
const MEMBERS: [u16; 6] = [403, 404, 200, 200, 200, 403];
/// Members, and admins without being one.
const READERS: [u16; 6] = [403, 404, 200, 200, 200, 200];
const MODERATORS: [u16; 6] = [403, 404, 403, 200, 200, 200];
const OWNERS: [u16; 6] = [403, 404, 403, 403, 200, 200];
/// The member who wrote the message.
const ITS_AUTHOR: [u16; 6] = [403, 404, 200, 403, 403, 403];
/// The member, whose conversation with the other it is; to all others it is not there.
const OF_THE_TWO: [u16; 6] = [404, 404, 200, 404, 404, 404];
const ADMINS: [u16; 6] = [403, 403, 403, 403, 403, 200];
/// It asks for proofs of its own, and a person's token is none.
const DOOR: [u16; 6] = [401; 6];
/// In order but for the proof.
const EVENT: &[(&str, &str)] = &[
    ("ce-type", "azure.webpubsub.user.message"),
    ("ce-hub", "demo_ai_chat"),
    ("ce-connectionId", "c1"),
    ("ce-userId", "root"),
    ("ce-id", "1"),
    ("ce-eventName", "message"),
];
/// A service that nobody expects.
const ASKER: &[(&str, &str)] = &[("webhook-request-origin", "elsewhere.example")];

const SAY: &str = r#"{"RoomID":"ROOM","MessageText":"hello"}"#;
const FILE: &str = r#"{"room_id":"ROOM","file_name":"a.png"}"#;
const NAME: &str = r#"{"name":"SOMEBODY"}"#;
const SOMEBODY: &str = r#"{"user":"SOMEBODY"}"#;
const OTHER: &str = r#"{"user":"OTHER"}"#;
const PROMOTE: &str = r#"{"user":"OTHER","role":"moderator"}"#;
const THUMB: &str = r#"{"emoji":":tea:"}"#;
const EDIT: &str = r#"{"content":"changed"}"#;
const NO_LETTER: &str = r#"{"kind":"dead","id":"none"}"#;
const APPROVE: &str = r#"{"decision":"approve"}"#;
const READ: &str = r#"{"seq":1}"#;

/// What a route lets do follows from its class, as for those without a good token; what its callers get stands in the row.
/// Later routes (attachments, reports, dead letters, data duties, …) add theirs at the end.
pub const TABLE: &[Row] = &[
    row(("POST", "/sendMessage"), "", SAY, MEMBERS),
    row(("POST", "/publish"), "?room_id=ROOM&content=hello", "", MEMBERS),
    row(("GET", "/negotiate"), "", "", ALL),
    row(("POST", "/negotiate"), "", "", ALL),
    event_row(("POST", "/eventhandler"), EVENT, DOOR),
    event_row(("OPTIONS", "/eventhandler"), ASKER, [403; 6]),
    row(("GET", "/rooms"), "", "", ALL),
    row(("POST", "/rooms"), "", NAME, [201; 6]),
    row(("GET", "/rooms/ROOM"), "", "", [200, 404, 200, 200, 200, 200]),
    row(("DELETE", "/rooms/ROOM"), "", "", OWNERS),
    row(("PATCH", "/rooms/ROOM"), "", NAME, OWNERS),
    row(("PUT", "/rooms/ROOM"), "", NAME, OWNERS),
    row(("GET", "/rooms/ROOM/members"), "", "", READERS),
    row(("POST", "/rooms/ROOM/members"), "", SOMEBODY, MODERATORS),
    row(("PATCH", "/rooms/ROOM/members"), "", PROMOTE, OWNERS),
    row(("DELETE", "/rooms/ROOM/members"), "?user=OTHER", "", MODERATORS),
    row(("GET", "/rooms/ROOM/invitations"), "", "", MODERATORS),
    row(("POST", "/rooms/ROOM/invitations"), "", SOMEBODY, MODERATORS),
    row(("DELETE", "/rooms/ROOM/invitations/INVITATION"), "", "", MODERATORS),
    row(("POST", "/invitations/accept"), "", r#"{"token":"TOKEN"}"#, ALL),
    row(("GET", "/rooms/ROOM/online"), "", "", READERS),
    row(("POST", "/rooms/ROOM/join"), "", "", [200, 404, 200, 200, 200, 200]),
    row(("POST", "/rooms/ROOM/leave"), "", "", [200, 404, 200, 200, 200, 200]),
    row(("GET", "/rooms/ROOM/bans"), "", "", MODERATORS),
    row(("POST", "/rooms/ROOM/bans"), "", OTHER, MODERATORS),
    row(("DELETE", "/rooms/ROOM/bans"), "?user=OTHER", "", MODERATORS),
    row(("GET", "/rooms/ROOM/mutes"), "", "", MODERATORS),
    row(("POST", "/rooms/ROOM/mutes"), "", OTHER, MODERATORS),
    row(("DELETE", "/rooms/ROOM/mutes"), "?user=OTHER", "", MODERATORS),
    row(("GET", "/rooms/ROOM/messages"), "", "", READERS),
    row(("GET", "/rooms/ROOM/messages/MINE"), "", "", READERS),
    row(("PATCH", "/rooms/ROOM/messages/MINE"), "", EDIT, ITS_AUTHOR),
    row(("DELETE", "/rooms/ROOM/messages/THEIRS"), "", "", MODERATORS),
    row(("GET", "/rooms/ROOM/messages/MINE/reactions"), "", "", READERS),
    row(("PUT", "/rooms/ROOM/messages/MINE/reactions"), "", THUMB, MEMBERS),
    row(("DELETE", "/rooms/ROOM/messages/MINE/reactions"), "", THUMB, READERS),
    row(("GET", "/rooms/ROOM/messages/MINE/readers"), "", "", READERS),
    row(("GET", "/rooms/ROOM/pins"), "", "", READERS),
    row(("PUT", "/rooms/ROOM/pins/MINE"), "", "", MODERATORS),
    row(("DELETE", "/rooms/ROOM/pins/MINE"), "", "", MODERATORS),
    row(("GET", "/messages"), "?with=OTHER", "", ALL),
    row(("GET", "/messages/1"), "?with=OTHER", "", OF_THE_TWO),
    row(("PATCH", "/messages/1"), "?with=OTHER", EDIT, OF_THE_TWO),
    row(("DELETE", "/messages/1"), "?with=OTHER", "", OF_THE_TWO),
    row(("GET", "/messages/1/reactions"), "?with=OTHER", "", OF_THE_TWO),
    row(("PUT", "/messages/1/reactions"), "?with=OTHER", THUMB, OF_THE_TWO),
    row(("DELETE", "/messages/1/reactions"), "?with=OTHER", THUMB, OF_THE_TWO),
    row(("GET", "/presence"), "?user=OTHER", "", ALL),
    row(("GET", "/me"), "", "", ALL),
    row(("PUT", "/me"), "", r#"{"display_name":"X"}"#, ALL),
    row(("GET", "/inbox"), "", "", ALL),
    row(("POST", "/inbox/ack"), "", r#"{"ids":["none"]}"#, ALL),
    row(("PUT", "/rooms/ROOM/read"), "", READ, MEMBERS),
    row(("PUT", "/messages/read"), "?with=OTHER", READ, ALL),
    row(("GET", "/me/rooms"), "", "", ALL),
    row(("POST", "/sync"), "", r#"{"cursors":{"ROOM":0}}"#, ALL),
    row(("POST", "/attachments"), "", FILE, [403, 404, 201, 201, 201, 403]),
    row(("GET", "/attachments/FILE"), "", "", [404, 404, 200, 200, 200, 200]),
    // The link's signature is the permission.
    row(("PUT", "/attachments/FILE/blob"), "", "", [400; 6]),
    row(("GET", "/attachments/FILE/blob"), "", "", [403; 6]),
    row(("GET", "/admin/letters"), "", "", ADMINS),
    row(("GET", "/admin/letters/one"), "?kind=dead&id=none", "", [403, 403, 403, 403, 403, 404]),
    row(("POST", "/admin/letters/replay"), "", NO_LETTER, [403, 403, 403, 403, 403, 404]),
    row(("POST", "/admin/letters/discard"), "", NO_LETTER, ADMINS),
    row(("GET", "/admin/audit"), "", "", ADMINS),
    row(("POST", "/me/logout"), "", "", ALL),
    row(("POST", "/admin/logout"), "", OTHER, ADMINS),
    row(("POST", "/rooms/ROOM/messages/THEIRS/report"), "", "", READERS),
    row(("POST", "/messages/1/report"), "?with=OTHER", "", [404, 404, 409, 404, 404, 404]),
    row(("GET", "/rooms/ROOM/reviews"), "", "", MODERATORS),
    row(("POST", "/rooms/ROOM/reviews/REVIEW"), "", APPROVE, [403, 404, 403, 404, 404, 404]),
    row(("GET", "/rooms/ROOM/rules"), "", "", MODERATORS),
    row(("GET", "/admin/reviews"), "", "", ADMINS),
    row(("POST", "/admin/reviews/REVIEW"), "", APPROVE, [403, 403, 403, 403, 403, 404]),
    row(("GET", "/health"), "", "", ALL),
    row(("GET", "/readyz"), "", "", ALL),
    row(("GET", "/metrics"), "", "", ADMINS),
    row(("GET", "/openapi.json"), "", "", ALL),
    row(("GET", "/me/export"), "?user=OTHER", "", ADMINS),
    row(("GET", "/me/erasure"), "?user=OTHER", "", [403, 403, 403, 403, 403, 404]),
    row(("POST", "/me/erasure"), "", OTHER, [403, 403, 403, 403, 403, 202]),
];

/// Status and code for a caller whom the route's class keeps out; `None` where it does not.
pub fn kept_out(access: Access, because: (u16, &'static str)) -> Option<(u16, &'static str)> {
    match access {
        Access::Open | Access::EventHandler => None,
        Access::Guest | Access::Caller | Access::Operator | Access::Admin => Some(because),
    }
}

/// The same for a member who names somebody else beside their token.
pub fn somebody_else(access: Access) -> Option<(u16, &'static str)> {
    match access {
        Access::Open | Access::EventHandler => None,
        Access::Guest | Access::Caller => Some((403, "not_you")),
        Access::Operator | Access::Admin => Some((403, "admins_only")),
    }
}
