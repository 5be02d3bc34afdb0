//! How grave something is, and what follows: what the judges of texts share.

/// From which weight on (2, 4 or 6, as Azure AI Content Safety counts) what happens. None is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Where the judge knows the words.
    pub mask: Option<u8>,
    pub hold: Option<u8>,
    pub reject: Option<u8>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { mask: Some(2), hold: Some(4), reject: Some(6) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    Mask,
    Hold,
    Reject,
}

impl Thresholds {
    /// The gravest that the weight reaches.
    pub(super) fn verdict(self, weight: u8) -> Verdict {
        let reaches = |threshold: Option<u8>| threshold.is_some_and(|least| weight >= least);
        if reaches(self.reject) {
            Verdict::Reject
        } else if reaches(self.hold) {
            Verdict::Hold
        } else if self.masks(weight) {
            Verdict::Mask
        } else {
            Verdict::Allow
        }
    }

    pub(super) fn masks(self, weight: u8) -> bool {
        self.mask.is_some_and(|least| weight >= least)
    }
}

/// The code of what is not fit for others.
pub(super) const INAPPROPRIATE: &str = "inappropriate";
