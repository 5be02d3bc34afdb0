//! Text as a reader sees it: case, accents, look-alike letters, digits that stand for letters and invisible characters make no
//! difference, and neither does a letter that is drawn out. One pass, and never more than [`MOST_PARTS`] letters for a character,
//! so the work grows with the text and with nothing else.

use unicode_normalization::char::{decompose_compatible, is_combining_mark};

/// Letters that one character may stand for; some ligatures have eighteen.
const MOST_PARTS: usize = 3;
/// How many letters stand between the stops of a divided word, on the average.
const LETTERS_BETWEEN_STOPS: usize = 2;
/// Single letters in a row that are read as one word, as in `s p a m`.
const SPELLED_OUT: usize = 3;

/// One letter of a word, however often it is repeated there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) is: char,
    /// How often it stands in a row.
    pub(super) run: u32,
    /// A sign such as `!` that may be a letter or the end of a word.
    is_sign: bool,
    /// Where it stands in the text, in bytes.
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Letter {
    /// Stands between two words and in none.
    pub(super) const fn divider() -> Self {
        Self { is: '\n', run: 0, is_sign: false, start: 0, end: 0 }
    }
}

/// Letters that are read together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word(pub(super) Vec<Letter>);

#[derive(Clone, Copy)]
enum Part {
    Letter(char),
    /// Stands for a letter beside letters: `4`, `0`.
    Digit(char),
    /// The same that is punctuation too: `!`, `$`.
    Sign(char),
    /// Within a word: `f.o.o`.
    Stop,
    Space,
}

/// The words of a text, in three readings: between all punctuation; across the punctuation within what no space divides, where
/// it divides little; and where single letters follow each other, all of them together.
pub(super) fn words(text: &str) -> Vec<Word> {
    let mut reader = Reader::default();
    for (start, character) in text.char_indices() {
        let end = start + character.len_utf8();
        fold(character, |part| reader.take(part, start, end));
    }
    reader.finish()
}

/// A word as [`words`] reads it: each letter, and how often at least it stands in a row.
pub(super) fn pattern(word: &str) -> Vec<(char, u32)> {
    let read = words(word);
    let longest = read.into_iter().max_by_key(|word| word.0.len()).unwrap_or_default();
    longest.0.iter().map(|letter| (letter.is, letter.run)).collect()
}

impl Word {
    /// The word, and the same without signs at its ends, which may be punctuation.
    pub(super) fn readings(&self) -> impl Iterator<Item = &[Letter]> {
        let sign = |letter: Option<&Letter>| letter.is_some_and(|letter| letter.is_sign);
        let count = self.0.len();
        let bare = self.bare();
        let whole = self.0.as_slice();
        let without_first = self.0.get(1..).filter(|_| sign(self.0.first()));
        let without_last = self.0.get(..count.saturating_sub(1)).filter(|_| sign(self.0.last()));
        let is_less = bare.len() < count;
        [Some(whole), without_first, without_last, Some(bare).filter(|_| is_less)].into_iter().flatten()
    }

    /// Without signs at its ends.
    pub(super) fn bare(&self) -> &[Letter] {
        let is_letter = |letter: &Letter| !letter.is_sign;
        let first = self.0.iter().position(is_letter).unwrap_or(0);
        let last = self.0.iter().rposition(is_letter).map_or(self.0.len(), |last| last + 1);
        self.0.get(first..last).unwrap_or_default()
    }
}

#[derive(Default)]
struct Reader {
    words: Vec<Word>,
    word: Tokens,
    /// The same without the stops, and how many words and letters it joins.
    joined: Tokens,
    joins: usize,
    length: usize,
    spelled: Tokens,
    singles: usize,
}

#[derive(Default)]
struct Tokens {
    letters: Vec<Letter>,
    has_letter: bool,
}

impl Tokens {
    fn push(&mut self, letter: Letter, is_letter: bool) {
        self.has_letter |= is_letter;
        match self.letters.last_mut() {
            Some(last) if last.is == letter.is => {
                last.run += 1;
                last.end = letter.end;
                last.is_sign &= letter.is_sign;
            }
            _ => self.letters.push(letter),
        }
    }

    /// Numbers are no words.
    fn take(&mut self) -> Option<Vec<Letter>> {
        let letters = std::mem::take(&mut self.letters);
        std::mem::take(&mut self.has_letter).then_some(letters)
    }
}

