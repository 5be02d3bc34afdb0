use std::borrow::Cow;

use super::ast::{Comparison, Expr, Field, Function, Literal};
use crate::target::Subject;

enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Text(Cow<'a, str>),
    Groups,
}

impl<'a> Value<'a> {
    fn text(value: Option<&'a str>) -> Self {
        value.map_or(Self::Null, |text| Self::Text(text.into()))
    }

    fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Equality of values; values of different types are different. A collection equals nothing.
    fn same(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(a), Value::Bool(b)) => a == b,
            (Self::Int(a), Value::Int(b)) => a == b,
            (Self::Text(a), Value::Text(b)) => a == b,
            _ => false,
        }
    }
}

impl<'a> From<&'a Literal> for Value<'a> {
    fn from(literal: &'a Literal) -> Self {
        match literal {
            Literal::Null => Self::Null,
            Literal::Bool(value) => Self::Bool(*value),
            Literal::Int(value) => Self::Int(*value),
            Literal::Text(value) => Self::Text(value.into()),
        }
    }
}

/// The expression was type-checked as a yes or no; anything else is no.
pub(super) fn matches(expr: &Expr, subject: &Subject<'_>) -> bool {
    match expr {
        Expr::Literal(literal) => *literal == Literal::Bool(true),
        Expr::Field(_) => false,
        Expr::Call(..) => matches!(value(expr, subject), Value::Bool(true)),
        Expr::Not(operand) => !matches(operand, subject),
        Expr::Compare(op, left, right) => compare(*op, &value(left, subject), &value(right, subject)),
        Expr::In(left, _) => value(left, subject).as_text().is_some_and(|group| subject.in_group(group)),
        Expr::OneOf(left, literals) => {
            let left = value(left, subject);
            literals.iter().any(|literal| left.same(&literal.into()))
        }
        Expr::All(operands) => operands.iter().all(|operand| matches(operand, subject)),
        Expr::Any(operands) => operands.iter().any(|operand| matches(operand, subject)),
    }
}

fn value<'a>(expr: &'a Expr, subject: &Subject<'a>) -> Value<'a> {
    match expr {
        Expr::Literal(literal) => literal.into(),
        Expr::Field(Field::UserId) => Value::text(subject.user_id),
        Expr::Field(Field::ConnectionId) => Value::text(Some(subject.connection_id)),
        Expr::Field(Field::Protocol) => Value::text(subject.protocol),
        Expr::Field(Field::Groups) => Value::Groups,
        Expr::Call(function, arguments) => call(*function, arguments, subject),
        _ => Value::Bool(matches(expr, subject)),
    }
}

fn compare(op: Comparison, left: &Value<'_>, right: &Value<'_>) -> bool {
    match op {
        Comparison::Eq => return left.same(right),
        Comparison::Ne => return !left.same(right),
        _ => {}
    }
    let (Value::Int(left), Value::Int(right)) = (left, right) else {
        return false;
    };
    match op {
        Comparison::Gt => left > right,
        Comparison::Ge => left >= right,
        Comparison::Lt => left < right,
        _ => left <= right,
    }
}

fn call<'a>(function: Function, arguments: &'a [Expr], subject: &Subject<'a>) -> Value<'a> {
    let argument = |index: usize| arguments.get(index).map_or(Value::Null, |expr| value(expr, subject));
    let first = argument(0);
    if let (Function::Length, Value::Groups) = (function, &first) {
        return int(subject.groups().len());
    }
    let Some(text) = first.as_text() else {
        return null_result(function);
    };
    match function {
        Function::ToLower => Value::Text(text.to_lowercase().into()),
        Function::ToUpper => Value::Text(text.to_uppercase().into()),
        Function::Trim => Value::Text(text.trim().to_owned().into()),
        Function::Length => int(text.encode_utf16().count()),
        Function::Substring => substring(text, &argument(1), arguments.get(2).map(|_| argument(2)).as_ref()),
        _ => match argument(1).as_text() {
            Some(other) => two_texts(function, text, other),
            None => null_result(function),
        },
    }
}

fn two_texts<'a>(function: Function, text: &str, other: &str) -> Value<'a> {
    match function {
        Function::Contains => Value::Bool(text.contains(other)),
        Function::StartsWith => Value::Bool(text.starts_with(other)),
        Function::EndsWith => Value::Bool(text.ends_with(other)),
        Function::IndexOf => {
            text.find(other).map_or(Value::Int(-1), |at| int(text[..at].encode_utf16().count()))
        }
        _ => Value::Text([text, other].concat().into()),
    }
}

fn null_result<'a>(function: Function) -> Value<'a> {
    match function {
        Function::Contains | Function::StartsWith | Function::EndsWith => Value::Bool(false),
        _ => Value::Null,
    }
}

/// In UTF-16 units, as the service counts. What lies outside of the text is left out.
fn substring<'a>(text: &str, start: &Value<'_>, length: Option<&Value<'_>>) -> Value<'a> {
    let Value::Int(start) = start else {
        return Value::Null;
    };
    let length = match length {
        None => usize::MAX,
        Some(Value::Int(length)) => usize::try_from(*length).unwrap_or(0),
        Some(_) => return Value::Null,
    };
    let start = usize::try_from(*start).unwrap_or(0);
    let units: Vec<u16> = text.encode_utf16().skip(start).take(length).collect();
    Value::Text(String::from_utf16_lossy(&units).into())
}

fn int<'a>(count: usize) -> Value<'a> {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}
