use std::fmt;

/// Everything that is wrong with the settings, each mistake with the name it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub name: &'static str,
    pub sentence: String,
}

impl Mistakes {
    pub(super) fn add(&mut self, name: &'static str, sentence: impl Into<String>) {
        self.0.push(Mistake { name, sentence: sentence.into() });
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the settings cannot be used:")?;
        for Mistake { name, sentence } in &self.0 {
            writeln!(f, "  {name}: {sentence}")?;
        }
        write!(f, "see `handler --help` and docs/CONFIG.md")
    }
}

impl std::error::Error for Mistakes {}
