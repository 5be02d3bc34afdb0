//! `api/rooms/{id}/invitations` and `api/invitations/accept`: ways into a room that its moderators open.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

use crate::chat::{InvitationPage, NewInvitation, RoomView, role_named};
use crate::error::ApiError;
use crate::functions::Front;
use crate::functions::call::{Call, InvitationInPath, RoomInPath};
use crate::functions::fields::Fields;
use crate::model::UserId;

#[derive(Serialize)]
struct Invited {
    status: &'static str,
    room_id: String,
    user: UserId,
}

#[derive(Serialize)]
pub(in crate::functions) struct Revoked {
    status: &'static str,
    id: String,
}

/// `POST api/rooms/{id}/invitations`: with `user` lets that user join; without, makes a link and shows its token once.
pub(in crate::functions) async fn create(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
    fields: Fields,
) -> Result<Response, ApiError> {
    let caller = call.caller_with(&front, &fields)?;
    if let Some(user) = fields.text(&["user"])? {
        let user = front.services().await?.chat.invite_user(&caller, &room, user).await?;
        return Ok(Json(Invited { status: "invited", room_id: room, user }).into_response());
    }
    let new = NewInvitation {
        expires_in: fields.number(&["expires_in", "expiresIn"])?,
        max_uses: fields.number(&["max_uses", "maxUses"])?,
        role: fields.text(&["role"])?.map(role_named).transpose()?.unwrap_or_default(),
    };
    let issued = front.services().await?.chat.create_invitation(&caller, &room, new).await?;
    Ok((StatusCode::CREATED, Json(issued)).into_response())
}

/// `GET api/rooms/{id}/invitations`: the links, without their tokens.
pub(in crate::functions) async fn list(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
) -> Result<Json<InvitationPage>, ApiError> {
    let caller = call.caller(&front, None)?;
    let (after, limit) = (call.query("after"), call.limit()?);
    Ok(Json(front.services().await?.chat.list_invitations(&caller, &room, after, limit).await?))
}

/// `DELETE api/rooms/{id}/invitations/{invitation}`: the link lets nobody in any more.
pub(in crate::functions) async fn revoke(
    State(front): State<Front>,
    call: Call,
    InvitationInPath { room, id }: InvitationInPath,
) -> Result<Json<Revoked>, ApiError> {
    let caller = call.caller(&front, None)?;
    front.services().await?.chat.revoke_invitation(&caller, &room, &id).await?;
    Ok(Json(Revoked { status: "revoked", id }))
}

/// `POST api/invitations/accept`: the caller joins the link's room. Repeatable.
pub(in crate::functions) async fn accept(
    State(front): State<Front>,
    call: Call,
    fields: Fields,
) -> Result<Json<RoomView>, ApiError> {
    let token = fields.required_text(&["token"])?;
    let caller = call.caller_with(&front, &fields)?;
    Ok(Json(front.services().await?.chat.accept_invitation(&caller, token).await?))
}
