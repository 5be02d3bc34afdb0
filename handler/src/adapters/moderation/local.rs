use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rustc_hash::FxHashMap;

use super::spam::{self, Memory, Spam};
use super::words::{Hit, Unwanted, Words, masked};
use super::{fold, links};
use crate::adapters::thresholds::{INAPPROPRIATE, Thresholds, Verdict};
use crate::model::{Links, Rules};
use crate::ports::moderator::Kind;
use crate::ports::{Judgement, Moderator, ModeratorError, Question};

/// A longer text is judged beside the runtime, in bytes. One of this length takes some tens of microseconds.
const LONG: usize = 4 * 1024;
/// What is said of such a text.
const UNFIT: &str = "The text holds words that are not fit for others.";
/// Rooms whose words are kept ready.
const ROOMS: usize = 1_000;

/// The moderator of this process: words, links, and what one sender says too often.
pub struct LocalModerator {
    shared: Arc<Shared>,
}

struct Shared {
    /// None where rooms alone decide.
    common: Option<(Words, Thresholds)>,
    rooms: Mutex<FxHashMap<u64, Arc<Unwanted>>>,
    memory: Memory,
}

impl LocalModerator {
    #[must_use]
    pub fn new(thresholds: Thresholds) -> Self {
        Self::of(Some((Words::common(), thresholds)))
    }

    /// Knows nothing but what each room wants.
    #[must_use]
    pub fn of_rooms() -> Self {
        Self::of(None)
    }

    fn of(common: Option<(Words, Thresholds)>) -> Self {
        Self { shared: Arc::new(Shared { common, rooms: Mutex::default(), memory: Memory::default() }) }
    }
}

#[async_trait]
impl Moderator for LocalModerator {
    async fn judge(&self, question: &Question) -> Result<Judgement, ModeratorError> {
        if question.text.len() <= LONG {
            return Ok(self.shared.judge(question));
        }
        let (shared, question) = (Arc::clone(&self.shared), question.clone());
        let judged = tokio::task::spawn_blocking(move || shared.judge(&question)).await;
        judged.map_err(ModeratorError::unavailable)
    }
}

impl Shared {
    fn judge(&self, question: &Question) -> Judgement {
        let rules = question.rules.as_deref().filter(|rules| !rules.is_empty());
        if self.common.is_none() && rules.is_none() {
            return Judgement::Allow;
        }
        let link = question.link.as_deref().map(links::spelled).unwrap_or_default();
        let (words, words_of_link) = (fold::words(&question.text), fold::words(&link));
        let links = links::count(&question.text) + usize::from(question.link.is_some());
        let wanted = rules.map_or(Judgement::Allow, |rules| {
            self.judge_by_rules(rules, question, &[&words, &words_of_link], links)
        });
        let Some((common, thresholds)) = &self.common else { return wanted };
        let heard = wanted
            .and(judge_words(&common.find(&words), &question.text, *thresholds))
            .and(judge_link(&common.find(&words_of_link), &link, *thresholds));
        if question.kind == Kind::Name || matches!(heard, Judgement::Reject { .. }) {
            return heard;
        }
        let spam = question.identity.and_then(|id| self.memory.judge(&question.sender, id, &words, links));
        if let Some(spam) = spam {
            return rejected(spam);
        }
        lowered(heard, &question.text)
    }

    fn judge_by_rules(
        &self,
        rules: &Rules,
        question: &Question,
        texts: &[&[fold::Word]],
        links: usize,
    ) -> Judgement {
        let may_link = match rules.links {
            Links::Allow => true,
            Links::Members => question.is_member,
            Links::None => false,
        };
        if links > 0 && !may_link {
            let reason = match rules.links {
                Links::Members => "Only members may send links to this room.",
                _ => "This room takes no links.",
            };
            return Judgement::Reject { code: "links_not_allowed", reason: reason.to_owned() };
        }
        if rules.blocked_words.is_empty() {
            return Judgement::Allow;
        }
        let unwanted = self.unwanted(rules);
        if texts.iter().any(|words| unwanted.is_in(words)) {
            let reason = "The text holds a word that this room does not take.".to_owned();
            return Judgement::Reject { code: "blocked_word", reason };
        }
        Judgement::Allow
    }

    /// The room's words, ready to be looked for; made once for each list.
    fn unwanted(&self, rules: &Rules) -> Arc<Unwanted> {
        let mut hasher = DefaultHasher::new();
        rules.blocked_words.hash(&mut hasher);
        let key = hasher.finish();
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if rooms.len() >= ROOMS && !rooms.contains_key(&key) {
            rooms.clear();
        }
        Arc::clone(rooms.entry(key).or_insert_with(|| Arc::new(Unwanted::new(&rules.blocked_words))))
    }
}

