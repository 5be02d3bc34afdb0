//! Which path is whose. The words of paths compare without case, as the service has it.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use percent_encoding::percent_decode_str;

use crate::accept::{enter, refusal};
use crate::hub::Hub;
use crate::request::Parameters;
use crate::rest;

impl Hub {
    /// Serves clients at `/client/hubs/{hub}`, `/client/?hub=` and, where anonymous clients are let in, `/ws`; and the
    /// data plane at `/api/hubs/{hub}/…` and `/api/health`. Everything else is 404.
    pub fn router(&self) -> Router {
        Router::new().fallback(route).with_state(self.clone())
    }
}

async fn route(State(hub): State<Hub>, request: Request) -> Response {
    let path = request.uri().path();
    let words: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').skip(1).collect();
    let is = |at: usize, word: &str| words.get(at).is_some_and(|known| known.eq_ignore_ascii_case(word));
    match words[..] {
        [_, _, name] if is(0, "client") && is(1, "hubs") => {
            let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
            enter(hub, &name, request, None).await
        }
        [_] if is(0, "client") => match Parameters::of(request.uri()).get("hub").map(str::to_owned) {
            Some(name) => enter(hub, &name, request, None).await,
            None => refusal(StatusCode::NOT_FOUND, ""),
        },
        [_] if is(0, "ws") => by_default(hub, request).await,
        [_, _, _, ..] if is(0, "api") && is(1, "hubs") => rest::serve(&hub, request).await,
        [_, _] if is(0, "api") && is(1, "health") => rest::health(request.method()),
        _ => refusal(StatusCode::NOT_FOUND, ""),
    }
}

/// For clients that only know a user id.
async fn by_default(hub: Hub, request: Request) -> Response {
    let options = hub.options();
    let name = options.default_hub.clone().filter(|_| options.anonymous);
    let Some(name) = name else { return refusal(StatusCode::NOT_FOUND, "") };
    let user_id = Parameters::of(request.uri()).get("user_id").map(str::to_owned);
    enter(hub, name.as_str(), request, user_id).await
}
