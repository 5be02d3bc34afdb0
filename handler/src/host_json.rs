//! The one thing of `host.json` that the handler has to know.

use std::path::Path;
use std::time::Duration;

use crate::config::parse_function_timeout;

/// The shortest default of any hosting plan.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

/// How long the host lets an invocation run. Where the file does not say, the shortest default: waiting too little
/// costs a redelivery, waiting too long the process.
pub(crate) async fn function_timeout(app_root: &Path) -> Duration {
    let text = tokio::fs::read(app_root.join("host.json")).await.unwrap_or_default();
    let host: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    host["functionTimeout"].as_str().and_then(parse_function_timeout).unwrap_or(DEFAULT_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_timeout_is_the_files_or_the_shortest_default() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(function_timeout(dir.path()).await, DEFAULT_TIMEOUT);
        for (json, expected) in [
            (r#"{"functionTimeout":"00:10:00"}"#, Duration::from_secs(600)),
            (r#"{"functionTimeout":"1.00:00:01"}"#, Duration::from_secs(86_401)),
            (r#"{"functionTimeout":"-1"}"#, Duration::from_secs(3600)),
            (r#"{"functionTimeout":7}"#, DEFAULT_TIMEOUT),
            ("{", DEFAULT_TIMEOUT),
        ] {
            std::fs::write(dir.path().join("host.json"), json).unwrap();
            assert_eq!(function_timeout(dir.path()).await, expected, "{json}");
        }
    }
}
