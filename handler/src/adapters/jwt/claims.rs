use std::time::Duration;

use serde_json::{Map, Value};

use crate::ports::NotVerified;

/// What a token has to say to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// One of these, letter by letter, is `iss`.
    pub issuers: Vec<String>,
    /// One of these is `aud`, or among them.
    pub audiences: Vec<String>,
    /// How far the issuer's clock may be from ours.
    pub skew: Duration,
}

impl TokenRules {
    /// Judges the claims of a token whose signature is good. `now` is in seconds since 1970.
    ///
    /// `exp` must be there. A claim of the wrong type is no claim.
    pub(super) fn judge(&self, claims: &Map<String, Value>, now: u64) -> Result<(), NotVerified> {
        let (now, skew) = (now as f64, self.skew.as_secs() as f64);
        let issuer = claims.get("iss").and_then(Value::as_str);
        if !issuer.is_some_and(|issuer| self.issuers.iter().any(|ours| ours == issuer)) {
            return Err(NotVerified::WrongIssuer);
        }
        if !self.is_audience(claims.get("aud")) {
            return Err(NotVerified::WrongAudience);
        }
        let expires = claims.get("exp").and_then(Value::as_f64).ok_or(NotVerified::Invalid)?;
        if expires + skew <= now {
            return Err(NotVerified::Expired);
        }
        match claims.get("nbf") {
            None => Ok(()),
            Some(begins) => match begins.as_f64() {
                Some(begins) if begins <= now + skew => Ok(()),
                Some(_) => Err(NotVerified::NotYetValid),
                None => Err(NotVerified::Invalid),
            },
        }
    }

    fn is_audience(&self, claim: Option<&Value>) -> bool {
        let ours =
            |value: &Value| value.as_str().is_some_and(|text| self.audiences.iter().any(|a| a == text));
        match claim {
            Some(Value::Array(items)) => items.iter().any(ours),
            Some(value) => ours(value),
            None => false,
        }
    }
}
