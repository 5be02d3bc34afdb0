//! Accepted messages that did not reach their log, as admins see them. They hold what people wrote to each other, so who
//! reads them is on record, and so is who replays or discards one.

use serde::Serialize;

use super::audit::Act;
use super::edits::check_reason;
use super::history::page_length;
use super::policy::require_admin;
use super::{Caller, Chat, QueuedMessage, Refused};
use crate::ports::{Letter, LetterKind};

/// Letters of a page, default and maximum.
const PAGE: usize = 100;
/// Longer ones name no letter.
pub(super) const ID_BYTES: usize = 4_096;

/// Oldest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LetterPage {
    pub letters: Vec<Letter>,
    /// Given back as `after` for those behind these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Chat {
    /// Letters of a kind; for admins.
    pub async fn list_letters(
        &self,
        caller: &Caller,
        kind: LetterKind,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<LetterPage, Refused> {
        require_admin(caller)?;
        let limit = page_length(limit, PAGE, PAGE)?;
        if after.is_some_and(|after| after.len() > ID_BYTES) {
            return Err(Refused::invalid(
                "invalid_cursor",
                "after",
                "after must be the next of a former page.",
            ));
        }
        let letters = self.ports.letters.list(kind, after, limit).await?;
        if !letters.is_empty() {
            let target = format!("{} {}", letters.len(), kind.as_str());
            self.note_reading(caller, target).await?;
        }
        let next = letters.last().filter(|_| letters.len() == limit).map(|letter| letter.id.clone());
        Ok(LetterPage { letters, next })
    }

    /// One letter, with what was tried with it; for admins.
    pub async fn letter(&self, caller: &Caller, kind: LetterKind, id: &str) -> Result<Letter, Refused> {
        let letter = self.find_letter(caller, kind, id).await?;
        self.note_reading(caller, id.to_owned()).await?;
        Ok(letter)
    }

    /// Gives a letter up for good; for admins. Nothing happens where there is none any more. Where a replay came first, that
    /// is the answer.
    pub async fn discard_letter(
        &self,
        caller: &Caller,
        kind: LetterKind,
        id: &str,
        reason: Option<&str>,
    ) -> Result<(), Refused> {
        let reason = check_reason(reason)?;
        let letter = match self.find_letter(caller, kind, id).await {
            Err(refused) if refused.code == NOT_FOUND => return Ok(()),
            found => found?,
        };
        let message = QueuedMessage::read(&super::replay::received_of(&letter), self.ports.clock.now()).ok();
        let act = Act {
            action: "letter.discard",
            on: message.as_ref().map(|message| message.message.sender.clone()),
            room: message.as_ref().and_then(|message| message.conversation.room()),
            conversation: message.as_ref().map(|message| message.conversation.clone()),
            target: Some(id.to_owned()),
            reason,
            occasion: kind.as_str().to_owned(),
        };
        let discard = async {
            match &message {
                Some(message) => self.discard_message(kind, id, message).await,
                None => Ok(self.ports.letters.remove(kind, id).await.map(drop)?),
            }
        };
        self.audited(caller, act, discard).await
    }

    /// In its conversation's turn, so that no replay here has the letter in hand: what is answered as discarded does not arrive
    /// afterwards. A process elsewhere that is delivering it at this moment is not waited for.
    async fn discard_message(
        &self,
        kind: LetterKind,
        id: &str,
        message: &QueuedMessage,
    ) -> Result<(), Refused> {
        let _turn = self.letter_turns.take(&message.conversation).await;
        let delivered = self.ports.log.find(&message.conversation, &message.marker).await?;
        self.ports.letters.remove(kind, id).await?;
        match delivered {
            None => Ok(()),
            Some(_) => {
                let sentence = "The message is in its log: it was delivered before. The letter is gone.";
                Err(Refused::conflict("letter_delivered", sentence))
            }
        }
    }

    pub(super) async fn find_letter(
        &self,
        caller: &Caller,
        kind: LetterKind,
        id: &str,
    ) -> Result<Letter, Refused> {
        require_admin(caller)?;
        if id.len() > ID_BYTES {
            return Err(not_found());
        }
        self.ports.letters.get(kind, id).await?.ok_or_else(not_found)
    }

    async fn note_reading(&self, caller: &Caller, target: String) -> Result<(), Refused> {
        let (target, occasion) = (Some(target), self.ports.ids.token());
        self.note_act(caller, Act { action: "letters.read", target, occasion, ..Act::default() }).await
    }
}

const NOT_FOUND: &str = "letter_not_found";

pub(super) fn not_found() -> Refused {
    Refused::not_found(NOT_FOUND, "There is no such letter, or none any more.")
}
