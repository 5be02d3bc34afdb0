use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::ast::{Comparison, Expr, Field, Function, Literal};
use super::{Filter, MAX_DEPTH, MAX_OPERATORS, parser};
use crate::target::Subject;

fn groups(names: &[&str]) -> HashSet<Arc<str>> {
    names.iter().map(|&name| name.into()).collect()
}

/// Ann's answer and that of a simple client without user.
fn answers(filter: &Filter) -> (bool, bool) {
    let (of_ann, none) = (groups(&["tea", "it's"]), groups(&[]));
    let ann = Subject::new("c-1", Some("Ann ☕"), Some("json.webpubsub.azure.v1"), &of_ann);
    (filter.matches(&ann), filter.matches(&Subject::new("c-2", None, None, &none)))
}

/// Each filter with its answer for Ann and for a simple client without user.
#[test]
fn what_filters_mean() {
    let table = [
        ("true", true, true),
        ("FALSE", false, false),
        ("userId eq 'Ann ☕'", true, false),
        ("USERID EQ 'Ann ☕'", true, false),
        ("userId eq 'ann ☕'", false, false),
        ("userId eq null", false, true),
        ("null eq userId", false, true),
        ("userId ne null", true, false),
        ("userId ne 'x'", true, true),
        ("protocol eq 'json.webpubsub.azure.v1'", true, false),
        ("connectionId eq 'c-1' or connectionId eq 'c-2'", true, true),
        ("'tea' in groups", true, false),
        ("'Tea' in groups", false, false),
        ("'it''s' in groups", true, false),
        ("null in groups", false, false),
        ("not 'tea' in groups", false, true),
        ("'tea' in groups and not('coffee' in groups)", true, false),
        ("userId in ('Ann ☕', 'Bob')", true, false),
        ("userId in ('Bob',null)", false, true),
        ("groups eq 'tea'", false, false),
        ("groups ne 'tea'", true, true),
        ("length(groups) eq 2", true, false),
        ("length(groups) lt 1", false, true),
        ("length(userId) eq 5", true, false),
        ("length(userId) ge 0", true, false),
        ("length(userId) eq null", false, true),
        ("null lt 1", false, false),
        ("not (null lt 1)", true, true),
        ("1 lt 2 and 2 le 2 and 3 gt 2 and 2 ge 2 and -1 lt 0", true, true),
        ("tolower(userId) eq 'ann ☕'", true, false),
        ("toupper(userId) eq 'ANN ☕'", true, false),
        ("trim('  x ') eq 'x'", true, true),
        ("contains(userId,'n')", true, false),
        ("not contains(userId,'n')", false, true),
        ("startswith(userId,'Ann') and endswith(userId,'☕')", true, false),
        ("contains(userId,'n') eq true", true, false),
        ("indexof(userId,'☕') eq 4", true, false),
        ("indexof(userId,'z') eq -1", true, false),
        ("indexof(userId,'z') eq null", false, true),
        ("concat(userId,'!') eq 'Ann ☕!'", true, false),
        ("concat(userId,'!') eq null", false, true),
        ("substring(userId,1,2) eq 'nn'", true, false),
        ("substring(userId,4) eq '☕'", true, false),
        ("substring('abc',-1,99) eq 'abc' and substring('abc',9) eq ''", true, true),
        ("true or false and false", true, true),
        ("(true or false) and false", false, false),
        ("true and false or true", true, true),
        ("1 eq 1 eq true", true, true),
    ];
    for (text, for_ann, for_anonymous) in table {
        let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(answers(&filter), (for_ann, for_anonymous), "{text}");
    }
}

