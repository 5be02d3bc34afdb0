//! What people do, at random.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::super::world::{World, caller, socket, to_room};
use crate::chat::Refused;
use crate::contract::data::{delete, edit, react, room_id, user};
use crate::model::{Change, Role, SanctionKind};

pub(super) const ROOM: &str = "general";
pub(super) const USERS: [&str; 4] = ["ann", "bob", "cat", "dan"];

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// All at once; every caller waits for the answer.
    Together(Vec<Command>),
    /// Begun at once; the process dies so many polls later.
    AndDie(Vec<Command>, usize),
    /// Chance makes so many of a hundred calls of the stores fail, before and after their effect.
    Faults {
        seed: u64,
        before: u8,
        after: u8,
    },
    Restart,
}

/// A command and who gives it. `key` makes a repeat one.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) who: &'static str,
    pub(super) what: What,
    pub(super) key: u8,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    /// Over the socket.
    Send,
    /// By the queue, which hands it out now and perhaps again later.
    Queue,
    /// Something the queue handed out before comes again.
    Redeliver(usize),
    Edit(u64, String),
    Delete(u64),
    React(u64, &'static str, bool),
    Pin(u64, bool),
    Join,
    Leave,
    Role(&'static str, Role),
    Sanction(&'static str, SanctionKind, bool),
    Rename(String),
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let together = || vec(command(), 1..6);
    let step = prop_oneof![
        8 => together().prop_map(Step::Together),
        2 => (together(), 0..40_usize).prop_map(|(commands, polls)| Step::AndDie(commands, polls)),
        1 => (any::<u64>(), 0..25_u8, 0..25_u8).prop_map(|(seed, before, after)| Step::Faults { seed, before, after }),
        1 => Just(Step::Restart),
    ];
    vec(step, 1..25)
}

fn command() -> impl Strategy<Value = Command> {
    let target = || 1..30_u64;
    let someone = || prop::sample::select(USERS.as_slice());
    let emoji = prop::sample::select(["👍", "🦀"].as_slice());
    let role = prop::sample::select([Role::Member, Role::Moderator].as_slice());
    let kind = prop::sample::select([SanctionKind::Mute, SanctionKind::Ban].as_slice());
    let what = prop_oneof![
        6 => Just(What::Send),
        3 => Just(What::Queue),
        2 => (0..8_usize).prop_map(What::Redeliver),
        3 => (target(), "[a-z]{1,4}").prop_map(|(target, text)| What::Edit(target, text)),
        2 => target().prop_map(What::Delete),
        4 => (target(), emoji, any::<bool>()).prop_map(|(target, emoji, on)| What::React(target, emoji, on)),
        3 => (target(), any::<bool>()).prop_map(|(target, on)| What::Pin(target, on)),
        3 => Just(What::Join),
        3 => Just(What::Leave),
        1 => (someone(), role).prop_map(|(of, role)| What::Role(of, role)),
        1 => (someone(), kind, any::<bool>()).prop_map(|(of, kind, on)| What::Sanction(of, kind, on)),
        1 => "[a-z]{1,4}".prop_map(What::Rename),
    ];
    (someone(), what, 0..60_u8).prop_map(|(who, what, key)| Command { who, what, key })
}

impl Command {
    /// Whose membership it is about.
    pub(super) fn member(&self) -> Option<&'static str> {
        match self.what {
            What::Join | What::Leave => Some(self.who),
            _ => None,
        }
    }

    /// The id of the message it sends.
    pub(super) fn id(&self) -> String {
        format!("{}-{}", self.who, self.key)
    }

    pub(super) async fn give(&self, world: &World) -> Result<(), Refused> {
        let (by, chat) = (socket(self.who, "c"), &world.chat);
        match &self.what {
            What::Send => {
                let payload = json!({"room_id": ROOM, "id": self.id(), "content": self.id()}).to_string();
                chat.event(&by, "send", payload.as_bytes()).await.map(drop)
            }
            What::Queue => {
                let submission = to_room(ROOM, &self.id(), &self.id());
                chat.send_message(&caller(self.who), submission, None).await.map(drop)
            }
            // The broker's part, see `Run`.
            What::Redeliver(_) => Ok(()),
            What::Join => chat.join_room(&by, ROOM).await.map(drop),
            What::Leave => chat.leave_room(&by, ROOM).await.map(drop),
            _ => self.append(world).await,
        }
    }

    /// The entry alone.
    async fn append(&self, world: &World) -> Result<(), Refused> {
        let by = user(self.who);
        let change = match &self.what {
            What::Edit(target, text) => edit(*target, text),
            What::Delete(target) => delete(*target),
            What::React(target, emoji, on) => react(*target, emoji, self.who, *on),
            What::Pin(target, on) => Change::Pinned { target: *target, by: by.clone(), on: *on },
            What::Role(of, role) => Change::RoleChanged { user: user(of), role: *role, by: by.clone() },
            What::Sanction(of, kind, on) => Change::Sanctioned {
                user: user(of),
                kind: *kind,
                on: *on,
                by: by.clone(),
                until: None,
                reason: None,
            },
            What::Rename(name) => {
                Change::RoomChanged { name: name.clone(), description: String::new(), by: by.clone() }
            }
            _ => unreachable!("{self:?} is a use case"),
        };
        let key = self.key.to_string();
        world.chat.append_change(&room_id(ROOM), &by, "change", &key, change).await.map(drop)
    }
}
