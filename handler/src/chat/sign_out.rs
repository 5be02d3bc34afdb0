//! Signing out everywhere: a user's sockets end, and what was handed out for new ones counts no more.

use std::time::Duration;

use serde::Serialize;

use super::audit::Act;
use super::policy::require_self_or_admin;
use super::{Caller, Chat, Refused};
use crate::model::{Timestamp, UserId};

/// Why the connections end.
const SIGNED_OUT: &str = "Signed out.";
const SECOND: u64 = 1_000;

/// `{"user","signed_out_at"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignedOut {
    pub user: UserId,
    pub signed_out_at: Timestamp,
}

impl Chat {
    /// Ends the caller's live connections, or as an admin those of somebody else, and refuses new ones with tokens from
    /// before.
    ///
    /// The mark first: a connection that opens meanwhile meets it in `connect`, or when it is confirmed. The answer comes
    /// when the second is over, since tokens tell whole seconds: one that is made after it is younger for sure.
    pub async fn sign_out(&self, caller: &Caller, whom: &UserId) -> Result<SignedOut, Refused> {
        require_self_or_admin(caller, whom)?;
        let at = self.ports.clock.now();
        if *whom == caller.user {
            return self.end_everywhere(caller, whom, at).await;
        }
        let act = Act {
            action: "user.sign_out",
            on: Some(whom.clone()),
            occasion: at.to_string(),
            ..Act::default()
        };
        self.audited(caller, act, self.end_everywhere(caller, whom, at)).await
    }

    async fn end_everywhere(
        &self,
        caller: &Caller,
        whom: &UserId,
        at: Timestamp,
    ) -> Result<SignedOut, Refused> {
        self.ports.profiles.sign_out(whom, at).await?;
        let leases = self.ports.leases.of(whom).await?;
        let connections: Vec<_> = leases.into_iter().map(|lease| lease.connection).collect();
        self.ports.transport.close_all(whom, &connections, SIGNED_OUT).await?;
        tracing::info!(user = whom.as_str(), by = caller.user.as_str(), "signed out everywhere");
        let left = SECOND - at.millis() % SECOND;
        let passed = self.ports.clock.now().millis().saturating_sub(at.millis());
        tokio::time::sleep(Duration::from_millis(left.saturating_sub(passed))).await;
        Ok(SignedOut { user: whom.clone(), signed_out_at: at })
    }

    /// Refuses a token that was made before its user signed out everywhere. `issued_at`, in seconds, is what it says of
    /// itself; of one that says nothing, and without a token, there is nothing to refuse.
    pub async fn check_signed_in(&self, user: &UserId, issued_at: Option<u64>) -> Result<(), Refused> {
        let Some(issued_at) = issued_at else { return Ok(()) };
        match self.signed_out_at(user).await? {
            Some(at) if issued_at <= at.millis() / SECOND => Err(Refused::unauthenticated(
                "The user signed out after this token was made. Ask for a new one.",
            )),
            _ => Ok(()),
        }
    }

    /// Whether the user signed out since then.
    pub(super) async fn has_signed_out_since(
        &self,
        user: &UserId,
        since: Timestamp,
    ) -> Result<bool, Refused> {
        Ok(self.signed_out_at(user).await?.is_some_and(|at| at >= since))
    }

    async fn signed_out_at(&self, user: &UserId) -> Result<Option<Timestamp>, Refused> {
        let found = self.ports.profiles.get(std::slice::from_ref(user)).await?;
        Ok(found.into_iter().next().and_then(|profile| profile.signed_out_at))
    }
}
