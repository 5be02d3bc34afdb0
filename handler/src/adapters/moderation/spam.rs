//! What one sender says too often. Kept in this process, for a minute, and for so many senders at most.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::fold::Word;
use crate::model::{Marker, UserId};

/// How long a message is remembered.
const MEMORY: Duration = Duration::from_secs(60);
/// Within which a flood is one.
const FLOOD_TIME: Duration = Duration::from_secs(10);
/// Messages of one sender within that time.
const FLOOD: usize = 30;
/// The same text of one sender, in all conversations together.
const REPEATS: usize = 3;
/// The same of a text that is soon said again, such as `ok`.
const SHORT_REPEATS: usize = 10;
/// A text of fewer letters is short.
const SHORT: usize = 10;
/// Links in one message, and of one sender within the time of memory.
const LINKS: usize = 10;
const LINKS_TOGETHER: usize = 20;
/// Messages remembered of one sender, and senders remembered: some 15 MB together.
const MESSAGES: usize = 32;
const SENDERS: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spam {
    Repeat,
    Flood,
    Links,
}

/// A message as it is remembered.
struct Said {
    identity: Marker,
    text: u64,
    links: usize,
    at: Instant,
}

#[derive(Default)]
pub(super) struct Memory(Mutex<FxHashMap<UserId, VecDeque<Said>>>);

impl Memory {
    /// Whether it is too much now. What is, is not remembered, so that who waits may speak again; and a repeat of a message, by
    /// its identity, never is.
    pub(super) fn judge(
        &self,
        sender: &UserId,
        identity: Marker,
        words: &[Word],
        links: usize,
    ) -> Option<Spam> {
        let now = Instant::now();
        let (text, length) = digest(words);
        let mut senders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut senders, sender, now);
        let said = senders.entry(sender.clone()).or_default();
        said.retain(|said| now - said.at < MEMORY);
        if said.iter().any(|said| said.identity == identity) {
            return None;
        }
        let spam = too_much(said, text, length, links, now);
        if spam.is_none() {
            if said.len() >= MESSAGES {
                said.pop_front();
            }
            said.push_back(Said { identity, text, links, at: now });
        }
        spam
    }

    #[cfg(test)]
    fn senders(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

fn too_much(said: &VecDeque<Said>, text: u64, length: usize, links: usize, now: Instant) -> Option<Spam> {
    let allowed = if length < SHORT { SHORT_REPEATS } else { REPEATS };
    if length > 0 && said.iter().filter(|said| said.text == text).count() >= allowed {
        return Some(Spam::Repeat);
    }
    if said.iter().filter(|said| now - said.at < FLOOD_TIME).count() >= FLOOD {
        return Some(Spam::Flood);
    }
    let together = said.iter().map(|said| said.links).sum::<usize>() + links;
    (links > LINKS || (links > 0 && together > LINKS_TOGETHER)).then_some(Spam::Links)
}

/// Of the letters alone, and without signs behind them: another emoji or more dots do not make it another text.
fn digest(words: &[Word]) -> (u64, usize) {
    let (mut hasher, mut length) = (DefaultHasher::new(), 0);
    for letter in words.iter().flat_map(Word::bare) {
        letter.is.hash(&mut hasher);
        length += 1;
    }
    (hasher.finish(), length)
}

/// Forgets those who have been silent, and where that is not enough, everybody.
fn make_room(senders: &mut FxHashMap<UserId, VecDeque<Said>>, sender: &UserId, now: Instant) {
    if senders.len() < SENDERS || senders.contains_key(sender) {
        return;
    }
    senders.retain(|_, said| said.back().is_some_and(|last| now - last.at < FLOOD_TIME));
    if senders.len() >= SENDERS {
        senders.clear();
    }
}

/// Letters that a message has before it may be loud, and how many of ten are capitals then.
const LOUD_LETTERS: usize = 30;
const LOUD_TENTHS: usize = 9;

/// Whether nearly all of a longer text is capitals.
pub(super) fn is_shouting(text: &str) -> bool {
    let (mut upper, mut letters) = (0, 0);
    for character in text.chars() {
        upper += usize::from(character.is_uppercase());
        letters += usize::from(character.is_uppercase() || character.is_lowercase());
    }
    letters >= LOUD_LETTERS && upper * 10 >= letters * LOUD_TENTHS
}

#[cfg(test)]
mod tests {
    use super::super::fold;
    use super::*;
    use crate::contract::data::{conversation, message_id, user};

    fn say(memory: &Memory, who: &str, id: usize, text: &str) -> Option<Spam> {
        let marker = Marker::new(&conversation("tea"), &user(who), &message_id(&format!("m{id}")));
        memory.judge(&user(who), marker, &fold::words(text), super::super::links::count(text))
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_text_is_said_three_times_a_minute() {
        let memory = Memory::default();
        for (id, text) in
            ["buy my tea here", "Buy my tea here!!", "BUY MY TEA HERE 🦀"].into_iter().enumerate()
        {
            assert_eq!(say(&memory, "ann", id, text), None);
        }
        assert_eq!(say(&memory, "ann", 3, "buy my tea hereee"), Some(Spam::Repeat));
        assert_eq!(say(&memory, "ann", 1, "buy my tea here"), None, "a repeat of the same message");
        assert_eq!(say(&memory, "ann", 4, "something else to say"), None);
        assert_eq!(say(&memory, "bob", 5, "buy my tea here"), None);
        for id in 10..20 {
            assert_eq!(say(&memory, "ann", id, "ok"), None);
        }
        assert_eq!(say(&memory, "ann", 20, "ok"), Some(Spam::Repeat));
        tokio::time::advance(MEMORY).await;
        assert_eq!(say(&memory, "ann", 21, "buy my tea here"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn floods_and_storms_of_links_are_told_apart() {
        let memory = Memory::default();
        for id in 0..FLOOD {
            assert_eq!(say(&memory, "ann", id, &format!("line number x{}", "ab".repeat(id))), None);
        }
        assert_eq!(say(&memory, "ann", 99, "one more"), Some(Spam::Flood));
        tokio::time::advance(FLOOD_TIME).await;
        assert_eq!(say(&memory, "ann", 99, "one more"), None);
        assert_eq!(say(&memory, "bob", 1, &"http://a.b ".repeat(LINKS + 1)), Some(Spam::Links));
        assert_eq!(say(&memory, "bob", 2, &"http://a.b ".repeat(LINKS)), None);
        assert_eq!(say(&memory, "bob", 3, &"http://c.d ".repeat(LINKS)), None);
        assert_eq!(say(&memory, "bob", 4, "http://e.f"), Some(Spam::Links));
        assert_eq!(say(&memory, "bob", 5, "no link"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let memory = Memory::default();
        for who in 0..SENDERS + 10 {
            say(&memory, &format!("user-{who}"), 0, "hello there");
        }
        assert!(memory.senders() <= SENDERS);
        for id in 0..200 {
            say(&memory, "ann", id, &"ab".repeat(id));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(memory.0.lock().unwrap()[&user("ann")].len() <= MESSAGES);
    }

    #[test]
    fn shouting_is_long_and_nearly_all_capitals() {
        assert!(is_shouting("WHY DOES NOBODY EVER ANSWER MY MESSAGES"));
        for quiet in
            ["OK", "NASA AND ESA", "Why does nobody answer my messages, EVER", "漢字".repeat(40).as_str()]
        {
            assert!(!is_shouting(quiet), "{quiet}");
        }
    }
}
