//! The filter of the data-plane REST: an OData boolean expression over one connection.
//!
//! `userId eq 'ann' or ('tea' in groups and not contains(connectionId,'7'))`
//!
//! Keywords, names and functions compare without case. The language is small and total: a filter that parses always
//! answers yes or no. Three steps: `lexer` (text to tokens), `parser` (tokens to a tree), `types` (every operand has the
//! type its operator wants). All three refuse with the sentences of the service, see [`FilterError`].
//!
//! # Null
//! A connection without user has `userId` null, a simple client has `protocol` null. `eq` and `ne` know null as a value of
//! its own. An order comparison, `contains`, `startswith` and `endswith` with a null operand are false; every other
//! function of null is null.
//!
//! # Bounds
//! Text of [`MAX_TEXT`] bytes, nesting of [`MAX_DEPTH`], [`MAX_OPERATORS`] operators: evaluation costs time linear in the
//! text and in the connection's own strings.

mod ast;
mod error;
mod eval;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;
mod types;

use std::fmt;

pub use error::FilterError;

use ast::Expr;

use crate::target::Subject;

/// Longest filter text, in bytes. A URL cannot carry more; a body could.
pub const MAX_TEXT: usize = 64 * 1024;
/// Deepest nesting of parentheses, calls and `not`.
pub const MAX_DEPTH: usize = 100;
/// Most operators (`and`, `or`, `in` and comparisons) of one filter: 100 clauses of a comparison each.
pub const MAX_OPERATORS: usize = 200;

/// A filter that was parsed and type-checked. `Display` prints it with every
/// operand in parentheses; what it prints parses to the same filter, short of the nesting bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(Expr);

impl Filter {
    /// # Errors
    /// The text is not a filter: unknown name, bad syntax, wrong type, or over a bound.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let expr = parser::parse(text).and_then(|expr| types::check(&expr).map(|()| expr));
        expr.map(Self).map_err(|reason| FilterError::new(text, reason))
    }

    /// Whether the connection is meant.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        eval::matches(&self.0, subject)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
