//! Accepted messages that did not reach their log, as admins see them.

use serde::Serialize;

use super::audit::Act;
use super::history::page_length;
use super::{Caller, Chat, Refused};
use crate::ports::{Letter, LetterKind};

/// Letters of a page, default and maximum.
const PAGE: usize = 100;

/// Oldest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LetterPage {
    pub letters: Vec<Letter>,
    /// Given back as `after` for those behind these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Chat {
    /// Letters of a kind. They hold what people wrote to each other, so who reads them is on record.
    pub async fn list_letters(
        &self,
        caller: &Caller,
        kind: LetterKind,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<LetterPage, Refused> {
        if !caller.is_admin {
            return Err(Refused::admins_only());
        }
        let limit = page_length(limit, PAGE, PAGE)?;
        let letters = self.ports.letters.list(kind, after, limit).await?;
        if !letters.is_empty() {
            let target = Some(format!("{} {}", letters.len(), kind.as_str()));
            let occasion = self.ports.ids.token();
            self.note_act(caller, Act { action: "letters.read", target, occasion, ..Act::default() }).await?;
        }
        let next = letters.last().filter(|_| letters.len() == limit).map(|letter| letter.id.clone());
        Ok(LetterPage { letters, next })
    }
}
