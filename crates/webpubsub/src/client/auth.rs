use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::key::AccessKey;
use crate::token::{TokenError, mint_rest_token};

/// What an Entra token for Web PubSub is asked for.
pub const SCOPE: &str = "https://webpubsub.azure.com/.default";

/// How long a token of our own is valid. It only has to outlast one try and the difference of two clocks.
const TOKEN_SECS: u64 = 15 * 60;

/// How the client proves who it is.
#[derive(Clone)]
pub enum Credential {
    /// The service's access key signs a token for each call.
    Key(AccessKey),
    /// An identity's token. The identity needs the role `Web PubSub Service Owner`.
    Tokens(Arc<dyn TokenProvider>),
}

/// Gives Entra tokens.
#[async_trait]
pub trait TokenProvider: Send + Sync {
    /// A token for `scope` that is still valid for some minutes. It is asked for before every call, so it is to be kept
    /// by the provider; and a call may stop waiting for it.
    async fn token(&self, scope: &str) -> Result<String, TokenUnavailable>;
}

/// There is no token to be had.
#[derive(Debug, thiserror::Error)]
#[error("no token could be had for the identity")]
pub struct TokenUnavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl Credential {
    /// What is shown for a call of `url`, which has no query: the service asks for the URL without it.
    pub(super) async fn bearer(&self, url: &str, now: u64) -> Result<String, TokenUnavailable> {
        match self {
            Self::Key(key) => mint_rest_token(key, url, now, TOKEN_SECS)
                .map_err(|error: TokenError| TokenUnavailable(Box::new(error))),
            Self::Tokens(provider) => provider.token(SCOPE).await,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key(…)",
            Self::Tokens(_) => "Tokens(…)",
        })
    }
}
