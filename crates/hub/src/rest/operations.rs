use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{StatusCode, header};
use serde::Serialize;
use webpubsub::names::{HubName, is_group_name};
use webpubsub::roles::Action;
use webpubsub::token::ClientToken;

use super::answer::{self, Refusal};
use super::query::Query;
use super::route::{Aim, Operation, Permission};
use super::{body, groups, listing};
use crate::target::{PermissionError, Selection};
use crate::{Filter, Hub, Subject};

/// The longest `messageTtlSeconds`.
const MAX_TTL_SECS: u32 = 300;

/// The `minutesToExpire` of a token whose caller does not say.
const DEFAULT_TOKEN_MINUTES: u32 = 60;

/// Carries a call out. The caller was authenticated.
pub(super) async fn perform(
    hub: &Hub,
    name: &HubName,
    operation: Operation,
    query: &Query<'_>,
    parts: &Parts,
    body: Body,
) -> Result<Response, Refusal> {
    check_groups(&operation)?;
    match operation {
        Operation::Send(aim) => send(hub, name, &aim, query, parts, body).await,
        Operation::Close(aim) => {
            hub.close(name, aim.target(), &query.excluded(), query.text("reason"));
            Ok(answer::empty(StatusCode::NO_CONTENT))
        }
        Operation::Exists(aim) => exists(hub, name, &aim),
        Operation::Join { who, group } => join(hub, name, &who, &group),
        Operation::Leave { who, group } => {
            hub.remove_from_group(name, who.target(), &group, &Selection::default());
            Ok(answer::empty(StatusCode::NO_CONTENT))
        }
        Operation::LeaveAll(who) => {
            hub.remove_from_all_groups(name, who.target());
            Ok(answer::empty(StatusCode::NO_CONTENT))
        }
        Operation::AddToGroups => groups::change(hub, name, groups::Change::Add, parts, body).await,
        Operation::RemoveFromGroups => groups::change(hub, name, groups::Change::Remove, parts, body).await,
        Operation::List { group } => listing::list(hub, name, &group, query, parts),
        Operation::GenerateToken => generate_token(hub, name, query, parts),
        Operation::Grant(permission) => grant(hub, name, &permission, query),
        Operation::Revoke(permission) => revoke(hub, name, &permission, query),
        Operation::Check(permission) => check(hub, name, &permission, query),
    }
}

/// A name that no group can have is refused wherever a path has one.
fn check_groups(operation: &Operation) -> Result<(), Refusal> {
    let group = match operation {
        Operation::Send(Aim::Group(group)) | Operation::Close(Aim::Group(group)) => group,
        Operation::Exists(Aim::Group(group)) | Operation::List { group } => group,
        Operation::Join { group, .. } | Operation::Leave { group, .. } => group,
        _ => return Ok(()),
    };
    if is_group_name(group) { Ok(()) } else { Err(Refusal::bad_request("Invalid group name.")) }
}

