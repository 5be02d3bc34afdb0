//! Who is calling. Established once, before a route and before its body is read; routes ask their [`Call`].

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use super::access::{Access, Charge};
use super::call::Call;
use super::origin::{self, Peer};
use super::{Front, Services, cors, fields};
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
    Proven(Proven),
}

/// What a sign-in says of a caller.
#[derive(Clone, Debug)]
pub(crate) struct Proven {
    pub(super) user: UserId,
    pub(super) is_admin: bool,
    /// When they signed in, in seconds since 1970, as far as the proof tells.
    pub(super) signed_in_at: Option<u64>,
}

/// Around each route, with the route's class and whom it charges. Without the [`Front`] in the request nobody gets in.
pub(super) async fn layer(
    State((access, charge)): State<(Access, Charge)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    match establish(access, &parts).await {
        Ok(identity) => {
            parts.extensions.insert(identity);
            // Whoever says in a body who they are is known when it is read: the [`Call`] charges.
            parts.extensions.insert(charge);
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
    if services.sign_in.is_by_cookie() && !parts.method.is_safe() {
        cors::refuse_foreign_pages(&front.config, &parts.headers)?;
    }
    let proven = match services.sign_in.prove(&parts.headers, admins).await {
        Ok(proven) => proven,
        Err(refused) => {
            note(front, services, parts, &refused).await;
            return Err(refused);
        }
    };
    let Some(proven) = proven else {
        let by_name = || Call::of(parts, Identity::Claimed { guests: false })?.user(None);
        if access == Access::Admin && !admins.contains(&by_name()?) {
            return Err(admins_only());
        }
        return Ok(Identity::Claimed { guests: access == Access::Guest });
    };
    if matches!(access, Access::Admin | Access::Operator) && !proven.is_admin {
        return Err(admins_only());
    }
    Ok(Identity::Proven(proven))
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
