//! Messages that will not reach their log are kept where people see them, with the reason.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::command::Failure;
use super::deliver::Fate;
use super::{Chat, Poison, QueuedMessage, Target, groups, view};
use crate::model::{Matter, NewMessage, Review, Timestamp};
use crate::ports::{Entity, LetterKind, NewLetter, Properties, Received};

pub(super) const TOO_MANY_DELIVERIES: &str = "too_many_deliveries";

#[derive(Serialize)]
struct RejectedFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    code: &'a str,
    reason: &'a str,
}

impl Chat {
    pub(super) async fn park_poison(
        &self,
        received: &Received,
        why: &Poison,
        now: Timestamp,
        deadline: Option<Instant>,
    ) -> Fate {
        let letter =
            NewLetter { code: why.code.to_owned(), reason: why.reason.clone(), ..poison(received, now) };
        if !self.put_patiently(&letter, deadline).await {
            return Fate::Waiting;
        }
        self.counters.dead.add(1);
        Fate::Dead { code: why.code }
    }

    /// Stores a letter, however long that takes. `false` when the deadline came before.
    pub(super) async fn put_patiently(&self, letter: &NewLetter, deadline: Option<Instant>) -> bool {
        let mut backoff = Backoff::new(deadline);
        loop {
            let put = self.ports.letters.put(letter);
            let answer = match deadline {
                Some(deadline) => match tokio::time::timeout_at(deadline, put).await {
                    Ok(answer) => answer,
                    Err(_) => return false,
                },
                None => put.await,
            };
            let Err(error) = answer else { return true };
            self.counters.retries.add(1);
            backoff.report(&Failure::from(error));
            if !backoff.wait().await {
                return false;
            }
        }
    }

    /// Tells the sender, wherever they are connected, that what was accepted was refused after all.
    pub(super) async fn tell_rejected(
        &self,
        message: &NewMessage,
        code: &str,
        reason: &str,
    ) -> Result<(), Failure> {
        let frame = RejectedFrame { kind: "rejected", id: message.id.as_str(), code, reason };
        let group = groups::user(&message.sender);
        self.ports.transport.publish(&group, view::encode(&frame), &[]).await?;
        self.counters.published.add(1);
        Ok(())
    }
}

pub(super) fn rejected(
    received: &Received,
    message: &QueuedMessage,
    code: &str,
    reason: &str,
    now: Timestamp,
) -> NewLetter {
    NewLetter {
        code: code.to_owned(),
        reason: reason.to_owned(),
        ..of_message(LetterKind::Rejected, received, message, now)
    }
}

/// A message that was held when its room went.
pub(super) fn of_review(review: &Review, now: Timestamp) -> Option<NewLetter> {
    let Matter::Held { accepted_at, .. } = &review.matter else { return None };
    let room = review.conversation.room().filter(|_| review.is_open())?;
    let message = QueuedMessage::new(Target::Room(room), review.message.clone(), Some(*accepted_at));
    Some(NewLetter {
        kind: LetterKind::Rejected,
        key: message.marker.to_string(),
        entity: Entity::Topic,
        code: "room_not_found".to_owned(),
        reason: "The room was deleted before anybody decided whether to publish the message.".to_owned(),
        at: *accepted_at,
        session: Some(message.conversation.to_string()),
        body: String::from_utf8_lossy(&message.to_body()).into_owned(),
        body_is_base64: false,
        delivery_count: 0,
        message_id: Some(message.marker.to_string()),
        sequence_number: None,
        enqueued_at: None,
        properties: Properties::new(),
        parked_at: Some(now),
    })
}

pub(super) fn too_many_deliveries(received: &Received, message: &QueuedMessage, now: Timestamp) -> NewLetter {
    NewLetter {
        code: TOO_MANY_DELIVERIES.to_owned(),
        reason: format!("Delivered {} times without success while the store answered.", received.attempt),
        ..waiting(received, message, now)
    }
}

/// A letter about a message that is to be replayed.
pub(super) fn waiting(received: &Received, message: &QueuedMessage, now: Timestamp) -> NewLetter {
    of_message(LetterKind::Waiting, received, message, now)
}

/// A letter about what is no message.
pub(super) fn poison(received: &Received, now: Timestamp) -> NewLetter {
    let at = received.enqueued_at.unwrap_or(now);
    letter(LetterKind::Dead, received, broker_key(received), at, now)
}

fn of_message(kind: LetterKind, received: &Received, message: &QueuedMessage, now: Timestamp) -> NewLetter {
    letter(kind, received, message.marker.to_string(), message.accepted_at.unwrap_or(now), now)
}

/// Tells one message of the broker from every other: producers may give two messages one MessageId.
fn broker_key(received: &Received) -> String {
    let entity = match received.entity {
        Entity::Queue => "queue",
        Entity::Topic => "topic",
    };
    match (&received.message_id, received.sequence_number) {
        (Some(id), Some(number)) => format!("{entity}-{number}-{id}"),
        (None, Some(number)) => format!("{entity}-{number}"),
        (Some(id), None) => id.clone(),
        (None, None) => entity.to_owned(),
    }
}

/// `at` is the message's own time where it has one, so that a second try to park it stores the same letter.
fn letter(kind: LetterKind, received: &Received, key: String, at: Timestamp, now: Timestamp) -> NewLetter {
    let (body, body_is_base64) = match std::str::from_utf8(&received.body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (STANDARD.encode(&received.body), true),
    };
    NewLetter {
        kind,
        key,
        entity: received.entity,
        code: String::new(),
        reason: String::new(),
        at,
        session: received.session_id.clone(),
        body,
        body_is_base64,
        delivery_count: received.attempt,
        message_id: received.message_id.clone(),
        sequence_number: received.sequence_number,
        enqueued_at: received.enqueued_at,
        properties: received.properties.clone(),
        parked_at: Some(now),
    }
}
