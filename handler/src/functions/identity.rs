//! Who is calling. Established once, before a route and before its body is read; routes ask their [`Call`].

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use super::access::Access;
use super::call::Call;
use super::{Front, fields};
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
    let proven = front.services().await?.sign_in.prove(&parts.headers, admins).await?;
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

fn admins_only() -> ApiError {
    ApiError::new(Kind::AdminsOnly, "Only the deployment's admins may do this.")
}
