//! The two documents of an issuer: its configuration and its keys. Bounded in time and size, redirects are not followed.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::timeout;

/// For one document with all its bytes.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Entra's keys have 20 KB.
const DOCUMENT_BYTES: usize = 256 * 1024;

#[derive(Debug, thiserror::Error)]
pub(super) enum NoDocument {
    #[error("no answer")]
    NoAnswer(#[source] reqwest::Error),
    #[error("the answer is {0}")]
    Status(u16),
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    TooSlow,
    #[error("more than {DOCUMENT_BYTES} bytes")]
    TooLarge,
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("its configuration is of another issuer")]
    OtherIssuer,
    #[error("its keys are at an address without https")]
    NotSecret,
}

/// What of an issuer's configuration is read.
#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

/// Where the issuer says that its keys are.
pub(super) async fn jwks_url(client: &reqwest::Client, issuer: &str) -> Result<String, NoDocument> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let found: Configuration = serde_json::from_slice(&document(client, &url).await?)?;
    if found.issuer != issuer {
        return Err(NoDocument::OtherIssuer);
    }
    // An issuer on this machine, which was let in, may have its keys there too.
    let same_scheme = found.jwks_uri.split(':').next() == issuer.split(':').next();
    if found.jwks_uri.starts_with("https://") || same_scheme {
        Ok(found.jwks_uri)
    } else {
        Err(NoDocument::NotSecret)
    }
}

pub(super) async fn document(client: &reqwest::Client, url: &str) -> Result<Vec<u8>, NoDocument> {
    timeout(TIMEOUT, read(client, url)).await.map_err(|_| NoDocument::TooSlow)?
}

async fn read(client: &reqwest::Client, url: &str) -> Result<Vec<u8>, NoDocument> {
    let sent = client.get(url).header(reqwest::header::ACCEPT, "application/json").send().await;
    let mut answer = sent.map_err(NoDocument::NoAnswer)?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(NoDocument::Status(answer.status().as_u16()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(NoDocument::NoAnswer)? {
        if bytes.len() + chunk.len() > DOCUMENT_BYTES {
            return Err(NoDocument::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
