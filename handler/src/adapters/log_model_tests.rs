//! Random commands on a log beside a model of it so simple that it can be believed: the list of changes, and states by
//! replaying that list from its beginning.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::engine::Engine;
use super::faulty::{Faults, Faulty, Mode};
use super::file::FileLog;
use super::memory::MemoryLog;
use crate::contract::data::{
    at, conversation, delete, edit, joined, marked, message, new, pin, react, room_deleted, user,
};
use crate::model::{Change, ConversationId, Entry, Head, MessageState, Role, SanctionKind, bounds};
use crate::ports::{Log, LogError, NewEntry, Outcome, Page, Refusal};

#[derive(Clone, Debug)]
enum Step {
    /// A marker comes from the number, so small ones repeat.
    Append(Vec<(Option<u8>, Change)>, Option<Fault>),
    Open,
    MarkSent(u64),
    Trim(u64),
    /// Closes the store and opens it again, where it survives that.
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Before,
    AfterEffect,
}

fn changes() -> impl Strategy<Value = Change> {
    let target = || 0..14_u64;
    prop_oneof![
        6 => "[a-z]{1,5}".prop_map(|content| message("m", &content)),
        3 => (target(), "[a-z]{1,5}").prop_map(|(target, content)| edit(target, &content)),
        2 => target().prop_map(delete),
        3 => (target(), "[xy]", "[ab]", any::<bool>()).prop_map(|(n, emoji, by, on)| react(n, &emoji, &by, on)),
        3 => (target(), any::<bool>()).prop_map(|(target, on)| pin(target, on)),
        1 => about_people(),
        1 => Just(room_deleted()),
    ]
}

/// Changes that shape no message.
fn about_people() -> impl Strategy<Value = Change> {
    let (bob, ann) = (user("bob"), user("ann"));
    let left = Change::Left { user: bob.clone(), by: Some(ann.clone()) };
    let role = Change::RoleChanged { user: bob.clone(), role: Role::Moderator, by: ann.clone() };
    let named = Change::RoomChanged { name: "Tea".into(), description: String::new(), by: ann.clone() };
    let sanctioned = any::<bool>().prop_map(move |on| {
        let (user, by, until) = (bob.clone(), ann.clone(), on.then(|| at(9)));
        Change::Sanctioned { user, kind: SanctionKind::Mute, on, by, until, reason: None }
    });
    prop_oneof![Just(joined("bob")), Just(left), Just(role), Just(named), sanctioned]
}

