//! Messages that a room keeps in view.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::access::room_id;
use super::audit::Act;
use super::policy::Action;
use super::scene::{Changed, Scene};
use super::{Caller, Chat, PresentMessage, Refused};
use crate::model::{Change, Marker, MessageState, RoomId};

/// The pinned messages in their present state, in the order of pinning. Serialises as `{"messages":[…]}`.
#[derive(Clone, Debug)]
pub struct Pins {
    scene: Scene,
    pub messages: Vec<MessageState>,
}

impl Pins {
    pub(super) fn scene(&self) -> &Scene {
        &self.scene
    }
}

impl Serialize for Pins {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message =
            |state: &MessageState| PresentMessage { scene: self.scene.clone(), state: state.clone() };
        let messages: Vec<_> = self.messages.iter().map(message).collect();
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("messages", &messages)?;
        map.end()
    }
}

/// What is pinned after a change of it.
#[derive(Clone, Debug, Serialize)]
pub struct PinsChanged {
    pub room_id: RoomId,
    /// `seq` of the pinned messages, in the order of pinning.
    pub pins: Vec<u64>,
    #[serde(skip)]
    pub changed: Changed,
}

impl Chat {
    /// Pins a message (`on`) or unpins it. What is so already changes nothing.
    pub async fn pin(&self, caller: &Caller, room: &str, seq: u64, on: bool) -> Result<PinsChanged, Refused> {
        let room = self.visible(caller, &room_id(room)?).await?;
        self.require(caller, &room, Action::Pin).await?;
        let (id, conversation) = (room.id.clone(), room.id.conversation());
        let message = self.find_message(Scene::Room(room), seq).await?;
        let head = self.ports.log.head(&conversation).await?.unwrap_or_default();
        let changed = if head.pins.contains(&seq) == on {
            self.unchanged(message).await?
        } else {
            let occasion = format!("{seq}:{}:{on}", message.state.as_of);
            let marker = Marker::of_command(&conversation, &caller.user, "pinned", &occasion);
            let change = Change::Pinned { target: seq, by: caller.user.clone(), on };
            let act = Act {
                target: Some(seq.to_string()),
                // What refuses it, too many pins, ends with another entry.
                occasion: head.seq.to_string(),
                ..Act::on(
                    if on { "message.pin" } else { "message.unpin" },
                    &id,
                    &message.state.message.sender,
                )
            };
            let pinning = self.change_message(caller, message.scene, seq, marker, change);
            self.audited(caller, act, pinning).await?
        };
        Ok(PinsChanged { pins: self.pins_of(&id).await?, room_id: id, changed })
    }

    /// What is pinned in a room, for those who may read it.
    pub async fn pinned(&self, caller: &Caller, room: &str) -> Result<Pins, Refused> {
        let room = self.may_read(caller, &room_id(room)?).await?;
        let seqs = self.pins_of(&room.id).await?;
        let mut messages = self.ports.log.states(&room.id.conversation(), &seqs).await?;
        messages.sort_by_key(|state| seqs.iter().position(|seq| *seq == state.seq));
        // Retention or a deletion may have come between the two reads.
        messages.retain(|state| state.deleted_at.is_none());
        Ok(Pins { scene: Scene::Room(room), messages })
    }

    async fn pins_of(&self, room: &RoomId) -> Result<Vec<u64>, Refused> {
        Ok(self.ports.log.head(&room.conversation()).await?.unwrap_or_default().pins)
    }
}
