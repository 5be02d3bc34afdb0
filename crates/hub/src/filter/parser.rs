//! Precedence, loosest first: `or`, `and`, comparisons, `not`, `in`, primary. `not` binds tighter than a comparison, as
//! OData has it: `not userId eq 'a'` is a type error, `not (userId eq 'a')` is meant.

use super::ast::{Comparison, Expr, Field, Function, Literal};
use super::error::Reason;
use super::lexer::{Kind, Lexer, Token};
use super::{MAX_DEPTH, MAX_OPERATORS, MAX_TEXT};

pub(super) fn parse(text: &str) -> Result<Expr, Reason> {
    if text.len() > MAX_TEXT {
        return Err(Reason::TooLong);
    }
    let mut lexer = Lexer::new(text);
    let token = lexer.next()?;
    let mut parser = Parser { lexer, token, depth: 0, operators: 0, unsupported: None };
    let expr = parser.expression(Binding::Or)?;
    if parser.token.kind != Kind::End {
        return Err(Reason::Syntax(parser.token.end));
    }
    match parser.unsupported {
        Some(token) => Err(Reason::Unsupported(token)),
        None => Ok(expr),
    }
}

/// How tightly a binary operator binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Compare,
}

enum Operator {
    Or,
    And,
    Compare(Comparison),
}

impl Operator {
    fn named(name: &str) -> Option<(Binding, Self)> {
        if name.eq_ignore_ascii_case("or") {
            Some((Binding::Or, Self::Or))
        } else if name.eq_ignore_ascii_case("and") {
            Some((Binding::And, Self::And))
        } else {
            Comparison::named(name).map(|op| (Binding::Compare, Self::Compare(op)))
        }
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token<'a>,
    depth: usize,
    operators: usize,
    /// The first name or number that means nothing. Reported only if the syntax holds, as the service does.
    unsupported: Option<String>,
}

impl<'a> Parser<'a> {
    fn advance(&mut self) -> Result<Token<'a>, Reason> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn name(&self) -> Option<&'a str> {
        match self.token.kind {
            Kind::Name(name) => Some(name),
            _ => None,
        }
    }

    fn count_operator(&mut self) -> Result<(), Reason> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS { Err(Reason::TooManyOperators) } else { Ok(()) }
    }

