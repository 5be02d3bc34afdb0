use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::LINK;

use crate::chat::Refused;
use crate::error::ApiError;
use crate::functions::Front;
use crate::functions::call::Call;
use crate::model::RoomId;

/// `GET api/rooms`: the rooms the caller may see, by id, as a bare array; with `prefix` those whose names begin so, by name. Nobody in particular sees the public ones. The
/// header `Link` leads to the next page, where there is one.
pub(in crate::functions) async fn handle(
    State(front): State<Front>,
    call: Call,
) -> Result<Response, ApiError> {
    let limit = call.limit()?;
    let caller = call.caller_or_guest(&front).await?;
    let chat = &front.services().await?.chat;
    let (rooms, next) = if let Some(prefix) = call.query("prefix") {
        let found = chat.search_rooms(&caller, prefix, call.query("after"), limit).await?;
        (found.rooms, found.next)
    } else {
        let after = call.query("after").map(RoomId::new).transpose();
        let after = after.map_err(|why| Refused::bad_id("after", &why))?;
        let page = chat.list_rooms(&caller, after.as_ref(), limit).await?;
        (page.rooms, page.next.map(String::from))
    };
    let mut response = Json(rooms).into_response();
    if let Some(next) = next {
        let link = format!("</api/rooms{}>; rel=\"next\"", call.query_after(&next));
        let link = HeaderValue::try_from(link).map_err(|_| ApiError::internal())?;
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}
