//! Tokens of application servers that call the REST API.

use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{TokenError, claims};
use crate::key::AccessKey;

#[derive(Serialize)]
struct RestToken<'a> {
    aud: &'a str,
    iat: u64,
    exp: u64,
}

/// Makes the token for a call of `url`, which is given in full; its query may be part of it.
pub fn mint_rest_token(
    key: &AccessKey,
    url: &str,
    now: u64,
    lifetime_secs: u64,
) -> Result<String, TokenError> {
    claims::sign(key, &RestToken { aud: url, iat: now, exp: now.saturating_add(lifetime_secs) })
}

/// Verifies the token of a call whose request target is `path_and_query`.
///
/// The audience is the call's URL with its query or without, with or without a slash at its end, or a prefix of whole
/// path segments; escaped or not; of any scheme of `http`, `https`, `ws`, `wss`. The host is not compared.
pub fn verify_rest_token(
    keys: &[AccessKey],
    token: &str,
    path_and_query: &str,
    now: u64,
) -> Result<(), TokenError> {
    let claims = claims::verify(keys, token, now)?;
    if claims.strings("aud").iter().any(|audience| covers(audience, path_and_query)) {
        Ok(())
    } else {
        Err(TokenError::WrongAudience)
    }
}

fn covers(audience: &str, path_and_query: &str) -> bool {
    let Some((scheme, rest)) = audience.split_once("://") else { return false };
    let known_scheme = ["http", "https", "ws", "wss"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let path_starts = rest.find(['/', '?']).unwrap_or(rest.len());
    if !known_scheme || path_starts == 0 {
        return false;
    }
    let (allowed_path, allowed_query) = split_query(&rest[path_starts..]);
    let (path, query) = split_query(path_and_query);
    let mut segments = segments(path);
    let is_prefix = self::segments(allowed_path).all(|allowed| segments.next().is_some_and(|s| s == allowed));
    match allowed_query {
        // A query belongs to one call, so the path has to be all of it too.
        Some(allowed) => is_prefix && segments.next().is_none() && query.is_some_and(|q| same(q, allowed)),
        None => is_prefix,
    }
}

fn split_query(target: &str) -> (&str, Option<&str>) {
    target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)))
}

/// The parts of a path, each unescaped by itself, so that an escaped slash never ends a segment.
fn segments(path: &str) -> impl Iterator<Item = Vec<u8>> {
    path.trim_matches('/')
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_decode_str(part).collect())
}

fn same(a: &str, b: &str) -> bool {
    percent_decode_str(a).eq(percent_decode_str(b))
}
