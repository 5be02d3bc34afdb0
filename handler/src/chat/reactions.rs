//! Emoji on messages. They are set and taken away, never toggled, so that a repeat changes nothing.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::history::page_length;
use super::scene::Changed;
use super::{Caller, Chat, PresentMessage, Refused, Venue};
use crate::model::{Change, Marker, UserId, bounds};

/// A message's reactions as one user sees them: `{"seq","reactions":{emoji: count},"mine":[emoji…]}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionsView {
    /// The message's.
    pub seq: u64,
    pub counts: BTreeMap<String, usize>,
    pub mine: Vec<String>,
}

impl ReactionsView {
    #[must_use]
    pub fn new(user: &UserId, message: &PresentMessage) -> Self {
        let reactions = &message.state.reactions;
        let mine = reactions.iter().filter(|(_, users)| users.contains(user));
        Self {
            seq: message.state.seq,
            counts: reactions.iter().map(|(emoji, users)| (emoji.clone(), users.len())).collect(),
            mine: mine.map(|(emoji, _)| emoji.clone()).collect(),
        }
    }
}

impl Serialize for ReactionsView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("reactions", &self.counts)?;
        map.serialize_entry("mine", &self.mine)?;
        map.end()
    }
}

/// Who reacted with one emoji, by user id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReactedPage {
    pub emoji: String,
    pub users: Vec<UserId>,
    /// Given back as `after` for the users behind these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

impl Chat {
    /// Sets (`on`) or takes away the caller's emoji. What is so already changes nothing.
    pub async fn react(
        &self,
        caller: &Caller,
        venue: &Venue,
        seq: u64,
        emoji: &str,
        on: bool,
    ) -> Result<Changed, Refused> {
        check_emoji(emoji)?;
        // Whoever may not speak any more may still take back what they said.
        let scene = if on {
            self.scene_to_write(caller, venue).await?
        } else {
            self.scene_to_read(caller, venue).await?
        };
        let message = self.find_message(scene, seq).await?;
        if on && message.state.deleted_at.is_some() {
            return Err(Refused::message_deleted());
        }
        let is_on = message.state.reactions.get(emoji).is_some_and(|users| users.contains(&caller.user));
        if is_on == on {
            return self.unchanged(message).await;
        }
        let conversation = message.scene.conversation();
        let occasion = format!("{seq}:{}:{on}:{emoji}", message.state.as_of);
        let marker = Marker::of_command(&conversation, &caller.user, "reacted", &occasion);
        let change = Change::Reaction { target: seq, emoji: emoji.to_owned(), by: caller.user.clone(), on };
        self.change_message(caller, message.scene, seq, marker, change).await
    }

    /// How a message was reacted to, for those who may read it.
    pub async fn reactions(
        &self,
        caller: &Caller,
        venue: &Venue,
        seq: u64,
    ) -> Result<ReactionsView, Refused> {
        let message = self.message(caller, venue, seq).await?;
        Ok(ReactionsView::new(&caller.user, &message))
    }

    /// Who reacted with an emoji, those with an id > `after`.
    pub async fn reacted(
        &self,
        caller: &Caller,
        venue: &Venue,
        seq: u64,
        emoji: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<ReactedPage, Refused> {
        let limit = page_length(limit, bounds::MEMBERS_PAGE_DEFAULT, bounds::MEMBERS_PAGE_MAX)?;
        let message = self.message(caller, venue, seq).await?;
        let reacted = message.state.reactions.get(emoji).into_iter().flatten();
        let behind = reacted.filter(|user| after.is_none_or(|after| user.as_str() > after));
        let mut users: Vec<_> = behind.take(limit + 1).cloned().collect();
        let more = users.len() > limit;
        users.truncate(limit);
        Ok(ReactedPage { emoji: emoji.to_owned(), next: users.last().filter(|_| more).cloned(), users })
    }
}

/// One sign (with what modifies it), or a short name as clients write it (`+1`, `:tea:`).
fn check_emoji(emoji: &str) -> Result<(), Refused> {
    if emoji.is_empty() {
        return Err(Refused::invalid("missing_field", "emoji", "emoji is missing."));
    }
    let max = bounds::EMOJI_BYTES;
    if emoji.len() > max {
        return Err(Refused::invalid("too_long", "emoji", format!("emoji must be at most {max} bytes.")));
    }
    let is_plain = !emoji.chars().any(|c| c.is_control() || c.is_whitespace());
    if is_plain && (is_short_name(emoji) || is_one_sign(emoji)) {
        return Ok(());
    }
    Err(Refused::invalid("invalid_emoji", "emoji", "emoji must be one emoji, or a short name such as :tea:."))
}

fn is_short_name(emoji: &str) -> bool {
    let name = emoji.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')).unwrap_or(emoji);
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b))
}

/// Near enough to a grapheme cluster for emoji: joined signs, skin tones, flags, keycaps and tags are one.
fn is_one_sign(text: &str) -> bool {
    const JOINER: char = '\u{200D}';
    let is_flag_half = |c: char| ('\u{1F1E6}'..='\u{1F1FF}').contains(&c);
    let (mut signs, mut before, mut flag_halves) = (0, None, 0);
    for c in text.chars() {
        let belongs_to_former = matches!(c, JOINER | '\u{300}'..='\u{36F}' | '\u{20D0}'..='\u{20FF}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}' | '\u{E0020}'..='\u{E007F}');
        flag_halves = if is_flag_half(c) { flag_halves + 1 } else { 0 };
        let continues = belongs_to_former || before == Some(JOINER) || flag_halves == 2;
        if before.is_none() || !continues {
            signs += 1;
        }
        before = Some(c);
    }
    signs == 1
}

#[cfg(test)]
mod tests {
    use super::check_emoji;

    #[test]
    fn an_emoji_is_one_sign_or_a_short_name() {
        for good in ["👍", "👍🏽", "❤️", "👩‍👩‍👧‍👦", "🇩🇪", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "+1", ":tea_time:", "é"]
        {
            assert_eq!(check_emoji(good), Ok(()), "{good}");
        }
        let long = "x".repeat(65);
        for (bad, code) in [
            ("", "missing_field"),
            (&long, "too_long"),
            ("👍👎", "invalid_emoji"),
            ("👍 ", "invalid_emoji"),
            ("a b", "invalid_emoji"),
            ("\u{7}", "invalid_emoji"),
            ("<b>", "invalid_emoji"),
            ("::", "invalid_emoji"),
            ("🇩🇪🇫🇷", "invalid_emoji"),
        ] {
            assert_eq!(check_emoji(bad).unwrap_err().code, code, "{bad}");
        }
    }
}
