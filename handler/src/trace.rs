//! W3C trace contexts: the ids by which a message is found in the logs of everybody who touched it.

use sha2::{Digest, Sha256};

/// One trace, and the step of it that is ours. Written `00-<trace>-<step>-<flags>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    id: [u8; 16],
    step: [u8; 8],
    flags: u8,
}

impl Trace {
    /// The header or property by this name.
    pub const NAME: &'static str = "traceparent";

    /// Reads a `traceparent`. `None` for what is not one: it is a hint of strangers and no reason to refuse anything.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(5, '-');
        let (version, id, step, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_lower = |text: &str| !text.bytes().any(|byte| byte.is_ascii_uppercase());
        if version == "ff" || version == "00" && parts.next().is_some() || !is_lower(text) {
            return None;
        }
        hex_bytes::<1>(version)?;
        let [flags] = hex_bytes(flags)?;
        let trace = Self { id: hex_bytes(id)?, step: hex_bytes(step)?, flags };
        (trace.id != [0; 16] && trace.step != [0; 8]).then_some(trace)
    }

    /// The next step of the trace, or the first of a new one, whose ids are the invocation's: a repeat has the same.
    #[must_use]
    pub fn continued(from: Option<Self>, invocation: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(invocation.as_bytes()).into();
        let (mut id, mut step) = ([0; 16], [0; 8]);
        id.copy_from_slice(digest.get(..16).unwrap_or_default());
        step.copy_from_slice(digest.get(16..24).unwrap_or_default());
        match from {
            Some(from) => Self { step, ..from },
            None => Self { id, step, flags: 0 },
        }
    }

    /// The id that all steps share.
    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(self.id)
    }
}

impl std::fmt::Display for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.id(), hex::encode(self.step), self.flags)
    }
}

fn hex_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_goes_on_and_keeps_its_id() {
        let trace = Trace::parse(HEADER).unwrap();
        assert_eq!(trace.to_string(), HEADER);
        let next = Trace::continued(Some(trace), "i-1");
        assert_eq!((next.id(), next.flags), ("4bf92f3577b34da6a3ce929d0e0e4736".to_owned(), 1));
        assert_ne!(next.step, trace.step);
        let own = Trace::continued(None, "i-1");
        assert_eq!(own, Trace::continued(None, "i-1"), "a repeated invocation is the same step");
        assert_eq!(Trace::parse(&own.to_string()), Some(own));
        assert_ne!(own.id(), Trace::continued(None, "i-2").id());
    }

    #[test]
    fn what_is_no_trace_is_none() {
        let later = HEADER.replacen("00", "01", 1) + "-more";
        assert!(Trace::parse(&later).is_some(), "a later version may have more");
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-é\u{1f980}-\"'-\n",
        ] {
            assert_eq!(Trace::parse(text), None, "{text}");
        }
    }
}
