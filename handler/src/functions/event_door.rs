//! Who may bring events. They say what a service's clients do, so whoever could forge one could speak for everybody.

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;
use webpubsub::cloud_events::verify_signature;
use webpubsub::key::AccessKey;
use webpubsub::validation;

use crate::config::{EventSenders, Secret};
use crate::error::{ApiError, Kind};
use crate::ports::{NotVerified, Tokens};

/// What proves an event, and which services are let in at all.
pub struct EventDoor {
    /// Hosts that may ask for consent, or `*`.
    pub(crate) origins: Vec<String>,
    /// Any of them may have signed.
    pub(crate) keys: Vec<AccessKey>,
    /// Asked as `?code=` of whoever has no token.
    pub(crate) code: Option<Secret>,
    /// The tokens of a service that shows its identity, and whose they must be.
    pub(crate) tokens: Option<(Arc<dyn Tokens>, EventSenders)>,
    pub(crate) is_on_azure: bool,
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
    pub(super) fn first_look(&self, headers: &HeaderMap, code: &str) -> Result<(), ApiError> {
        if self.tokens.is_some() && bearer(headers)?.is_some() { Ok(()) } else { self.knows_the_code(code) }
    }

    /// Lets an event in: by a token of the service, or by the URL's secret and a signature. A signature is of the connection's
    /// id alone and so the same for all its events; where it counts by itself is said in [`Self::believes_signatures`].
    pub(super) async fn prove(
        &self,
        headers: &HeaderMap,
        code: &str,
        connection: &str,
        signature: Option<&str>,
    ) -> Result<(), ApiError> {
        if let Some((tokens, senders)) = &self.tokens
            && let Some(token) = bearer(headers)?
        {
            return prove_by_token(tokens.as_ref(), senders, token).await;
        }
        self.knows_the_code(code)?;
        if !self.believes_signatures() {
            let sentence =
                "No token proves the event, and a signature counts only with EVENTHANDLER_KEY beside it.";
            return Err(ApiError::new(Kind::BadSignature, sentence));
        }
        if verify_signature(&self.keys, connection, signature.unwrap_or_default()) {
            return Ok(());
        }
        Err(ApiError::new(Kind::BadSignature, "Neither a configured key nor a token proves the event."))
    }

    /// Whoever has caught one event with its token could otherwise leave the token out and sign what they like.
    const fn believes_signatures(&self) -> bool {
        self.code.is_some() || (self.tokens.is_none() && !self.is_on_azure)
    }
}

async fn prove_by_token(tokens: &dyn Tokens, senders: &EventSenders, token: &str) -> Result<(), ApiError> {
    let refused = |sentence: String| ApiError::field(Kind::BadSignature, "Authorization", sentence);
    let claims = tokens.verify(token).await.map_err(|why| match why {
        NotVerified::KeysUnavailable { retry_after } => {
            ApiError::unavailable("The token cannot be checked at the moment. Try again.", retry_after)
        }
        why => refused(format!("The event's proof is refused: {why}.")),
    })?;
    // Object id, else application id: of a v1 token `appid`, of a v2 one `azp`.
    let ids = ["oid", "appid", "azp"].into_iter().filter_map(|name| claims.text(name));
    if ids.into_iter().any(|id| senders.ids.iter().any(|allowed| allowed.eq_ignore_ascii_case(id))) {
        Ok(())
    } else {
        Err(refused("The token is of an identity that EVENTHANDLER_TOKEN_IDS does not name.".to_owned()))
    }
}

/// The token of `Authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (first, second) = (all.next(), all.next());
    if second.is_some() {
        return Err(ApiError::field(Kind::InvalidField, "Authorization", "Authorization stands twice."));
    }
    let text = first.and_then(|value| value.to_str().ok());
    Ok(text.and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
    }))
}