impl Reader {
    fn take(&mut self, part: Part, start: usize, end: usize) {
        let (is, is_letter, is_sign) = match part {
            Part::Letter(is) => (is, true, false),
            Part::Digit(is) => (is, false, false),
            Part::Sign(is) => (is, false, true),
            Part::Stop => return self.end_word(),
            Part::Space => {
                self.end_word();
                return self.end_joined();
            }
        };
        let letter = Letter { is, run: 1, is_sign, start, end };
        self.word.push(letter, is_letter);
        self.joined.push(letter, is_letter);
    }

    fn end_word(&mut self) {
        if self.word.letters.is_empty() {
            return;
        }
        self.joins += 1;
        let word = Word(std::mem::take(&mut self.word.letters));
        self.length += word.0.iter().map(|letter| letter.run as usize).sum::<usize>();
        let is_word = std::mem::take(&mut self.word.has_letter);
        let single = if let [letter] = word.bare() { Some(*letter) } else { None };
        if is_word {
            self.words.push(word);
        }
        match single {
            Some(letter) => {
                self.spelled.push(letter, is_word);
                self.singles += 1;
            }
            None => self.end_spelled(),
        }
    }

    fn end_spelled(&mut self) {
        let spelled = self.spelled.take();
        if std::mem::take(&mut self.singles) >= SPELLED_OUT {
            self.words.extend(spelled.map(Word));
        }
    }

    fn end_joined(&mut self) {
        let (joins, length) = (std::mem::take(&mut self.joins), std::mem::take(&mut self.length));
        let joined = self.joined.take();
        // `push-it` is two words, `sp-am` is one.
        if joins > 1 && length <= joins * LETTERS_BETWEEN_STOPS {
            self.words.extend(joined.map(Word));
        }
    }

    fn finish(mut self) -> Vec<Word> {
        self.end_word();
        self.end_joined();
        self.end_spelled();
        self.words
    }
}

fn fold(character: char, mut take: impl FnMut(Part)) {
    if character.is_ascii() {
        return take(of_ascii(character));
    }
    if is_invisible(character) {
        return;
    }
    if character.is_whitespace() {
        return take(Part::Space);
    }
    // Whole phrases in one character, which nobody takes for Latin; some have eighteen letters.
    if matches!(character, '\u{fdf0}'..='\u{fdff}') {
        return take(Part::Letter(character));
    }
    let mut parts = 0;
    decompose_compatible(character, |part| {
        if parts < MOST_PARTS && !is_combining_mark(part) {
            parts += 1;
            take(of_any(part));
        }
    });
}

fn of_any(character: char) -> Part {
    if character.is_ascii() {
        return of_ascii(character);
    }
    if let Some(letter) = look_alike(character) {
        return of_ascii(letter);
    }
    let small = character.to_lowercase().next().unwrap_or(character);
    if small != character
        && let Some(letter) = look_alike(small)
    {
        return of_ascii(letter);
    }
    if character.is_alphanumeric() {
        return Part::Letter(small);
    }
    if character.is_whitespace() { Part::Space } else { Part::Stop }
}

/// `i` and `l` are one letter here, since `1`, `|` and `!` may be either.
fn of_ascii(character: char) -> Part {
    match character.to_ascii_lowercase() {
        'l' => Part::Letter('i'),
        letter @ 'a'..='z' => Part::Letter(letter),
        '0' => Part::Digit('o'),
        '1' => Part::Digit('i'),
        '3' => Part::Digit('e'),
        '4' => Part::Digit('a'),
        '5' => Part::Digit('s'),
        '7' => Part::Digit('t'),
        '8' => Part::Digit('b'),
        '9' => Part::Digit('g'),
        digit @ ('2' | '6') => Part::Digit(digit),
        '@' => Part::Sign('a'),
        '$' => Part::Sign('s'),
        '!' | '|' => Part::Sign('i'),
        '+' => Part::Sign('t'),
        '(' => Part::Sign('c'),
        c if c.is_ascii_whitespace() || c.is_ascii_control() => Part::Space,
        _ => Part::Stop,
    }
}

/// Nothing is drawn for it, or only for what stands beside it.
fn is_invisible(character: char) -> bool {
    is_combining_mark(character)
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'
        )
}

