use axum::extract::{Query, Request, State};
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode, Uri};
use tower::ServiceExt;

use super::origin::{self, Peer};
use super::{Front, claimed};
use crate::chat::RefusedSignIn;
use crate::error::{ApiError, Kind};
use crate::model::Origin;

/// Whom a token of the hub is for.
const TOKEN_USER: &str = "sub";
/// How the record tells that the hub refused a token; the hub itself does not say why.
const REFUSED: &str = "unauthenticated";

/// The embedded hub on the HTTP port; what is not its own either is 404.
pub(super) async fn handle(State(front): State<Front>, request: Request) -> Result<Response, ApiError> {
    if is_the_hubs(request.uri().path()) {
        everything(State(front), request).await
    } else {
        Err(ApiError::new(Kind::NoRoute, "There is nothing at this path; GET / says what there is."))
    }
}

/// The hub on a port of its own.
pub(super) async fn everything(State(front): State<Front>, request: Request) -> Result<Response, ApiError> {
    let services = front.services().await?;
    let proof = Proof::of(&front, &request);
    let response = match services.hub.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if response.status() == StatusCode::UNAUTHORIZED
        && let Some(refused) = proof.refused()
    {
        services.chat.note_refused_sign_in(refused).await;
    }
    Ok(response)
}

/// What a request shows the hub, kept for the case that it is refused. The hub looks at it by itself.
struct Proof {
    uri: Uri,
    authorization: Option<HeaderValue>,
    origin: Origin,
}

impl Proof {
    fn of(front: &Front, request: &Request) -> Self {
        let peer = request.extensions().get::<Peer>().copied();
        Self {
            uri: request.uri().clone(),
            authorization: request.headers().get(AUTHORIZATION).cloned(),
            origin: origin::origin(request.headers(), peer, front.config.trusted_proxies),
        }
    }

    /// For the record. Nothing shown is nothing refused.
    fn refused(self) -> Option<RefusedSignIn> {
        let token = self.token()?;
        let claimed = claimed::by_token(&token, TOKEN_USER);
        Some(RefusedSignIn { claimed, code: REFUSED, origin: self.origin })
    }

    fn token(&self) -> Option<String> {
        let query = Query::<Vec<(String, String)>>::try_from_uri(&self.uri).ok().map(|query| query.0);
        let in_query = query.into_iter().flatten().find(|(name, _)| name == "access_token");
        let in_header = || Some(self.authorization.as_ref()?.to_str().ok()?.split_once(' ')?.1.to_owned());
        in_query.map(|(_, token)| token).or_else(in_header)
    }
}

fn is_the_hubs(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path == "/ws" || path == "/client" || path.starts_with("/client/") || path.starts_with("/api/hubs/")
}
