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

/// Whose bucket a call takes from, beside that of the address it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// Nobody's: it only reads, or nobody is asked who they are.
    Nobody,
    /// The caller's, as soon as they are known and before anything is done.
    Caller,
    /// The caller's, by the use case: there a repeat is free, or a room is charged beside its user.
    UseCase,
}

/// What a route asks of its callers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) access: Access,
    /// `None`: by the method. Who reads is not charged, and who changes something is.
    pub(super) charge: Option<Charge>,
}

impl Access {
    pub(super) const fn charging(self, charge: Charge) -> Terms {
        Terms { access: self, charge: Some(charge) }
    }
}

impl From<Access> for Terms {
    fn from(access: Access) -> Self {
        Self { access, charge: None }
    }
}
