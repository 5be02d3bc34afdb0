//! The kinds of calls: what is called and how, without what is different each time. A call that is new has a name too.

use http::request::Parts;
use percent_encoding::percent_decode_str;

/// Tables whose rows are of several kinds, by the first letter of their keys.
const OF_SEVERAL_KINDS: [&str; 2] = ["log", "rooms"];

/// A call of Table Storage, whose tables all begin with a prefix that ends in `x`: `GET log(h)`, `POST $batch log`.
pub(crate) fn of_tables(parts: &Parts, body: &[u8]) -> String {
    let path = parts.uri.path_and_query().unwrap().as_str().replace('+', " ");
    let path = percent_decode_str(&path).decode_utf8_lossy();
    let called = path.trim_start_matches("/chat/");
    if called.starts_with("$batch") {
        let body = String::from_utf8_lossy(body);
        let first = body.split("/chat/").nth(1).unwrap_or_default();
        return format!("{} $batch {}", parts.method, table(first));
    }
    let table = table(called);
    let rows = if OF_SEVERAL_KINDS.contains(&table.as_str()) { letter(called) } else { None };
    let is_row = called.contains("RowKey='");
    let what = if is_row { "row" } else { "rows" };
    format!("{} {table}({what} {})", parts.method, rows.map_or_else(String::new, String::from))
}

fn table(called: &str) -> String {
    let name: String = called.chars().take_while(char::is_ascii_alphanumeric).collect();
    // The inboxes' table is the prefix itself.
    name.split_once('x')
        .map_or(name.clone(), |(_, rest)| if rest.is_empty() { "inbox".to_owned() } else { rest.to_owned() })
}

/// The first letter of the key that is asked for, or from which on.
fn letter(called: &str) -> Option<char> {
    let key = ["RowKey='", "RowKey ge '", "RowKey gt '"].iter().find_map(|before| called.split_once(before));
    key.and_then(|(_, key)| key.chars().next()).filter(char::is_ascii_alphabetic)
}

/// A call of the blob service: `PUT container`, `GET blob`.
pub(crate) fn of_blobs(parts: &Parts, _body: &[u8]) -> String {
    let is_blob = parts.uri.path().trim_start_matches("/chat/").contains('/');
    format!("{} {}", parts.method, if is_blob { "blob" } else { "container" })
}

/// A call of the data plane of Web PubSub: `POST groups/room_*/:send`.
pub(crate) fn of_hub(parts: &Parts, _body: &[u8]) -> String {
    let words =
        parts.uri.path().trim_start_matches("/api/hubs/demo_ai_chat/").split('/').map(|word| match word {
            "groups" | "users" | "connections" | "permissions" | "joinLeaveGroup" | "api" | "health" => word,
            word if word.starts_with(':') => word,
            word if word.starts_with("room_") => "room_*",
            word if word.starts_with("user_") => "user_*",
            word if word.starts_with("sys_") => word,
            _ => "*",
        });
    format!("{} {}", parts.method, words.collect::<Vec<_>>().join("/"))
}

/// A send to a queue or topic.
pub(crate) fn of_bus(parts: &Parts, _body: &[u8]) -> String {
    format!("{} {}", parts.method, parts.uri.path())
}
