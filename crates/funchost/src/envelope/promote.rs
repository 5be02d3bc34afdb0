//! Promotion: the top-level properties of a JSON body become binding data, over anything of the same name.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

use super::{Node, Object};

/// Writes the properties of `body` into `metadata`, where it is a JSON object. Arrays and nulls are left out.
pub(crate) fn promote(metadata: &mut Object, body: &str) {
    for (name, raw) in ordered(body).unwrap_or_default() {
        if let Some(value) = promoted(&raw) {
            metadata.set(&name, value);
        }
    }
}

fn promoted(raw: &RawValue) -> Option<Node> {
    let text = match serde_json::from_str::<Value>(raw.get()).ok()? {
        Value::Null | Value::Array(_) => return None,
        Value::Object(_) => return RawValue::from_string(minified(raw.get())).ok().map(Node::Raw),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(_) => number(raw.get()),
        Value::String(text) => date(&text).unwrap_or(text),
    };
    Some(Node::double(&text.into()))
}

/// .NET's text of a number: integers as they are, others in their shortest form.
fn number(json: &str) -> String {
    if json.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return json.to_owned();
    }
    let value: f64 = json.parse().unwrap_or_default();
    if value != 0.0 && !(1e-5..1e15).contains(&value.abs()) {
        let text = format!("{value:E}");
        let (mantissa, exponent) = text.split_once('E').unwrap_or((&text, "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
        return format!("{mantissa}E{sign}{digits:0>2}");
    }
    value.to_string()
}

/// The host's JSON reader takes a text in ISO form for a date, and writes it in the invariant culture's form.
fn date(text: &str) -> Option<String> {
    const ISO: &[time::format_description::BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second][optional [.[subsecond]]]");
    if !text.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let at = OffsetDateTime::parse(text, &Rfc3339)
        .map(|at| at.to_offset(UtcOffset::UTC))
        .or_else(|_| PrimitiveDateTime::parse(text, ISO).map(PrimitiveDateTime::assume_utc))
        .ok()?;
    at.format(format_description!("[month]/[day]/[year] [hour]:[minute]:[second]")).ok()
}

/// JSON without the white space between its parts.
fn minified(json: &str) -> String {
    let mut in_text = false;
    let mut escaped = false;
    json.chars()
        .filter(|&c| {
            if in_text {
                in_text = escaped || c != '"';
                escaped = !escaped && c == '\\';
                return true;
            }
            in_text = c == '"';
            !c.is_ascii_whitespace()
        })
        .collect()
}

/// The members of a JSON object in their order; `None` when the text is no object.
fn ordered(json: &str) -> Option<Vec<(String, Box<RawValue>)>> {
    serde_json::from_str::<Members>(json).ok().map(|members| members.0)
}

struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotes_as_recorded() {
        let mut metadata = Object::default();
        metadata.set("MessageId", Node::double(&"m-1".into()));
        metadata.set("sys", Node::text("kept only without a body of that name"));
        promote(
            &mut metadata,
            r#"{"messageId":"evil","sys":1,"n":1.50,"ok":true,"obj":{ "a": [1, "b \" c"] },"arr":[1],"no":null,
                "when":"2026-11-21T01:02:03.004Z","local":"2026-11-21T01:02:03","away":"2026-11-21T01:02:03+01:00","day":"2026-11-21","big":1e21}"#,
        );
        assert_eq!(
            metadata.to_json(),
            r#"{"MessageId":"\"evil\"","sys":"\"1\"","n":"\"1.5\"","ok":"\"True\"","obj":{"a":[1,"b \" c"]},"when":"\"11/21/2026 01:02:03\"","local":"\"11/21/2026 01:02:03\"","away":"\"11/21/2026 00:02:03\"","day":"\"2026-11-21\"","big":"\"1E+21\""}"#
        );
    }

    #[test]
    fn other_bodies_promote_nothing() {
        for body in ["words", "[{\"a\":1}]", "42", "", "{"] {
            let mut metadata = Object::default();
            promote(&mut metadata, body);
            assert_eq!(metadata.to_json(), "{}", "{body}");
        }
    }
}
