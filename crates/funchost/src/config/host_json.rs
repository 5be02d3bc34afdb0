//! `host.json`: the parts that shape what a custom handler sees.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::function_json::HttpTrigger;
use super::{Settings, time_span};

/// The settings of `host.json` that the double acts on. Other keys are ignored.
#[derive(Clone, Debug)]
pub(crate) struct HostJson {
    /// `None` = no limit (`-1`).
    pub function_timeout: Option<Duration>,
    /// Without slashes at its ends; may be empty.
    pub route_prefix: String,
    pub service_bus: ServiceBusOptions,
    pub handler: CustomHandler,
}

/// `extensions.serviceBus`.
#[derive(Clone, Debug)]
pub(crate) struct ServiceBusOptions {
    pub max_concurrent_sessions: usize,
    pub max_concurrent_calls: usize,
    pub max_message_batch_size: usize,
    /// How long an empty session keeps its place before another may have it.
    pub session_idle_timeout: Duration,
}

/// `customHandler`.
#[derive(Clone, Debug)]
pub(crate) struct CustomHandler {
    default_executable_path: String,
    worker_directory: String,
    /// Joined by single spaces and split again: the host quotes nothing.
    pub arguments: Vec<String>,
    working_directory: String,
    pub enable_forwarding_http_request: bool,
    pub enable_proxying_http_request: bool,
    /// A fixed port; otherwise a free one is taken at each start.
    pub port: Option<u16>,
    pub initialization_timeout: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    version: Option<String>,
    function_timeout: Option<String>,
    #[serde(default)]
    extensions: RawExtensions,
    custom_handler: Option<RawHandler>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawExtensions {
    http: RawHttp,
    service_bus: RawServiceBus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawHttp {
    route_prefix: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawServiceBus {
    max_concurrent_sessions: Option<usize>,
    max_concurrent_calls: Option<usize>,
    max_message_batch_size: Option<usize>,
    session_idle_timeout: Option<String>,
    auto_complete_messages: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawHandler {
    #[serde(default)]
    description: RawDescription,
    #[serde(default)]
    enable_forwarding_http_request: bool,
    #[serde(default)]
    enable_proxying_http_request: bool,
    port: Option<u16>,
    initialization_timeout: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawDescription {
    default_executable_path: String,
    worker_directory: String,
    working_directory: String,
    arguments: Vec<String>,
}

impl HostJson {
    /// # Errors
    /// One sentence: no JSON, another version than 2.0, no custom handler, a value that is none.
    pub(super) fn parse(text: &str, settings: &Settings) -> Result<Self, String> {
        let raw: Raw = serde_json::from_str(text).map_err(|error| format!("is not valid: {error}"))?;
        if raw.version.as_deref() != Some("2.0") {
            return Err("the property \"version\" must be \"2.0\"".into());
        }
        let handler = raw.custom_handler.ok_or("has no customHandler, and the double runs nothing else")?;
        Ok(Self {
            function_timeout: function_timeout(raw.function_timeout.as_deref())?,
            route_prefix: raw
                .extensions
                .http
                .route_prefix
                .unwrap_or_else(|| "api".into())
                .trim_matches('/')
                .into(),
            service_bus: service_bus(&raw.extensions.service_bus)?,
            handler: custom_handler(handler, settings)?,
        })
    }

    /// The whole template of a function: the prefix and its own route, without a slash in front.
    #[must_use]
    pub(crate) fn template_of(&self, http: &HttpTrigger) -> String {
        if self.route_prefix.is_empty() {
            http.route.clone()
        } else {
            format!("{}/{}", self.route_prefix, http.route)
        }
    }
}

fn function_timeout(text: Option<&str>) -> Result<Option<Duration>, String> {
    match text {
        None => Ok(Some(Duration::from_secs(30 * 60))),
        Some("-1" | "-00:00:00.0010000") => Ok(None),
        Some(text) => span("functionTimeout", text).map(Some),
    }
}

fn span(name: &str, text: &str) -> Result<Duration, String> {
    time_span::parse(text).ok_or_else(|| format!("{name} \"{text}\" is no time span (hh:mm:ss)"))
}

fn service_bus(raw: &RawServiceBus) -> Result<ServiceBusOptions, String> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let positive = |name: &str, value: Option<usize>, default: usize| match value {
        Some(0) => Err(format!("extensions.serviceBus.{name} must be at least 1")),
        value => Ok(value.unwrap_or(default)),
    };
    if raw.auto_complete_messages == Some(false) {
        return Err(
            "the double always completes messages (extensions.serviceBus.autoCompleteMessages)".into()
        );
    }
    Ok(ServiceBusOptions {
        max_concurrent_sessions: positive("maxConcurrentSessions", raw.max_concurrent_sessions, 8)?,
        max_concurrent_calls: positive("maxConcurrentCalls", raw.max_concurrent_calls, 16 * cores)?,
        max_message_batch_size: positive("maxMessageBatchSize", raw.max_message_batch_size, 1000)?,
        session_idle_timeout: raw
            .session_idle_timeout
            .as_deref()
            .map_or(Ok(Duration::from_secs(60)), |text| {
                span("extensions.serviceBus.sessionIdleTimeout", text)
            })?,
    })
}

fn custom_handler(raw: RawHandler, settings: &Settings) -> Result<CustomHandler, String> {
    if raw.description.default_executable_path.is_empty() {
        return Err("customHandler.description.defaultExecutablePath is missing".into());
    }
    let arguments = settings.expand_or_empty(&raw.description.arguments.join(" "));
    Ok(CustomHandler {
        default_executable_path: settings.expand_or_empty(&raw.description.default_executable_path),
        worker_directory: raw.description.worker_directory,
        arguments: arguments.split_whitespace().map(str::to_owned).collect(),
        working_directory: raw.description.working_directory,
        enable_forwarding_http_request: raw.enable_forwarding_http_request,
        enable_proxying_http_request: raw.enable_proxying_http_request,
        port: raw.port,
        initialization_timeout: raw
            .initialization_timeout
            .as_deref()
            .map_or(Ok(Duration::from_secs(30)), |text| span("customHandler.initializationTimeout", text))?,
    })
}

impl CustomHandler {
    /// The file to start. A path that names no file under the app folder is a command to be found on PATH.
    pub(super) fn executable(&self, root: &Path) -> Result<PathBuf, String> {
        let path = Path::new(&self.default_executable_path);
        let in_app = root.join(&self.worker_directory).join(path);
        if in_app.is_file() {
            return Ok(in_app);
        }
        if path.components().count() == 1 && on_path(path) {
            return Ok(path.to_path_buf());
        }
        Err(format!(
            "the executable \"{}\" of host.json is neither a file under {} nor a command on PATH",
            self.default_executable_path,
            root.display()
        ))
    }

    /// Where the process starts.
    #[must_use]
    pub(crate) fn working_directory(&self, root: &Path) -> PathBuf {
        root.join(&self.working_directory)
    }
}

fn on_path(command: &Path) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(command).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<HostJson, String> {
        HostJson::parse(text, &Settings::default())
    }

    #[test]
    fn has_the_hosts_defaults() {
        let host =
            parse(r#"{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"h"}}}"#)
                .unwrap();
        assert_eq!(host.route_prefix, "api");
        assert_eq!(host.function_timeout, Some(Duration::from_secs(1800)));
        assert_eq!(host.service_bus.max_concurrent_sessions, 8);
        assert_eq!(host.service_bus.session_idle_timeout, Duration::from_secs(60));
        assert_eq!(host.handler.initialization_timeout, Duration::from_secs(30));
    }

    #[test]
    fn refuses_with_a_sentence() {
        for (text, says) in [
            ("{", "is not valid"),
            (r#"{"version":"1.0"}"#, "\"version\""),
            (r#"{"version":"2.0"}"#, "no customHandler"),
            (r#"{"version":"2.0","customHandler":{}}"#, "defaultExecutablePath is missing"),
            (
                r#"{"version":"2.0","functionTimeout":"5","customHandler":{"description":{"defaultExecutablePath":"h"}}}"#,
                "functionTimeout \"5\" is no time span",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
