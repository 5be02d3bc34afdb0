use std::sync::Arc;

use super::OpenError;
use super::azure::Azure;
use crate::adapters::jwt::{JwtVerifier, KeySource};
use crate::config::AuthConfig;
use crate::functions::SignIn;
use crate::ports::Clock;

/// Nothing is asked of an issuer yet.
pub(super) fn open(auth: &AuthConfig, azure: &mut Azure, clock: Arc<dyn Clock>) -> Result<SignIn, OpenError> {
    Ok(match auth.clone() {
        AuthConfig::Anonymous => SignIn::Anonymous,
        AuthConfig::EasyAuth { people } => SignIn::Platform { people },
        AuthConfig::Jwt { rules, keys, people } => {
            let http = azure.http()?;
            let client = match &keys {
                KeySource::Url(url) | KeySource::Issuer(url) => http.of(url).clone(),
                KeySource::Secret(_) => http.of("").clone(),
            };
            SignIn::Tokens { tokens: Arc::new(JwtVerifier::new(rules, keys, client, clock)), people }
        }
    })
}
