//! How callers prove who they are.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::parse::{is_authority, must_be_named};
use super::reader::Reader;
use super::{AuthConfig, People};
use crate::adapters::jwt::{KeySource, TokenRules};

/// HMAC-SHA256 wants a key as long as its digest.
const SECRET_MIN_BYTES: usize = 32;
pub(super) const SKEW: Duration = Duration::from_secs(60);
const SKEW_SECS: RangeInclusive<u64> = 0..=600;
const OF_JWT: [&str; 4] = ["JWT_ISSUER", "JWT_AUDIENCE", "JWT_JWKS_URL", "JWT_SECRET"];

#[derive(Clone, Copy)]
enum Mode {
    Anonymous,
    Jwt,
    EasyAuth,
}

pub(super) fn auth(r: &mut Reader<'_>, on_azure: bool) -> Option<AuthConfig> {
    must_be_named(r, on_azure, "AUTH_MODE");
    // Somebody wants tokens looked at; nobody must be believed instead.
    if !on_azure && !r.is_set("AUTH_MODE") && OF_JWT.iter().any(|name| r.is_set(name)) {
        r.mistake("AUTH_MODE", "must be set: jwt, or anonymous to leave the JWT_ settings unused");
    }
    let choices = [("anonymous", Mode::Anonymous), ("jwt", Mode::Jwt), ("easyauth", Mode::EasyAuth)];
    let mode = r.choice("AUTH_MODE", &choices);
    let people = people(r);
    match mode.unwrap_or(Mode::Anonymous) {
        Mode::Anonymous => Some(AuthConfig::Anonymous),
        Mode::EasyAuth => Some(AuthConfig::EasyAuth { people }),
        Mode::Jwt => jwt(r, people),
    }
}

fn people(r: &mut Reader<'_>) -> People {
    let name = |r: &mut Reader<'_>, name| r.parse(name, |text| Ok(text.to_owned()));
    let people = People {
        user_claim: name(r, "AUTH_USER_CLAIM"),
        admin_claim: name(r, "AUTH_ADMIN_CLAIM"),
        admin_role: name(r, "AUTH_ADMIN_ROLE"),
    };
    if people.admin_claim.is_some() && people.admin_role.is_none() {
        r.mistake("AUTH_ADMIN_ROLE", "must be set with AUTH_ADMIN_CLAIM: the value that makes an admin");
    }
    people
}

fn jwt(r: &mut Reader<'_>, people: People) -> Option<AuthConfig> {
    let issuers = required_list(r, "JWT_ISSUER", issuer);
    let audiences = required_list(r, "JWT_AUDIENCE", |text| Ok(text.to_owned()));
    let skew = r.seconds("JWT_CLOCK_SKEW_SECS", SKEW_SECS).unwrap_or(SKEW);
    let keys = keys(r, issuers.as_deref());
    let rules = TokenRules { issuers: issuers?, audiences: audiences?, skew };
    Some(AuthConfig::Jwt { rules, keys: keys?, people })
}

fn required_list(
    r: &mut Reader<'_>,
    name: &'static str,
    item: impl Fn(&str) -> Result<String, String>,
) -> Option<Vec<String>> {
    let is_set = r.is_set(name);
    let items = r.list(name, item);
    let is_empty = items.as_ref().is_some_and(Vec::is_empty);
    if !is_set || is_empty {
        r.mistake(name, "must be set for AUTH_MODE=jwt");
    }
    items.filter(|items| !items.is_empty())
}

/// Compared letter by letter. One that stands for every tenant is nobody's: it would let in everybody with any account.
pub(super) fn issuer(text: &str) -> Result<String, String> {
    let everybodys = ["/common/", "/organizations/", "/consumers/"];
    if text.contains(['{', '}']) || everybodys.iter().any(|part| text.contains(part)) {
        return Err(
            "must be the issuer of one tenant, with its id: tokens of every tenant would count".to_owned()
        );
    }
    Ok(text.to_owned())
}

fn keys(r: &mut Reader<'_>, issuers: Option<&[String]>) -> Option<KeySource> {
    if r.is_set("JWT_SECRET") && r.is_set("JWT_JWKS_URL") {
        r.mistake("JWT_SECRET", "must not be set with JWT_JWKS_URL: tokens are signed one way or the other");
        return None;
    }
    if r.is_set("JWT_SECRET") {
        return r.parse("JWT_SECRET", |text| {
            if text.len() < SECRET_MIN_BYTES {
                return Err(format!("must be at least {SECRET_MIN_BYTES} bytes long"));
            }
            Ok(KeySource::Secret(text.as_bytes().to_vec()))
        });
    }
    if r.is_set("JWT_JWKS_URL") {
        return r.parse("JWT_JWKS_URL", |text| {
            if is_https_or_local(text) {
                Ok(KeySource::Url(text.to_owned()))
            } else {
                Err("must be an https URL: whoever can change it on its way signs for everybody".to_owned())
            }
        });
    }
    let first = issuers?.first()?;
    if is_https_or_local(first) {
        return Some(KeySource::Issuer(first.clone()));
    }
    r.mistake(
        "JWT_JWKS_URL",
        "or JWT_SECRET must be set: JWT_ISSUER is no https URL that could be asked for its keys",
    );
    None
}

/// Plain http is for what runs on this machine.
pub(super) fn is_https_or_local(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.parse::<http::uri::Authority>();
    let is_local = host.is_ok_and(|it| matches!(it.host(), "localhost" | "127.0.0.1" | "[::1]"));
    url.parse::<http::Uri>().is_ok()
        && is_authority(authority)
        && (scheme == "https" || (scheme == "http" && is_local))
}
