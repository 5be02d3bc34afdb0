use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::Runtime;

use super::super::world::World;
use super::checks::{check_client, check_numbers, check_once, check_same, cut, in_force};
use super::commands::{Command, ROOM, Step, What};
use super::stores::Store;
use crate::adapters::faulty::{Faulty, Mode};
use crate::chat::{Patience, Refused};
use crate::contract::data::{conversation, room_id};
use crate::contract::replay::Picture;
use crate::model::{Entry, Head, SanctionKind};
use crate::ports::{Clock, MessagePage, Page, Received};

/// Above the longest log of a run.
const ALL: usize = 100_000;

/// One process after another on the same stores.
pub(super) struct Run<S> {
    store: S,
    lives: u32,
    process: Option<(World, Runtime)>,
    faults: Mode,
    /// Everything the queue ever had: it may hand out each of it again.
    handed: Vec<Received>,
    /// Commands that failed and that no later one about the same has overtaken, in the order they were given.
    unfinished: Vec<Command>,
    /// What a client was told that has been there all the time: every entry as it was when it was new.
    journal: Vec<Entry>,
    /// What others read afresh, by the head's `seq` they read it at.
    pictures: BTreeMap<u64, Picture>,
    /// Below it retention has taken everything.
    floor: u64,
}

impl<S: Store> Run<S> {
    pub(super) fn new(store: S) -> Self {
        let mut run = Self {
            store,
            lives: 0,
            process: None,
            faults: Mode::Quiet,
            handed: Vec::new(),
            unfinished: Vec::new(),
            journal: Vec::new(),
            pictures: BTreeMap::from([(0, Picture::default())]),
            floor: 0,
        };
        run.start();
        run
    }