    /// The only way down: bounds the recursion of the parser, and with it of every walk over the tree.
    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Reason>) -> Result<T, Reason> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Reason::TooDeep);
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// An expression of operators that bind at least as tightly as `floor`.
    fn expression(&mut self, floor: Binding) -> Result<Expr, Reason> {
        let mut left = self.unary()?;
        // A chain that an inner parenthesis made is closed: `(a or b) or c` keeps its shape.
        let mut chain = None;
        while let Some((binding, operator)) = self.name().and_then(Operator::named) {
            if binding < floor {
                break;
            }
            self.count_operator()?;
            self.advance()?;
            let right = match binding {
                Binding::Or => self.expression(Binding::And)?,
                Binding::And => self.expression(Binding::Compare)?,
                Binding::Compare => self.unary()?,
            };
            left = match (operator, left) {
                (Operator::Compare(op), left) => Expr::Compare(op, Box::new(left), Box::new(right)),
                (Operator::Or, Expr::Any(operands)) if chain == Some(binding) => {
                    Expr::Any(appended(operands, right))
                }
                (Operator::And, Expr::All(operands)) if chain == Some(binding) => {
                    Expr::All(appended(operands, right))
                }
                (Operator::Or, left) => Expr::Any(vec![left, right]),
                (Operator::And, left) => Expr::All(vec![left, right]),
            };
            chain = Some(binding);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, Reason> {
        if self.name().is_some_and(|name| name.eq_ignore_ascii_case("not")) {
            self.advance()?;
            let operand = self.deeper(Self::unary)?;
            return Ok(Expr::Not(Box::new(operand)));
        }
        self.membership()
    }

    fn membership(&mut self) -> Result<Expr, Reason> {
        let mut left = self.primary()?;
        while self.name().is_some_and(|name| name.eq_ignore_ascii_case("in")) {
            self.count_operator()?;
            self.advance()?;
            left = if self.token.kind == Kind::Open {
                Expr::OneOf(Box::new(left), self.literals()?)
            } else {
                Expr::In(Box::new(left), Box::new(self.primary()?))
            };
        }
        Ok(left)
    }

    fn primary(&mut self) -> Result<Expr, Reason> {
        match self.token.kind {
            Kind::Text(_) | Kind::Number(_) => Ok(Expr::Literal(self.literal()?)),
            Kind::Open => {
                self.advance()?;
                let inner = self.deeper(|parser| parser.expression(Binding::Or))?;
                if self.token.kind != Kind::Close {
                    return Err(Reason::CloseOrOperatorExpected(self.token.start));
                }
                self.advance()?;
                Ok(inner)
            }
            Kind::Name(name) => {
                if let Some(literal) = word_literal(name) {
                    self.advance()?;
                    return Ok(Expr::Literal(literal));
                }
                self.advance()?;
                if self.token.kind == Kind::Open { self.call(name) } else { Ok(self.field(name)) }
            }
            Kind::Close | Kind::Comma | Kind::End => Err(Reason::ExpressionExpected(self.token.start)),
        }
    }

    fn field(&mut self, name: &str) -> Expr {
        match Field::named(name) {
            Some(field) => Expr::Field(field),
            None => Expr::Literal(self.meaningless(name)),
        }
    }

    fn call(&mut self, name: &str) -> Result<Expr, Reason> {
        self.advance()?;
        let mut arguments = Vec::new();
        if self.token.kind != Kind::Close {
            loop {
                arguments.push(self.deeper(|parser| parser.expression(Binding::Or))?);
                match self.token.kind {
                    Kind::Comma => self.advance()?,
                    Kind::Close => break,
                    _ => return Err(Reason::CloseOrCommaExpected(self.token.start)),
                };
            }
        }
        self.advance()?;
        Ok(match Function::named(name) {
            Some(function) => Expr::Call(function, arguments),
            None => Expr::Literal(self.meaningless(name)),
        })
    }

    /// `('a',1,null)` after `in`.
    fn literals(&mut self) -> Result<Vec<Literal>, Reason> {
        let mut literals = Vec::new();
        loop {
            self.advance()?;
            literals.push(self.literal()?);
            match self.token.kind {
                Kind::Comma => {}
                Kind::Close => break,
                _ => return Err(Reason::CloseOrCommaExpected(self.token.start)),
            }
        }
        self.advance()?;
        Ok(literals)
    }

    fn literal(&mut self) -> Result<Literal, Reason> {
        let literal = match self.token.kind {
            Kind::Text(text) => Literal::Text(text.replace("''", "'")),
            Kind::Number(number) => match number.parse() {
                Ok(value) => Literal::Int(value),
                Err(_) => self.meaningless(number),
            },
            Kind::Name(name) => match word_literal(name) {
                Some(literal) => literal,
                None => return Err(Reason::Syntax(self.token.end)),
            },
            Kind::Open | Kind::Close | Kind::Comma | Kind::End => {
                return Err(Reason::ExpressionExpected(self.token.start));
            }
        };
        self.advance()?;
        Ok(literal)
    }

    /// Stands in for what is reported once the syntax was seen to hold.
    fn meaningless(&mut self, token: &str) -> Literal {
        self.unsupported.get_or_insert_with(|| token.to_owned());
        Literal::Null
    }
}

fn appended(mut operands: Vec<Expr>, operand: Expr) -> Vec<Expr> {
    operands.push(operand);
    operands
}

fn word_literal(name: &str) -> Option<Literal> {
    let table = [("null", Literal::Null), ("true", Literal::Bool(true)), ("false", Literal::Bool(false))];
    table.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, literal)| literal)
}
