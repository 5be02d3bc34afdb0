use axum::handler::Handler;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodFilter, on};
use axum::{Extension, Router};

use super::access::Terms;
use super::{
    Access, Charge, Front, attachments, audit, event_handler, health, hub_routes, identity, inbox,
    invocations, letters, me, message, messages, metrics, my_rooms, negotiate, online, openapi, page,
    personal, pins, publish, reactions, read, readyz, reviews, rooms, send_message, sign_out, sync,
};
use crate::error::{ApiError, Kind};

/// One call of the API. `path` stands behind `/api` and, for existing clients, also alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub access: Access,
    pub charge: Charge,
}

/// The routes and, since a router cannot be asked, the list of them.
struct Routes {
    router: Router<Front>,
    table: Vec<Route>,
}

impl Routes {
    fn get<H: Handler<T, Front>, T: 'static>(
        self,
        terms: impl Into<Terms>,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.add(terms, "GET", MethodFilter::GET, path, handler)
    }

    fn post<H: Handler<T, Front>, T: 'static>(
        self,
        terms: impl Into<Terms>,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.add(terms, "POST", MethodFilter::POST, path, handler)
    }

    fn put<H: Handler<T, Front>, T: 'static>(
        self,
        terms: impl Into<Terms>,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.add(terms, "PUT", MethodFilter::PUT, path, handler)
    }

    fn patch<H: Handler<T, Front>, T: 'static>(
        self,
        terms: impl Into<Terms>,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.add(terms, "PATCH", MethodFilter::PATCH, path, handler)
    }

    fn delete<H: Handler<T, Front>, T: 'static>(
        self,
        terms: impl Into<Terms>,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.add(terms, "DELETE", MethodFilter::DELETE, path, handler)
    }

    fn add<H: Handler<T, Front>, T: 'static>(
        mut self,
        terms: impl Into<Terms>,
        method: &'static str,
        filter: MethodFilter,
        path: &'static str,
        handler: H,
    ) -> Self {
        let Terms { access, charge } = terms.into();
        let charge = charge.unwrap_or_else(|| charge_of(access, method));
        self.table.push(Route { method, path, access, charge });
        let guarded = on(filter, handler).route_layer(from_fn_with_state((access, charge), identity::layer));
        self.router = self.router.route(path, guarded.clone()).route(&format!("/api{path}"), guarded);
        self
    }
}

/// Whom a call charges where its route does not say.
fn charge_of(access: Access, method: &str) -> Charge {
    match access {
        Access::Open | Access::EventHandler => Charge::Nobody,
        _ if method == "GET" => Charge::Nobody,
        Access::Guest | Access::Caller | Access::Operator | Access::Admin => Charge::Caller,
    }
}

