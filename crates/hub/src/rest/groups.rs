//! `:addToGroups` and `:removeFromGroups`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;
use webpubsub::names::{HubName, is_group_name};

use super::answer::{self, Refusal};
use super::body;
use super::operations::parse_filter;
use crate::target::{Selection, Target};
use crate::{Hub, Subject};

/// Most groups that one call may change. The work is groups times connections.
const MAX_GROUPS: usize = 1000;

#[derive(Clone, Copy)]
pub(super) enum Change {
    Add,
    Remove,
}

#[derive(Deserialize)]
struct Request {
    groups: Vec<String>,
    #[serde(default)]
    filter: Option<String>,
}

/// Puts every connection that the filter matches into all the groups, or takes it out. No filter means all connections.
///
/// The filter sees each connection as it was before the call, also when it speaks of the very groups that change.
pub(super) async fn change(
    hub: &Hub,
    name: &HubName,
    change: Change,
    parts: &Parts,
    body: Body,
) -> Result<Response, Refusal> {
    let bytes = body::json(&parts.headers, body).await?;
    let request: Request = serde_json::from_slice(&bytes)
        .map_err(|_| Refusal::bad_request("The request body is not a valid JSON."))?;
    if request.groups.is_empty() || request.groups.len() > MAX_GROUPS {
        return Err(Refusal::bad_request("Invalid number of groups."));
    }
    if !request.groups.iter().all(|group| is_group_name(group)) {
        return Err(Refusal::bad_request("Invalid group name."));
    }
    let filter = request.filter.as_deref().filter(|text| !text.is_empty()).map(parse_filter).transpose()?;
    // The first look at a connection decides for all groups: earlier groups of this call must not change the answer.
    let decisions: Mutex<HashMap<String, bool>> = Mutex::default();
    let decide = |subject: &Subject<'_>| {
        let Some(filter) = &filter else {
            return true;
        };
        let mut decisions = decisions.lock().unwrap_or_else(PoisonError::into_inner);
        match decisions.get(subject.connection_id) {
            Some(decision) => *decision,
            None => *decisions.entry(subject.connection_id.to_owned()).or_insert(filter.matches(subject)),
        }
    };
    let select = Selection { filter: Some(&decide), ..Selection::default() };
    for group in &request.groups {
        match change {
            Change::Add => hub.add_to_group(name, Target::All, group, &select),
            Change::Remove => hub.remove_from_group(name, Target::All, group, &select),
        };
        // Many groups times many connections must not hold the thread.
        tokio::task::yield_now().await;
    }
    Ok(answer::empty(StatusCode::OK))
}
