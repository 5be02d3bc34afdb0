//! Dead letters on their way back. A replay goes the way of a delivery, append and fan-out alike, and never through the
//! queue, which would drop a repeat and report success. The letter goes once the append has answered: a crash between
//! leaves it, and its next replay is a duplicate that the marker tells.
//!
//! Letters of one conversation are replayed in the order in which they were accepted, one round at a time; behind one that
//! has to wait, those behind it wait. Two processes that do so at once each keep the order, and the marker keeps them from
//! doubling anything. A letter is read again just before it is delivered, and who discards one waits for its conversation's turn:
//! what was answered as discarded is not delivered afterwards, but by a process elsewhere that had it in hand just then.

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::audit::Act;
use super::deliver::{Fate, Patience};
use super::{Caller, Chat, Poison, QueuedMessage, Refused, letters};
use crate::model::{ConversationId, Timestamp, UserId};
use crate::ports::{Letter, LetterKind, Received, StoreError};

/// How long the replay of one conversation's letters waits for dependencies.
const PATIENCE: Duration = Duration::from_secs(5);
/// Letters read at once, and looked at in one round.
const PAGE: usize = 200;
const LOOKED_AT: usize = 10_000;
/// Conversations replayed at once, and letters looked for.
const AT_ONCE: usize = 16;
const IS_POISON: &str = "letter_is_poison";
const STILL_WAITING: &str = "not_delivered";

/// What became of a letter that somebody replayed. Either way the letter is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Replayed {
    Appended {
        conversation: ConversationId,
        seq: u64,
        number: u64,
        /// It was in its log already.
        duplicate: bool,
    },
    /// It was not judged before, and waits for a decision as any message that is held.
    Held { conversation: ConversationId },
}

/// A letter that is a message.
struct Item {
    letter: Letter,
    received: Received,
    message: QueuedMessage,
}

impl Item {
    fn read(letter: Letter, now: Timestamp) -> Result<Self, Box<(Letter, Poison)>> {
        let received = received_of(&letter);
        match QueuedMessage::read(&received, now) {
            Ok(message) => Ok(Self { letter, received, message }),
            Err(poison) => Err(Box::new((letter, poison))),
        }
    }

    /// Where it stands among those of its conversation.
    fn turn(&self) -> (Timestamp, u64) {
        (self.letter.letter.at, self.letter.letter.sequence_number.unwrap_or_default())
    }
}

impl Chat {
    /// Replays one letter, whenever that is and whatever refused it before; for admins. Poison stays what it is.
    pub async fn replay_letter(
        &self,
        caller: &Caller,
        kind: LetterKind,
        id: &str,
    ) -> Result<Replayed, Refused> {
        let letter = self.find_letter(caller, kind, id).await?;
        let item = Item::read(letter, self.ports.clock.now()).map_err(|unread| no_message(&unread.1))?;
        let act = Act {
            action: "letter.replay",
            on: Some(item.message.message.sender.clone()),
            room: item.message.conversation.room(),
            conversation: Some(item.message.conversation.clone()),
            target: Some(id.to_owned()),
            occasion: item.letter.replays.count.to_string(),
            ..Act::default()
        };
        self.audited(caller, act, self.replay_one(caller, item)).await
    }

    async fn replay_one(&self, caller: &Caller, item: Item) -> Result<Replayed, Refused> {
        let _turn = self.replaying.lock().await;
        let conversation = item.message.conversation.clone();
        let fate = self.replay_in_order(&caller.user, &conversation, vec![item]).await?.pop();
        match fate {
            Some(Fate::Delivered { seq, number, duplicate }) => {
                Ok(Replayed::Appended { conversation, seq, number, duplicate })
            }
            Some(Fate::Held) => Ok(Replayed::Held { conversation }),
            Some(Fate::Rejected { code }) => {
                let sentence = format!("The state of its conversation still refuses it: {code}.");
                Err(Refused::conflict("still_rejected", sentence))
            }
            Some(Fate::Dead { code }) => {
                Err(Refused::conflict(IS_POISON, format!("It can never be a message any more: {code}.")))
            }
            None => Err(letters::not_found()),
            Some(Fate::Waiting) => {
                Err(Refused::unavailable(STILL_WAITING, "It could not be delivered now. Try again."))
            }
        }
    }

