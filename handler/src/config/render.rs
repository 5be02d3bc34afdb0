use std::fmt::Write;

use super::settings::Shown;
use super::{Config, Group, SETTINGS};

fn in_group(group: Group) -> impl Iterator<Item = &'static super::Setting> {
    SETTINGS.iter().filter(move |setting| setting.group == group)
}

/// The part of `--help` that tells the settings.
#[must_use]
pub fn help() -> String {
    let mut text =
        String::from("Settings are environment variables. All mistakes are told at once; exit code 64.\n");
    for group in Group::ALL.into_iter().filter(|group| !matches!(group, Group::Platform | Group::Later)) {
        let _ = write!(text, "\n{}:\n", group.title());
        for setting in in_group(group) {
            let _ = writeln!(text, "  {} = {}  [default: {}]", setting.name, setting.kind, setting.default);
            let _ = writeln!(text, "      {}", setting.about);
        }
    }
    text.push_str("\nNames of the platform and of later versions: docs/CONFIG.md");
    text
}

/// The settings in effect, one `NAME=value` a line; secrets are hidden.
#[must_use]
pub fn effective(config: &Config) -> String {
    let mut text = String::new();
    for setting in SETTINGS.iter().filter(|setting| setting.group != Group::Later) {
        let _ = match (setting.show)(config) {
            Shown::Value(value) => writeln!(text, "{}={value}", setting.name),
            Shown::Hidden => writeln!(text, "{}=(hidden)", setting.name),
            Shown::Unset => writeln!(text, "# {} is not set ({})", setting.name, setting.default),
        };
    }
    text
}

/// The tables of docs/CONFIG.md.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::new();
    for group in Group::ALL {
        let _ =
            write!(text, "## {}\n\n| Name | Value | Default | Meaning |\n|---|---|---|---|\n", group.title());
        for setting in in_group(group) {
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                setting.name, setting.kind, setting.default, setting.about
            );
        }
        text.push('\n');
    }
    text
}
