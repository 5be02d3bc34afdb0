use axum::Json;
use axum::extract::State;

use super::Front;
use super::call::Call;
use crate::chat::{AuditPage, AuditQuery};
use crate::error::{ApiError, Kind};
use crate::model::Timestamp;

/// `GET api/admin/audit`: who did what, on whom, when, why, from where, with what outcome. Newest first; for admins.
pub(super) async fn handle(State(front): State<Front>, call: Call) -> Result<Json<AuditPage>, ApiError> {
    let text = |name| call.query(name).map(str::to_owned);
    let query = AuditQuery {
        by: text("by"),
        on: text("on"),
        room: text("room_id"),
        action: text("action"),
        since: time(&call, "since")?,
        until: time(&call, "until")?,
        after: text("after"),
        limit: call.limit()?,
    };
    let caller = call.caller(&front, None)?;
    Ok(Json(front.services().await?.chat.list_audit(&caller, &query).await?))
}

fn time(call: &Call, name: &'static str) -> Result<Option<Timestamp>, ApiError> {
    let wrong = || ApiError::field(Kind::InvalidField, name, format!("{name} must be an RFC 3339 time."));
    call.query(name).map(|text| Timestamp::parse(text).ok_or_else(wrong)).transpose()
}