    /// One round of the timer: every letter that waits and is due, those of a conversation in order. Answers how many have
    /// come to an end.
    pub async fn replay_letters(&self) -> Result<usize, Refused> {
        let _turn = self.replaying.lock().await;
        let (mut after, mut looked_at, mut ended) = (None, 0, 0);
        // Those with a letter that is not due yet, or failed in this round.
        let mut held_up = HashSet::new();
        while looked_at < LOOKED_AT {
            let page = self.ports.letters.list(LetterKind::Waiting, after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            let page = if is_last { page } else { whole_moments(page) };
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            looked_at += page.len();
            ended += self.replay_page(page, &mut held_up).await?;
            if is_last {
                break;
            }
        }
        Ok(ended)
    }

    async fn replay_page(
        &self,
        page: Vec<Letter>,
        held_up: &mut HashSet<ConversationId>,
    ) -> Result<usize, Refused> {
        let now = self.ports.clock.now();
        let (mut conversations, mut ended): (Vec<(ConversationId, Vec<Item>)>, _) = (Vec::new(), 0);
        for letter in page {
            let item = match Item::read(letter, now) {
                Ok(item) => item,
                Err(unread) => {
                    self.park_for_good(&unread.0, &unread.1).await?;
                    ended += 1;
                    continue;
                }
            };
            let conversation = &item.message.conversation;
            if held_up.contains(conversation) {
                continue;
            }
            match conversations.iter_mut().find(|(other, _)| other == conversation) {
                Some((_, items)) => items.push(item),
                None => conversations.push((conversation.clone(), vec![item])),
            }
        }
        let mut due = Vec::new();
        for (conversation, mut items) in conversations {
            items.sort_by_key(Item::turn);
            if items.first().is_some_and(|first| first.letter.replays.are_due(now)) {
                due.push((conversation, items));
            } else {
                held_up.insert(conversation);
            }
        }
        let system = UserId::system();
        let rounds: Vec<_> = due
            .into_iter()
            .map(|(conversation, items)| async {
                let fates = self.replay_in_order(&system, &conversation, items).await;
                (conversation, fates)
            })
            .collect();
        let rounds: Vec<_> = stream::iter(rounds).buffer_unordered(AT_ONCE).collect().await;
        for (conversation, fates) in rounds {
            let fates = fates?;
            ended += fates.iter().filter(|fate| **fate != Fate::Waiting).count();
            if fates.contains(&Fate::Waiting) {
                held_up.insert(conversation);
            }
        }
        Ok(ended)
    }

    /// Delivers messages of one conversation, as far as they are letters still. The letters of those that have come to an
    /// end go; the first that has not is told when to try again. Nobody discards one of them meanwhile, in this process.
    async fn replay_in_order(
        &self,
        by: &UserId,
        conversation: &ConversationId,
        items: Vec<Item>,
    ) -> Result<Vec<Fate>, Refused> {
        let _turn = self.letter_turns.take(conversation).await;
        let items = self.still_there(items).await?;
        let batch: Vec<&Received> = items.iter().map(|item| &item.received).collect();
        let fates = match self.deliver(&batch, Patience::Until(PATIENCE)).await {
            Ok(fates) => fates,
            Err(failed) => failed.fates,
        };
        let mut is_told = false;
        for (item, fate) in items.iter().zip(&fates) {
            let Letter { id, letter, replays } = &item.letter;
            let code = match fate {
                Fate::Rejected { code } if letter.kind == LetterKind::Rejected => *code,
                Fate::Waiting if is_told => continue,
                Fate::Waiting => STILL_WAITING,
                _ => {
                    self.ports.letters.remove(letter.kind, id).await?;
                    continue;
                }
            };
            is_told = true;
            let replays = replays.clone().failed(self.ports.clock.now(), by, code);
            self.ports.letters.note_replays(letter.kind, id, &replays).await?;
        }
        Ok(fates)
    }

    /// Without those that were discarded, or delivered elsewhere, since they were read.
    async fn still_there(&self, items: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        let looks: Vec<_> = items
            .into_iter()
            .map(|item| async move {
                let found = self.ports.letters.get(item.letter.letter.kind, &item.letter.id).await?;
                Ok::<_, StoreError>(found.map(|_| item))
            })
            .collect();
        let found: Vec<Option<Item>> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// What was a message when it was parked is none any more: its time is over.
    async fn park_for_good(&self, letter: &Letter, poison: &Poison) -> Result<(), StoreError> {
        let mut dead = letter.letter.clone();
        dead.kind = LetterKind::Dead;
        dead.code = poison.code.to_owned();
        dead.reason = format!("{} {}", poison.reason, dead.reason);
        self.ports.letters.put(&dead).await?;
        self.ports.letters.remove(letter.letter.kind, &letter.id).await?;
        self.counters.dead.add(1);
        Ok(())
    }
}

/// Without those of the last moment, of which the next page may have more: within a moment, sequence numbers decide. A page
/// of one moment stays as it is.
fn whole_moments(mut page: Vec<Letter>) -> Vec<Letter> {
    let last = page.last().map(|letter| letter.letter.at);
    let whole = page.iter().take_while(|letter| Some(letter.letter.at) != last).count();
    if whole > 0 {
        page.truncate(whole);
    }
    page
}

/// The message as its queue delivered it, for the first time.
pub(super) fn received_of(letter: &Letter) -> Received {
    let letter = &letter.letter;
    let decoded = letter.body_is_base64.then(|| STANDARD.decode(&letter.body).ok()).flatten();
    let body = decoded.unwrap_or_else(|| letter.body.clone().into_bytes());
    Received {
        entity: letter.entity,
        message_id: letter.message_id.clone(),
        session_id: letter.session.clone(),
        sequence_number: letter.sequence_number,
        enqueued_at: letter.enqueued_at,
        properties: letter.properties.clone(),
        body: body.into(),
        attempt: 1,
    }
}

fn no_message(poison: &Poison) -> Refused {
    let sentence = format!("It can never be a message: {}", poison.reason);
    Refused::conflict(IS_POISON, sentence)
}