/// Fills a conversation to the bounds of pins, reactions and edits, and leaves messages among the first that are not pinned.
fn crowd(n: u64) -> Step {
    let last = bounds::PINS as u64 + 2;
    let messages = (1..=last).map(|_| message("m", "x"));
    let pins = (1..=last).rev().map(|seq| pin(seq, true));
    let reactions = (0..bounds::EMOJI_PER_MESSAGE + 2).map(|emoji| react(n, &emoji.to_string(), "a", true));
    let edits = (0..bounds::EDITS_PER_MESSAGE + 2).map(|_| edit(n, "y"));
    Step::Append(
        messages.chain(pins).chain(reactions).chain(edits).map(|change| (None, change)).collect(),
        None,
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fault =
        prop_oneof![8 => Just(None), 1 => Just(Some(Fault::Before)), 1 => Just(Some(Fault::AfterEffect))];
    let entry = (prop::option::of(0..12_u8), changes());
    let step = prop_oneof![
        10 => (vec(entry, 0..5), fault).prop_map(|(entries, fault)| Step::Append(entries, fault)),
        2 => Just(Step::Open),
        2 => (0..24_u64).prop_map(Step::MarkSent),
        1 => (0..12_u64).prop_map(Step::Trim),
        1 => Just(Step::Restart),
    ];
    let start = prop_oneof![12 => Just(None), 1 => (1..14_u64).prop_map(|n| Some(crowd(n)))];
    (start, vec(step, 1..25)).prop_map(|(start, steps)| start.into_iter().chain(steps).collect())
}

/// The message a change is about.
fn target_of(change: &Change) -> Option<u64> {
    match change {
        Change::Edit { target, .. }
        | Change::Delete { target, .. }
        | Change::Reaction { target, .. }
        | Change::Pinned { target, .. } => Some(*target),
        _ => None,
    }
}

/// What a client makes of its list of pins.
fn apply_to_pins(pins: &mut Vec<u64>, entry: &Entry) {
    match &entry.change {
        Change::Pinned { target, on: true, .. } if !pins.contains(target) => pins.push(*target),
        Change::Pinned { target, on: false, .. } | Change::Delete { target, .. } => {
            pins.retain(|pin| pin != target);
        }
        _ => {}
    }
}

/// What a client does with an entry.
fn apply(states: &mut BTreeMap<u64, MessageState>, entry: &Entry) {
    let target = match &entry.change {
        Change::Message(message) => {
            let (seq, number, at) = (entry.seq, entry.number, entry.at);
            let state = MessageState {
                seq,
                number,
                at,
                message: message.clone(),
                as_of: seq,
                edited_at: None,
                deleted_at: None,
                reactions: BTreeMap::new(),
            };
            states.insert(seq, state);
            return;
        }
        change => match target_of(change) {
            Some(target) => target,
            None => return,
        },
    };
    let Some(state) = states.get_mut(&target).filter(|state| state.as_of < entry.seq) else { return };
    state.as_of = entry.seq;
    match &entry.change {
        Change::Edit { content, .. } => {
            state.message.content = content.clone();
            state.edited_at = Some(entry.at);
        }
        Change::Delete { .. } => {
            state.message.content = String::new();
            state.reactions.clear();
            state.deleted_at.get_or_insert(entry.at);
        }
        Change::Reaction { emoji, by, on, .. } => {
            let users = state.reactions.entry(emoji.clone()).or_default();
            if *on {
                users.insert(by.clone())
            } else {
                users.remove(by)
            };
            state.reactions.retain(|_, users| !users.is_empty());
        }
        _ => {}
    }
}

#[derive(Default)]
struct Model {
    head: Head,
    opened: bool,
    /// Every entry ever appended, as it was then.
    history: Vec<Entry>,
    markers: HashMap<u8, (u64, u64)>,
}

impl Model {
    /// Appends all or none.
    fn append(&mut self, entries: &[(Option<u8>, Change)]) -> Result<Vec<Outcome>, &'static str> {
        if !self.opened {
            return Err("not open");
        }
        let (head, length, markers) = (self.head.clone(), self.history.len(), self.markers.clone());
        let outcomes = entries.iter().map(|(marker, change)| self.append_one(*marker, change)).collect();
        if outcomes == Err("closed") {
            self.history.truncate(length);
            (self.head, self.markers) = (head, markers);
        }
        outcomes
    }

    fn append_one(&mut self, marker: Option<u8>, change: &Change) -> Result<Outcome, &'static str> {
        if let Some((seq, number)) = marker.and_then(|marker| self.markers.get(&marker)) {
            return Ok(Outcome::Duplicate { seq: *seq, number: *number, at: at(0) });
        }
        if self.head.closed {
            return Err("closed");
        }
        if let Some(refusal) = target_of(change).and_then(|target| self.refusal(target, change)) {
            return Ok(Outcome::Refused(refusal));
        }
        self.head.seq += 1;
        self.head.count += u64::from(matches!(change, Change::Message(_)));
        self.head.closed = matches!(change, Change::RoomDeleted { .. });
        let (seq, number) = (self.head.seq, self.head.count);
        self.history.push(Entry { seq, number, at: at(0), change: change.clone() });
        self.head.pins = self.pins(seq);
        if let Some(marker) = marker {
            self.markers.insert(marker, (seq, number));
        }
        Ok(Outcome::Appended { seq, number, at: at(0) })
    }

    fn refusal(&self, target: u64, change: &Change) -> Option<Refusal> {
        let states = self.states(self.head.seq);
        let Some(state) = states.get(&target) else { return Some(Refusal::NoSuchMessage) };
        if state.deleted_at.is_some() && !matches!(change, Change::Delete { .. }) {
            return Some(Refusal::MessageDeleted);
        }
        match change {
            Change::Pinned { on, .. } if self.head.pins.contains(&target) == *on => Some(Refusal::Unchanged),
            Change::Pinned { on: true, .. } => {
                (self.head.pins.len() == bounds::PINS).then_some(Refusal::TooManyPins)
            }
            Change::Reaction { emoji, by, on, .. }
                if state.reactions.get(emoji).is_some_and(|users| users.contains(by)) == *on =>
            {
                Some(Refusal::Unchanged)
            }
            Change::Reaction { emoji, on: true, .. } => {
                let is_full = state.reactions.len() == bounds::EMOJI_PER_MESSAGE;
                (is_full && !state.reactions.contains_key(emoji)).then_some(Refusal::TooManyReactions)
            }
            Change::Edit { .. } => {
                let is_edit =
                    |entry: &&Entry| matches!(entry.change, Change::Edit { target: of, .. } if of == target);
                let edits = self.history.iter().filter(is_edit).count();
                (edits >= bounds::EDITS_PER_MESSAGE).then_some(Refusal::TooManyEdits)
            }
            _ => None,
        }
    }

    /// The pins of messages above the floor as a client saw them when `seq` was the last entry.
    fn pins(&self, seq: u64) -> Vec<u64> {
        let mut pins = Vec::new();
        self.history
            .iter()
            .take_while(|entry| entry.seq <= seq)
            .for_each(|entry| apply_to_pins(&mut pins, entry));
        pins.retain(|pin| *pin > self.head.floor);
        pins
    }

    /// The messages above the floor as a client saw them when `seq` was the last entry.
    fn states(&self, seq: u64) -> BTreeMap<u64, MessageState> {
        let mut states = BTreeMap::new();
        self.history.iter().take_while(|entry| entry.seq <= seq).for_each(|entry| apply(&mut states, entry));
        states.retain(|seq, _| *seq > self.head.floor);
        states
    }

    /// The entries above the floor as they are to be read now: without what was deleted.
    fn entries(&self) -> Vec<Entry> {
        let mut entries = self.history.clone();
        for deletion in &self.history {
            let Change::Delete { target, .. } = deletion.change else { continue };
            for entry in &mut entries {
                match &mut entry.change {
                    Change::Message(message) if entry.seq == target => message.content.clear(),
                    Change::Edit { target: edited, content, .. } if *edited == target => content.clear(),
                    _ => {}
                }
            }
        }
        entries.retain(|entry| entry.seq > self.head.floor);
        entries
    }
}

