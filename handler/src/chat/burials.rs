//! What a queue gave up itself: its dead-letter queue is emptied into the letters. Nothing is judged by a dependency's answer
//! here, and nothing fails while it can wait: the queue would deliver a dead letter again at once, for ever.

use std::borrow::Borrow;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::deliver::Patience;
use super::parking;
use super::{Chat, QueuedMessage};
use crate::model::Timestamp;
use crate::ports::{NewLetter, Received};

/// Names of the properties in which Service Bus says why.
const REASON: &str = "DeadLetterReason";
const DESCRIPTION: &str = "DeadLetterErrorDescription";
/// Characters of its words that are kept.
const WORDS: usize = 1_000;

/// So many of them could not be stored in time.
#[derive(Debug, thiserror::Error)]
#[error("{0} dead letters could not be stored yet")]
pub struct NotStored(pub usize);

impl Chat {
    /// Stores what was dead-lettered: poison for people to see, the rest to be replayed. Repeatable.
    pub async fn bury<R>(&self, batch: &[R], patience: Patience) -> Result<(), NotStored>
    where
        R: Borrow<Received> + Sync,
    {
        let deadline = match patience {
            Patience::Until(budget) => Some(Instant::now() + budget),
            Patience::Forever => None,
        };
        let now = self.ports.clock.now();
        let letters: Vec<_> = batch.iter().map(|received| buried(received.borrow(), now)).collect();
        let stored = join_all(letters.iter().map(|letter| self.put_patiently(letter, deadline))).await;
        let failed = stored.iter().filter(|is_stored| !**is_stored).count();
        self.counters.dead.add(u64::try_from(stored.len() - failed).unwrap_or_default());
        if failed == 0 { Ok(()) } else { Err(NotStored(failed)) }
    }
}

fn buried(received: &Received, now: Timestamp) -> NewLetter {
    let word = |name: &str| received.properties.get(name).map(String::as_str);
    let why = match word(REASON) {
        Some("MaxDeliveryCountExceeded") => parking::TOO_MANY_DELIVERIES,
        Some("TTLExpiredException") => "expired",
        _ => "dead_lettered",
    };
    let said = [word(REASON), word(DESCRIPTION)].into_iter().flatten().collect::<Vec<_>>().join(": ");
    let said: String = said.chars().take(WORDS).collect();
    match QueuedMessage::read(received, now) {
        Ok(message) => {
            NewLetter { code: why.to_owned(), reason: said, ..parking::waiting(received, &message, now) }
        }
        Err(poison) => NewLetter {
            code: poison.code.to_owned(),
            reason: format!("{} {said}", poison.reason).trim_end().to_owned(),
            ..parking::poison(received, now)
        },
    }
}
