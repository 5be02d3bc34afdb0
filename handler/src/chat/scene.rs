//! Where a command about messages plays: in a room, or between the caller and somebody else. One code for both.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::access::room_id;
use super::command::{Audience, Command, Verdict};
use super::known::AT_APPEND;
use super::limits::Paid;
use super::members::user_in;
use super::view::Place;
use super::{Caller, Chat, MessageView, Refused};
use crate::model::{Change, ConversationId, Marker, MessageState, Room, RoomId, UserId};
use crate::ports::{NewEntry, Position, Refusal};

/// The conversation somebody means, as they name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Venue {
    Room(String),
    /// The caller's conversation with this user.
    With(String),
}

/// The same, found and permitted.
#[derive(Clone, Debug)]
pub(super) enum Scene {
    Room(Arc<Room>),
    Pair(ConversationId, UserId, UserId),
}

impl Scene {
    pub(super) fn place<'a>(&'a self, sender: &UserId) -> Place<'a> {
        match self {
            Self::Room(room) => Place::Room { id: &room.id, name: &room.name },
            Self::Pair(conversation, one, other) => {
                Place::Direct { conversation, to: if sender == one { other } else { one } }
            }
        }
    }

    pub(super) fn conversation(&self) -> ConversationId {
        match self {
            Self::Room(room) => room.id.conversation(),
            Self::Pair(conversation, ..) => conversation.clone(),
        }
    }

    pub(super) fn room(&self) -> Option<&RoomId> {
        match self {
            Self::Room(room) => Some(&room.id),
            Self::Pair(..) => None,
        }
    }

    fn audience(&self) -> Audience {
        match self {
            Self::Room(room) => Audience::Room(room.id.clone()),
            Self::Pair(_, one, other) => Audience::Pair(one.clone(), other.clone()),
        }
    }
}

/// One message in its present state. Serialises as a [`MessageView`].
#[derive(Clone, Debug)]
pub struct PresentMessage {
    pub(super) scene: Scene,
    pub state: MessageState,
}

impl PresentMessage {
    #[must_use]
    pub fn view(&self) -> MessageView<'_> {
        MessageView::of_state(self.scene.place(&self.state.message.sender), &self.state)
    }
}

impl Serialize for PresentMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.view().serialize(serializer)
    }
}

/// What a command made of a message.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The entry that says so. None where the message was as wanted already.
    pub entry: Option<Position>,
    pub message: PresentMessage,
}

impl Chat {
    /// One message in its present state, for those who may read it.
    pub async fn message(&self, caller: &Caller, venue: &Venue, seq: u64) -> Result<PresentMessage, Refused> {
        let scene = self.scene_to_read(caller, venue).await?;
        self.find_message(scene, seq).await
    }

    pub(super) async fn scene_to_read(&self, caller: &Caller, venue: &Venue) -> Result<Scene, Refused> {
        match venue {
            Venue::Room(room) => Ok(Scene::Room(self.may_read(caller, &room_id(room)?).await?)),
            Venue::With(with) => pair(caller, with),
        }
    }

    /// For what says something: whoever may not send may not change what was sent either.
    pub(super) async fn scene_to_write(&self, caller: &Caller, venue: &Venue) -> Result<Scene, Refused> {
        match venue {
            Venue::Room(room) => {
                Ok(Scene::Room(self.may_send(&room_id(room)?, &caller.user, AT_APPEND).await?))
            }
            Venue::With(with) => pair(caller, with),
        }
    }

    pub(super) async fn find_message(&self, scene: Scene, seq: u64) -> Result<PresentMessage, Refused> {
        let found = self.ports.log.states(&scene.conversation(), &[seq]).await?;
        let state = found.into_iter().find(|state| state.seq == seq);
        let mut state = state.ok_or_else(Refused::message_not_found)?;
        self.links.write(&scene.conversation(), std::iter::once(&mut state.message)).await;
        Ok(PresentMessage { scene, state })
    }

    /// The message is as wanted already. Whoever made it so may have lost the answer before anybody was told, so what is left
    /// behind is sent; that nobody takes it is no failure here either.
    pub(super) async fn unchanged(&self, message: PresentMessage) -> Result<Changed, Refused> {
        let scene = &message.scene;
        self.appenders.send_left_behind(&scene.audience(), &scene.conversation()).await?;
        Ok(Changed { entry: None, message })
    }

    /// Appends what a command says of a message, once it is paid for, and reads what the message is then.
    pub(super) async fn change_message(
        &self,
        caller: &Caller,
        scene: Scene,
        seq: u64,
        marker: Marker,
        change: Change,
    ) -> Result<Changed, Refused> {
        let paid = self.charge_command(caller, &scene, &marker).await?;
        self.change_paid(caller, scene, seq, marker, change, paid).await
    }

    /// The same where it was charged before. The caller's own connection gets the answer and no copy. That the transport did
    /// not take it is no failure: the appender goes on trying.
    pub(super) async fn change_paid(
        &self,
        caller: &Caller,
        scene: Scene,
        seq: u64,
        marker: Marker,
        change: Change,
        paid: Paid,
    ) -> Result<Changed, Refused> {
        let entry = NewEntry { marker: Some(marker), at: self.ports.clock.now(), change, only_behind: None };
        let commands = vec![Command { entry, excluded: caller.connection().map(str::to_owned) }];
        let appended = self.appenders.append(&scene.audience(), &scene.conversation(), commands).await?;
        appended.filed()?;
        match appended.verdicts.first() {
            Some(Verdict::Stored { position, duplicate }) => {
                if *duplicate {
                    self.limits.give_back(&paid);
                }
                let entry = Some(*position);
                Ok(Changed { entry, message: self.find_message(scene, seq).await? })
            }
            // A repeat that overtook this one, or somebody else, did it.
            Some(Verdict::Refused(Refusal::Unchanged)) => {
                self.unchanged(self.find_message(scene, seq).await?).await
            }
            Some(Verdict::Refused(refusal)) => Err((*refusal).into()),
            _ => Err(Refused::room_not_found()),
        }
    }
}

pub(super) fn pair(caller: &Caller, with: &str) -> Result<Scene, Refused> {
    let with = user_in("with", with)?;
    let conversation = ConversationId::direct(&caller.user, &with);
    Ok(Scene::Pair(conversation, caller.user.clone(), with))
}
