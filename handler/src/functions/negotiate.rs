use axum::Json;
use axum::extract::State;
use http::HeaderName;
use http::header::HOST;
use serde::Serialize;

use super::call::Call;
use super::fields::JsonBytes;
use super::{Front, Services};
use crate::config::NegotiateRoles;
use crate::error::ApiError;
use crate::model::UserId;

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
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
    let access = services.ports.transport.client_access(&user, &roles, &base(&front, &call)).await?;
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

/// Our own address as this caller sees it. Whoever forges the headers deceives only themself.
fn base(front: &Front, call: &Call) -> String {
    if let Some(endpoint) = &front.config.public_ws_endpoint {
        return endpoint.as_http();
    }
    let first = |name| call.header(&name).and_then(|list| list.split(',').next()).map(str::trim);
    let proto = first(FORWARDED_PROTO)
        .filter(|proto| proto.eq_ignore_ascii_case("https"))
        .map_or("http", |_| "https");
    let authority = |text: &&str| text.parse::<http::uri::Authority>().is_ok() && !text.contains('@');
    let host = first(FORWARDED_HOST).filter(authority).or_else(|| call.header(&HOST).filter(authority));
    format!("{proto}://{}", host.unwrap_or("localhost"))
}
