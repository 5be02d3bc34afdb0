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

/// `GET api/rooms`: the rooms the caller may see, by id, as a bare array; nobody in particular sees the public ones. The
/// header `Link` leads to the next page, where there is one.
pub(in crate::functions) async fn handle(
    State(front): State<Front>,
    call: Call,
) -> Result<Response, ApiError> {
    let after =
        call.query("after").map(RoomId::new).transpose().map_err(|why| Refused::bad_id("after", &why))?;
    let limit = call.limit()?;
    let caller = call.caller_or_guest(&front).await?;
    let page = front.services().await?.chat.list_rooms(&caller, after.as_ref(), limit).await?;
    let mut response = Json(page.rooms).into_response();
    if let Some(next) = page.next {
        let link = format!("</api/rooms{}>; rel=\"next\"", call.query_after(next.as_str()));
        let link = HeaderValue::try_from(link).map_err(|_| ApiError::internal())?;
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}
