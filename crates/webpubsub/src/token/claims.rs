//! Signing and checking JWTs, and reading their claims in order.

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::TokenError;
use crate::key::AccessKey;
use crate::multimap::MultiMap;

/// All claims of a verified token, in their order.
#[derive(Debug)]
pub(super) struct Claims(Vec<(String, Value)>);

pub(super) fn sign(key: &AccessKey, claims: &impl serde::Serialize) -> Result<String, TokenError> {
    let key = EncodingKey::from_secret(key.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).map_err(|_| TokenError::Unsignable)
}

/// Checks form, algorithm, signature by any of `keys`, and times against `now`.
pub(super) fn verify(keys: &[AccessKey], token: &str, now: u64) -> Result<Claims, TokenError> {
    let mut validation = Validation::new(Algorithm::HS256);
    // Time is a parameter and audiences are compared by rules of their own, so the library only checks the signature.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let claims = keys
        .iter()
        .find_map(|key| {
            let key = DecodingKey::from_secret(key.as_bytes());
            jsonwebtoken::decode::<Claims>(token, &key, &validation).ok()
        })
        .ok_or(TokenError::Invalid)?
        .claims;
    let expires_at = claims.time("exp")?.ok_or(TokenError::NoExpiry)?;
    if expires_at <= now {
        return Err(TokenError::Expired);
    }
    if claims.time("nbf")?.is_some_and(|not_before| now < not_before) {
        return Err(TokenError::NotYetValid);
    }
    Ok(claims)
}

impl Claims {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A time in seconds since the epoch; fractions are cut off.
    pub(super) fn time(&self, name: &str) -> Result<Option<u64>, TokenError> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => {
                let secs =
                    number.as_u64().or_else(|| number.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64));
                secs.map(Some).ok_or(TokenError::Invalid)
            }
            Some(_) => Err(TokenError::Invalid),
        }
    }

    /// The values of a claim as strings: an array has one per item.
    pub(super) fn strings(&self, name: &str) -> Vec<String> {
        self.get(name).map(strings).unwrap_or_default()
    }

    pub(super) fn into_multimap(self) -> MultiMap {
        let mut map = MultiMap::new();
        for (name, value) in self.0 {
            map.extend(name, strings(&value));
        }
        map
    }
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().map(string).collect(),
        value => vec![string(value)],
    }
}

fn string(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        value => value.to_string(),
    }
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Claims;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
                let mut claims = Vec::new();
                while let Some(claim) = map.next_entry::<String, Value>()? {
                    claims.push(claim);
                }
                Ok(Claims(claims))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
