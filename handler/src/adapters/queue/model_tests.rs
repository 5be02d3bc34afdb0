//! The embedded queues beside a model of them: random sends, deliveries, settlements, waits, restarts and crashes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::Instant;

use super::{Counts, FileQueue, Limits, MemoryQueue};
use crate::contract::queue::{LOCK, message};
use crate::ports::{Deliveries, Delivery, Queue};

#[derive(Clone, Debug)]
enum Step {
    Send(u8),
    Receive(usize),
    /// Of the deliveries in hand, lost ones included, the one at this place (modulo their number).
    Settle(usize, How),
    Wait(Duration),
    /// A clean end and a new start.
    Restart,
    /// No end, and a new start.
    Crash,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Complete,
    Abandon(Duration),
    Drop,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let seconds = (0..40_u64).prop_map(Duration::from_secs);
    let how = prop_oneof![
        6 => Just(How::Complete),
        2 => seconds.clone().prop_map(How::Abandon),
        1 => Just(How::Drop),
    ];
    let step = prop_oneof![
        8 => (0..5_u8).prop_map(Step::Send),
        6 => (1..5_usize).prop_map(Step::Receive),
        10 => (any::<usize>(), how).prop_map(|(place, how)| Step::Settle(place, how)),
        2 => seconds.prop_map(Step::Wait),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
    ];
    vec(step, 1..60)
}

#[derive(Clone, Debug)]
struct Message {
    id: u32,
    delivered: u32,
    /// `delivered` is the most it can be.
    loose: bool,
    /// It was settled before a crash and may have come back.
    ghost: bool,
}

#[derive(Default)]
struct Session {
    waiting: Vec<Message>,
    /// Settled since the last clean start.
    settled: Vec<Message>,
    hold: Option<Hold>,
    resume: Option<Instant>,
}

struct Hold {
    in_hand: Vec<u32>,
    until: Instant,
}

struct InHand {
    session: u8,
    id: u32,
    delivery: Box<dyn Delivery>,
}

#[derive(Default)]
struct Model {
    sessions: BTreeMap<u8, Session>,
    last: u32,
}

impl Session {
    fn wake(&mut self, now: Instant) {
        if self.hold.as_ref().is_some_and(|hold| hold.in_hand.is_empty() || hold.until <= now) {
            self.hold = None;
        }
        if self.hold.is_none() && self.resume.is_some_and(|at| at <= now) {
            self.resume = None;
        }
    }

    fn available(&self) -> bool {
        !self.waiting.is_empty() && self.hold.is_none() && self.resume.is_none()
    }

    fn holds(&self, id: u32) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.in_hand.contains(&id))
    }

    fn settle(&mut self, id: u32) {
        let place = self.waiting.iter().position(|message| message.id == id).unwrap();
        self.settled.push(self.waiting.remove(place));
        self.hold.as_mut().unwrap().in_hand.retain(|held| *held != id);
    }

    fn give_back(&mut self, id: u32, resume: Instant) {
        self.hold.as_mut().unwrap().in_hand.retain(|held| *held < id);
        self.resume = self.resume.max(Some(resume));
    }

    /// Checks what was delivered, and takes it into the hand.
    fn deliver(&mut self, got: &[(u32, u32)], max: usize, until: Instant) {
        let mut got_left = got.iter();
        let mut next = got_left.next();
        let mut in_hand = Vec::new();
        self.waiting.retain_mut(|message| {
            let Some((id, attempt)) = next else { return in_hand.len() == max || !message.ghost };
            if message.id != *id {
                assert!(message.ghost, "{} was passed over", message.id);
                return false;
            }
            let most = message.delivered + 1;
            assert!(
                if message.loose { (2..=most).contains(attempt) } else { *attempt == most },
                "{message:?}"
            );
            *message = Message { id: *id, delivered: *attempt, loose: false, ghost: false };
            in_hand.push(*id);
            next = got_left.next();
            true
        });
        assert!(next.is_none(), "{next:?} is not there, or out of order");
        assert_eq!(in_hand.len(), max.min(self.waiting.len()), "more could have been had");
        self.hold = Some(Hold { in_hand, until });
    }

    fn restart(&mut self) {
        (self.hold, self.resume) = (None, None);
        self.settled.clear();
        self.count_a_first_delivery();
    }

    fn crash(&mut self) {
        (self.hold, self.resume) = (None, None);
        let ghosts = self.settled.drain(..).map(|message| Message { ghost: true, ..message });
        self.waiting.extend(ghosts);
        self.waiting.sort_by_key(|message| message.id);
        self.waiting.iter_mut().for_each(|message| message.loose = true);
        self.count_a_first_delivery();
    }

    /// The file has no trace of it, so there may have been one of every message.
    fn count_a_first_delivery(&mut self) {
        self.waiting.iter_mut().for_each(|message| message.delivered = message.delivered.max(1));
    }
}

enum Real<'a> {
    Memory(MemoryQueue),
    File(FileQueue, &'a Path),
}

async fn open(dir: &Path) -> FileQueue {
    // A predecessor needs a moment of real time to free the lock.
    tokio::time::resume();
    let limits = Limits { lock: LOCK, ..Limits::FILE };
    let queue = FileQueue::open(dir.join("queue.redb"), limits).await.unwrap();
    tokio::time::pause();
    queue
}

