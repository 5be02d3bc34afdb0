//! Who judges what is said, and from when on what follows.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Secret;
use super::azure::service_endpoint;
use super::reader::Reader;
use crate::adapters::moderation::OnFailure;
use crate::adapters::thresholds::Thresholds;

const ENDPOINT: &str = "CONTENT_SAFETY_ENDPOINT";
const TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT_MS: RangeInclusive<u64> = 100..=10_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModerationConfig {
    /// Nobody but the rooms, which may have rules of their own.
    Off,
    Local(Thresholds),
    Azure(Thresholds, SafetyConfig),
    /// First this program, then Azure.
    Both(Thresholds, SafetyConfig),
}

/// Azure AI Content Safety, or a double of it elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafetyConfig {
    /// Scheme, host and port, without a slash at the end.
    pub endpoint: String,
    pub access: SafetyAccess,
    /// For one call.
    pub timeout: Duration,
    pub on_failure: OnFailure,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SafetyAccess {
    Key(Secret),
    /// With this process's identity.
    Identity,
}

impl ModerationConfig {
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Local(_) => "local",
            Self::Azure(..) => "azure",
            Self::Both(..) => "local+azure",
        }
    }

    #[must_use]
    pub const fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }

    #[must_use]
    pub const fn thresholds(&self) -> Option<Thresholds> {
        match self {
            Self::Off => None,
            Self::Local(thresholds) | Self::Azure(thresholds, _) | Self::Both(thresholds, _) => {
                Some(*thresholds)
            }
        }
    }

    #[must_use]
    pub const fn safety(&self) -> Option<&SafetyConfig> {
        match self {
            Self::Off | Self::Local(_) => None,
            Self::Azure(_, safety) | Self::Both(_, safety) => Some(safety),
        }
    }
}

impl SafetyConfig {
    #[must_use]
    pub const fn on_failure_name(&self) -> &'static str {
        match self.on_failure {
            OnFailure::Allow => "allow",
            OnFailure::Hold => "hold",
            OnFailure::Refuse => "refuse",
        }
    }
}

/// Who tries the program out meets no judge, and everybody else meets one. A mistake leaves its note and reads as off.
pub(super) fn read(r: &mut Reader<'_>, is_tried_out: bool) -> ModerationConfig {
    let default = Thresholds::default();
    let thresholds = Thresholds {
        mask: threshold(r, "MODERATION_MASK_AT", default.mask),
        hold: threshold(r, "MODERATION_HOLD_AT", default.hold),
        reject: threshold(r, "MODERATION_REJECT_AT", default.reject),
    };
    let choices = [
        ("off", (false, false)),
        ("local", (true, false)),
        ("azure", (false, true)),
        ("local+azure", (true, true)),
    ];
    let named = r.choice("MODERATION", &choices);
    let (local, azure) = named.unwrap_or((!is_tried_out, false));
    let safety = if azure { safety(r) } else { None };
    match (local, safety) {
        (true, None) => ModerationConfig::Local(thresholds),
        (false, None) => ModerationConfig::Off,
        (false, Some(safety)) => ModerationConfig::Azure(thresholds, safety),
        (true, Some(safety)) => ModerationConfig::Both(thresholds, safety),
    }
}

fn threshold(r: &mut Reader<'_>, name: &'static str, default: Option<u8>) -> Option<u8> {
    r.choice(name, &[("2", Some(2)), ("4", Some(4)), ("6", Some(6)), ("off", None)]).unwrap_or(default)
}

fn safety(r: &mut Reader<'_>) -> Option<SafetyConfig> {
    if !r.is_set(ENDPOINT) {
        r.mistake(ENDPOINT, "must be set for MODERATION=azure and local+azure");
    }
    let endpoint = r.parse(ENDPOINT, |text| {
        service_endpoint(text).map_err(|_| {
            "must be https://host, such as https://example.cognitiveservices.azure.com".to_owned()
        })
    });
    let failures = [("allow", OnFailure::Allow), ("hold", OnFailure::Hold), ("refuse", OnFailure::Refuse)];
    let on_failure = r.choice("MODERATION_ON_FAILURE", &failures).unwrap_or(OnFailure::Allow);
    let timeout = r.millis("MODERATION_TIMEOUT_MS", TIMEOUT_MS).unwrap_or(TIMEOUT);
    let access = r.secret("CONTENT_SAFETY_KEY").map_or(SafetyAccess::Identity, SafetyAccess::Key);
    Some(SafetyConfig { endpoint: endpoint?, access, timeout, on_failure })
}
