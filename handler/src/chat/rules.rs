//! What a room wants of its messages.

use serde::Serialize;

use super::policy::Action;
use super::{Caller, Chat, Refused, access::room_id};
use crate::model::{Links, RoomId, Rules, bounds};

/// `{"room_id","blocked_words","links"}`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RulesView {
    pub room_id: RoomId,
    #[serde(flatten)]
    pub rules: Rules,
}

impl Chat {
    /// The rules of a room, for those who may set them: a list of blocked words is not for everybody.
    pub async fn rules(&self, caller: &Caller, room: &str) -> Result<RulesView, Refused> {
        let room = self.visible(caller, &room_id(room)?).await?;
        self.require(caller, &room, Action::SetRules).await?;
        Ok(RulesView { room_id: room.id.clone(), rules: room.rules.clone() })
    }
}

/// Single words, without doubles.
pub(super) fn check_words(words: &[String]) -> Result<Vec<String>, Refused> {
    let (most, max) = (bounds::BLOCKED_WORDS, bounds::BLOCKED_WORD_CHARS);
    if words.len() > most {
        let sentence = format!("blocked_words must be at most {most} words.");
        return Err(Refused::invalid("too_long", "blocked_words", sentence));
    }
    let mut checked: Vec<String> = Vec::with_capacity(words.len());
    for word in words.iter().map(|word| word.trim()) {
        if word.chars().count() > max {
            let sentence = format!("Each of blocked_words must be at most {max} characters.");
            return Err(Refused::invalid("too_long", "blocked_words", sentence));
        }
        let is_word = word.chars().any(char::is_alphabetic)
            && !word.chars().any(|c| c.is_whitespace() || c.is_control());
        if !is_word {
            let sentence = "Each of blocked_words must be one word, with a letter in it.";
            return Err(Refused::invalid("invalid_field", "blocked_words", sentence));
        }
        if !checked.iter().any(|known| known == word) {
            checked.push(word.to_owned());
        }
    }
    Ok(checked)
}

pub(super) fn check_links(links: &str) -> Result<Links, Refused> {
    match links {
        "allow" => Ok(Links::Allow),
        "members" => Ok(Links::Members),
        "none" => Ok(Links::None),
        _ => Err(Refused::invalid("invalid_field", "links", "links must be allow, members or none.")),
    }
}
