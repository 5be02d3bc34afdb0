//! The HTTP side: one file per function or route, each in the order parse, authorise, act, answer.

mod access;
mod attachments;
mod audit;
mod base;
mod call;
mod claimed;
mod cors;
mod envelope;
mod event_copies;
mod event_door;
mod event_handler;
mod fields;
mod front;
mod health;
mod host_calls;
mod http_json;
mod hub_routes;
mod identity;
mod inbox;
mod invocations;
mod letters;
mod limits;
mod me;
mod message;
mod messages;
mod metrics;
mod my_rooms;
mod negotiate;
mod online;
mod openapi;
pub(crate) mod origin;
mod page;
mod paths;
mod personal;
mod pins;
mod principal;
mod publish;
mod reactions;
mod read;
mod readyz;
mod reviews;
mod rooms;
mod routes;
mod send_message;
mod sign_in;
mod sign_out;
mod statistics;
mod sync;
#[cfg(feature = "testing")]
mod test_controls;
mod timer;
mod trigger;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use tower_http::catch_panic::CatchPanicLayer;

pub use access::{Access, Charge};
pub use event_copies::EventCopies;
pub use event_door::EventDoor;
pub use front::Front;
pub use readyz::Warnings;
pub use routes::{Route, table};
pub use sign_in::SignIn;
pub use statistics::{RemoteStore, Statistics};

use crate::calls::Calls;
use crate::chat::{Chat, Ports};
use crate::error::ApiError;
use crate::events::Events;
use crate::ports::LocalFiles;

/// What the routes work with, once the stores are open.
pub struct Services {
    pub chat: Arc<Chat>,
    pub ports: Ports,
    pub sign_in: SignIn,
    pub events: Events,
    /// The embedded hub's own routes.
    pub hub: Router,
    /// Who may bring events over HTTP.
    pub event_door: EventDoor,
    /// Which of them came before.
    pub event_copies: EventCopies,
    pub statistics: Statistics,
    /// What stands behind the links to files, where these are stored by this process.
    pub local_files: Option<Arc<dyn LocalFiles>>,
    /// The calls of other machines so far.
    pub calls: Calls,
    /// What an operator has to mend although everything answers.
    pub warnings: Warnings,
    /// Makes the stores refuse every call, or serve again.
    #[cfg(feature = "testing")]
    pub set_stores_away: Box<dyn Fn(bool) + Send + Sync>,
}

/// Everything that answers on the HTTP port.
///
/// The layers stand around the routes, not in them: they may change the path before a route is chosen.
pub fn router(front: Front) -> Router {
    let router = Router::new()
        .fallback_service(routes::router(&front))
        .layer(from_fn_with_state(front.clone(), limits::layer))
        .layer(from_fn_with_state(front.clone(), base::layer))
        .layer(from_fn(paths::layer))
        .layer(from_fn_with_state(front.clone(), cors::layer));
    #[cfg(feature = "testing")]
    let router = router.layer(from_fn_with_state(front.clone(), test_controls::layer));
    router
        .layer(from_fn_with_state(front.clone(), host_calls::layer))
        .layer(from_fn_with_state(front, invocations::layer))
        .layer(CatchPanicLayer::custom(|_| ApiError::internal().into_response()))
}

/// The hub alone, for a port of its own.
pub fn hub_router(front: Front) -> Router {
    Router::new()
        .fallback(hub_routes::everything)
        .layer(from_fn_with_state(front.clone(), limits::layer))
        .with_state(front)
        .layer(CatchPanicLayer::custom(|_| ApiError::internal().into_response()))
}
