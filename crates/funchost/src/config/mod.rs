//! What an app folder says: `host.json`, every `*/function.json`, and the settings.
//!
//! The host reads `function.json` in first-level folders only. Everything wrong is collected and told at once.

mod function_json;
mod host_json;
mod settings;
mod time_span;

use std::fmt;
use std::path::{Path, PathBuf};

pub(crate) use function_json::{
    AuthLevel, Cardinality, DataType, EntityPath, Function, HttpTrigger, OutputQueue, ServiceBusTrigger,
    TimerTrigger, Trigger,
};
pub(crate) use host_json::{CustomHandler, HostJson, ServiceBusOptions};
pub use settings::Settings;

/// An app folder, read and found sound.
#[derive(Clone, Debug)]
pub(crate) struct App {
    /// Absolute path of the folder.
    pub root: PathBuf,
    pub host: HostJson,
    /// Absolute path of the executable that `host.json` names, or the bare command when it is to be found on PATH.
    pub executable: PathBuf,
    /// Enabled functions, in the order in which routes are matched: alphabetically by folder.
    pub functions: Vec<Function>,
    /// Names of the functions that a setting or `function.json` switches off.
    pub disabled: Vec<String>,
}

/// Everything that keeps the host from starting this app, one sentence each.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

impl App {
    /// Reads the folder. `settings` decides which functions are disabled and what `%NAME%` stands for.
    ///
    /// # Errors
    /// All mistakes found: a missing or malformed file, a binding that the host would refuse, a missing executable.
    pub(crate) fn read(root: &Path, settings: &Settings) -> Result<Self, ConfigErrors> {
        let mut errors = Vec::new();
        let root = match root.canonicalize() {
            Ok(root) => root,
            Err(error) => {
                return Err(ConfigErrors(vec![format!(
                    "the app folder {} cannot be read: {error}",
                    root.display()
                )]));
            }
        };
        let host = match read_text(&root.join("host.json")).and_then(|text| HostJson::parse(&text, settings))
        {
            Ok(host) => Some(host),
            Err(error) => {
                errors.push(format!("host.json: {error}"));
                None
            }
        };
        let (functions, disabled) = read_functions(&root, settings, &mut errors);
        if let Some(host) = &host {
            refuse_reserved_routes(host, &functions, &mut errors);
        }
        let executable = host.as_ref().and_then(|host| match host.handler.executable(&root) {
            Ok(path) => Some(path),
            Err(error) => {
                errors.push(error);
                None
            }
        });
        match (host, executable) {
            (Some(host), Some(executable)) if errors.is_empty() => {
                Ok(Self { root, host, executable, functions, disabled })
            }
            _ => Err(ConfigErrors(errors)),
        }
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))
}

fn read_functions(
    root: &Path,
    settings: &Settings,
    errors: &mut Vec<String>,
) -> (Vec<Function>, Vec<String>) {
    let mut functions = Vec::new();
    let mut disabled = Vec::new();
    for (name, file) in function_files(root) {
        let read = read_text(&file).and_then(|text| Function::parse(&name, &text, settings));
        match read {
            Ok(function) if function.disabled || settings.disables(&name) => disabled.push(name),
            Ok(function) => functions.push(function),
            Err(error) => errors.push(format!("{name}/function.json: {error}")),
        }
    }
    (functions, disabled)
}

/// The first-level folders that hold a `function.json`, alphabetically.
fn function_files(root: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let mut found: Vec<(String, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let file = entry.path().join("function.json");
            file.is_file().then(|| (entry.file_name().to_string_lossy().into_owned(), file))
        })
        .collect();
    found.sort_by_cached_key(|(name, _)| (name.to_ascii_lowercase(), name.clone()));
    found
}

fn refuse_reserved_routes(host: &HostJson, functions: &[Function], errors: &mut Vec<String>) {
    for function in functions {
        let Trigger::Http(http) = &function.trigger else { continue };
        let template = host.template_of(http);
        let first = template.split('/').next().unwrap_or_default().to_ascii_lowercase();
        if first == "admin" || first == "runtime" {
            errors.push(format!(
                "{}/function.json: the route \"{template}\" conflicts with the host's own routes under /{first}",
                function.name
            ));
        }
    }
}