/// The Latin letter that a reader takes it for. Compatibility forms (full width, circled, mathematical) are not in here: their
/// decomposition says it.
fn look_alike(character: char) -> Option<char> {
    Some(match character {
        'а' | 'А' | 'α' | 'Α' | 'ɑ' | 'ᴀ' => 'a',
        'в' | 'В' | 'β' | 'Β' | 'ь' | 'Ь' | 'ʙ' => 'b',
        'с' | 'С' | 'ϲ' | 'Ϲ' | 'ᴄ' | '¢' | '©' => 'c',
        'ԁ' | 'Ԁ' | 'ᴅ' | 'đ' | 'Đ' => 'd',
        'е' | 'Е' | 'ε' | 'Ε' | 'є' | 'Є' | 'ҽ' | 'ᴇ' | '€' | 'ə' => 'e',
        'ƒ' | 'ϝ' | 'ꜰ' | 'Ϝ' => 'f',
        'ɡ' | 'ԍ' | 'ɢ' => 'g',
        'һ' | 'Һ' | 'н' | 'Н' | 'Η' | 'ʜ' | 'ħ' => 'h',
        'і' | 'І' | 'ι' | 'Ι' | 'ӏ' | 'Ӏ' | 'ı' | 'ɪ' | '¡' | 'ł' | 'Ł' | 'ʟ' | 'ɩ' => 'i',
        'ј' | 'Ј' | 'ᴊ' => 'j',
        'к' | 'К' | 'κ' | 'Κ' | 'ᴋ' => 'k',
        'м' | 'М' | 'Μ' | 'ᴍ' => 'm',
        'п' | 'Ν' | 'η' | 'ɴ' | 'ո' => 'n',
        'о' | 'О' | 'ο' | 'Ο' | 'ø' | 'Ø' | 'օ' | 'ᴏ' | 'σ' => 'o',
        'р' | 'Р' | 'ρ' | 'Ρ' | 'ᴘ' => 'p',
        'ԛ' => 'q',
        'г' | 'ʀ' => 'r',
        'ѕ' | 'Ѕ' | 'ꜱ' => 's',
        'т' | 'Т' | 'τ' | 'Τ' | 'ᴛ' => 't',
        'υ' | 'ս' | 'ᴜ' | 'μ' => 'u',
        'ν' | 'ѵ' | 'ᴠ' => 'v',
        'ѡ' | 'ω' | 'ш' | 'ᴡ' => 'w',
        'х' | 'Х' | 'χ' | 'Χ' | '×' => 'x',
        'у' | 'У' | 'ү' | 'Υ' | 'γ' | 'ʏ' => 'y',
        'ᴢ' | 'Ζ' => 'z',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        words(text).iter().map(|word| word.0.iter().map(|letter| letter.is).collect()).collect()
    }

    #[test]
    fn what_looks_alike_reads_alike() {
        assert_eq!(read("Scheibe"), ["scheibe"]);
        assert_eq!(read("GRUß"), ["gruß"], "no look-alike, for it is a letter of its own");
        let odd = [
            "ｓｐａｍ",
            "𝓼𝓹𝓪𝓶",
            "ⓢⓟⓐⓜ",
            "ѕраm",
            "s\u{200b}p\u{ad}am",
            "s\u{301}p\u{302}am",
            "5p4m",
            "$pam",
            "ssspaaaam",
        ];
        for odd in odd {
            assert_eq!(read(odd), ["spam"], "{odd}");
        }
    }

    #[test]
    fn words_are_read_across_stops_and_letter_by_letter() {
        assert_eq!(read("sp-am.m b"), ["sp", "am", "m", "spam", "b"]);
        assert_eq!(read("push-it"), ["push", "it"]);
        assert_eq!(read("s p  a m!"), ["s", "p", "a", "mi", "spam"]);
        assert_eq!(read("s p a m here"), ["s", "p", "a", "m", "here", "spam"]);
        assert_eq!(read("I a"), ["i", "a"]);
    }

    #[test]
    fn numbers_are_no_words_and_places_are_of_the_text() {
        assert_eq!(read("455 4-5-5 2026-11-21"), [""; 0]);
        let word = words("é 漢 $pääm").pop().unwrap();
        assert_eq!((word.0.first().unwrap().start, word.0.last().unwrap().end), (7, 14));
        assert_eq!(pattern("Hallo"), [('h', 1), ('a', 1), ('i', 2), ('o', 1)]);
    }

    #[test]
    fn signs_at_the_ends_may_be_punctuation() {
        let word = words("spam!").remove(0);
        let text = |letters: &[Letter]| letters.iter().map(|letter| letter.is).collect::<String>();
        assert_eq!(word.readings().map(text).collect::<Vec<_>>(), ["spami", "spam", "spam"]);
    }
}
