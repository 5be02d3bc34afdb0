//! Connection ids.

use std::fmt;

/// 128 random bits; as text 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionId(u128);

impl ConnectionId {
    pub(crate) fn new(random: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(random))
    }

    /// Reads what [`fmt::Display`] wrote; anything else is nobody's id.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == 32 && text.bytes().all(digits))
            .then(|| u128::from_str_radix(text, 16).ok().map(Self))
            .flatten()
    }

    /// A number that spreads ids evenly over `count` places.
    pub(crate) fn place(self, count: usize) -> usize {
        // The low half is random enough.
        (self.0 as usize) % count.max(1)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let id = ConnectionId::new([0x0f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x9c]);
        assert_eq!(id.to_string(), "0f00000000000000000000000000009c");
        assert_eq!(ConnectionId::parse(&id.to_string()), Some(id));
        for bad in ["", "nobody", "0F00000000000000000000000000009c", "+f00000000000000000000000000009c"] {
            assert_eq!(ConnectionId::parse(bad), None, "{bad}");
        }
    }
}
