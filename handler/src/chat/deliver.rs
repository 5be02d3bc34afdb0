use std::time::Duration;

use super::Chat;
use crate::ports::Received;

/// How long a delivery waits for dependencies that fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Up to this long (at least a second), then the delivery fails and the queue delivers again.
    Until(Duration),
    Forever,
}

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// In its log, its inbox, and handed to the transport.
    Delivered { seq: u64, number: u64, duplicate: bool },
    /// Refused by the state of its conversation, kept and told to the sender.
    Rejected { code: &'static str },
    /// Parked with its reason.
    Dead { code: &'static str },
    /// None of it yet: the queue has to deliver it again.
    Waiting,
}

/// At least one message is [`Fate::Waiting`].
#[derive(Debug, thiserror::Error)]
#[error("{} of {} messages could not be delivered yet", .fates.iter().filter(|fate| **fate == Fate::Waiting).count(), .fates.len())]
pub struct NotDelivered {
    /// In the batch's order.
    pub fates: Vec<Fate>,
}

impl Chat {
    /// Brings messages of the queue to where they belong, those of a conversation in their order. The fates stand in the
    /// order of the batch. Never fails in under a second.
    pub async fn deliver(&self, batch: &[Received], patience: Patience) -> Result<Vec<Fate>, NotDelivered> {
        todo!()
    }
}
