use std::fmt;

/// A filter as a tree. `and` and `or` chains are flat, so that a hundred clauses are not a hundred levels.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    Literal(Literal),
    Field(Field),
    Call(Function, Vec<Expr>),
    Not(Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// `x in groups`, or of anything else that stands right of `in`, which the type check refuses.
    In(Box<Expr>, Box<Expr>),
    /// `x in ('a','b')`; never empty.
    OneOf(Box<Expr>, Vec<Literal>),
    /// Two operands or more.
    All(Vec<Expr>),
    /// Two operands or more.
    Any(Vec<Expr>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    UserId,
    ConnectionId,
    Protocol,
    Groups,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    ToLower,
    ToUpper,
    Trim,
    Substring,
    Contains,
    StartsWith,
    EndsWith,
    IndexOf,
    Concat,
    Length,
}

/// Looks a name up in a table without regard to case.
fn lookup<T: Copy>(table: &[(&'static str, T)], name: &str) -> Option<T> {
    table.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

fn name_of<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> &'static str {
    table.iter().find(|(_, known)| known == value).map_or("", |(name, _)| name)
}

impl Field {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("userId", Self::UserId),
        ("connectionId", Self::ConnectionId),
        ("protocol", Self::Protocol),
        ("groups", Self::Groups),
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        lookup(Self::NAMES, name)
    }
}

impl Comparison {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("eq", Self::Eq),
        ("ne", Self::Ne),
        ("gt", Self::Gt),
        ("ge", Self::Ge),
        ("lt", Self::Lt),
        ("le", Self::Le),
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        lookup(Self::NAMES, name)
    }
}

impl Function {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("tolower", Self::ToLower),
        ("toupper", Self::ToUpper),
        ("trim", Self::Trim),
        ("substring", Self::Substring),
        ("contains", Self::Contains),
        ("startswith", Self::StartsWith),
        ("endswith", Self::EndsWith),
        ("indexof", Self::IndexOf),
        ("concat", Self::Concat),
        ("length", Self::Length),
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        lookup(Self::NAMES, name)
    }

    pub(super) fn name(self) -> &'static str {
        name_of(Self::NAMES, &self)
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Text(value) => write!(f, "'{}'", value.replace('\'', "''")),
        }
    }
}

impl fmt::Display for Expr {
    /// Every operand that is itself an operator stands in parentheses: no precedence to remember.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => literal.fmt(f),
            Self::Field(field) => f.write_str(name_of(Field::NAMES, field)),
            Self::Call(function, arguments) => {
                write!(f, "{}(", function.name())?;
                join(f, ",", arguments)?;
                f.write_str(")")
            }
            Self::Not(operand) => write!(f, "not ({operand})"),
            Self::Compare(op, left, right) => {
                write!(f, "{} {} {}", Operand(left), name_of(Comparison::NAMES, op), Operand(right))
            }
            Self::In(left, right) => write!(f, "{} in {}", Operand(left), Operand(right)),
            Self::OneOf(left, literals) => {
                write!(f, "{} in (", Operand(left))?;
                join(f, ",", literals)?;
                f.write_str(")")
            }
            Self::All(operands) => join(f, " and ", operands.iter().map(Operand)),
            Self::Any(operands) => join(f, " or ", operands.iter().map(Operand)),
        }
    }
}

/// An expression in a place that binds tighter than any operator.
struct Operand<'a>(&'a Expr);

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expr::Literal(_) | Expr::Field(_) | Expr::Call(..) => self.0.fmt(f),
            operator => write!(f, "({operator})"),
        }
    }
}

fn join<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    separator: &str,
    parts: impl IntoIterator<Item = T>,
) -> fmt::Result {
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        part.fmt(f)?;
    }
    Ok(())
}
