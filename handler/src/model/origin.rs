use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Characters of a connection's id that are kept; the services' own ids are shorter.
const CONNECTION_CHARS: usize = 128;

/// From where somebody acts. It holds only what this program or a proxy it trusts has seen, in characters that no reader
/// of a log can mistake for something else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Origin {
    #[default]
    Unknown,
    /// The client of a request.
    Address(IpAddr),
    /// A live connection, by the transport's id for it.
    Connection(Arc<str>),
    /// This program by itself, from time to time.
    Timer,
    /// A message of the queue.
    Queue,
}

impl Origin {
    /// An address that came in the clothes of the other family is shown in its own.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }

    #[must_use]
    pub fn connection(id: &str) -> Self {
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=');
        Self::Connection(id.chars().filter(is_plain).take(CONNECTION_CHARS).collect::<String>().into())
    }

    fn read(text: &str) -> Option<Self> {
        Some(match text.split_once(':') {
            None if text == "timer" => Self::Timer,
            None if text == "queue" => Self::Queue,
            Some(("address", address)) => Self::Address(address.parse().ok()?),
            Some(("connection", id)) => Self::connection(id),
            _ => return None,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Address(address) => write!(f, "address:{address}"),
            Self::Connection(id) => write!(f, "connection:{id}"),
            Self::Timer => f.write_str("timer"),
            Self::Queue => f.write_str("queue"),
        }
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

impl From<String> for Origin {
    fn from(text: String) -> Self {
        Self::read(&text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Origin;

    #[test]
    fn an_origin_comes_back_as_it_was() {
        let address = |text: &str| Origin::address(text.parse().unwrap());
        for (origin, text) in [
            (Origin::Unknown, "unknown"),
            (address("203.0.113.9"), "address:203.0.113.9"),
            (address("2001:db8::1"), "address:2001:db8::1"),
            (address("::ffff:203.0.113.9"), "address:203.0.113.9"),
            (Origin::connection("aB-9_x"), "connection:aB-9_x"),
            (Origin::Timer, "timer"),
            (Origin::Queue, "queue"),
        ] {
            assert_eq!(origin.to_string(), text);
            assert_eq!(Origin::from(text.to_owned()), origin);
        }
        assert_eq!(Origin::from("address:nobody".to_owned()), Origin::Unknown);
    }

    #[test]
    fn a_connection_writes_no_lines_of_its_own() {
        let odd = Origin::connection("a\r\n{\"level\":\"x\"}\u{1b}[2J");
        assert_eq!(odd.to_string(), "connection:alevelx2J");
        assert_eq!(Origin::connection(&"x".repeat(999)).to_string().len(), "connection:".len() + 128);
    }
}