/// The first five are recorded from the service's emulator or asserted by an official client test.
#[test]
fn what_is_refused_and_how() {
    let table = [
        ("userId eq", "Expression expected at position 9 in 'userId eq'."),
        ("userId eq 'a' and", "Expression expected at position 17 in 'userId eq 'a' and'."),
        ("nothing eq 1", "Token 'nothing' is not supported."),
        ("1", "Type 'int', expect 'bool'."),
        ("invalid filter", "Syntax error at position 14 in 'invalid filter'."),
        ("userId lt 1", "Type 'string', expect 'int'."),
        ("", "Expression expected at position 0 in ''."),
        ("nothing eq", "Expression expected at position 10 in 'nothing eq'."),
        ("null", "Type 'null', expect 'bool'."),
        ("userId", "Type 'string', expect 'bool'."),
        ("not userId eq 'a'", "Type 'string', expect 'bool'."),
        ("'a' in userId", "Type 'string', expect 'collection'."),
        ("1 in groups", "Type 'int', expect 'string'."),
        ("true and 1", "Type 'int', expect 'bool'."),
        ("tolower(groups) eq 'a'", "Type 'collection', expect 'string'."),
        ("contains(userId)", "Function 'contains' expects 2 arguments."),
        ("length() eq 1", "Function 'length' expects 1 argument."),
        ("substring('a') eq 'a'", "Function 'substring' expects 2 or 3 arguments."),
        ("round(1) eq 1", "Token 'round' is not supported."),
        ("1.5 eq 1", "Token '1.5' is not supported."),
        ("99999999999999999999 eq 1", "Token '99999999999999999999' is not supported."),
        ("(true", "')' or operator expected at position 5 in '(true'."),
        ("contains(userId 'a')", "')' or ',' expected at position 16 in 'contains(userId 'a')'."),
        ("userId in ()", "Expression expected at position 11 in 'userId in ()'."),
        ("userId in (userId)", "Syntax error at position 17 in 'userId in (userId)'."),
        ("true)", "Syntax error at position 5 in 'true)'."),
        ("'☕ü😀' eq 'open", "There is an unterminated string literal at position 15 in ''☕ü😀' eq 'open'."),
        ("'😀' eq $", "Syntax error: character '$' is not valid at position 8 in ''😀' eq $'."),
        ("- eq 1", "Syntax error: character '-' is not valid at position 0 in '- eq 1'."),
    ];
    for (text, reason) in table {
        let sentence = format!("Invalid syntax for '{text}': {reason} (Parameter 'filter')");
        assert_eq!(Filter::parse(text).map_err(|error| error.to_string()), Err(sentence), "{text}");
    }
}

#[test]
fn bounds_hold_and_what_is_within_them_works() {
    let clauses = |count: usize| vec!["userId eq 'x'"; count].join(" or ");
    assert!(Filter::parse(&clauses(100)).is_ok());
    assert!(Filter::parse(&clauses(MAX_OPERATORS)).is_err());

    let nested = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Filter::parse(&nested(MAX_DEPTH)).is_ok());
    for depth in [MAX_DEPTH + 1, 30_000] {
        assert!(Filter::parse(&nested(depth)).is_err());
    }
    assert!(Filter::parse(&format!("{}true", "not ".repeat(MAX_DEPTH + 1))).is_err());
    assert!(Filter::parse(&format!("{} eq ''", "tolower(".repeat(10_000))).is_err());

    let long = format!("userId eq '{}'", "x".repeat(super::MAX_TEXT));
    let error = Filter::parse(&long).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.len() < 4096 && error.contains("Longer than 65536 bytes"), "{error}");
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Bool),
        any::<i64>().prop_map(Literal::Int),
        "\\PC{0,6}|'*".prop_map(Literal::Text),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    let field = prop_oneof![
        Just(Field::UserId),
        Just(Field::ConnectionId),
        Just(Field::Protocol),
        Just(Field::Groups)
    ];
    let comparison =
        prop_oneof![Just(Comparison::Eq), Just(Comparison::Ne), Just(Comparison::Lt), Just(Comparison::Ge)];
    let function = prop_oneof![Just(Function::ToLower), Just(Function::Substring), Just(Function::Length)];
    let leaf = prop_oneof![literal().prop_map(Expr::Literal), field.prop_map(Expr::Field)];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        let several = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            inner.clone().prop_map(|operand| Expr::Not(Box::new(operand))),
            (comparison.clone(), inner.clone(), inner.clone()).prop_map(|(op, left, right)| Expr::Compare(
                op,
                Box::new(left),
                Box::new(right)
            )),
            (inner.clone(), prop::collection::vec(literal(), 1..4))
                .prop_map(|(left, literals)| Expr::OneOf(Box::new(left), literals)),
            inner.clone().prop_map(|left| Expr::In(Box::new(left), Box::new(Expr::Field(Field::Groups)))),
            several.clone().prop_map(Expr::All),
            several.prop_map(Expr::Any),
            (function.clone(), prop::collection::vec(inner, 0..3))
                .prop_map(|(function, arguments)| Expr::Call(function, arguments)),
        ]
    })
}

proptest! {
    #[test]
    fn printing_and_parsing_are_inverse(expr in expr()) {
        let printed = expr.to_string();
        prop_assert_eq!(parser::parse(&printed), Ok(expr), "{}", printed);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC*") {
        if let Ok(filter) = Filter::parse(&text) {
            answers(&filter);
        }
    }

    /// Texts that get far into the grammar.
    #[test]
    fn no_sequence_of_tokens_makes_it_panic(tokens in prop::collection::vec(prop::sample::select(vec![
        "(", ")", ",", "'a'", "'", "1", "-1", "userId", "groups", "in", "not", "and", "or", "eq", "lt", "null", "true",
        "length", "substring(", "contains(", "x", "☕",
    ]), 0..40)) {
        if let Ok(filter) = Filter::parse(&tokens.join(" ")) {
            answers(&filter);
        }
    }
}
