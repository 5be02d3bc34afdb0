//! Finds the words of a list in a text, however they are disguised. Linear in the text.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};

use super::fold::{self, Letter, Word};
use super::list::{HONEST, Place, WORDS};

/// How much a word weighs, in the steps of Azure AI Content Safety.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    /// Coarse.
    Light = 2,
    /// Explicit or demeaning.
    Heavy = 4,
    /// Slurs, and calls to die.
    Worst = 6,
}

/// A word that was found: its bytes in the text, and its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) grade: Grade,
}

/// Each letter and how often it stands in a row at least.
type Runs = Vec<u32>;

/// A list, ready to be looked for.
pub(super) struct Words {
    alone: HashMap<String, (Runs, Grade)>,
    /// None where no automaton could be made of the list, which the tests would show.
    anywhere: Option<AhoCorasick>,
    /// By the automaton's pattern: what it is; `None` for an honest word.
    meanings: Vec<(Runs, Option<Grade>)>,
}

impl Words {
    pub(super) fn common() -> Self {
        let (mut alone, mut texts, mut meanings) = (HashMap::new(), Vec::new(), Vec::new());
        for (word, place, grade) in WORDS {
            let (text, runs) = split(&fold::pattern(word));
            match place {
                Place::Alone => drop(alone.insert(text, (runs, *grade))),
                Place::Anywhere => {
                    texts.push(text);
                    meanings.push((runs, Some(*grade)));
                }
            }
        }
        for word in HONEST {
            let (text, runs) = split(&fold::pattern(word));
            texts.push(text);
            meanings.push((runs, None));
        }
        let anywhere = AhoCorasick::builder().match_kind(MatchKind::Standard).build(texts).ok();
        Self { alone, anywhere, meanings }
    }

    pub(super) fn find(&self, words: &[Word]) -> Vec<Hit> {
        let mut hits = Vec::new();
        for word in words {
            for letters in word.readings() {
                if let Some((runs, grade)) = self.alone.get(&text_of(letters))
                    && reaches(letters, runs)
                {
                    hits.extend(hit(letters, *grade));
                }
            }
        }
        self.find_within(words, &mut hits);
        hits
    }

    fn find_within(&self, words: &[Word], hits: &mut Vec<Hit>) {
        let Some(anywhere) = &self.anywhere else { return };
        // All words in one text, so that the automaton is started once; no pattern holds the divider.
        let count = words.iter().map(|word| word.0.len() + 1).sum();
        let (mut text, mut letters) = (String::with_capacity(count), Vec::with_capacity(count));
        // Of each byte of the text, which letter it belongs to.
        let mut places = Vec::with_capacity(count);
        for word in words {
            for letter in word.0.iter().copied().chain([Letter::divider()]) {
                text.push(letter.is);
                places.resize(text.len(), letters.len());
                letters.push(letter);
            }
        }
        let spelled = |bytes: std::ops::Range<usize>| -> Option<&[Letter]> {
            let (first, last) = (*places.get(bytes.start)?, *places.get(bytes.end.checked_sub(1)?)?);
            letters.get(first..=last)
        };
        let mut honest = vec![false; text.len()];
        let mut found = Vec::new();
        for hit in anywhere.find_overlapping_iter(&text) {
            let Some((runs, grade)) = self.meanings.get(hit.pattern().as_usize()) else { continue };
            if !spelled(hit.range()).is_some_and(|letters| reaches(letters, runs)) {
                continue;
            }
            match grade {
                None => honest.get_mut(hit.range()).unwrap_or_default().fill(true),
                Some(grade) => found.push((hit.range(), *grade)),
            }
        }
        let is_honest = |range: &std::ops::Range<usize>| {
            honest.get(range.clone()).is_some_and(|marks| marks.iter().all(|mark| *mark))
        };
        for (range, grade) in found.into_iter().filter(|(range, _)| !is_honest(range)) {
            hits.extend(spelled(range).and_then(|letters| hit(letters, grade)));
        }
    }
}

/// The words that one room does not want. Each counts alone, not within others.
pub(super) struct Unwanted(HashMap<String, Runs>);

