//! App settings: what `local.settings.json` or the command line says, over the double's own environment.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::world;

/// Names and values as the host and the handler see them.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct LocalSettings {
    #[serde(rename = "IsEncrypted", default)]
    is_encrypted: bool,
    #[serde(rename = "Values", default)]
    values: BTreeMap<String, String>,
}

impl Settings {
    /// The double's environment, as the host takes its own.
    #[must_use]
    pub fn from_environment() -> Self {
        Self { values: world::environment().collect() }
    }

    /// Adds the `Values` of a `local.settings.json`; they win over what is there.
    ///
    /// # Errors
    /// One sentence when the file cannot be read, is no settings file, or is encrypted.
    pub fn add_file(&mut self, path: &Path) -> Result<(), String> {
        let name = path.display();
        let text =
            std::fs::read_to_string(path).map_err(|error| format!("{name} cannot be read: {error}"))?;
        let file: LocalSettings =
            serde_json::from_str(&text).map_err(|error| format!("{name} is no settings file: {error}"))?;
        if file.is_encrypted {
            return Err(format!("{name} is encrypted; run `func settings decrypt` first"));
        }
        self.values.extend(file.values);
        Ok(())
    }

    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), value.into());
    }

    /// A setting that is present and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether `AzureWebJobs.<function>.Disabled` (or its form with `__`) is `true` or `1`.
    #[must_use]
    pub fn disables(&self, function: &str) -> bool {
        [format!("AzureWebJobs.{function}.Disabled"), format!("AzureWebJobs__{function}__Disabled")]
            .iter()
            .filter_map(|name| self.get(name))
            .any(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }

    /// Replaces each `%NAME%` by its setting.
    ///
    /// # Errors
    /// The first name without a setting.
    pub fn expand(&self, text: &str) -> Result<String, String> {
        self.expand_with(text, |name| Err(format!("'%{name}%' does not resolve to a value")))
    }

    /// Replaces each `%NAME%` by its setting, and an unset one by nothing.
    #[must_use]
    pub fn expand_or_empty(&self, text: &str) -> String {
        self.expand_with(text, |_| Ok(String::new())).unwrap_or_default()
    }

    fn expand_with(
        &self,
        text: &str,
        missing: impl Fn(&str) -> Result<String, String>,
    ) -> Result<String, String> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            let Some((name, behind)) = after.split_once('%') else { break };
            expanded.push_str(before);
            match self.get(name) {
                Some(value) => expanded.push_str(value),
                None => expanded.push_str(&missing(name)?),
            }
            rest = behind;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_names_between_percent_signs() {
        let mut settings = Settings::default();
        settings.set("Q", "chat-queue");
        assert_eq!(settings.expand("%Q%/x"), Ok("chat-queue/x".into()));
        assert_eq!(settings.expand("100%"), Ok("100%".into()));
        assert!(settings.expand("%NONE%").is_err());
        assert_eq!(settings.expand_or_empty("a%NONE%b"), "ab");
    }

    #[test]
    fn a_function_is_disabled_by_its_setting_alone() {
        let mut settings = Settings::default();
        settings.set("AzureWebJobs.processQueue.Disabled", "True");
        settings.set("AzureWebJobs.web.Disabled", "false");
        assert!(settings.disables("processQueue"));
        assert!(!settings.disables("web"));
        assert!(!settings.disables("negotiate"));
    }
}