fn judge_words(hits: &[Hit], text: &str, thresholds: Thresholds) -> Judgement {
    let Some(worst) = hits.iter().map(|hit| hit.grade).max() else { return Judgement::Allow };
    match thresholds.verdict(worst as u8) {
        Verdict::Allow => Judgement::Allow,
        Verdict::Mask => {
            let hits: Vec<_> = hits.iter().copied().filter(|hit| thresholds.masks(hit.grade as u8)).collect();
            Judgement::Mask { content: masked(text, &hits) }
        }
        Verdict::Hold => Judgement::Hold { content: None, code: INAPPROPRIATE, reason: UNFIT.to_owned() },
        Verdict::Reject => Judgement::Reject { code: INAPPROPRIATE, reason: UNFIT.to_owned() },
    }
}

/// A link with stars in it leads nowhere.
fn judge_link(hits: &[Hit], link: &str, thresholds: Thresholds) -> Judgement {
    match judge_words(hits, link, thresholds) {
        Judgement::Mask { .. } => Judgement::Reject { code: INAPPROPRIATE, reason: UNFIT.to_owned() },
        judgement => judgement,
    }
}

fn rejected(spam: Spam) -> Judgement {
    let (code, reason) = match spam {
        Spam::Repeat => {
            ("spam_repeat", "You said this several times already. Wait a minute before you say it again.")
        }
        Spam::Flood => ("spam_flood", "You send too many messages. Wait a few seconds."),
        Spam::Links => ("spam_links", "You send too many links. Wait a minute, or send fewer."),
    };
    Judgement::Reject { code, reason: reason.to_owned() }
}

