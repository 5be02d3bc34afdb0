use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

/// The order of things in an embedded queue: what waits in which session, who holds it, which session is next. It keeps
/// no bodies of its own and does no I/O; `P` is whatever the adapter needs to find a message.
///
/// Each session with messages is in one of three states: ready (and in `ready` once), held, or paused (the latter two
/// with an alarm). Sessions without messages are not kept.
pub(super) struct Sessions<P> {
    by_id: HashMap<Arc<str>, Session<P>>,
    /// First in, first served, and a session that was served goes to the end: nobody starves.
    ready: VecDeque<Arc<str>>,
    /// When a held session is taken from its holder, or a paused one goes on.
    alarms: BTreeSet<(Instant, Arc<str>)>,
    last_hold: u64,
    waiting: usize,
}

struct Session<P> {
    waiting: VecDeque<Item<P>>,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    Ready,
    Held(Hold),
    Paused,
}

#[derive(Clone, Copy)]
struct Hold {
    id: u64,
    /// How many are in hand: always the first ones that wait.
    in_hand: usize,
    until: Instant,
    /// What was given back does not come again before.
    resume: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item<P> {
    pub(super) sequence: u64,
    /// Deliveries so far, the present one included.
    pub(super) attempt: u32,
    /// What it counts for in the queue's bounds.
    pub(super) bytes: usize,
    pub(super) place: P,
}

/// The next messages of one session, and the right to settle them.
#[derive(Debug)]
pub(super) struct Batch<P> {
    pub(super) session: Arc<str>,
    pub(super) hold: u64,
    pub(super) items: Vec<Item<P>>,
}

impl<P: Clone> Sessions<P> {
    pub(super) fn new() -> Self {
        Self {
            by_id: HashMap::new(),
            ready: VecDeque::new(),
            alarms: BTreeSet::new(),
            last_hold: 0,
            waiting: 0,
        }
    }

    /// Messages that wait or are in hand.
    pub(super) fn depth(&self) -> usize {
        self.waiting
    }

    /// Sessions that have any.
    pub(super) fn count(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn next_alarm(&self) -> Option<Instant> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// Puts a message at the end of its session.
    pub(super) fn push(&mut self, id: &str, item: Item<P>) {
        self.waiting += 1;
        if let Some(session) = self.by_id.get_mut(id) {
            session.waiting.push_back(item);
            return;
        }
        let id: Arc<str> = Arc::from(id);
        self.ready.push_back(id.clone());
        self.by_id.insert(id, Session { waiting: VecDeque::from([item]), state: State::Ready });
    }

    /// Takes up to `max` messages (at least one) of the session that waited longest, to be settled before `until`.
    pub(super) fn take(&mut self, max: usize, now: Instant, until: Instant) -> Option<Batch<P>> {
        let id = self.ready.pop_front()?;
        let session = self.by_id.get_mut(&id)?;
        let in_hand = session.waiting.len().min(max.max(1));
        self.last_hold += 1;
        let hold = Hold { id: self.last_hold, in_hand, until, resume: now };
        session.state = State::Held(hold);
        self.alarms.insert((until, id.clone()));
        let deliver = |item: &mut Item<P>| {
            item.attempt = item.attempt.saturating_add(1);
            item.clone()
        };
        let items = session.waiting.iter_mut().take(in_hand).map(deliver).collect();
        Some(Batch { session: id, hold: hold.id, items })
    }

    /// Moves the end of a hold to `until`. `false`: it is over already.
    pub(super) fn renew(&mut self, id: &str, hold: u64, until: Instant) -> bool {
        let Some((id, session)) = self.by_id.get_key_value(id) else { return false };
        let State::Held(held) = session.state else { return false };
        if held.id != hold {
            return false;
        }
        let id = id.clone();
        self.alarms.remove(&(held.until, id.clone()));
        self.alarms.insert((until, id.clone()));
        if let Some(session) = self.by_id.get_mut(&id) {
            session.state = State::Held(Hold { until, ..held });
        }
        true
    }

    /// Removes a message that is in hand. `None`: it is in that hold no longer, and stays.
    pub(super) fn settle(&mut self, id: &str, hold: u64, sequence: u64, now: Instant) -> Option<Item<P>> {
        let (session, held, place) = self.in_hand(id, hold, sequence)?;
        let item = session.waiting.remove(place)?;
        session.state = State::Held(Hold { in_hand: held.in_hand - 1, ..held });
        self.waiting -= 1;
        self.end_if_done(id, now);
        Some(item)
    }

    /// Gives back a message that is in hand, and those behind it; the session goes on at `resume`.
    pub(super) fn give_back(&mut self, id: &str, hold: u64, sequence: u64, resume: Instant, now: Instant) {
        if let Some((session, held, place)) = self.in_hand(id, hold, sequence) {
            session.state = State::Held(Hold { in_hand: place, resume: held.resume.max(resume), ..held });
            self.end_if_done(id, now);
        }
    }

    /// Does what the alarms that are due say. Every other call relies on this having been called for its `now`.
    pub(super) fn wake(&mut self, now: Instant) {
        while self.next_alarm().is_some_and(|at| at <= now) {
            let Some((_, id)) = self.alarms.pop_first() else { return };
            let Some(session) = self.by_id.get_mut(&id) else { continue };
            match session.state {
                State::Held(hold) => self.end(id, hold, now),
                State::Paused | State::Ready => self.make_ready(id),
            }
        }
    }

    fn in_hand(&mut self, id: &str, hold: u64, sequence: u64) -> Option<(&mut Session<P>, Hold, usize)> {
        let session = self.by_id.get_mut(id)?;
        let State::Held(held) = session.state else { return None };
        if held.id != hold {
            return None;
        }
        let place = session.waiting.iter().take(held.in_hand).position(|item| item.sequence == sequence)?;
        Some((session, held, place))
    }

    fn end_if_done(&mut self, id: &str, now: Instant) {
        let Some((id, session)) = self.by_id.get_key_value(id) else { return };
        if let State::Held(hold) = session.state
            && hold.in_hand == 0
        {
            let id = id.clone();
            self.alarms.remove(&(hold.until, id.clone()));
            self.end(id, hold, now);
        }
    }

    /// A hold is over, its alarm is gone.
    fn end(&mut self, id: Arc<str>, hold: Hold, now: Instant) {
        let Some(session) = self.by_id.get_mut(&id) else { return };
        if session.waiting.is_empty() {
            self.by_id.remove(&id);
        } else if hold.resume > now {
            session.state = State::Paused;
            self.alarms.insert((hold.resume, id));
        } else {
            self.make_ready(id);
        }
    }

    fn make_ready(&mut self, id: Arc<str>) {
        if let Some(session) = self.by_id.get_mut(&id) {
            session.state = State::Ready;
            self.ready.push_back(id);
        }
    }
}
