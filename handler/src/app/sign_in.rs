use std::sync::Arc;

use super::OpenError;
use super::azure::Azure;
use crate::adapters::jwt::{JwtVerifier, KeySource, TokenRules};
use crate::config::AuthConfig;
use crate::functions::SignIn;
use crate::ports::Clock;

/// Nothing is asked of an issuer yet.
pub(super) fn open(auth: &AuthConfig, azure: &mut Azure, clock: Arc<dyn Clock>) -> Result<SignIn, OpenError> {
    Ok(match auth.clone() {
        AuthConfig::Anonymous => SignIn::Anonymous,
        AuthConfig::EasyAuth { people } => SignIn::Platform { people },
        AuthConfig::Jwt { rules, keys, people } => {
            SignIn::Tokens { tokens: Arc::new(verifier(&rules, &keys, azure, clock)?), people }
        }
    })
}

pub(super) fn verifier(
    rules: &TokenRules,
    keys: &KeySource,
    azure: &mut Azure,
    clock: Arc<dyn Clock>,
) -> Result<JwtVerifier, OpenError> {
    let http = azure.http()?;
    let client = match keys {
        KeySource::Url(url) | KeySource::Issuer(url) => http.of(url).clone(),
        KeySource::Secret(_) => http.of("").clone(),
    };
    Ok(JwtVerifier::new(rules.clone(), keys.clone(), client, clock))
}
