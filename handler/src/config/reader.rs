use std::ops::RangeInclusive;
use std::time::Duration;

use super::mistakes::Mistakes;
use super::settings::SETTINGS;
use super::{Secret, Vars};

/// Reads values and collects what is wrong with them, so that one run shows every mistake.
pub(super) struct Reader<'a> {
    vars: &'a dyn Vars,
    pub(super) mistakes: Mistakes,
}

impl<'a> Reader<'a> {
    pub(super) fn new(vars: &'a dyn Vars) -> Self {
        Self { vars, mistakes: Mistakes::default() }
    }

    /// The text as it is set. Every name that is read must stand in the table.
    pub(super) fn text(&self, name: &'static str) -> Option<String> {
        debug_assert!(SETTINGS.iter().any(|setting| setting.name == name), "{name} is not in the table");
        self.vars.get(name)
    }

    pub(super) fn is_set(&self, name: &'static str) -> bool {
        self.text(name).is_some()
    }

    pub(super) fn secret(&self, name: &'static str) -> Option<Secret> {
        self.text(name).map(|text| Secret::new(&text))
    }

    /// The value read by `parse`; `None` when it is not set or is a mistake, which is noted. The sentence of a
    /// mistake never repeats the value: it may be a secret put under a wrong name.
    pub(super) fn parse<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(name)?;
        match parse(text.trim()) {
            Ok(value) => Some(value),
            Err(sentence) => {
                self.mistakes.add(name, sentence);
                None
            }
        }
    }

    pub(super) fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        self.parse(name, |text| {
            let found = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
            found.map(|(_, value)| *value).ok_or_else(|| {
                let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
                format!("must be one of {}", words.join(", "))
            })
        })
    }

    pub(super) fn port(&mut self, name: &'static str) -> Option<u16> {
        self.parse(name, |text| text.parse().map_err(|_| "must be a port, 0 to 65535".to_owned()))
    }

    pub(super) fn number(&mut self, name: &'static str, within: RangeInclusive<u64>) -> Option<u64> {
        self.parse(name, |text| {
            text.parse().ok().filter(|number| within.contains(number)).ok_or_else(|| {
                let (min, max) = within.into_inner();
                format!("must be a whole number, {min} to {max}")
            })
        })
    }

    pub(super) fn millis(&mut self, name: &'static str, within: RangeInclusive<u64>) -> Option<Duration> {
        self.parse(name, |text| {
            text.parse().ok().filter(|millis| within.contains(millis)).map(Duration::from_millis).ok_or_else(
                || {
                    let (min, max) = within.into_inner();
                    format!("must be a number of milliseconds, {min} to {max}")
                },
            )
        })
    }

    pub(super) fn seconds(&mut self, name: &'static str, within: RangeInclusive<u64>) -> Option<Duration> {
        self.parse(name, |text| {
            let read = text.parse().ok().filter(|seconds| within.contains(seconds)).map(Duration::from_secs);
            read.ok_or_else(|| {
                let (min, max) = within.into_inner();
                format!("must be a number of seconds, {min} to {max}")
            })
        })
    }

    /// A comma list; empty items are dropped.
    pub(super) fn list<T>(
        &mut self,
        name: &'static str,
        item: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        self.parse(name, |text| {
            text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(&item).collect()
        })
    }

    pub(super) fn mistake(&mut self, name: &'static str, sentence: impl Into<String>) {
        self.mistakes.add(name, sentence);
    }
}