impl Unwanted {
    pub(super) fn new(words: &[String]) -> Self {
        Self(
            words
                .iter()
                .map(|word| split(&fold::pattern(word)))
                .filter(|(text, _)| !text.is_empty())
                .collect(),
        )
    }

    pub(super) fn is_in(&self, words: &[Word]) -> bool {
        let is_one =
            |letters: &[Letter]| self.0.get(&text_of(letters)).is_some_and(|runs| reaches(letters, runs));
        words.iter().any(|word| word.readings().any(is_one))
    }
}

fn split(pattern: &[(char, u32)]) -> (String, Runs) {
    pattern.iter().copied().unzip()
}

fn text_of(letters: &[Letter]) -> String {
    letters.iter().map(|letter| letter.is).collect()
}

/// Whether every letter stands there as often as it is spelled: `as` is not `ass`, but `asss` is.
fn reaches(letters: &[Letter], runs: &[u32]) -> bool {
    letters.len() == runs.len() && letters.iter().zip(runs).all(|(letter, run)| letter.run >= *run)
}

fn hit(letters: &[Letter], grade: Grade) -> Option<Hit> {
    Some(Hit { start: letters.first()?.start, end: letters.last()?.end, grade })
}

/// The text with a star for each character of each hit but spaces.
pub(super) fn masked(text: &str, hits: &[Hit]) -> String {
    let mut marks = vec![0_i32; text.len() + 1];
    for hit in hits {
        for (at, step) in [(hit.start, 1), (hit.end, -1)] {
            if let Some(mark) = marks.get_mut(at) {
                *mark += step;
            }
        }
    }
    let mut depth = 0;
    text.char_indices()
        .map(|(at, character)| {
            depth += marks.get(at).copied().unwrap_or_default();
            if depth > 0 && !character.is_whitespace() { '*' } else { character }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(text: &str) -> String {
        masked(text, &Words::common().find(&fold::words(text)))
    }

    #[test]
    fn disguises_do_not_help() {
        for odd in [
            "fuck",
            "FUCK",
            "Fuuuuck",
            "fück",
            "f.u.c.k",
            "f-u_c.k",
            "f u c k",
            "f  u\tc  k",
            "ƒυсk",
            "ｆｕｃｋ",
            "𝒻𝓊𝒸𝓀",
            "f\u{200b}uck",
            "motherfucker",
            "sh1t",
            "$hit",
            "5h!t",
            "b1tch",
            "a$$",
            "@ss",
            "ASS!",
            "a s s",
            "asssss",
            "(ass)",
            "d!ck",
            "c0ck",
            "сука",
        ] {
            let masked = mask(odd);
            assert!(!masked.contains(|c: char| c.is_alphabetic()), "{odd} became {masked}");
        }
    }

    #[test]
    fn honest_words_stay() {
        for honest in [
            "Scunthorpe United",
            "shiitake",
            "class, assassin, bass, pass, as",
            "cockpit and peacock",
            "Dickens",
            "455 4-5-5 2026-11-21",
            "Niger and Nigeria",
            "snigger",
            "analysis",
            "a b c d e",
            "I a s",
            "therapist",
            "Essex",
            "title",
            "https://example.com/assets?id=455",
            "kill -9",
            "git push",
            "Shitake",
            "Matsushita",
            "if u c k9 dogs",
            "mass",
            "as s",
            "this hit",
        ] {
            assert_eq!(mask(honest), honest);
        }
    }

    #[test]
    fn the_mask_covers_the_word_and_nothing_else() {
        assert_eq!(mask("oh shit, that's a fücking 🦀!"), "oh ****, that's a ****ing 🦀!");
        assert_eq!(mask("s h i t happens"), "* * * * happens");
    }

    #[test]
    fn a_rooms_words_count_alone() {
        let words =
            Unwanted::new(&["Crypto".to_owned(), "купить".to_owned(), "C++".to_owned(), "455".to_owned()]);
        for text in ["crypto", "CRYPT0!", "c r y p t o", "c.r.y.p.t.o", "купить", "КУПИТЬ сейчас"]
        {
            assert!(words.is_in(&fold::words(text)), "{text}");
        }
        for text in ["cryptography", "", "455"] {
            assert!(!words.is_in(&fold::words(text)), "{text}");
        }
    }
}