async fn send(
    hub: &Hub,
    name: &HubName,
    aim: &Aim,
    query: &Query<'_>,
    parts: &Parts,
    body: Body,
) -> Result<Response, Refusal> {
    let ttl = query.number_within("messageTtlSeconds", 0..=MAX_TTL_SECS)?;
    let filter = match query.text("filter") {
        Some(text) if !matches!(aim, Aim::Connection(_)) => Some(parse_filter(text)?),
        _ => None,
    };
    let message = body::message(&parts.headers, body).await?;
    let matches = filter.as_ref().map(|filter| |subject: &Subject<'_>| filter.matches(subject));
    let excluded = query.excluded();
    let select = Selection {
        excluded: &excluded,
        filter: matches.as_ref().map(|matches| matches as &(dyn Fn(&Subject<'_>) -> bool + Sync)),
        ttl: ttl.filter(|secs| *secs > 0).map(|secs| Duration::from_secs(secs.into())),
    };
    hub.send(name, aim.target(), &message, &select);
    Ok(answer::empty(StatusCode::ACCEPTED))
}

pub(super) fn parse_filter(text: &str) -> Result<Filter, Refusal> {
    Filter::parse(text).map_err(|error| Refusal::bad_request(error.to_string()))
}

fn exists(hub: &Hub, name: &HubName, aim: &Aim) -> Result<Response, Refusal> {
    if hub.exists(name, aim.target()) {
        return Ok(answer::empty(StatusCode::OK));
    }
    Err(match aim {
        Aim::Group(group) => Refusal::not_existing("Warning.Group.NotExisted", "Group", group),
        Aim::User(user) => Refusal::not_existing("Warning.User.NotExisted", "User", user),
        Aim::Connection(id) => Refusal::not_existing("Info.Connection.NotExisted", "Connection", id),
        Aim::All => Refusal::bad_request("Nothing is asked for."),
    })
}

fn join(hub: &Hub, name: &HubName, who: &Aim, group: &str) -> Result<Response, Refusal> {
    if hub.add_to_group(name, who.target(), group, &Selection::default()) > 0 {
        return Ok(answer::empty(StatusCode::OK));
    }
    Err(match who {
        Aim::User(user) => Refusal::not_existing("Warning.User.NotExisted", "User", user),
        Aim::Connection(id) => Refusal::not_existing("Error.Connection.NotExisted", "Connection", id),
        Aim::All | Aim::Group(_) => Refusal::bad_request("Nobody is named."),
    })
}

#[derive(Serialize)]
struct TokenBody {
    token: String,
}

fn generate_token(hub: &Hub, name: &HubName, query: &Query<'_>, parts: &Parts) -> Result<Response, Refusal> {
    if query.text("clientType").is_some_and(|kind| !kind.eq_ignore_ascii_case("default")) {
        return Err(Refusal::bad_request("Invalid clientType."));
    }
    let minutes = query.number_within("minutesToExpire", 1..=u32::MAX)?.unwrap_or(DEFAULT_TOKEN_MINUTES);
    let own =
        |name: &str| query.all(name).filter(|value| !value.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let groups = own("group");
    if !groups.iter().all(|group| is_group_name(group)) {
        return Err(Refusal::bad_request("Invalid group name."));
    }
    let options = hub.options();
    let Some(key) = options.access_keys.first() else {
        return Err(Refusal::Unauthorized);
    };
    let mut token = ClientToken::new(&base_url(parts), name, (options.clock)(), u64::from(minutes) * 60);
    token.user_id = query.all("userId").next().map(str::to_owned);
    token.roles = own("role");
    token.groups = groups;
    let token = token.sign(key).map_err(|error| Refusal::bad_request(error.to_string()))?;
    Ok(answer::json(&TokenBody { token }))
}

/// Scheme and host as the caller sees them.
pub(super) fn base_url(parts: &Parts) -> String {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    let host = text(header::HOST.as_str()).or(parts.uri.authority().map(http::uri::Authority::as_str));
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}

/// What a permission operation is about: action, connection, group.
fn named<'a>(
    permission: &'a Permission,
    query: &'a Query<'_>,
) -> Result<(Action, &'a str, &'a str), Refusal> {
    let action = permission.action.ok_or_else(|| Refusal::bad_request("Invalid permission."))?;
    let group = query.text("targetName").filter(|name| is_group_name(name));
    let group = group.ok_or_else(|| Refusal::bad_request("Invalid targetName."))?;
    Ok((action, &permission.connection, group))
}

fn grant(hub: &Hub, name: &HubName, permission: &Permission, query: &Query<'_>) -> Result<Response, Refusal> {
    let (action, connection, group) = named(permission, query)?;
    match hub.grant(name, connection, action, Some(group)) {
        Ok(()) => Ok(answer::empty(StatusCode::OK)),
        Err(error) => Err(permission_refusal(error, connection)),
    }
}

fn revoke(
    hub: &Hub,
    name: &HubName,
    permission: &Permission,
    query: &Query<'_>,
) -> Result<Response, Refusal> {
    let (action, connection, group) = named(permission, query)?;
    match hub.revoke(name, connection, action, Some(group)) {
        Ok(()) | Err(PermissionError::NoConnection) => Ok(answer::empty(StatusCode::NO_CONTENT)),
        Err(error) => Err(permission_refusal(error, connection)),
    }
}

fn check(hub: &Hub, name: &HubName, permission: &Permission, query: &Query<'_>) -> Result<Response, Refusal> {
    let (action, connection, group) = named(permission, query)?;
    match hub.has_permission(name, connection, action, Some(group)) {
        Ok(true) => Ok(answer::empty(StatusCode::OK)),
        Ok(false) => Err(Refusal::not_existing("Info.Permission.NotExisted", "Permission", group)),
        Err(error) => Err(permission_refusal(error, connection)),
    }
}

fn permission_refusal(error: PermissionError, connection: &str) -> Refusal {
    match error {
        PermissionError::NoConnection => {
            Refusal::not_existing("Info.Connection.NotExisted", "Connection", connection)
        }
        PermissionError::TooMany => Refusal::conflict(error.to_string()),
    }
}
