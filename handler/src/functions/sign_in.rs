use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use super::claimed;
use super::principal::Principal;
use crate::config::People;
use crate::error::{ApiError, Kind};
use crate::model::UserId;
use crate::ports::{NotVerified, Tokens};

const PRINCIPAL: HeaderName = HeaderName::from_static("x-ms-client-principal");
const PRINCIPAL_ID: HeaderName = HeaderName::from_static("x-ms-client-principal-id");
const TOKEN_USER: &str = "sub";
const TOKEN_ROLES: &str = "roles";
/// Who made the room that is always there. Nobody who signs in is that.
const SYSTEM: &str = "system";

/// How callers prove who they are.
pub enum SignIn {
    /// Not at all.
    Anonymous,
    /// By a signed token.
    Tokens { tokens: Arc<dyn Tokens>, people: People },
    /// The platform has asked them, and says so in headers that it lets nobody else set.
    Platform { people: People },
}

impl SignIn {
    /// The user, and whether they are an admin; `None` where nobody proves anything.
    pub(super) async fn prove(
        &self,
        headers: &HeaderMap,
        admins: &[UserId],
    ) -> Result<Option<(UserId, bool)>, ApiError> {
        let found = match self {
            Self::Anonymous => return Ok(None),
            Self::Tokens { tokens, people } => by_token(tokens.as_ref(), people, headers).await,
            Self::Platform { people } => by_platform(people, headers),
        };
        let (user, is_admin) = found.inspect_err(|refused| {
            tracing::info!(code = refused.code(), "a caller could not be signed in");
        })?;
        let is_admin = is_admin || admins.contains(&user);
        Ok(Some((user, is_admin)))
    }

    /// Whom a proof names that was refused.
    pub(super) fn claimed(&self, headers: &HeaderMap) -> Option<UserId> {
        let Self::Tokens { people, .. } = self else { return None };
        let claim = people.user_claim.as_deref().unwrap_or(TOKEN_USER);
        claimed::by_token(bearer(headers).ok()?, claim)
    }
}

async fn by_token(
    tokens: &dyn Tokens,
    people: &People,
    headers: &HeaderMap,
) -> Result<(UserId, bool), ApiError> {
    let claims = tokens.verify(bearer(headers)?).await.map_err(refused)?;
    let user = user(claims.text(people.user_claim.as_deref().unwrap_or(TOKEN_USER)))?;
    let claim = people.admin_claim.as_deref().unwrap_or(TOKEN_ROLES);
    let is_admin = people.admin_role.as_deref().is_some_and(|role| claims.holds(claim, role));
    Ok((user, is_admin))
}

fn by_platform(people: &People, headers: &HeaderMap) -> Result<(UserId, bool), ApiError> {
    let Some(id) = the_only(headers, &PRINCIPAL_ID)? else {
        return Err(ApiError::new(Kind::TokenMissing, "The platform says nobody is signed in."));
    };
    let principal = match the_only(headers, &PRINCIPAL)? {
        Some(text) => Principal::read(text).ok_or_else(invalid)?,
        None => Principal::default(),
    };
    let user = match &people.user_claim {
        Some(claim) => user(principal.values(claim).next())?,
        None => user(Some(id))?,
    };
    let is_admin = people
        .admin_role
        .as_deref()
        .is_some_and(|role| principal.has_role(people.admin_claim.as_deref(), role));
    Ok((user, is_admin))
}

/// The token of `Authorization: Bearer …`. It is taken from nowhere else: what stands in a URL stands in logs.
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let missing = || ApiError::new(Kind::TokenMissing, "Send a token: Authorization: Bearer …");
    let text = the_only(headers, &AUTHORIZATION)?.ok_or_else(missing)?;
    let (scheme, token) = text.split_once(' ').ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(missing());
    }
    Ok(token.trim())
}

/// A header's text. Two of a name would leave open which one counts.
fn the_only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid());
    }
    std::str::from_utf8(value.as_bytes()).map(Some).map_err(|_| invalid())
}

fn user(claim: Option<&str>) -> Result<UserId, ApiError> {
    let id = claim.and_then(|claim| UserId::given(claim).ok());
    id.filter(|id| id.as_str() != SYSTEM && !id.is_guest())
        .ok_or_else(|| ApiError::new(Kind::UnusableUser, "The sign-in names no user that can be one here."))
}

fn invalid() -> ApiError {
    ApiError::new(Kind::TokenInvalid, "The token is not valid.")
}

fn refused(why: NotVerified) -> ApiError {
    match why {
        NotVerified::Invalid => invalid(),
        NotVerified::Expired => ApiError::new(Kind::TokenExpired, "The token has expired."),
        NotVerified::NotYetValid => ApiError::new(Kind::TokenNotYetValid, "The token is not valid yet."),
        NotVerified::WrongIssuer => ApiError::new(Kind::WrongIssuer, "The token is of another issuer."),
        NotVerified::WrongAudience => ApiError::new(Kind::WrongAudience, "The token is for somebody else."),
        NotVerified::KeysUnavailable { retry_after } => ApiError::unavailable_as(
            Kind::KeysUnavailable,
            "The token cannot be checked at the moment. Try again.",
            retry_after,
        ),
    }
}
