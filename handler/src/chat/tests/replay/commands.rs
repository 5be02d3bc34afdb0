//! What people do, at random. Each does it as a user does: by a use case.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::super::world::{World, caller, socket, to_room};
use crate::chat::{Caller, NewSanction, Refused, RoomEdit, Venue};
use crate::contract::data::conversation;
use crate::model::{MessageState, Role, SanctionKind};
use crate::ports::Page;

pub(super) const ROOM: &str = "general";
/// The first is an admin.
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
    /// The timer runs.
    Repair,
    /// Retention takes so many of a hundred entries that are left.
    Trim(u64),
}

/// A command and who gives it. `key` makes a repeat one.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) who: &'static str,
    pub(super) what: What,
    pub(super) key: u8,
}

/// Messages are named by their place among those there are, or, to be edited, among the user's own.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    /// Over the socket.
    Send,
    /// By the queue, which hands it out now and perhaps again later.
    Queue,
    /// Something the queue handed out before comes again.
    Redeliver(usize),
    Edit(usize, String, bool),
    Delete(usize),
    React(usize, &'static str, bool),
    Pin(usize, bool),
    Join,
    Leave,
    Add(&'static str),
    Remove(&'static str),
    Role(&'static str, Role),
    Rename(String),
    /// For so many seconds, or without an end.
    Sanction(&'static str, SanctionKind, Option<u64>),
    Lift(&'static str, SanctionKind),
}

/// What a command decides. The later of two about the same that came after one another is what people want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Membership(&'static str),
    Role(&'static str),
    Room,
    Sanction(&'static str, SanctionKind),
}

/// Of everything something.
pub(super) fn all() -> impl Strategy<Value = Vec<Step>> {
    steps(|| command(prop_oneof![messages(), decisions()]))
}

/// What rows keep and entries tell, and little else.
pub(super) fn mostly_decisions() -> impl Strategy<Value = Vec<Step>> {
    steps(|| command(prop_oneof![1 => Just(What::Send), 9 => decisions()]))
}

fn steps<S: Strategy<Value = Command>>(command: impl Fn() -> S) -> impl Strategy<Value = Vec<Step>> {
    let together = || vec(command(), 1..6);
    let step = prop_oneof![
        16 => together().prop_map(Step::Together),
        4 => (together(), 0..120_usize).prop_map(|(commands, polls)| Step::AndDie(commands, polls)),
        3 => (any::<u64>(), 0..25_u8, 0..25_u8).prop_map(|(seed, before, after)| Step::Faults { seed, before, after }),
        2 => Just(Step::Restart),
        1 => Just(Step::Repair),
        1 => (0..100_u64).prop_map(Step::Trim),
    ];
    vec(step, 1..25)
}

fn command(what: impl Strategy<Value = What>) -> impl Strategy<Value = Command> {
    (someone(), what, 0..60_u8).prop_map(|(who, what, key)| Command { who, what, key })
}

fn someone() -> impl Strategy<Value = &'static str> {
    prop::sample::select(USERS.as_slice())
}

fn messages() -> impl Strategy<Value = What> {
    let target = || 0..12_usize;
    let emoji = prop::sample::select(["👍", "🦀"].as_slice());
    prop_oneof![
        8 => Just(What::Send),
        4 => Just(What::Queue),
        3 => (0..8_usize).prop_map(What::Redeliver),
        4 => (target(), "[a-c]{1,2}", any::<bool>()).prop_map(|(target, text, keyed)| What::Edit(target, text, keyed)),
        2 => target().prop_map(What::Delete),
        5 => (target(), emoji, any::<bool>()).prop_map(|(target, emoji, on)| What::React(target, emoji, on)),
        4 => (target(), any::<bool>()).prop_map(|(target, on)| What::Pin(target, on)),
    ]
}

fn decisions() -> impl Strategy<Value = What> {
    let role = prop::sample::select([Role::Member, Role::Moderator, Role::Owner].as_slice());
    let kind = || prop::sample::select([SanctionKind::Ban, SanctionKind::Mute].as_slice());
    // Some end within the run, since each process begins an hour later.
    let secs = prop::sample::select([None, None, Some(1_800), Some(1_000_000)].as_slice());
    prop_oneof![
        5 => Just(What::Join),
        3 => Just(What::Leave),
        1 => someone().prop_map(What::Add),
        2 => someone().prop_map(What::Remove),
        3 => (someone(), role).prop_map(|(of, role)| What::Role(of, role)),
        2 => "[a-c]{1,2}".prop_map(What::Rename),
        3 => (someone(), kind(), secs).prop_map(|(of, kind, secs)| What::Sanction(of, kind, secs)),
        3 => (someone(), kind()).prop_map(|(of, kind)| What::Lift(of, kind)),
    ]
}

impl Command {
    pub(super) fn subject(&self) -> Option<Subject> {
        match self.what {
            What::Join | What::Leave => Some(Subject::Membership(self.who)),
            What::Add(user) | What::Remove(user) => Some(Subject::Membership(user)),
            What::Role(user, _) => Some(Subject::Role(user)),
            What::Rename(_) => Some(Subject::Room),
            What::Sanction(user, kind, _) | What::Lift(user, kind) => Some(Subject::Sanction(user, kind)),
            _ => None,
        }
    }

    /// A role that a crash left half given is given by the admin: who gave it may have lost the right to.
    pub(super) fn again(&self) -> Self {
        let who = if matches!(self.what, What::Role(..)) { USERS[0] } else { self.who };
        Self { who, ..self.clone() }
    }

    /// The id of the message it sends.
    fn id(&self) -> String {
        format!("{}-{}", self.who, self.key)
    }

    fn by(&self) -> Caller {
        Caller { is_admin: self.who == USERS[0], ..socket(self.who, "c") }
    }

    pub(super) async fn give(&self, world: &World) -> Result<(), Refused> {
        let (by, chat) = (self.by(), &world.chat);
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
            What::Add(user) => chat.add_member(&by, ROOM, user, Role::Member).await.map(drop),
            What::Remove(user) => chat.remove_member(&by, ROOM, user, None).await,
            What::Role(user, role) => chat.change_role(&by, ROOM, user, *role).await.map(drop),
            What::Rename(name) => {
                let edit = RoomEdit { name: Some(name.clone()), ..RoomEdit::default() };
                chat.change_room(&by, ROOM, &edit).await.map(drop)
            }
            What::Sanction(user, kind, duration_secs) => {
                let new =
                    NewSanction { user: (*user).to_owned(), duration_secs: *duration_secs, reason: None };
                chat.sanction(&by, ROOM, *kind, new).await.map(drop)
            }
            What::Lift(user, kind) => chat.lift(&by, ROOM, *kind, user).await.map(drop),
            _ => self.give_to_message(world).await,
        }
    }

    async fn give_to_message(&self, world: &World) -> Result<(), Refused> {
        let (by, chat, venue) = (self.by(), &world.chat, Venue::Room(ROOM.to_owned()));
        let Some(seq) = self.target(world).await else { return Ok(()) };
        match &self.what {
            What::Edit(_, text, keyed) => {
                let key = keyed.then(|| self.key.to_string());
                chat.edit_message(&by, &venue, seq, text.clone(), key.as_deref()).await.map(drop)
            }
            What::Delete(_) => chat.delete_message(&by, &venue, seq, None).await.map(drop),
            What::React(_, emoji, on) => chat.react(&by, &venue, seq, emoji, *on).await.map(drop),
            What::Pin(_, on) => chat.pin(&by, ROOM, seq, *on).await.map(drop),
            what => unreachable!("{what:?} is about no message"),
        }
    }

    /// The message it is about, if there is one.
    async fn target(&self, world: &World) -> Option<u64> {
        let (What::Edit(index, ..) | What::Delete(index) | What::React(index, ..) | What::Pin(index, _)) =
            self.what
        else {
            return None;
        };
        let page = world.truth.log.messages(&conversation(ROOM), Page::Newest, 12).await.unwrap()?;
        let is_meant = |state: &&MessageState| {
            !matches!(self.what, What::Edit(..)) || state.message.sender.as_str() == self.who
        };
        let seqs: Vec<_> = page.messages.iter().filter(is_meant).map(|state| state.seq).collect();
        seqs.get(index % seqs.len().max(1)).copied()
    }
}