/// A log under test that can be told to fail, and what stores it.
struct Subject {
    log: Faulty<dyn Log>,
    faults: Faults,
    dir: Option<tempfile::TempDir>,
    tea: ConversationId,
    model: Model,
}

async fn open_file(dir: &tempfile::TempDir) -> Arc<dyn Log> {
    let engine = Engine::open(dir.path().join("log.redb")).await.unwrap();
    Arc::new(FileLog::open(&engine).await.unwrap())
}

impl Subject {
    async fn new(dir: Option<tempfile::TempDir>) -> Self {
        let faults = Faults::default();
        let inner: Arc<dyn Log> = match &dir {
            Some(dir) => open_file(dir).await,
            None => Arc::new(MemoryLog::new()),
        };
        let log = Faulty::new(inner, faults.clone());
        Self { log, faults, dir, tea: conversation("tea"), model: Model::default() }
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Append(entries, fault) => {
                if let Some(fault) = fault {
                    self.append_failing(&entries, fault).await;
                }
                self.append(&entries).await;
            }
            Step::Open => {
                let head = self.log.open(&self.tea).await.unwrap();
                (self.model.opened, self.model.head.closed) = (true, false);
                assert_eq!(head, self.model.head);
            }
            Step::MarkSent(seq) => {
                self.log.mark_sent(&self.tea, seq).await.unwrap();
                self.model.head.sent = self.model.head.sent.max(seq.min(self.model.head.seq));
            }
            Step::Trim(seq) => {
                self.log.trim(&self.tea, seq).await.unwrap();
                self.model.head.floor = self.model.head.floor.max(seq.min(self.model.head.seq));
                self.model.head.pins = self.model.pins(self.model.head.seq);
            }
            Step::Restart => self.restart().await,
        }
    }

    fn entries(&self, entries: &[(Option<u8>, Change)]) -> Vec<NewEntry> {
        let entry = |(marker, change): &(Option<u8>, Change)| match marker {
            Some(marker) => marked(&self.tea, &marker.to_string(), change.clone()),
            None => new(change.clone()),
        };
        entries.iter().map(entry).collect()
    }

    async fn append(&mut self, entries: &[(Option<u8>, Change)]) {
        let answer = self.log.append(&self.tea, self.entries(entries)).await;
        let answer = answer.map_err(|error| match error {
            LogError::NotOpen => "not open",
            LogError::Closed => "closed",
            LogError::Store(error) => panic!("{error}"),
        });
        assert_eq!(answer, self.model.append(entries));
    }

    /// The caller learns nothing; whether it happened, the model knows.
    async fn append_failing(&mut self, entries: &[(Option<u8>, Change)], fault: Fault) {
        self.faults.set(match fault {
            Fault::Before => Mode::FailNext(1),
            Fault::AfterEffect => Mode::FailNextAfterEffect(1),
        });
        assert!(self.log.append(&self.tea, self.entries(entries)).await.is_err());
        if matches!(fault, Fault::AfterEffect) {
            let _ = self.model.append(entries);
        }
    }

    async fn restart(&mut self) {
        let Some(dir) = &self.dir else { return };
        // The former log has to be gone before the file can be opened.
        self.log = Faulty::new(Arc::new(MemoryLog::new()), self.faults.clone());
        self.log = Faulty::new(open_file(dir).await, self.faults.clone());
        if self.model.opened {
            // A mark may be lost, but never says more than was sent.
            let sent = self.log.head(&self.tea).await.unwrap().unwrap().sent;
            assert!(sent <= self.model.head.sent);
            self.model.head.sent = sent;
        }
    }

    async fn check(&self) {
        let page = self.log.entries(&self.tea, 0, usize::MAX).await.unwrap();
        let Some(page) = page else { return assert!(!self.model.opened) };
        let (head, now) = (&self.model.head, self.model.states(self.model.head.seq));
        assert_eq!(self.log.head(&self.tea).await.unwrap().as_ref(), Some(head));
        assert_eq!(page.head, *head);
        assert_eq!(page.entries, self.model.entries());
        let expected: Vec<MessageState> = now.values().cloned().collect();
        assert_eq!(self.messages(Page::Newest, usize::MAX).await, expected);

        let all: Vec<u64> = (0..=head.seq + 1).collect();
        assert_eq!(self.log.states(&self.tea, &all).await.unwrap(), expected);

        // All of a short log, some of a long one.
        let stride = 1 + usize::try_from(head.seq - head.floor).unwrap() / 64;
        for cursor in (head.floor..=head.seq).step_by(stride) {
            let behind = self.log.entries(&self.tea, cursor, usize::MAX).await.unwrap().unwrap().entries;
            let mut caught_up = self.model.states(cursor);
            behind.iter().for_each(|entry| apply(&mut caught_up, entry));
            assert_eq!(caught_up, now, "a client that was at {cursor}");
            let mut pins = self.model.pins(cursor);
            behind.iter().for_each(|entry| apply_to_pins(&mut pins, entry));
            // An entry above the floor may pin a message below it.
            pins.retain(|pin| *pin > head.floor);
            assert_eq!(pins, head.pins, "the pins of a client that was at {cursor}");
            let mut fresh = now.clone();
            behind
                .iter()
                .filter(|entry| !now.contains_key(&entry.seq))
                .for_each(|entry| apply(&mut fresh, entry));
            assert_eq!(fresh, now, "entries up to `as_of` are in the state");

            let (older, newer): (Vec<_>, Vec<_>) =
                expected.iter().cloned().partition(|state| state.seq <= cursor);
            assert_eq!(self.messages(Page::After(cursor), 2).await, newer[..newer.len().min(2)]);
            let before = self.messages(Page::Before(cursor + 1), 2).await;
            assert_eq!(before, older[older.len().saturating_sub(2)..]);
        }
    }

    async fn messages(&self, page: Page, limit: usize) -> Vec<MessageState> {
        self.log.messages(&self.tea, page, limit).await.unwrap().unwrap().messages
    }
}

fn follow(steps: Vec<Step>, dir: Option<tempfile::TempDir>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut subject = Subject::new(dir).await;
        for step in [Step::Append(vec![], None), Step::Open].into_iter().chain(steps) {
            subject.run(step).await;
            subject.check().await;
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_is_like_the_model(steps in steps()) {
        follow(steps, None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn file_is_like_the_model(steps in steps()) {
        follow(steps, Some(tempfile::tempdir().unwrap()));
    }
}
