//! Partition and row keys from any text. Table Storage forbids `/ \ # ?` and control characters, is known to decode `%`
//! twice, and wants quotes doubled; none of them is left in a key of ours.

use crate::ports::StoreError;

/// What the service allows of one key.
pub(super) const KEY_UTF16_UNITS: usize = 512;

/// A key the service would refuse. Every id is bounded so that its key fits; a caller with a text of its own can get here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key may have {KEY_UTF16_UNITS} UTF-16 units, but this one would have {0}")]
pub(super) struct KeyTooLong(usize);

impl From<KeyTooLong> for StoreError {
    fn from(error: KeyTooLong) -> Self {
        Self::unavailable(super::STORE, error)
    }
}

/// Readable where it can be: what is not allowed stands as `=XX`, byte by byte of its UTF-8. Does not keep the order.
pub(super) fn escaped(text: &str) -> String {
    let mut key = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_plain(character) {
            key.push(character);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                key.push_str(&format!("={byte:02X}"));
            }
        }
    }
    key
}

/// Undoes [`escaped`]: nothing of a text is lost in its key. `None` for what it never makes.
#[cfg(test)]
pub(super) fn unescaped(key: &str) -> Option<String> {
    let mut parts = key.split('=');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, plain) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(plain.as_bytes());
    }
    let text = String::from_utf8(bytes).ok()?;
    (escaped(&text) == key).then_some(text)
}

/// Not forbidden, no part of an escape, and seen alike by everybody who might compare it.
fn is_plain(character: char) -> bool {
    let odd = matches!(
        character,
        '/' | '\\' | '#' | '?' | '%' | '=' | '\'' | '"' | '+' | '\u{feff}' | '\u{fff9}'..='\u{ffff}'
    );
    !odd && !character.is_control() && !character.is_whitespace()
}

/// The UTF-8 in hex: keys sort as their texts do, and the key of a beginning is the beginning of the key.
pub(super) fn sortable(text: &str) -> String {
    hex::encode(text)
}

/// Undoes [`sortable`].
#[cfg(test)]
pub(super) fn unsorted(key: &str) -> Option<String> {
    String::from_utf8(hex::decode(key).ok()?).ok()
}

/// A number as a key: all have the same width, so they sort as numbers.
pub(super) fn number(prefix: char, number: u64) -> String {
    format!("{prefix}{number:020}")
}

/// Refuses a key before the service does.
pub(super) fn checked(key: String) -> Result<String, KeyTooLong> {
    match key.encode_utf16().count() {
        0..=KEY_UTF16_UNITS => Ok(key),
        units => Err(KeyTooLong(units)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::contract::data::odd_texts;
    use crate::model::bounds;

    /// As the service documents it, and what would have to be quoted or encoded on the way.
    fn is_allowed(key: &str) -> bool {
        key.chars().all(|c| !c.is_control() && !"/\\#?%'\"+ ".contains(c))
    }

    fn assert_round_trip(text: &str) {
        let (readable, sorted) = (escaped(text), sortable(text));
        assert!(is_allowed(&readable) && is_allowed(&sorted), "{text:?} became {readable:?}");
        assert_eq!(unescaped(&readable).as_deref(), Some(text));
        assert_eq!(unsorted(&sorted).as_deref(), Some(text));
    }

    #[test]
    fn odd_texts_round_trip_and_fit() {
        for text in odd_texts().into_iter().chain(["a/b\\c#d?e%f'g\"h=2Fi".to_owned(), "🦀".repeat(50)]) {
            assert_round_trip(&text);
            assert!(checked(escaped(&text)).is_ok() && checked(sortable(&text)).is_ok(), "{text:?}");
        }
        assert_eq!(escaped("Ann O'Neil/é"), "Ann=20O=27Neil=2Fé");
        // Whatever an id is made of: each byte three characters.
        const { assert!(bounds::USER_ID_BYTES * 3 + 64 < KEY_UTF16_UNITS) };
        const { assert!(bounds::MESSAGE_ID_BYTES * 3 + 64 < KEY_UTF16_UNITS) };
        const { assert!(bounds::ROOM_NAME_CHARS * 4 * 2 < KEY_UTF16_UNITS) };
    }

    #[test]
    fn a_thousand_characters_are_refused_with_a_sentence() {
        let error = checked(escaped(&"x".repeat(1_000))).unwrap_err();
        assert_eq!(error.to_string(), "a key may have 512 UTF-16 units, but this one would have 1000");
        assert!(checked("x".repeat(512)).is_ok());
        assert!(checked("🦀".repeat(257)).is_err(), "counted as the service counts");
    }

    #[test]
    fn what_was_never_made_is_not_read() {
        for key in ["=", "=2", "=2f", "=41", "a b", "=FF", "x/y"] {
            assert_eq!(unescaped(key), None, "{key}");
        }
    }

    proptest! {
        #[test]
        fn any_text_round_trips(text in "\\PC*|(?s).{0,80}") {
            assert_round_trip(&text);
        }

        #[test]
        fn sortable_keys_sort_as_their_texts(one in "(?s).{0,12}", other in "(?s).{0,12}") {
            prop_assert_eq!(one.cmp(&other), sortable(&one).cmp(&sortable(&other)));
            let both = one.clone() + &other;
            prop_assert!(sortable(&both).starts_with(&sortable(&one)));
        }

        #[test]
        fn different_texts_have_different_keys(one in "(?s).{0,8}", other in "(?s).{0,8}") {
            prop_assert_eq!(one == other, escaped(&one) == escaped(&other));
        }
    }
}
