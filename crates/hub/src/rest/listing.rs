//! `GET …/groups/{group}/connections`, page by page.

use axum::response::Response;
use http::request::Parts;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use webpubsub::names::HubName;

use super::answer::{self, Refusal};
use super::operations::base_url;
use super::query::Query;
use crate::{ConnectionInfo, Hub};

/// The largest page, and the usual one.
const MAX_PAGE: u32 = 200;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    value: Vec<Member<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_link: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Member<'a> {
    connection_id: &'a str,
    user_id: Option<&'a str>,
}

/// Connections in the order of their ids. Whoever is a member throughout all the pages is listed exactly once.
pub(super) fn list(
    hub: &Hub,
    name: &HubName,
    group: &str,
    query: &Query<'_>,
    parts: &Parts,
) -> Result<Response, Refusal> {
    let page_size = query.number_within("maxpagesize", 1..=MAX_PAGE)?.unwrap_or(MAX_PAGE);
    let top = query.number_within("top", 1..=u32::MAX)?;
    let after = query.text("continuationToken");
    if after.is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
        return Err(Refusal::bad_request("Invalid continuationToken."));
    }
    let wanted = top.map_or(page_size, |top| top.min(page_size));
    let left = top.map(|top| top - wanted);
    // One more than wanted tells whether there is a next page.
    let mut members = hub.connections_in(name, group, after, wanted as usize + 1);
    let more = members.len() > wanted as usize && left != Some(0);
    members.truncate(wanted as usize);
    let next_link = members.last().filter(|_| more).map(|last| next_link(last, query, left, parts));
    let value = members
        .iter()
        .map(|member| Member { connection_id: &member.connection_id, user_id: member.user_id.as_deref() })
        .collect();
    Ok(answer::json(&Page { value, next_link }))
}

/// The continuation token is the last id of the page.
fn next_link(last: &ConnectionInfo, query: &Query<'_>, left: Option<u32>, parts: &Parts) -> String {
    let mut link = format!("{}{}?", base_url(parts), parts.uri.path());
    let left = left.map(|left| left.to_string());
    let parameters = [
        ("api-version", query.text("api-version")),
        ("maxpagesize", query.text("maxpagesize")),
        ("top", left.as_deref()),
        ("continuationToken", Some(last.connection_id.as_str())),
    ];
    for (name, value) in parameters {
        let Some(value) = value else { continue };
        let separator = if link.ends_with('?') { "" } else { "&" };
        // Dates and ids stay readable; hyphens need no escape.
        let escaped = utf8_percent_encode(value, UNRESERVED);
        link.push_str(&format!("{separator}{name}={escaped}"));
    }
    link
}

const UNRESERVED: &percent_encoding::AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
