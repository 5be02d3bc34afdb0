/// Whom a route lets in. What they may do there is the chat's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody; nobody is asked who they are.
    Open,
    /// Everybody who is somebody; with `AUTH_MODE=anonymous` also those without a name.
    Guest,
    /// Everybody who is somebody.
    Caller,
    /// The deployment's admins; with `AUTH_MODE=anonymous` everybody.
    Operator,
    /// The deployment's admins. With `AUTH_MODE=anonymous` the header `X-User-Id` or the query's `user_id` names them, and is
    /// believed.
    Admin,
    /// The service that holds the clients' sockets. It proves itself in the route.
    EventHandler,
}