    /// The former process is killed: whatever it had begun ends where it is.
    fn start(&mut self) {
        self.process = None;
        self.lives += 1;
        let runtime = self.store.runtime();
        let world = runtime.block_on(async {
            let (stores, mut world) = (self.store.open().await, World::open().await);
            world.faulty.log = Arc::new(Faulty::new(Arc::clone(&stores.log), world.store.clone()));
            world.faulty.rooms = Arc::new(Faulty::new(Arc::clone(&stores.rooms), world.store.clone()));
            world.faulty.members = Arc::new(Faulty::new(Arc::clone(&stores.members), world.store.clone()));
            world.faulty.sanctions =
                Arc::new(Faulty::new(Arc::clone(&stores.sanctions), world.store.clone()));
            world.truth.log = stores.log;
            world.truth.rooms = stores.rooms;
            world.truth.members = stores.members;
            world.truth.sanctions = stores.sanctions;
            world.ticker.advance(Duration::from_secs(3_600) * self.lives);
            world.ticker.count_from(u64::from(self.lives) * 1_000_000);
            world.restart();
            world.chat.ensure_general().await.unwrap();
            world
        });
        world.store.set(self.faults);
        self.process = Some((world, runtime));
    }

    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Together(commands) => self.together(&commands),
            Step::AndDie(commands, polls) => self.and_die(&commands, polls),
            Step::Faults { seed, before, after } => {
                self.faults = Mode::Random { seed, percent_before: before, percent_after: after };
                self.world().store.set(self.faults);
            }
            Step::Restart => self.start(),
            // What it cannot do now it does the next time.
            Step::Repair => drop(self.runtime().block_on(self.world().chat.repair())),
            Step::Trim(percent) => self.trim(percent),
        }
    }

    fn world(&self) -> &World {
        &self.process.as_ref().unwrap().0
    }

    fn runtime(&self) -> &Runtime {
        &self.process.as_ref().unwrap().1
    }

    fn together(&mut self, commands: &[Command]) {
        let answers = self.runtime().block_on(async {
            let world = self.world();
            world.ticker.advance(Duration::from_millis(1));
            join_all(commands.iter().map(|command| self.give(world, command))).await
        });
        self.note(commands, &answers);
        self.handed.extend(self.world().outbox.take());
        let new = self.handed.clone();
        // What is new and what is old, in any order: identity is not the queue's work.
        self.runtime().block_on(deliver(self.world(), &new));
    }

    async fn give(&self, world: &World, command: &Command) -> Result<(), Refused> {
        if let What::Redeliver(index) = command.what {
            let old = self.handed.get(index % self.handed.len().max(1)).cloned();
            deliver(world, old.as_slice()).await;
        }
        command.give(world).await
    }

    /// What came to pass overtakes what failed before it about the same. What was refused does nothing.
    fn note(&mut self, commands: &[Command], answers: &[Result<(), Refused>]) {
        let given = || commands.iter().zip(answers).filter(|(command, _)| command.subject().is_some());
        self.unfinished.retain(|earlier| {
            !given().any(|(command, answer)| answer.is_ok() && command.subject() == earlier.subject())
        });
        let failed = given().filter(|(_, answer)| answer.as_ref().is_err_and(Refused::is_unavailable));
        self.unfinished.extend(failed.map(|(command, _)| command.clone()));
    }

    fn trim(&self, percent: u64) {
        let left = self.journal.len() as u64 - self.floor;
        let upto = self.floor + left * percent / 100;
        // A failed one is repeated by the next.
        let _ = self.runtime().block_on(self.world().faulty.log.trim(&conversation(ROOM), upto));
    }

    fn and_die(&mut self, commands: &[Command], polls: usize) {
        self.unfinished.extend(commands.iter().filter(|command| command.subject().is_some()).cloned());
        self.runtime().block_on(async {
            let world = self.world();
            let all = join_all(commands.iter().map(|command| command.give(world)));
            tokio::pin!(all);
            for _ in 0..polls {
                tokio::select! {
                    biased;
                    _ = &mut all => break,
                    () = tokio::task::yield_now() => {}
                }
            }
        });
        self.handed.extend(self.world().outbox.take());
        self.start();
    }

    /// Everything works again: the queue hands out what it has, people repeat what failed, and the timer repairs.
    pub(super) fn settle(&mut self) {
        self.faults = Mode::Quiet;
        self.world().store.set(Mode::Quiet);
        let unfinished = std::mem::take(&mut self.unfinished);
        self.runtime().block_on(async {
            deliver(self.world(), &self.handed).await;
            for command in &unfinished {
                self.world().ticker.advance(Duration::from_millis(1));
                let answer = command.again().give(self.world()).await;
                assert!(!answer.as_ref().is_err_and(Refused::is_unavailable), "{command:?}: {answer:?}");
            }
            self.world().chat.repair().await.unwrap();
        });
    }

    /// What a client shows that asks now. Of members, sanctions and the room the log has entries alone.
    fn fresh(&self, messages: MessagePage) -> (Head, Picture) {
        let picture = Picture {
            messages: messages.messages.into_iter().map(|state| (state.seq, state)).collect(),
            pins: messages.head.pins.clone(),
            ..Picture::of(&self.journal)
        };
        (messages.head, picture)
    }

    /// Takes what is new into the journal; what is known must be as it was.
    fn note_entries(&mut self, entries: &[Entry]) {
        let known = self.journal.len() as u64;
        for entry in entries.iter().take_while(|entry| entry.seq <= known) {
            check_same(&self.journal[entry.seq as usize - 1], entry);
        }
        self.journal.extend(entries.iter().filter(|entry| entry.seq > known).cloned());
    }

    pub(super) fn check(&mut self) {
        let (entries, messages) = self.runtime().block_on(async {
            let log = &self.world().truth.log;
            let entries = log.entries(&conversation(ROOM), 0, ALL).await.unwrap().unwrap();
            let messages = log.messages(&conversation(ROOM), Page::Newest, ALL).await.unwrap().unwrap();
            (entries, messages)
        });
        assert!(messages.head.floor >= self.floor, "a floor never sinks");
        self.floor = messages.head.floor;
        let entries = entries.entries;
        assert_eq!(entries.first().map_or(messages.head.seq, |entry| entry.seq - 1), self.floor);
        self.note_entries(&entries);
        let (head, now) = self.fresh(messages);
        check_numbers(&self.journal, &head);
        check_once(&self.journal);
        self.check_clients(&entries, &now);
        self.pictures.insert(head.seq, now);
    }

    /// Clients that have seen everything up to any entry that is not below the floor, and get what follows. One that is
    /// below it is told so, and reads afresh.
    fn check_clients(&self, entries: &[Entry], now: &Picture) {
        let mut then = Picture::default();
        for cursor in 0..=self.journal.len() as u64 {
            if let Some(entry) = cursor.checked_sub(1).and_then(|index| self.journal.get(index as usize)) {
                then.apply(entry);
            }
            let Some(skipped) = cursor.checked_sub(self.floor) else { continue };
            let behind = &entries[skipped as usize..];
            check_client(then.clone(), behind, now, self.floor, "a client that listened");
            if let Some(seen) = self.pictures.get(&cursor) {
                let (seen, then) = (cut(seen.clone(), self.floor), cut(then.clone(), self.floor));
                assert_eq!(seen.messages, then.messages, "read at {cursor}");
                assert_eq!(seen.pins, then.pins, "read at {cursor}");
            }
            // A history page that is newer than the cursor: `as_of` keeps what it holds from being done again.
            let mut mixed = then.clone();
            for (seq, state) in now.messages.iter().filter(|(seq, _)| *seq % 2 == 0) {
                mixed.messages.insert(*seq, state.clone());
            }
            check_client(mixed, behind, now, self.floor, "a client with a newer page");
        }
    }

    /// The rows say what the entries tell, and nothing is left half done.
    pub(super) fn check_rows(&self) {
        let told = Picture::of(&self.journal);
        let truth = &self.world().truth;
        let room = room_id(ROOM);
        self.runtime().block_on(async {
            let members = truth.members.list(&room, None, ALL).await.unwrap();
            let members: BTreeMap<_, _> = members.into_iter().map(|row| (row.user, row.role)).collect();
            assert_eq!(members, told.members, "members by their rows, and by the entries");

            let row = truth.rooms.get(&room).await.unwrap().unwrap();
            if let Some(told) = told.room {
                assert_eq!((row.name, row.description), told, "the room by its row, and by the entries");
            }
            assert_eq!(truth.sanctions.unapplied(None, ALL).await.unwrap(), [], "left half done");
            let removals = truth.sanctions.list(&room, SanctionKind::Removal, None, ALL).await.unwrap();
            assert_eq!(removals, [], "removals under way");
            let now = self.world().ticker.now();
            for kind in [SanctionKind::Ban, SanctionKind::Mute] {
                let mut rows = truth.sanctions.list(&room, kind, None, ALL).await.unwrap();
                rows.retain(|row| row.is_in_force(now));
                let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.user, row.until)).collect();
                assert_eq!(
                    rows,
                    in_force(&self.journal, kind, now),
                    "{kind:?} by its rows, and by the entries"
                );
                let inside =
                    rows.keys().filter(|user| kind == SanctionKind::Ban && members.contains_key(*user));
                assert_eq!(inside.count(), 0, "banned and members: {rows:?}, {members:?}");
            }
        });
    }
}

async fn deliver(world: &World, batch: &[Received]) {
    for received in batch {
        let patience = Patience::Until(Duration::from_millis(200));
        let _ = world.chat.deliver(std::slice::from_ref(received), patience).await;
    }
}
