use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::Runtime;

use super::super::world::World;
use super::commands::{Command, ROOM, Step, What};
use super::stores::Store;
use crate::adapters::faulty::{Faulty, Mode};
use crate::chat::Patience;
use crate::contract::data::{conversation, room_id};
use crate::contract::replay::Picture;
use crate::model::{Change, Entry, Head, UserId};
use crate::ports::{Page, Received};

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
    /// Membership commands that failed and that nothing has overtaken.
    unfinished: BTreeMap<&'static str, Command>,
    /// What a client was told that has been there all the time: every entry as it was when it was new.
    journal: Vec<Entry>,
    /// What others read afresh, by the head's `seq` they read it at.
    pictures: BTreeMap<u64, Picture>,
}

impl<S: Store> Run<S> {
    pub(super) fn new(store: S) -> Self {
        let mut run = Self {
            store,
            lives: 0,
            process: None,
            faults: Mode::Quiet,
            handed: Vec::new(),
            unfinished: BTreeMap::new(),
            journal: Vec::new(),
            pictures: BTreeMap::from([(0, Picture::default())]),
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
        for (command, failed) in commands.iter().zip(answers) {
            self.note(command, failed);
        }
        self.handed.extend(self.world().outbox.take());
        let new = self.handed.clone();
        // What is new and what is old, in any order: identity is not the queue's work.
        self.runtime().block_on(deliver(self.world(), &new));
    }

    /// Whether it failed so that a repeat may help.
    async fn give(&self, world: &World, command: &Command) -> bool {
        if let What::Redeliver(index) = command.what {
            let old = self.handed.get(index % self.handed.len().max(1)).cloned();
            deliver(world, old.as_slice()).await;
        }
        command.give(world).await.is_err_and(|refused| refused.is_unavailable())
    }

    fn note(&mut self, command: &Command, failed: bool) {
        let Some(member) = command.member() else { return };
        if failed {
            self.unfinished.insert(member, command.clone());
        } else {
            self.unfinished.remove(member);
        }
    }

    fn and_die(&mut self, commands: &[Command], polls: usize) {
        for command in commands {
            self.note(command, true);
        }
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

    /// Everything works again: the queue hands out what it has, and people repeat what failed.
    pub(super) fn settle(&mut self) {
        self.faults = Mode::Quiet;
        self.world().store.set(Mode::Quiet);
        let unfinished = std::mem::take(&mut self.unfinished);
        self.runtime().block_on(async {
            deliver(self.world(), &self.handed).await;
            for command in unfinished.values() {
                command.give(self.world()).await.unwrap();
            }
        });
    }

    /// What a client shows that asks now.
    async fn fresh(&self, entries: &[Entry]) -> (Head, Picture) {
        let log = &self.world().truth.log;
        let page = log.messages(&conversation(ROOM), Page::Newest, ALL).await.unwrap().unwrap();
        let told = Picture::of(entries);
        let picture = Picture {
            messages: page.messages.into_iter().map(|state| (state.seq, state)).collect(),
            pins: page.head.pins.clone(),
            ..told
        };
        (page.head, picture)
    }

    pub(super) fn check(&mut self) {
        let (entries, head, now) = self.runtime().block_on(async {
            let log = &self.world().truth.log;
            let page = log.entries(&conversation(ROOM), 0, ALL).await.unwrap().unwrap();
            let (head, now) = self.fresh(&page.entries).await;
            (page.entries, head, now)
        });
        check_numbers(&entries, &head);
        check_once(&entries);
        for (known, entry) in self.journal.iter().zip(&entries) {
            assert!(is_same_or_blanked(known, entry), "{known:?} became {entry:?}");
        }
        assert!(entries.len() >= self.journal.len(), "entries vanished");
        self.journal.extend(entries.iter().skip(self.journal.len()).cloned());

        let mut then = Picture::default();
        for cursor in 0..=entries.len() {
            if let Some(entry) = cursor.checked_sub(1).and_then(|index| self.journal.get(index)) {
                then.apply(entry);
            }
            let behind = &entries[cursor..];
            check_client(then.clone(), behind, &now, "a client that listened");
            if let Some(seen) = self.pictures.get(&(cursor as u64)) {
                assert_eq!(seen.messages, then.messages, "read at {cursor}");
                assert_eq!(seen.pins, then.pins, "read at {cursor}");
            }
            // A history page that is newer than the cursor: `as_of` keeps what it holds from being done again.
            let mut mixed = then.clone();
            for (seq, state) in now.messages.iter().filter(|(seq, _)| *seq % 2 == 0) {
                mixed.messages.insert(*seq, state.clone());
            }
            check_client(mixed, behind, &now, "a client with a newer page");
        }
        self.pictures.insert(head.seq, now);
    }

    /// The rows say what the entries tell.
    pub(super) fn check_rows(&self) {
        let told = Picture::of(&self.journal).members;
        let rows = self.runtime().block_on(self.world().truth.members.list(&room_id(ROOM), None, ALL));
        let rows: BTreeSet<UserId> = rows.unwrap().into_iter().map(|member| member.user).collect();
        let told: BTreeSet<UserId> = told.into_keys().collect();
        assert_eq!(rows, told, "members by their rows, and by the entries");
    }
}

async fn deliver(world: &World, batch: &[Received]) {
    for received in batch {
        let patience = Patience::Until(Duration::from_millis(200));
        let _ = world.chat.deliver(std::slice::from_ref(received), patience).await;
    }
}

fn check_client(mut client: Picture, behind: &[Entry], now: &Picture, who: &str) {
    behind.iter().for_each(|entry| client.apply(entry));
    assert_eq!(&client, now, "{who}, {} entries behind", behind.len());
}

fn check_numbers(entries: &[Entry], head: &Head) {
    let mut number = 0;
    for (index, entry) in entries.iter().enumerate() {
        number += u64::from(matches!(entry.change, Change::Message(_)));
        assert_eq!((entry.seq, entry.number), (index as u64 + 1, number));
    }
    assert_eq!((head.seq, head.count), (entries.len() as u64, number));
}

fn check_once(entries: &[Entry]) {
    let mut ids = BTreeSet::new();
    for entry in entries {
        if let Change::Message(message) = &entry.change {
            assert!(ids.insert((&message.sender, &message.id)), "{message:?} twice");
        }
    }
}

/// Entries never change, but a deletion takes the words out of them.
fn is_same_or_blanked(before: &Entry, after: &Entry) -> bool {
    let mut blanked = before.clone();
    match &mut blanked.change {
        Change::Message(message) => message.content.clear(),
        Change::Edit { content, .. } => content.clear(),
        _ => {}
    }
    after == before || *after == blanked
}
