use std::fmt;
use std::sync::Arc;

use azure_core21::auth::Secret;
use azure_core21::hmac::hmac_sha256;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::ports::Clock;

/// How long a token is valid. Each request has its own, so it must only outlast the request and two clocks' difference.
const VALID_SECS: u64 = 60 * 60;

/// A shared access key of Service Bus: signs for a resource.
pub(super) struct SharedKey {
    name: String,
    /// In base64 (on top of the base64 it may be by itself), as the signing function wants it.
    key: Secret,
    clock: Arc<dyn Clock>,
}

impl SharedKey {
    pub(super) fn new(name: String, key: &str, clock: Arc<dyn Clock>) -> Self {
        Self { name, key: Secret::new(azure_core21::base64::encode(key)), clock }
    }

    /// The `Authorization` header for a resource such as `https://ns.servicebus.windows.net/chat-queue`.
    pub(super) fn authorization(&self, resource: &str) -> azure_core21::Result<String> {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let resource = encode(resource);
        let expiry = self.clock.now().millis() / 1000 + VALID_SECS;
        let signature = encode(&hmac_sha256(&format!("{resource}\n{expiry}"), &self.key)?);
        let name = encode(&self.name);
        Ok(format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={name}"))
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedKey({}, …)", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    struct At(u64);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0)
        }
    }

    #[test]
    fn signs_as_documented() {
        let key = SharedKey::new("Root".into(), "key", Arc::new(At(1_799_996_400_000)));
        // The signature is what `openssl dgst -sha256 -hmac key -binary | base64` makes of the encoded resource, a
        // line feed and the expiry.
        let expected = "SharedAccessSignature sr=sb%3A%2F%2Fh%2Fchat%2Dqueue&sig=iI6XkGS6e7S73FaRiC1ZtPo1fHe35bph9w4Gbnp%2BFqY%3D&se=1800000000&skn=Root";
        assert_eq!(key.authorization("sb://h/chat-queue").unwrap(), expected);
        assert!(!format!("{key:?}").contains("key\""));
    }
}