/// Every call of the API, in one place, whom it lets in, and whom it charges.
fn routes() -> Routes {
    use Access::{Admin, Caller, EventHandler, Guest, Open, Operator};
    const ITSELF: Terms = Caller.charging(Charge::UseCase);
    Routes { router: Router::new(), table: Vec::new() }
        .post(ITSELF, "/sendMessage", send_message::handle)
        .post(ITSELF, "/publish", publish::handle)
        .get(Guest, "/negotiate", negotiate::handle)
        .post(Guest.charging(Charge::Nobody), "/negotiate", negotiate::handle)
        .post(EventHandler, "/eventhandler", event_handler::handle)
        .add(EventHandler, "OPTIONS", MethodFilter::OPTIONS, "/eventhandler", event_handler::validate)
        .get(Guest, "/rooms", rooms::list)
        .post(ITSELF, "/rooms", rooms::create)
        .get(Guest, "/rooms/{id}", rooms::get)
        .delete(Caller, "/rooms/{id}", rooms::delete)
        .patch(ITSELF, "/rooms/{id}", rooms::update::patch)
        .put(ITSELF, "/rooms/{id}", rooms::update::put)
        .get(Guest, "/rooms/{id}/members", rooms::members::list)
        .post(Caller, "/rooms/{id}/members", rooms::members::add)
        .patch(Caller, "/rooms/{id}/members", rooms::members::change)
        .delete(Caller, "/rooms/{id}/members", rooms::members::remove)
        .get(Caller, "/rooms/{id}/invitations", rooms::invitations::list)
        .post(Caller, "/rooms/{id}/invitations", rooms::invitations::create)
        .delete(Caller, "/rooms/{id}/invitations/{invitation}", rooms::invitations::revoke)
        .post(Caller, "/invitations/accept", rooms::invitations::accept)
        .get(Guest, "/rooms/{id}/online", online::in_room)
        .post(Caller, "/rooms/{id}/join", rooms::join)
        .post(Caller, "/rooms/{id}/leave", rooms::leave)
        .get(Caller, "/rooms/{id}/bans", rooms::sanctions::bans)
        .post(Caller, "/rooms/{id}/bans", rooms::sanctions::ban)
        .delete(Caller, "/rooms/{id}/bans", rooms::sanctions::unban)
        .get(Caller, "/rooms/{id}/mutes", rooms::sanctions::mutes)
        .post(Caller, "/rooms/{id}/mutes", rooms::sanctions::mute)
        .delete(Caller, "/rooms/{id}/mutes", rooms::sanctions::unmute)
        .get(Guest, "/rooms/{id}/messages", messages::of_room)
        .get(Guest, "/rooms/{id}/messages/{seq}", message::get)
        .patch(ITSELF, "/rooms/{id}/messages/{seq}", message::edit)
        .delete(ITSELF, "/rooms/{id}/messages/{seq}", message::delete)
        .get(Guest, "/rooms/{id}/messages/{seq}/reactions", reactions::list)
        .put(ITSELF, "/rooms/{id}/messages/{seq}/reactions", reactions::set)
        .delete(ITSELF, "/rooms/{id}/messages/{seq}/reactions", reactions::remove)
        .get(Caller, "/rooms/{id}/messages/{seq}/readers", pins::readers)
        .post(ITSELF, "/rooms/{id}/messages/{seq}/report", reviews::report)
        .get(Caller, "/rooms/{id}/reviews", reviews::of_room)
        .post(Caller, "/rooms/{id}/reviews/{review}", reviews::decide)
        .get(Caller, "/rooms/{id}/rules", reviews::rules)
        .get(Guest, "/rooms/{id}/pins", pins::list)
        .put(ITSELF, "/rooms/{id}/pins/{seq}", pins::pin)
        .delete(ITSELF, "/rooms/{id}/pins/{seq}", pins::unpin)
        .get(Caller, "/messages", messages::direct)
        .get(Caller, "/messages/{seq}", message::get)
        .patch(ITSELF, "/messages/{seq}", message::edit)
        .delete(ITSELF, "/messages/{seq}", message::delete)
        .get(Caller, "/messages/{seq}/reactions", reactions::list)
        .put(ITSELF, "/messages/{seq}/reactions", reactions::set)
        .delete(ITSELF, "/messages/{seq}/reactions", reactions::remove)
        .post(ITSELF, "/messages/{seq}/report", reviews::report)
        .get(Caller, "/presence", online::of_users)
        .get(Caller, "/me", me::get)
        .put(ITSELF, "/me", me::put)
        .get(Caller.charging(Charge::Caller), "/me/export", personal::export)
        .get(Caller, "/me/erasure", personal::erasure)
        .post(Caller, "/me/erasure", personal::erase)
        .get(Caller, "/inbox", inbox::list)
        .post(Caller, "/inbox/ack", inbox::acknowledge)
        .put(Caller, "/rooms/{id}/read", read::room)
        .put(Caller, "/messages/read", read::direct)
        .get(Caller, "/me/rooms", my_rooms::handle)
        .post(Caller, "/me/logout", sign_out::own)
        .post(Caller, "/sync", sync::handle)
        .post(Caller, "/attachments", attachments::create)
        .get(Guest, "/attachments/{id}", attachments::get)
        .put(Open, "/attachments/{id}/blob", attachments::store)
        .get(Open, "/attachments/{id}/blob", attachments::serve)
        .get(Admin, "/admin/letters", letters::list)
        .get(Admin, "/admin/letters/one", letters::inspect)
        .post(Admin, "/admin/letters/replay", letters::replay)
        .post(Admin, "/admin/letters/discard", letters::discard)
        .get(Admin, "/admin/reviews", reviews::of_pairs)
        .post(Admin, "/admin/reviews/{review}", reviews::decide)
        .get(Admin, "/admin/audit", audit::handle)
        .post(Admin, "/admin/logout", sign_out::of_user)
        .get(Open, "/health", health::handle)
        .get(Open, "/readyz", readyz::handle)
        .get(Operator, "/metrics", metrics::handle)
        .get(Open, "/openapi.json", openapi::handle)
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
        .route_layer(Extension(front.clone()))
        .method_not_allowed_fallback(|| async {
            ApiError::new(Kind::MethodNotAllowed, "This path has other methods; see the Allow header.")
        })
        .fallback(hub_routes::handle)
        .with_state(front.clone())
}
