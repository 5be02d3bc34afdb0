use std::borrow::Cow;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use super::claimed;
use super::identity::Proven;
use super::principal::Principal;
use crate::config::People;
use crate::error::{ApiError, Kind};
use crate::model::UserId;
use crate::ports::{NotVerified, Tokens};

const PRINCIPAL: HeaderName = HeaderName::from_static("x-ms-client-principal");
const PRINCIPAL_ID: HeaderName = HeaderName::from_static("x-ms-client-principal-id");
const PROVIDER: HeaderName = HeaderName::from_static("x-ms-client-principal-idp");
const ENTRA_ID: &str = "aad";
const TOKEN_USER: &str = "sub";
const TOKEN_ROLES: &str = "roles";
const MADE_AT: &str = "iat";
const COUNTS_FROM: &str = "nbf";
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
    /// Whether browsers show the proof by themselves, whichever page makes them ask.
    pub(super) const fn is_by_cookie(&self) -> bool {
        matches!(self, Self::Platform { .. })
    }

    /// Who is calling; `None` where nobody proves anything.
    pub(super) async fn prove(
        &self,
        headers: &HeaderMap,
        admins: &[UserId],
    ) -> Result<Option<Proven>, ApiError> {
        let found = match self {
            Self::Anonymous => return Ok(None),
            Self::Tokens { tokens, people } => by_token(tokens.as_ref(), people, headers).await,
            Self::Platform { people } => by_platform(people, headers),
        };
        let proven = found.inspect_err(|refused| {
            tracing::info!(code = refused.code(), "a caller could not be signed in");
        })?;
        Ok(Some(Proven { is_admin: proven.is_admin || admins.contains(&proven.user), ..proven }))
    }

    /// Whom a proof names that was refused.
    pub(super) fn claimed(&self, headers: &HeaderMap) -> Option<UserId> {
        let Self::Tokens { people, .. } = self else { return None };
        let claim = people.user_claim.as_deref().unwrap_or(TOKEN_USER);
        claimed::by_token(bearer(headers).ok()?, claim)
    }
}

async fn by_token(tokens: &dyn Tokens, people: &People, headers: &HeaderMap) -> Result<Proven, ApiError> {
    let claims = tokens.verify(bearer(headers)?).await.map_err(refused)?;
    let user = user(claims.text(people.user_claim.as_deref().unwrap_or(TOKEN_USER)))?;
    let claim = people.admin_claim.as_deref().unwrap_or(TOKEN_ROLES);
    let is_admin = people.admin_role.as_deref().is_some_and(|role| claims.holds(claim, role));
    // A token without `iat` is not older than the moment from which it counts, in what issuers do.
    let signed_in_at = claims.seconds(MADE_AT).or_else(|| claims.seconds(COUNTS_FROM));
    Ok(Proven { user, is_admin, signed_in_at })
}

fn by_platform(people: &People, headers: &HeaderMap) -> Result<Proven, ApiError> {
    let Some(id) = the_only(headers, &PRINCIPAL_ID)? else {
        return Err(ApiError::new(Kind::TokenMissing, "The platform says nobody is signed in."));
    };
    let principal = match the_only(headers, &PRINCIPAL)? {
        Some(text) => Principal::read(text).ok_or_else(invalid)?,
        None => Principal::default(),
    };
    let id = match &people.user_claim {
        Some(claim) => principal.values(claim).next(),
        None => Some(id),
    };
    let user = user(of_provider(the_only(headers, &PROVIDER)?, id).as_deref())?;
    let is_admin = people
        .admin_role
        .as_deref()
        .is_some_and(|role| principal.has_role(people.admin_claim.as_deref(), role));
    let signed_in_at = principal.values(MADE_AT).next().and_then(|text| text.parse().ok());
    Ok(Proven { user, is_admin, signed_in_at })
}

/// Two providers may give two people one id. Entra ID's stay as they are; another's carry its name.
fn of_provider<'a>(provider: Option<&str>, id: Option<&'a str>) -> Option<Cow<'a, str>> {
    let id = id.filter(|id| !id.is_empty())?;
    match provider.map(str::to_ascii_lowercase) {
        Some(name) if !name.is_empty() && name != ENTRA_ID => Some(format!("{name}:{id}").into()),
        _ => Some(id.into()),
    }
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
