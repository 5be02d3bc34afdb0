//! The WebSocket subprotocols that a hub of this protocol speaks.

/// A JSON subprotocol. A client that chose none, or one that is not known here, is a simple client: its frames are
/// application bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subprotocol {
    /// `json.webpubsub.azure.v1`
    Json,
    /// `json.reliable.webpubsub.azure.v1`: messages are numbered and a lost connection can be recovered.
    JsonReliable,
}

impl Subprotocol {
    /// The name in `Sec-WebSocket-Protocol`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json.webpubsub.azure.v1",
            Self::JsonReliable => "json.reliable.webpubsub.azure.v1",
        }
    }

    /// The subprotocol of this exact name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Json, Self::JsonReliable].into_iter().find(|known| known.name() == name)
    }

    /// Whether messages are numbered and a lost connection can be recovered.
    #[must_use]
    pub fn is_reliable(self) -> bool {
        self == Self::JsonReliable
    }

    /// The first known one of what a client offered, in the client's order.
    #[must_use]
    pub fn first_known<'a>(offered: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        offered.into_iter().find_map(Self::from_name)
    }
}

/// The names in the values of `Sec-WebSocket-Protocol`, in order. A header may come several times and each value may
/// hold a comma list.
pub fn offered<'a>(header_values: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    header_values
        .into_iter()
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_of_the_offered_is_chosen() {
        let first = |values: &[&str]| Subprotocol::first_known(offered(values.iter().copied()));
        assert_eq!(first(&["json.webpubsub.azure.v1"]), Some(Subprotocol::Json));
        assert_eq!(
            first(&["json.reliable.webpubsub.azure.v1, json.webpubsub.azure.v1"]),
            Some(Subprotocol::JsonReliable)
        );
        assert_eq!(first(&["chat.example", "json.webpubsub.azure.v1"]), Some(Subprotocol::Json));
        assert_eq!(first(&["chat.example, two"]), None);
        assert_eq!(first(&["JSON.webpubsub.azure.v1", ",", ""]), None);
        assert_eq!(first(&[]), None);
    }
}
