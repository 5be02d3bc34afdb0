use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn;
use axum::routing::{MethodFilter, on};

use super::{
    Front, audit, event_handler, health, hub_routes, inbox, invocations, letters, me, message, messages,
    metrics, my_rooms, negotiate, online, openapi, page, pins, publish, reactions, read, readyz, reviews,
    rooms, send_message, sync,
};
use crate::error::{ApiError, Kind};

/// One call of the API. `path` stands behind `/api` and, for existing clients, also alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
}

/// The routes and, since a router cannot be asked, the list of them.
struct Routes {
    router: Router<Front>,
    table: Vec<Route>,
}

impl Routes {
    fn get<H: Handler<T, Front>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add("GET", MethodFilter::GET, path, handler)
    }

    fn post<H: Handler<T, Front>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add("POST", MethodFilter::POST, path, handler)
    }

    fn put<H: Handler<T, Front>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add("PUT", MethodFilter::PUT, path, handler)
    }

    fn patch<H: Handler<T, Front>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add("PATCH", MethodFilter::PATCH, path, handler)
    }

    fn delete<H: Handler<T, Front>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add("DELETE", MethodFilter::DELETE, path, handler)
    }

    fn add<H: Handler<T, Front>, T: 'static>(
        mut self,
        method: &'static str,
        filter: MethodFilter,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.table.push(Route { method, path });
        self.router = self
            .router
            .route(path, on(filter, handler.clone()))
            .route(&format!("/api{path}"), on(filter, handler));
        self
    }
}

/// Every call of the API, in one place.
fn routes() -> Routes {
    Routes { router: Router::new(), table: Vec::new() }
        .post("/sendMessage", send_message::handle)
        .post("/publish", publish::handle)
        .get("/negotiate", negotiate::handle)
        .post("/negotiate", negotiate::handle)
        .post("/eventhandler", event_handler::handle)
        .add("OPTIONS", MethodFilter::OPTIONS, "/eventhandler", event_handler::validate)
        .get("/rooms", rooms::list)
        .post("/rooms", rooms::create)
        .get("/rooms/{id}", rooms::get)
        .delete("/rooms/{id}", rooms::delete)
        .add("PATCH", MethodFilter::PATCH, "/rooms/{id}", rooms::update::patch)
        .add("PUT", MethodFilter::PUT, "/rooms/{id}", rooms::update::put)
        .get("/rooms/{id}/members", rooms::members::list)
        .post("/rooms/{id}/members", rooms::members::add)
        .add("PATCH", MethodFilter::PATCH, "/rooms/{id}/members", rooms::members::change)
        .add("DELETE", MethodFilter::DELETE, "/rooms/{id}/members", rooms::members::remove)
        .get("/rooms/{id}/invitations", rooms::invitations::list)
        .post("/rooms/{id}/invitations", rooms::invitations::create)
        .add(
            "DELETE",
            MethodFilter::DELETE,
            "/rooms/{id}/invitations/{invitation}",
            rooms::invitations::revoke,
        )
        .post("/invitations/accept", rooms::invitations::accept)
        .get("/rooms/{id}/online", online::in_room)
        .post("/rooms/{id}/join", rooms::join)
        .post("/rooms/{id}/leave", rooms::leave)
        .get("/rooms/{id}/bans", rooms::sanctions::bans)
        .post("/rooms/{id}/bans", rooms::sanctions::ban)
        .delete("/rooms/{id}/bans", rooms::sanctions::unban)
        .get("/rooms/{id}/mutes", rooms::sanctions::mutes)
        .post("/rooms/{id}/mutes", rooms::sanctions::mute)
        .delete("/rooms/{id}/mutes", rooms::sanctions::unmute)
        .get("/rooms/{id}/messages", messages::of_room)
        .get("/rooms/{id}/messages/{seq}", message::get)
        .patch("/rooms/{id}/messages/{seq}", message::edit)
        .delete("/rooms/{id}/messages/{seq}", message::delete)
        .get("/rooms/{id}/messages/{seq}/reactions", reactions::list)
        .put("/rooms/{id}/messages/{seq}/reactions", reactions::set)
        .delete("/rooms/{id}/messages/{seq}/reactions", reactions::remove)
        .get("/rooms/{id}/messages/{seq}/readers", pins::readers)
        .post("/rooms/{id}/messages/{seq}/report", reviews::report)
        .get("/rooms/{id}/reviews", reviews::of_room)
        .post("/rooms/{id}/reviews/{review}", reviews::decide)
        .get("/rooms/{id}/rules", reviews::rules)
        .get("/rooms/{id}/pins", pins::list)
        .put("/rooms/{id}/pins/{seq}", pins::pin)
        .delete("/rooms/{id}/pins/{seq}", pins::unpin)
        .get("/messages", messages::direct)
        .get("/messages/{seq}", message::get)
        .patch("/messages/{seq}", message::edit)
        .delete("/messages/{seq}", message::delete)
        .get("/messages/{seq}/reactions", reactions::list)
        .put("/messages/{seq}/reactions", reactions::set)
        .delete("/messages/{seq}/reactions", reactions::remove)
        .post("/messages/{seq}/report", reviews::report)
        .get("/presence", online::of_users)
        .get("/me", me::get)
        .put("/me", me::put)
        .get("/inbox", inbox::list)
        .post("/inbox/ack", inbox::acknowledge)
        .add("PUT", MethodFilter::PUT, "/rooms/{id}/read", read::room)
        .add("PUT", MethodFilter::PUT, "/messages/read", read::direct)
        .get("/me/rooms", my_rooms::handle)
        .post("/sync", sync::handle)
        .get("/admin/letters", letters::handle)
        .get("/admin/reviews", reviews::of_pairs)
        .post("/admin/reviews/{review}", reviews::decide)
        .get("/admin/audit", audit::handle)
        .get("/health", health::handle)
        .get("/readyz", readyz::handle)
        .get("/metrics", metrics::handle)
        .get("/openapi.json", openapi::handle)
}

/// The calls that the API has.
#[must_use]
pub fn table() -> Vec<Route> {
    routes().table
}

/// The API, the page at `/`, and behind them whatever is the hub's.
pub(super) fn router(front: &Front) -> Router {
    routes()
        .router
        .route("/", on(MethodFilter::GET, page::handle))
        .route_layer(from_fn(invocations::route))
        .method_not_allowed_fallback(|| async {
            ApiError::new(Kind::MethodNotAllowed, "This path has other methods; see the Allow header.")
        })
        .fallback(hub_routes::handle)
        .with_state(front.clone())
}
