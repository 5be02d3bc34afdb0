//! The identity in the forms in which clients ask for tokens.

use async_trait::async_trait;

use super::Identity;

/// What every scope ends in.
const DEFAULT: &str = "/.default";

/// For the client of Web PubSub.
#[async_trait]
impl webpubsub::client::TokenProvider for Identity {
    async fn token(&self, scope: &str) -> Result<String, webpubsub::client::TokenUnavailable> {
        let token = Identity::token(self, scope).await;
        token
            .map(|token| token.secret().to_owned())
            .map_err(|why| webpubsub::client::TokenUnavailable(Box::new(why)))
    }
}

/// For the crates of the 0.21 family, whose scopes come without their end.
#[async_trait]
impl azure_core21::auth::TokenCredential for Identity {
    async fn get_token(&self, scopes: &[&str]) -> azure_core21::Result<azure_core21::auth::AccessToken> {
        use azure_core21::error::{Error, ErrorKind};
        let [scope] = scopes else {
            return Err(Error::message(ErrorKind::Credential, "a token is for one scope"));
        };
        let scope = match scope.strip_suffix(DEFAULT) {
            Some(_) => (*scope).to_owned(),
            None => format!("{}{DEFAULT}", scope.trim_end_matches('/')),
        };
        let token = Identity::token(self, &scope).await;
        let token = token.map_err(|why| Error::new(ErrorKind::Credential, why))?;
        let expires = i64::try_from(token.expires_at()).unwrap_or(i64::MAX);
        let expires = time::OffsetDateTime::from_unix_timestamp(expires)
            .map_err(|why| Error::new(ErrorKind::DataConversion, why))?;
        Ok(azure_core21::auth::AccessToken::new(token.secret().to_owned(), expires))
    }

    async fn clear_cache(&self) -> azure_core21::Result<()> {
        self.forget();
        Ok(())
    }
}
