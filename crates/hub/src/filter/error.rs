use std::fmt::Write as _;

use super::types::Type;

/// Longest part of a filter that its error repeats, in characters.
const MAX_QUOTED: usize = 1024;

/// Why a text is not a filter, in the sentence that the service answers with.
///
/// `Invalid syntax for 'userId eq': Expression expected at position 9 in 'userId eq'. (Parameter 'filter')`
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FilterError {
    message: String,
}

/// The reason alone. Positions are byte offsets into the text here and UTF-16 units in the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// The token that ends at this offset does not continue the filter.
    Syntax(usize),
    ExpressionExpected(usize),
    CloseOrOperatorExpected(usize),
    CloseOrCommaExpected(usize),
    Unterminated(usize),
    Character(char, usize),
    /// A name, function or literal that the language does not have.
    Unsupported(String),
    Arguments {
        function: &'static str,
        expected: &'static str,
    },
    Type {
        found: Type,
        expected: Type,
    },
    TooDeep,
    TooManyOperators,
    TooLong,
}

impl FilterError {
    pub(super) fn new(text: &str, reason: Reason) -> Self {
        let quoted = quote(text);
        let at = |offset: usize| text.get(..offset).unwrap_or(text).encode_utf16().count();
        let mut message = format!("Invalid syntax for '{quoted}': ");
        let written = match reason {
            Reason::Syntax(p) => write!(message, "Syntax error at position {} in '{quoted}'.", at(p)),
            Reason::ExpressionExpected(p) => {
                write!(message, "Expression expected at position {} in '{quoted}'.", at(p))
            }
            Reason::CloseOrOperatorExpected(p) => {
                write!(message, "')' or operator expected at position {} in '{quoted}'.", at(p))
            }
            Reason::CloseOrCommaExpected(p) => {
                write!(message, "')' or ',' expected at position {} in '{quoted}'.", at(p))
            }
            Reason::Unterminated(p) => {
                write!(
                    message,
                    "There is an unterminated string literal at position {} in '{quoted}'.",
                    at(p)
                )
            }
            Reason::Character(c, p) => {
                write!(
                    message,
                    "Syntax error: character '{c}' is not valid at position {} in '{quoted}'.",
                    at(p)
                )
            }
            Reason::Unsupported(token) => write!(message, "Token '{}' is not supported.", quote(&token)),
            Reason::Arguments { function, expected } => {
                write!(message, "Function '{function}' expects {expected}.")
            }
            Reason::Type { found, expected } => {
                write!(message, "Type '{}', expect '{}'.", found.name(), expected.name())
            }
            Reason::TooDeep => write!(message, "Nesting is deeper than {}.", super::MAX_DEPTH),
            Reason::TooManyOperators => write!(message, "More than {} operators.", super::MAX_OPERATORS),
            Reason::TooLong => write!(message, "Longer than {} bytes.", super::MAX_TEXT),
        };
        debug_assert!(written.is_ok(), "writing to a String does not fail");
        message.push_str(" (Parameter 'filter')");
        Self { message }
    }
}

/// A filter may be 64 KiB long; its error need not be.
fn quote(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}
