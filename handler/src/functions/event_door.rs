//! Who may bring events. They say what a service's clients do, so whoever could forge one could speak for everybody.

use subtle::ConstantTimeEq;
use webpubsub::cloud_events::verify_signature;
use webpubsub::key::AccessKey;
use webpubsub::validation;

use crate::config::Secret;
use crate::error::{ApiError, Kind};

/// What proves an event, and which services are let in at all.
pub struct EventDoor {
    /// Hosts that may ask for consent, or `*`.
    pub(crate) origins: Vec<String>,
    /// Any of them may have signed.
    pub(crate) keys: Vec<AccessKey>,
    /// Asked as `?code=` of whoever has no token.
    pub(crate) code: Option<Secret>,
}

impl EventDoor {
    /// The hosts of `request_origin` that may send, as the answer names them.
    pub(super) fn consent(&self, request_origin: &str) -> Result<String, ApiError> {
        validation::answer(request_origin, &self.origins).ok_or_else(|| {
            let sentence = "No service of this origin is expected; EVENTHANDLER_ORIGINS says which are.";
            ApiError::field(Kind::OriginRefused, "WebHook-Request-Origin", sentence)
        })
    }

    /// Whether the asker of a consent knows what the URL must carry. Signatures and tokens come with events alone.
    pub(super) fn knows_the_code(&self, code: &str) -> Result<(), ApiError> {
        let Some(key) = &self.code else { return Ok(()) };
        if bool::from(key.expose().as_bytes().ct_eq(code.as_bytes())) {
            Ok(())
        } else {
            Err(ApiError::field(Kind::BadSignature, "code", "The event handler's key is missing or wrong."))
        }
    }

    /// What can be said of an event before it is read: whoever shows no token must know the URL's secret.
    pub(super) fn first_look(&self, code: &str) -> Result<(), ApiError> {
        self.knows_the_code(code)
    }

    /// Lets an event in: by a token of the service, or by a signature and the URL's secret where there is one. A signature is
    /// of the connection's id alone and so the same for all its events, which is why it is not enough by itself.
    pub(super) fn prove(
        &self,
        code: &str,
        connection: &str,
        signature: Option<&str>,
    ) -> Result<(), ApiError> {
        self.knows_the_code(code)?;
        if verify_signature(&self.keys, connection, signature.unwrap_or_default()) {
            return Ok(());
        }
        Err(ApiError::new(Kind::BadSignature, "Neither a configured key nor a token proves the event."))
    }
}
