//! Which files are taken.

use std::ops::RangeInclusive;

use super::reader::Reader;
use super::{AttachmentsConfig, StorageConfig};
use crate::model::AttachmentRules;

const SWITCH: &str = "ATTACHMENTS";
const DEFAULT_CONTAINER: &str = "chat-attachments";
/// What one `PUT` of a blob takes.
const BYTES: RangeInclusive<u64> = 1..=5_000 * 1024 * 1024;
const QUOTA: RangeInclusive<u64> = 1..=1 << 50;

/// On where nothing more has to be set up: alone, with stores of this process.
pub(super) fn attachments(
    r: &mut Reader<'_>,
    under_host: bool,
    storage: Option<&StorageConfig>,
) -> Option<AttachmentsConfig> {
    let elsewhere = matches!(storage, Some(StorageConfig::Table { .. }));
    let is_on = r.choice(SWITCH, &[("on", true), ("off", false)]);
    let rules = AttachmentRules::default();
    let max_bytes = r.number("ATTACHMENTS_MAX_BYTES", BYTES).unwrap_or(rules.max_bytes);
    let quota_bytes = r.number("ATTACHMENTS_QUOTA_BYTES", QUOTA).unwrap_or(rules.quota_bytes);
    if quota_bytes < max_bytes {
        r.mistake("ATTACHMENTS_QUOTA_BYTES", "must be at least ATTACHMENTS_MAX_BYTES");
    }
    let types = r.list("ATTACHMENTS_TYPES", content_type).unwrap_or(rules.types);
    let container = r.parse("ATTACHMENTS_CONTAINER", container);
    if !is_on.unwrap_or(!under_host && !elsewhere) {
        return None;
    }
    if let Some(StorageConfig::Table { account, .. }) = storage
        && !account.may_hand_out_links()
    {
        r.mistake(SWITCH, "needs blobs that are reached by https; only an emulator is reached without");
    }
    let container = container.unwrap_or_else(|| DEFAULT_CONTAINER.to_owned());
    Some(AttachmentsConfig { container, rules: AttachmentRules { max_bytes, types, quota_bytes } })
}

fn content_type(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    let is_token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    match text.split_once('/') {
        Some((kind, rest)) if is_token(kind) && is_token(rest) => Ok(text),
        _ => Err("each type must be like image/png".to_owned()),
    }
}

fn container(text: &str) -> Result<String, String> {
    let letters = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let dashes = text.starts_with('-') || text.ends_with('-') || text.contains("--");
    if letters && !dashes && (3..=63).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err("must be 3 to 63 lower case letters, digits and single dashes between them".to_owned())
}