impl Real<'_> {
    fn ends(&self) -> (&dyn Queue, &dyn Deliveries, Counts) {
        match self {
            Self::Memory(queue) => (queue, queue, queue.counts()),
            Self::File(queue, _) => (queue, queue, queue.counts()),
        }
    }

    /// What can be had at this very moment.
    async fn receive(&self, max: usize) -> Vec<Box<dyn Delivery>> {
        let mut receive = self.ends().1.receive(max);
        match futures_util::poll!(&mut receive) {
            std::task::Poll::Ready(taken) => taken,
            std::task::Poll::Pending => Vec::new(),
        }
    }
}

struct World<'a> {
    real: Real<'a>,
    model: Model,
    in_hand: Vec<InHand>,
}

impl World<'_> {
    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Send(session) => self.send(session).await,
            Step::Receive(max) => {
                self.receive(max).await;
            }
            Step::Settle(_, _) if self.in_hand.is_empty() => {}
            Step::Settle(place, how) => self.settle(place % self.in_hand.len(), how).await,
            Step::Wait(time) => tokio::time::advance(time).await,
            Step::Restart => self.start_anew(true).await,
            Step::Crash => self.start_anew(false).await,
        }
        self.compare_counts();
    }

    async fn send(&mut self, session: u8) {
        self.model.last += 1;
        let id = self.model.last;
        self.real.ends().0.send(message(&session.to_string(), &id.to_string())).await.unwrap();
        let waiting = &mut self.model.sessions.entry(session).or_default().waiting;
        waiting.push(Message { id, delivered: 0, loose: false, ghost: false });
    }

    async fn receive(&mut self, max: usize) -> bool {
        let now = Instant::now();
        let taken = self.real.receive(max).await;
        for session in self.model.sessions.values_mut() {
            session.wake(now);
        }
        let Some(first) = taken.first() else {
            for (id, session) in self.model.sessions.iter_mut().filter(|(_, session)| session.available()) {
                let real = session.waiting.iter().find(|message| !message.ghost);
                assert!(real.is_none(), "session {id} waits and nobody gets it: {real:?}");
                session.waiting.clear();
            }
            return false;
        };
        let id: u8 = first.message().session_id.as_ref().unwrap().parse().unwrap();
        let session = self.model.sessions.get_mut(&id).unwrap();
        assert!(session.available(), "session {id} is held, paused or empty");
        let mut got = Vec::new();
        for delivery in taken {
            let message = delivery.message();
            assert_eq!(message.session_id, Some(id.to_string()));
            let message_id: u32 = message.message_id.as_ref().unwrap().parse().unwrap();
            assert_eq!(message.body, format!("body of {message_id}"));
            got.push((message_id, message.attempt));
            self.in_hand.push(InHand { session: id, id: message_id, delivery });
        }
        session.deliver(&got, max, now + LOCK);
        true
    }

    async fn settle(&mut self, place: usize, how: How) {
        let now = Instant::now();
        let InHand { session, id, delivery } = self.in_hand.remove(place);
        let attempt_known = delivery.message().attempt;
        let session = self.model.sessions.get_mut(&session).unwrap();
        session.wake(now);
        // Handed out again since, it is in another hand.
        let delivered =
            session.waiting.iter().find(|message| message.id == id).map(|message| message.delivered);
        let live = session.holds(id) && delivered == Some(attempt_known);
        match how {
            How::Complete => assert_eq!(delivery.complete().await.is_ok(), live),
            How::Abandon(delay) => delivery.abandon(delay).await,
            How::Drop => drop(delivery),
        }
        match how {
            _ if !live => {}
            How::Complete => session.settle(id),
            How::Abandon(delay) => session.give_back(id, now + delay),
            How::Drop => session.give_back(id, now),
        }
        session.wake(now);
    }

    async fn start_anew(&mut self, clean: bool) {
        let Real::File(queue, dir) = &mut self.real else { return };
        if clean {
            queue.close().await.unwrap();
        }
        self.in_hand.clear();
        let dir = *dir;
        // The old one goes before the new one comes: a file has one owner.
        self.real = Real::Memory(MemoryQueue::new(Limits::MEMORY));
        self.real = Real::File(open(dir).await, dir);
        for session in self.model.sessions.values_mut() {
            if clean { session.restart() } else { session.crash() }
        }
    }

    fn compare_counts(&mut self) {
        let counts = self.real.ends().2;
        let sessions = || self.model.sessions.values().filter(|session| !session.waiting.is_empty());
        let all: usize = sessions().map(|session| session.waiting.len()).sum();
        let ghosts: usize =
            sessions().map(|session| session.waiting.iter().filter(|message| message.ghost).count()).sum();
        assert!((all - ghosts..=all).contains(&counts.depth), "{counts:?}, {all} with {ghosts} ghosts");
        if ghosts == 0 {
            assert_eq!(counts.sessions, sessions().count());
        }
    }

    /// Whatever happened before, everything that was accepted comes out.
    async fn drain(&mut self) {
        self.in_hand.clear();
        tokio::time::advance(Duration::from_secs(100)).await;
        while self.receive(3).await {
            while !self.in_hand.is_empty() {
                self.settle(0, How::Complete).await;
            }
        }
        self.compare_counts();
        assert_eq!(self.real.ends().2.depth, 0);
    }
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

async fn play(real: Real<'_>, steps: &[Step]) {
    let mut world = World { real, model: Model::default(), in_hand: Vec::new() };
    for step in steps {
        world.step(step).await;
    }
    world.drain().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn memory_does_what_the_model_does(steps in steps()) {
        let limits = Limits { lock: LOCK, ..Limits::MEMORY };
        paused().block_on(play(Real::Memory(MemoryQueue::new(limits)), &steps));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn the_file_does_what_the_model_does(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        paused().block_on(async {
            let queue = open(dir.path()).await;
            play(Real::File(queue, dir.path()), &steps).await;
        });
    }
}