/// Who shouts is heard in small letters.
fn lowered(judgement: Judgement, text: &str) -> Judgement {
    let content = match &judgement {
        Judgement::Allow => text,
        Judgement::Mask { content } => content.as_str(),
        _ => return judgement,
    };
    if !spam::is_shouting(text) {
        return judgement;
    }
    // A small letter may have more units than its capital; then the capital stays.
    let lower = |c: char| {
        let mut small = c.to_lowercase();
        match (small.next(), small.next()) {
            (Some(one), None) if one.len_utf16() <= c.len_utf16() => one,
            _ => c,
        }
    };
    Judgement::Mask { content: content.chars().map(lower).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::data::{conversation, message_id, user};
    use crate::model::Marker;

    crate::contract_suite!(moderator, || LocalModerator::new(Thresholds::default()));

    fn question(text: &str) -> Question {
        Question {
            kind: Kind::Message,
            text: text.into(),
            link: None,
            sender: user("ann"),
            rules: None,
            is_member: true,
            identity: None,
        }
    }

    async fn judged(moderator: &LocalModerator, question: Question) -> Judgement {
        moderator.judge(&question).await.unwrap()
    }

    fn code(judgement: &Judgement) -> &str {
        match judgement {
            Judgement::Allow => "allow",
            Judgement::Mask { .. } => "mask",
            Judgement::Hold { .. } => "hold",
            Judgement::Reject { code, .. } => code,
        }
    }

    /// What makes other judges work for minutes. A judge whose work grew faster than the text would not come back from this.
    #[tokio::test]
    async fn no_text_takes_for_ever() {
        let moderator = LocalModerator::new(Thresholds::default());
        let longest = crate::model::bounds::CONTENT_UTF16_UNITS;
        let dear = [
            "0123456789",
            "@#!$%^&*()",
            "a",
            "a.",
            "a ",
            "f.",
            "fu",
            "s1",
            "\u{301}",
            "a\u{200b}",
            "漢",
            "🦀",
        ];
        for piece in dear {
            let units: usize = piece.chars().map(char::len_utf16).sum();
            judged(&moderator, question(&piece.repeat(longest / units))).await;
        }
    }

    #[tokio::test]
    async fn the_weight_of_a_word_decides() {
        let moderator = LocalModerator::new(Thresholds::default());
        for (text, outcome) in
            [("hello", "allow"), ("oh shit", "mask"), ("you cunt", "hold"), ("k y s", "inappropriate")]
        {
            assert_eq!(code(&judged(&moderator, question(text)).await), outcome, "{text}");
        }
        let off = Thresholds { mask: None, hold: None, reject: Some(6) };
        let moderator = LocalModerator::new(off);
        for (text, outcome) in [("oh shit", "allow"), ("you cunt", "allow"), ("kys", "inappropriate")] {
            assert_eq!(code(&judged(&moderator, question(text)).await), outcome, "{text}");
        }
    }

    #[tokio::test]
    async fn a_room_decides_on_links_and_words() {
        for moderator in [LocalModerator::of_rooms(), LocalModerator::new(Thresholds::default())] {
            let ask = |links, is_member, text: &str| Question {
                rules: Some(Arc::new(Rules { blocked_words: vec!["crypto".into()], links })),
                is_member,
                ..question(text)
            };
            for (links, is_member, text, outcome) in [
                (Links::Allow, false, "see https://example.com", "allow"),
                (Links::Members, true, "see https://example.com", "allow"),
                (Links::Members, false, "see https://example.com", "links_not_allowed"),
                (Links::None, true, "see www.example.com", "links_not_allowed"),
                (Links::None, true, "see you", "allow"),
                (Links::Allow, true, "buy CRYPT0!", "blocked_word"),
            ] {
                assert_eq!(code(&judged(&moderator, ask(links, is_member, text)).await), outcome, "{text}");
            }
        }
    }

    #[tokio::test]
    async fn a_link_beside_the_text_is_one_and_its_words_count() {
        let moderator = LocalModerator::new(Thresholds::default());
        let ask = |links, is_member, link: &str| Question {
            rules: Some(Arc::new(Rules { blocked_words: vec!["crypto".into()], links })),
            is_member,
            link: Some(link.into()),
            ..question("look")
        };
        let harmless = "https://example.com/tea?from=ann&id=as-1#top";
        for (links, is_member, link, outcome) in [
            (Links::Allow, false, harmless, "allow"),
            (Links::Members, true, harmless, "allow"),
            (Links::Members, false, harmless, "links_not_allowed"),
            (Links::None, true, harmless, "links_not_allowed"),
            (Links::Allow, true, "https://example.com/buy/CRYPT0", "blocked_word"),
            (Links::Allow, true, "https://example.com/?buy=cr%79pto", "blocked_word"),
            (Links::Allow, true, "https://example.com/oh-shit", "inappropriate"),
            (Links::Allow, true, "https://example.com/you/cunt", "hold"),
            (Links::Allow, true, "https://example.com/kys", "inappropriate"),
        ] {
            assert_eq!(code(&judged(&moderator, ask(links, is_member, link)).await), outcome, "{link}");
        }
        let masked = Question { text: "oh shit".into(), ..ask(Links::Allow, true, harmless) };
        assert_eq!(code(&judged(&moderator, masked).await), "mask");
    }

    #[tokio::test]
    async fn links_beside_the_text_are_counted_with_those_in_it() {
        let moderator = LocalModerator::new(Thresholds::default());
        let ask = |id: &str, text: &str, link: Option<&str>| Question {
            identity: Some(Marker::new(&conversation("tea"), &user("ann"), &message_id(id))),
            link: link.map(Arc::from),
            ..question(text)
        };
        let ten = "http://a.b ".repeat(10);
        assert_eq!(code(&judged(&moderator, ask("1", &ten, Some("http://c.d"))).await), "spam_links");
        assert_eq!(code(&judged(&moderator, ask("2", &ten, None)).await), "allow");
        for id in 3..13 {
            let alone = ask(&id.to_string(), "", Some("http://c.d"));
            assert_eq!(code(&judged(&moderator, alone).await), "allow", "{id}");
        }
        assert_eq!(code(&judged(&moderator, ask("13", "", Some("http://c.d"))).await), "spam_links");
    }

    #[tokio::test]
    async fn where_rooms_alone_decide_nothing_else_does() {
        let moderator = LocalModerator::of_rooms();
        for text in ["oh shit", "WHY DOES NOBODY EVER ANSWER MY MESSAGES", "kys"] {
            assert_eq!(judged(&moderator, question(text)).await, Judgement::Allow, "{text}");
        }
    }

    #[tokio::test]
    async fn who_shouts_is_heard_in_small_letters() {
        let moderator = LocalModerator::new(Thresholds::default());
        let loud = question("WHY DOES NOBODY EVER ANSWER MY SHITTY MESSAGES");
        let content = "why does nobody ever answer my *****y messages".to_owned();
        assert_eq!(judged(&moderator, loud).await, Judgement::Mask { content });
    }

    #[tokio::test]
    async fn a_name_is_no_spam() {
        let moderator = LocalModerator::new(Thresholds::default());
        for n in 0..9 {
            let identity = Some(Marker::new(&conversation("tea"), &user("ann"), &message_id(&n.to_string())));
            let named = Question { kind: Kind::Name, identity, ..question("a name that comes again") };
            assert_eq!(judged(&moderator, named).await, Judgement::Allow);
        }
    }
}
