//! What of `host.json` the handler has to know, and what must stand in it for messages to arrive.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::config::parse_function_timeout;

/// The shortest default of any hosting plan.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

/// Conversations an instance works on at once, at least.
const SESSIONS: u64 = 64;
/// Of a session's lock. It counts from when the session was accepted, not the message.
const RENEWAL: Duration = Duration::from_secs(24 * 3600);
/// How long an idle conversation keeps its place.
const IDLE: Duration = Duration::from_secs(1);

pub(crate) struct HostJson {
    /// How long the host lets an invocation run. Where the file does not say, the shortest default: waiting too little
    /// costs a redelivery, waiting too long the process.
    pub(crate) function_timeout: Duration,
    /// A sentence for each setting of the Service Bus triggers by which messages would be lost, doubled or held up.
    pub(crate) breaches: Vec<String>,
}

impl HostJson {
    /// A file that is not there, or no JSON, says nothing.
    pub(crate) async fn read(app_root: &Path) -> Self {
        let text = tokio::fs::read(app_root.join("host.json")).await.unwrap_or_default();
        let host: Value = serde_json::from_slice(&text).unwrap_or_default();
        let timeout = host["functionTimeout"].as_str().and_then(parse_function_timeout);
        Self { function_timeout: timeout.unwrap_or(DEFAULT_TIMEOUT), breaches: breaches(&host) }
    }
}

fn breaches(host: &Value) -> Vec<String> {
    let bus = &host["extensions"]["serviceBus"];
    let time = |name: &str| bus[name].as_str().and_then(parse_function_timeout);
    let kept = [
        (
            time("maxAutoLockRenewalDuration").is_some_and(|time| time >= RENEWAL),
            "maxAutoLockRenewalDuration must be at least 1.00:00:00: a busy conversation loses its lock in the middle of a message",
        ),
        (
            time("sessionIdleTimeout").is_some_and(|time| time <= IDLE),
            "sessionIdleTimeout must be at most 00:00:01: an idle conversation holds its place against those that wait",
        ),
        (
            bus["maxConcurrentSessions"].as_u64().is_some_and(|sessions| sessions >= SESSIONS),
            "maxConcurrentSessions must be at least 64: fewer conversations are worked on at once",
        ),
        (
            bus["autoCompleteMessages"].as_bool() != Some(false),
            "autoCompleteMessages must not be false: delivered messages come again until they are parked",
        ),
    ];
    let broken = kept.iter().filter(|(is_kept, _)| !is_kept);
    broken.map(|(_, breach)| format!("In host.json, extensions.serviceBus, {breach}.")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ours_keeps_the_law_and_each_breach_is_a_sentence() {
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        assert_eq!(HostJson::read(&ours).await.breaches, [""; 0]);
        let lawful = std::fs::read_to_string(ours.join("host.json")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        for (from, to, says) in [
            ("1.00:00:00", "00:05:00", "maxAutoLockRenewalDuration must be"),
            ("00:00:01", "00:01:00", "sessionIdleTimeout must be"),
            ("64", "8", "maxConcurrentSessions must be"),
            (
                "\"autoCompleteMessages\": true",
                "\"autoCompleteMessages\": false",
                "autoCompleteMessages must not",
            ),
        ] {
            std::fs::write(dir.path().join("host.json"), lawful.replace(from, to)).unwrap();
            let told = HostJson::read(dir.path()).await.breaches;
            assert!(told.len() == 1 && told[0].contains(says), "{from}: {told:?}");
        }
        std::fs::write(dir.path().join("host.json"), "{").unwrap();
        let told = HostJson::read(dir.path()).await.breaches;
        assert_eq!(told.len(), 3, "the host's own defaults break it");
    }

    #[tokio::test]
    async fn the_timeout_is_the_files_or_the_shortest_default() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(HostJson::read(dir.path()).await.function_timeout, DEFAULT_TIMEOUT);
        for (json, expected) in [
            (r#"{"functionTimeout":"00:10:00"}"#, Duration::from_secs(600)),
            (r#"{"functionTimeout":"1.00:00:01"}"#, Duration::from_secs(86_401)),
            (r#"{"functionTimeout":"-1"}"#, Duration::from_secs(3600)),
            (r#"{"functionTimeout":7}"#, DEFAULT_TIMEOUT),
            ("{", DEFAULT_TIMEOUT),
        ] {
            std::fs::write(dir.path().join("host.json"), json).unwrap();
            assert_eq!(HostJson::read(dir.path()).await.function_timeout, expected, "{json}");
        }
    }
}
