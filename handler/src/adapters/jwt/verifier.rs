use std::sync::Arc;

use async_trait::async_trait;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::claims::TokenRules;
use super::keys::{KeySource, Keys, NoKey};
use crate::ports::{Claims, Clock, NotVerified, Tokens};

/// Longer than any token that a request's head has room for.
const TOKEN_BYTES: usize = 16 * 1024;
const KEY_ID_BYTES: usize = 512;

/// Verifies tokens by the keys of their issuer.
///
/// The key decides which algorithms count, never the token: `none` does not exist here, and HS256 is for a shared secret
/// alone. Keys that a token brings along (`jwk`, `jku`, `x5u`) are not looked at.
pub struct JwtVerifier {
    rules: TokenRules,
    keys: Keys,
    clock: Arc<dyn Clock>,
}

impl JwtVerifier {
    /// The client should not follow redirects. It is asked for keys when a token first needs one.
    #[must_use]
    pub fn new(rules: TokenRules, source: KeySource, client: reqwest::Client, clock: Arc<dyn Clock>) -> Self {
        Self { rules, keys: Keys::new(source, client), clock }
    }
}

#[async_trait]
impl Tokens for JwtVerifier {
    async fn verify(&self, token: &str) -> Result<Claims, NotVerified> {
        if token.len() > TOKEN_BYTES {
            return Err(NotVerified::Invalid);
        }
        let header = decode_header(token).map_err(|_| NotVerified::Invalid)?;
        // Whoever marks a header as critical wants it understood; we know none of them.
        let is_odd = header.crit.is_some() || header.kid.as_ref().is_some_and(|id| id.len() > KEY_ID_BYTES);
        if is_odd {
            return Err(NotVerified::Invalid);
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg).await.map_err(|why| match why {
            NoKey::Unknown => NotVerified::Invalid,
            NoKey::Unavailable { retry_after } => NotVerified::KeysUnavailable { retry_after },
        })?;
        let claims = signed_claims(token, &key, header.alg)?;
        self.rules.judge(&claims, self.clock.now().millis() / 1000)?;
        Ok(Claims::new(claims))
    }
}

/// The claims, if the key made the signature. What they say is judged by our own clock and rules.
fn signed_claims(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
) -> Result<Map<String, Value>, NotVerified> {
    let mut signature_alone = Validation::new(algorithm);
    signature_alone.required_spec_claims.clear();
    signature_alone.validate_exp = false;
    signature_alone.validate_aud = false;
    decode(token, key, &signature_alone).map(|token| token.claims).map_err(|_| NotVerified::Invalid)
}
