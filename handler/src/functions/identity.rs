//! Who is calling. Established once, before a route and before its body is read; routes ask their [`Call`].

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use super::access::Access;
use super::call::Call;
use super::origin::{self, Peer};
use super::{Front, Services, fields};
use crate::chat::RefusedSignIn;
use crate::error::{ApiError, Kind};
use crate::model::UserId;

#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// The route does not ask.
    NotAsked,
    /// Callers say who they are and are believed. Where guests may come, they need not say it.
    Claimed { guests: bool },
    /// It has been proven, and nothing a request says beside its proof changes it.
    Proven { user: UserId, is_admin: bool },
}

/// Around each route, with the route's class. Without the [`Front`] in the request nobody gets in.
pub(super) async fn layer(State(access): State<Access>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match establish(access, &parts).await {
        Ok(identity) => {
            parts.extensions.insert(identity);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refused) => {
            // Who sends a body first reads the answer afterwards.
            fields::discard(&parts.headers, body).await;
            refused.into_response()
        }
    }
}

async fn establish(access: Access, parts: &Parts) -> Result<Identity, ApiError> {
    if matches!(access, Access::Open | Access::EventHandler) {
        return Ok(Identity::NotAsked);
    }
    let front = parts.extensions.get::<Front>().ok_or_else(ApiError::internal)?;
    let admins = &front.config.admins;
    let services = front.services().await?;
    let proven = match services.sign_in.prove(&parts.headers, admins).await {
        Ok(proven) => proven,
        Err(refused) => {
            note(front, services, parts, &refused).await;
            return Err(refused);
        }
    };
    let Some((user, is_admin)) = proven else {
        let by_name = || Call::of(parts, Identity::Claimed { guests: false })?.user(None);
        if access == Access::Admin && !admins.contains(&by_name()?) {
            return Err(admins_only());
        }
        return Ok(Identity::Claimed { guests: access == Access::Guest });
    };
    if matches!(access, Access::Admin | Access::Operator) && !is_admin {
        return Err(admins_only());
    }
    Ok(Identity::Proven { user, is_admin })
}

/// Puts a proof that was not good enough on record. Nothing shown is nothing refused, and what could not be checked neither.
async fn note(front: &Front, services: &Services, parts: &Parts, refused: &ApiError) {
    let is_refusal = refused.status().is_client_error() && refused.code() != Kind::TokenMissing.row().1;
    if is_refusal {
        let peer = parts.extensions.get::<Peer>().copied();
        let origin = origin::origin(&parts.headers, peer, front.config.trusted_proxies);
        let claimed = services.sign_in.claimed(&parts.headers);
        let refused = RefusedSignIn { claimed, code: refused.code(), origin };
        services.chat.note_refused_sign_in(refused).await;
    }
}

fn admins_only() -> ApiError {
    ApiError::new(Kind::AdminsOnly, "Only the deployment's admins may do this.")
}
