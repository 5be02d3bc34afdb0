use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::base::base;
use super::call::Call;
use super::fields::JsonBytes;
use super::{Front, Services};
use crate::config::NegotiateRoles;
use crate::error::ApiError;
use crate::model::UserId;

/// Rights that a token carries under `NEGOTIATE_ROLES=token`; more would not fit into a URL.
const TOKEN_ROLES: usize = 50;

#[derive(Serialize)]
pub(super) struct Access {
    url: String,
}

/// `GET` and `POST api/negotiate`: a URL with a token for one WebSocket client.
pub(super) async fn handle(
    State(front): State<Front>,
    call: Call,
    JsonBytes(body): JsonBytes,
) -> Result<Json<Access>, ApiError> {
    let user = call.caller_or_guest_in(&front, &body).await?.user;
    let services = front.services().await?;
    let roles = roles(&front, services, &user).await?;
    let access =
        services.ports.transport.client_access(&user, &roles, &base(&front.config, &call.headers)).await?;
    // Behind it: of a sign-out that comes meanwhile, either its mark is seen here, or the URL's token is older.
    services.chat.check_signed_in(&user, call.signed_in_at()).await?;
    Ok(Json(Access { url: access.url }))
}

async fn roles(front: &Front, services: &Services, user: &UserId) -> Result<Vec<String>, ApiError> {
    match front.config.negotiate_roles {
        NegotiateRoles::Connect => Ok(Vec::new()),
        NegotiateRoles::Token => {
            let mut roles = services.chat.welcome(user).await?.roles;
            roles.truncate(TOKEN_ROLES);
            Ok(roles)
        }
    }
}
