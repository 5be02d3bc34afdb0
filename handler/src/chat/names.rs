//! What senders call themselves, put into their messages as they are appended.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::command::Command;
use super::known::Copies;
use crate::model::{Change, UserId};
use crate::ports::Profiles;

/// How old a copy of a name may be. Those who have none are remembered as long.
const AGE: Duration = Duration::from_secs(30);
/// How long messages wait for their senders' names, which they can do without.
const WAIT: Duration = Duration::from_millis(250);

/// The names this process has lately read. A message costs no read of its own while they are fresh.
pub(super) struct Names {
    port: Arc<dyn Profiles>,
    copies: Copies<UserId, Option<Arc<str>>>,
}

impl Names {
    pub(super) fn new(port: Arc<dyn Profiles>) -> Self {
        Self { port, copies: Copies::default() }
    }

    /// Gives each message its sender's name. Where the store does not tell in time it is the last known one, or none, until
    /// the next look: a name holds no message up.
    pub(super) async fn sign(&self, commands: &mut [Command]) {
        let unknown: Vec<UserId> = senders(commands).filter(|s| self.copies.get(s, AGE).is_none()).collect();
        if !unknown.is_empty() {
            self.look_up(unknown).await;
        }
        for command in commands {
            if let Change::Message(message) = &mut command.entry.change {
                let name = self.copies.get(&message.sender, Duration::MAX).flatten();
                message.sender_name = name.map(|name| name.as_ref().to_owned());
            }
        }
    }

    pub(super) fn learn(&self, user: &UserId, name: Option<&str>) {
        self.copies.set(user.clone(), Some(name.map(Arc::from)), Instant::now());
    }

    async fn look_up(&self, mut users: Vec<UserId>) {
        users.sort_unstable();
        users.dedup();
        let asked = Instant::now();
        let found = match tokio::time::timeout(WAIT, self.port.get(&users)).await {
            Ok(Ok(found)) => Some(found),
            Ok(Err(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "names could not be looked up");
                None
            }
            Err(_) => None,
        };
        for user in users {
            let name = match &found {
                Some(found) => found
                    .iter()
                    .find(|profile| profile.user == user)
                    .and_then(|profile| profile.display_name.as_deref().map(Arc::from)),
                None => self.copies.get(&user, Duration::MAX).flatten(),
            };
            self.copies.set(user, Some(name), asked);
        }
    }
}

fn senders(commands: &[Command]) -> impl Iterator<Item = UserId> {
    commands.iter().filter_map(|command| match &command.entry.change {
        Change::Message(message) => Some(message.sender.clone()),
        _ => None,
    })
}
