use std::error::Error;
use std::time::Duration;

/// An error with all its causes, the last of which says what to do, such as which role is missing. For logs and operators.
#[must_use]
pub fn reasons(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let mut causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.dedup();
    causes.join(": ")
}

/// What everybody may be told of an error: the port's own sentence, and the role that an identity lacks. Addresses, paths and
/// the words of other machines stay in [`reasons`].
#[must_use]
pub fn reason_in_public(error: &(dyn Error + 'static)) -> String {
    let sentence = error.to_string();
    let mut causes = std::iter::successors(error.source(), |error| (*error).source());
    match causes.find_map(|cause| missing_role(&cause.to_string())) {
        Some(role) => format!("{sentence}: the identity {role}"),
        None => sentence,
    }
}

/// The clause in which an adapter names the role, which may stand among a service's own words.
fn missing_role(text: &str) -> Option<String> {
    let clause = &text[text.find("needs the role ")?..];
    let end = clause.find([';', ',', ':', '.', '(', ')']).unwrap_or(clause.len());
    Some(clause[..end].trim_end().to_owned())
}

/// A store did not do what it was asked, and nothing is known to have happened: the call may be repeated.
/// What a caller did wrong is never a `StoreError`; each port has its own answers for that.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Out of reach, overloaded, throttled or refusing: worth waiting for, `retry_after` at least where the store named a
    /// time.
    #[error("{store} is unavailable")]
    Unavailable {
        store: &'static str,
        retry_after: Option<Duration>,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// What is stored cannot be read. Waiting does not help, but neither may data be dropped for it.
    #[error("{store} holds a row that cannot be read")]
    Corrupt {
        store: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl StoreError {
    pub fn unavailable(store: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable { store, retry_after: None, source: source.into() }
    }

    /// The same error with the time the store asked for.
    #[must_use]
    pub fn asking_for(self, time: Option<Duration>) -> Self {
        match self {
            Self::Unavailable { store, retry_after, source } => {
                Self::Unavailable { store, retry_after: time.or(retry_after), source }
            }
            other => other,
        }
    }

    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            Self::Corrupt { .. } => None,
        }
    }

    pub fn corrupt(store: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Corrupt { store, source: source.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the answer was 403: no such right at /data/store on host 10.0.0.7{0}")]
    struct Answer(&'static str);

    #[test]
    fn everybody_is_told_which_role_is_missing_and_nothing_of_the_machine() {
        let told = |hint| reason_in_public(&StoreError::unavailable("Table Storage", Answer(hint)));
        assert_eq!(told(""), "Table Storage is unavailable");
        assert_eq!(
            told(
                " (the identity needs the role Storage Table Data Contributor on the account; it takes minutes)"
            ),
            "Table Storage is unavailable: the identity needs the role Storage Table Data Contributor on the account",
        );
        assert_eq!(
            told(". It needs the role `Reader` on the namespace"),
            "Table Storage is unavailable: the identity needs the role `Reader` on the namespace",
        );
        let whole = reasons(&StoreError::unavailable("Table Storage", Answer("")));
        assert!(whole.contains("10.0.0.7"), "{whole}");
    }
}
