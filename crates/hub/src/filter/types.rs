use super::ast::{Comparison, Expr, Field, Function, Literal};
use super::error::Reason;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Bool,
    Int,
    Text,
    Collection,
}

impl Type {
    /// As error sentences call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Text => "string",
            Self::Collection => "collection",
        }
    }
}

/// Whether every operand has the type that its operator wants, and the whole is a yes or no.
pub(super) fn check(filter: &Expr) -> Result<(), Reason> {
    want(filter, Type::Bool)
}

fn want(expr: &Expr, expected: Type) -> Result<(), Reason> {
    let found = type_of(expr)?;
    if found == expected { Ok(()) } else { Err(Reason::Type { found, expected }) }
}

/// Null has no type of its own where a value is computed from.
fn want_or_null(expr: &Expr, expected: Type) -> Result<(), Reason> {
    let found = type_of(expr)?;
    if found == expected || found == Type::Null { Ok(()) } else { Err(Reason::Type { found, expected }) }
}

fn type_of(expr: &Expr) -> Result<Type, Reason> {
    match expr {
        Expr::Literal(Literal::Null) => return Ok(Type::Null),
        Expr::Literal(Literal::Int(_)) => return Ok(Type::Int),
        Expr::Literal(Literal::Text(_)) => return Ok(Type::Text),
        Expr::Literal(Literal::Bool(_)) => {}
        Expr::Field(Field::Groups) => return Ok(Type::Collection),
        Expr::Field(_) => return Ok(Type::Text),
        Expr::Call(function, arguments) => return call(*function, arguments),
        Expr::Not(operand) => want(operand, Type::Bool)?,
        // Values of any two types can be told apart; only numbers have an order here.
        Expr::Compare(Comparison::Eq | Comparison::Ne, left, right) => {
            type_of(left)?;
            type_of(right)?;
        }
        Expr::Compare(_, left, right) => {
            want_or_null(left, Type::Int)?;
            want_or_null(right, Type::Int)?;
        }
        Expr::In(left, right) => {
            want_or_null(left, Type::Text)?;
            want(right, Type::Collection)?;
        }
        Expr::OneOf(left, _) => {
            type_of(left)?;
        }
        Expr::All(operands) | Expr::Any(operands) => {
            for operand in operands {
                want(operand, Type::Bool)?;
            }
        }
    }
    Ok(Type::Bool)
}

fn call(function: Function, arguments: &[Expr]) -> Result<Type, Reason> {
    let wrong_count = |expected| Err(Reason::Arguments { function: function.name(), expected });
    match (function, arguments) {
        (Function::ToLower | Function::ToUpper | Function::Trim, [text]) => {
            want_or_null(text, Type::Text)?;
            Ok(Type::Text)
        }
        (Function::ToLower | Function::ToUpper | Function::Trim, _) => wrong_count("1 argument"),
        (Function::Length, [value]) => match type_of(value)? {
            Type::Collection => Ok(Type::Int),
            _ => want_or_null(value, Type::Text).map(|()| Type::Int),
        },
        (Function::Length, _) => wrong_count("1 argument"),
        (Function::Substring, [text, numbers @ ..]) if matches!(numbers.len(), 1 | 2) => {
            want_or_null(text, Type::Text)?;
            for number in numbers {
                want_or_null(number, Type::Int)?;
            }
            Ok(Type::Text)
        }
        (Function::Substring, _) => wrong_count("2 or 3 arguments"),
        (_, [left, right]) => {
            want_or_null(left, Type::Text)?;
            want_or_null(right, Type::Text)?;
            Ok(match function {
                Function::Concat => Type::Text,
                Function::IndexOf => Type::Int,
                _ => Type::Bool,
            })
        }
        _ => wrong_count("2 arguments"),
    }
}
