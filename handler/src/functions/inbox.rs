use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::Front;
use super::call::Call;
use super::fields::{Fields, missing};
use crate::chat::InboxPage;
use crate::error::{ApiError, Kind};

/// `GET api/inbox`: the caller's direct messages that wait for an acknowledgement.
pub(super) async fn list(State(front): State<Front>, call: Call) -> Result<Json<InboxPage>, ApiError> {
    let (after, before) = (call.query("after"), call.query("before"));
    if after.is_some() && before.is_some() {
        return Err(ApiError::field(Kind::TwoCursors, "before", "Give after or before, not both."));
    }
    let limit = call.limit()?;
    let caller = call.caller(&front, None)?;
    Ok(Json(front.services().await?.chat.inbox(&caller, after, before, limit).await?))
}

#[derive(Serialize)]
pub(super) struct Acknowledged {
    acknowledged: usize,
}

/// `POST api/inbox/ack`: marks messages as done by their `id` or `inbox_id`. Repeatable.
pub(super) async fn acknowledge(
    State(front): State<Front>,
    call: Call,
    fields: Fields,
) -> Result<Json<Acknowledged>, ApiError> {
    let ids = fields.texts(&["ids"])?.ok_or_else(|| missing("ids"))?;
    let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
    let caller = call.caller_with(&front, &fields)?;
    let acknowledged = front.services().await?.chat.acknowledge(&caller, &ids).await?;
    Ok(Json(Acknowledged { acknowledged }))
}
