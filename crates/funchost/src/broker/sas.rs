//! The connection string and the tokens that are signed with its key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use time::OffsetDateTime;

/// What the handler is given as its Service Bus connection.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ConnectionString {
    pub port: u16,
    pub key_name: String,
    pub key: String,
}

impl std::fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionString")
            .field("port", &self.port)
            .field("key_name", &self.key_name)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Display for ConnectionString {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { port, key_name, key } = self;
        write!(
            f,
            "Endpoint=sb://127.0.0.1:{port};SharedAccessKeyName={key_name};SharedAccessKey={key};UseDevelopmentEmulator=true;"
        )
    }
}

impl ConnectionString {
    /// Checks `SharedAccessSignature sr=…&sig=…&se=…&skn=…` for an entity. The signature is HMAC-SHA256 over `sr` (as it
    /// stands in the token), a line feed and `se`, keyed with the bytes of the key's text. `sr` must cover the entity;
    /// its host is not compared.
    ///
    /// # Errors
    /// One sentence, for the answer 401.
    pub(crate) fn verify(&self, token: &str, entity: &str, now: OffsetDateTime) -> Result<(), String> {
        let fields =
            token.strip_prefix("SharedAccessSignature ").ok_or("the token is no SharedAccessSignature")?;
        let field = |name: &str| {
            let mut pairs = fields.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
                .ok_or_else(|| format!("the token has no {name}"))
        };
        let (resource, expiry) = (field("sr")?, field("se")?);
        if decoded(field("skn")?) != self.key_name {
            return Err(format!("the token's key name is not {}", self.key_name));
        }
        let signature = STANDARD.decode(decoded(field("sig")?)).map_err(|_| "the signature is not base64")?;
        self.mac(resource, expiry)?.verify_slice(&signature).map_err(|_| "the signature is wrong")?;
        let expires: i64 = expiry.parse().map_err(|_| "se is not a number of seconds")?;
        if expires <= now.unix_timestamp() {
            return Err("the token has expired".into());
        }
        if covers(&decoded(resource), entity) {
            Ok(())
        } else {
            Err(format!("the token is not for {entity}"))
        }
    }

    /// A token for a resource such as `http://127.0.0.1:5672/chat-queue`, as a sender would make it.
    pub(crate) fn token(&self, resource: &str, expires: OffsetDateTime) -> Result<String, String> {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let (resource, expiry) = (encode(resource), expires.unix_timestamp().to_string());
        let signature = STANDARD.encode(self.mac(&resource, &expiry)?.finalize().into_bytes());
        let (signature, name) = (encode(&signature), encode(&self.key_name));
        Ok(format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={name}"))
    }

    fn mac(&self, resource: &str, expiry: &str) -> Result<Hmac<Sha256>, String> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.key.as_bytes()).map_err(|_| "the key cannot be used")?;
        mac.update(resource.as_bytes());
        mac.update(b"\n");
        mac.update(expiry.as_bytes());
        Ok(mac)
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Whether a resource (`https://host/path`) is the entity, something above it, or its `/messages`.
fn covers(resource: &str, entity: &str) -> bool {
    let path = resource.split_once("://").map_or(resource, |(_, rest)| rest);
    let path = path.split_once('/').map_or("", |(_, path)| path).trim_end_matches('/').to_ascii_lowercase();
    let entity = entity.to_ascii_lowercase();
    let path = path.strip_suffix("/messages").unwrap_or(&path);
    path.is_empty() || path == entity || entity.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-21 08:00 UTC);

    fn connection(key: &str) -> ConnectionString {
        ConnectionString { port: 5690, key_name: "RootManageSharedAccessKey".into(), key: key.into() }
    }

    fn verify(token: &str) -> Result<(), String> {
        connection("key").verify(token, "chat-queue", NOW)
    }

    #[test]
    fn accepts_the_documented_algorithm() {
        // Computed with: printf 'sb%%3A%%2F%%2Fh%%2Fchat-queue\n1800000000' | openssl dgst -sha256 -hmac key -binary | base64
        let token = "SharedAccessSignature sr=sb%3A%2F%2Fh%2Fchat-queue&sig=XyW7w2G3eGAbDfUxcZFVgydhjstB9sA5lRN3rqT83dc%3D&se=1800000000&skn=RootManageSharedAccessKey";
        assert_eq!(verify(token), Ok(()));
    }

    #[test]
    fn takes_its_own_tokens() {
        for resource in ["http://h/chat-queue", "https://h/Chat-Queue/messages", "sb://h/"] {
            assert_eq!(
                verify(&connection("key").token(resource, NOW + time::Duration::HOUR).unwrap()),
                Ok(()),
                "{resource}"
            );
        }
    }

    #[test]
    fn refuses_what_is_wrong() {
        let later = NOW + time::Duration::HOUR;
        for (token, says) in [
            (connection("other").token("http://h/chat-queue", later).unwrap(), "signature is wrong"),
            (connection("key").token("http://h/chat-queue", NOW).unwrap(), "has expired"),
            (connection("key").token("http://h/chat", later).unwrap(), "not for chat-queue"),
            ("Bearer x".into(), "no SharedAccessSignature"),
            ("SharedAccessSignature sr=x".into(), "no se"),
        ] {
            let error = verify(&token).unwrap_err();
            assert!(error.contains(says), "{token}: {error}");
        }
    }
}
