use std::sync::Arc;
use std::time::Duration;

use super::OpenError;
use super::azure::Azure;
use super::remote;
use crate::adapters::azure::ContentSafety;
use crate::adapters::moderation::{Both, Lenient, LocalModerator};
use crate::adapters::thresholds::Thresholds;
use crate::calls::Calls;
use crate::config::{ModerationConfig, SafetyAccess, SafetyConfig};
use crate::ports::Moderator;

/// Beside the time of its calls, for a token of the identity.
const TOKEN: Duration = Duration::from_secs(2);

/// Who judges. What rooms want of their messages is judged here in any case.
pub(super) fn open(
    config: &ModerationConfig,
    azure: &mut Azure,
    calls: &Calls,
) -> Result<Arc<dyn Moderator>, OpenError> {
    Ok(match config {
        ModerationConfig::Off => Arc::new(LocalModerator::of_rooms()),
        ModerationConfig::Local(thresholds) => Arc::new(LocalModerator::new(*thresholds)),
        ModerationConfig::Azure(thresholds, safety) => Arc::new(Both {
            first: Arc::new(LocalModerator::of_rooms()),
            second: content_safety(safety, *thresholds, azure, calls)?,
        }),
        ModerationConfig::Both(thresholds, safety) => Arc::new(Both {
            first: Arc::new(LocalModerator::new(*thresholds)),
            second: content_safety(safety, *thresholds, azure, calls)?,
        }),
    })
}

fn content_safety(
    config: &SafetyConfig,
    thresholds: Thresholds,
    azure: &mut Azure,
    calls: &Calls,
) -> Result<Arc<dyn Moderator>, OpenError> {
    let (http, endpoint, timeout) = (azure.http()?, config.endpoint.as_str(), config.timeout);
    let service = match &config.access {
        SafetyAccess::Key(key) => ContentSafety::with_key(endpoint, key.expose(), &http, timeout, thresholds),
        SafetyAccess::Identity => {
            ContentSafety::with_identity(endpoint, azure.identity()?, &http, timeout, thresholds)
        }
    };
    let inner = remote::moderator(Arc::new(service), calls, timeout + TOKEN);
    Ok(Arc::new(Lenient { inner, on_failure: config.on_failure }))
}
