//! Whatever fails, before or after its effect, and whenever the process dies: what was accepted is there once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::chat::Patience;
use crate::contract::data::{conversation, user};
use crate::model::{Change, ConversationId};
use crate::ports::{LetterKind, Received};

#[derive(Clone, Debug)]
enum Step {
    /// Sends by the queue, to a room (0, 1) or directly to the next user (2).
    Send {
        sender: usize,
        to: usize,
    },
    /// Sends over a socket.
    SendLive {
        sender: usize,
        to: usize,
    },
    /// Delivers up to so many messages of a session.
    Deliver {
        session: usize,
        count: usize,
    },
    /// Delivers, and dies so many polls later.
    DeliverAndCrash {
        session: usize,
        polls: usize,
    },
    JoinOrLeave {
        who: usize,
        join: bool,
    },
    Faults {
        seed: u64,
        before: u8,
        after: u8,
    },
    Restart,
}

const USERS: [&str; 3] = ["ann", "bob", "cat"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_usize, 0..3_usize).prop_map(|(sender, to)| Step::Send { sender, to }),
        2 => (0..3_usize, 0..3_usize).prop_map(|(sender, to)| Step::SendLive { sender, to }),
        4 => (0..8_usize, 1..5_usize).prop_map(|(session, count)| Step::Deliver { session, count }),
        2 => (0..8_usize, 0..30_usize).prop_map(|(session, polls)| Step::DeliverAndCrash { session, polls }),
        1 => (0..3_usize, any::<bool>()).prop_map(|(who, join)| Step::JoinOrLeave { who, join }),
        1 => (any::<u64>(), 0..30_u8, 0..30_u8).prop_map(|(seed, before, after)| Step::Faults { seed, before, after }),
        1 => Just(Step::Restart),
    ]
}

/// The broker of this test: sessions in order, at least once, and everything that was ever handed out may come again.
#[derive(Default)]
struct Broker {
    sessions: BTreeMap<String, Vec<Received>>,
}

impl Broker {
    fn take_in(&mut self, world: &World) {
        for received in world.outbox.take() {
            self.sessions.entry(received.session_id.clone().unwrap()).or_default().push(received);
        }
    }

    fn session(&self, index: usize) -> Option<String> {
        let waiting: Vec<_> = self.sessions.iter().filter(|(_, waiting)| !waiting.is_empty()).collect();
        waiting.get(index % waiting.len().max(1)).map(|(id, _)| (*id).clone())
    }

    fn hand_out(&mut self, session: &str, count: usize) -> Vec<Received> {
        let waiting = self.sessions.get_mut(session).unwrap();
        let batch = waiting.iter_mut().take(count).map(|received| {
            let handed = received.clone();
            received.attempt += 1;
            handed
        });
        batch.collect()
    }

    fn complete(&mut self, session: &str, count: usize) {
        self.sessions.get_mut(session).unwrap().drain(..count);
    }
}

/// Who said what, in which order, as far as they were told that it was accepted.
#[derive(Default)]
struct Accepted(BTreeMap<(ConversationId, &'static str), Vec<String>>);

struct Run {
    world: World,
    broker: Broker,
    rooms: [String; 2],
    queued: Accepted,
    live: Accepted,
    next: usize,
}

impl Run {
    async fn new() -> Self {
        let world = World::members_only().await;
        let secret = world.private_room("ann", "Secret").await.to_string();
        for who in USERS {
            world.chat.join_room(&caller(who), "general").await.unwrap();
        }
        let rooms = ["general".to_owned(), secret];
        Self {
            world,
            broker: Broker::default(),
            rooms,
            queued: Accepted::default(),
            live: Accepted::default(),
            next: 0,
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Send { sender, to } => {
                let (target, submission, id) = self.submission(sender, to);
                if self.world.chat.send_message(&caller(USERS[sender]), submission, None).await.is_ok() {
                    self.queued.0.entry((target, USERS[sender])).or_default().push(id);
                }
                self.broker.take_in(&self.world);
            }
            Step::SendLive { sender, to } => {
                let (target, submission, id) = self.submission(sender, to);
                let payload = serde_json::json!({"room_id": submission.room, "to": submission.receiver, "id": id,
                    "content": submission.content});
                let (by, payload) = (socket(USERS[sender], "c"), payload.to_string());
                let sent = self.world.chat.event(&by, "send", payload.as_bytes()).await;
                if sent.is_ok() {
                    self.live.0.entry((target, USERS[sender])).or_default().push(id);
                }
            }
            Step::Deliver { session, count } => {
                if let Some(session) = self.broker.session(session) {
                    let batch = self.broker.hand_out(&session, count);
                    let patience = Patience::Until(Duration::from_secs(1));
                    if self.world.chat.deliver(&batch, patience).await.is_ok() {
                        self.broker.complete(&session, batch.len());
                    }
                }
            }
            Step::DeliverAndCrash { session, polls } => {
                if let Some(session) = self.broker.session(session) {
                    let batch = self.broker.hand_out(&session, 3);
                    let chat = std::sync::Arc::clone(&self.world.chat);
                    let delivery = tokio::spawn(async move { chat.deliver(&batch, Patience::Forever).await });
                    for _ in 0..polls {
                        tokio::task::yield_now().await;
                    }
                    delivery.abort();
                    let _ = delivery.await;
                    self.world.restart();
                }
            }
            Step::JoinOrLeave { who, join } => {
                let who = caller(USERS[who]);
                let _ = if join {
                    self.world.chat.join_room(&who, "general").await
                } else {
                    self.world.chat.leave_room(&who, "general").await
                };
            }
            Step::Faults { seed, before, after } => {
                let mode = Mode::Random { seed, percent_before: before, percent_after: after };
                for faults in [&self.world.store, &self.world.live, &self.world.queue] {
                    faults.set(mode);
                }
            }
            Step::Restart => self.world.restart(),
        }
    }

    fn submission(&mut self, sender: usize, to: usize) -> (ConversationId, crate::chat::Submission, String) {
        self.next += 1;
        let id = format!("{:04}", self.next);
        match self.rooms.get(to) {
            Some(room) => (conversation(room), to_room(room, &id, &id), id),
            None => {
                let receiver = USERS[(sender + 1) % USERS.len()];
                (pair(USERS[sender], receiver), to_user(receiver, &id, &id), id)
            }
        }
    }

    /// Everything works again and the broker hands out what it has.
    async fn settle(&mut self) {
        for faults in [&self.world.store, &self.world.live, &self.world.queue] {
            faults.set(Mode::Quiet);
        }
        while let Some(session) = self.broker.session(0) {
            let batch = self.broker.hand_out(&session, 10);
            self.world.chat.deliver(&batch, Patience::Until(Duration::from_secs(60))).await.unwrap();
            self.broker.complete(&session, batch.len());
        }
    }

    async fn check(&self) {
        let rejected = self.world.letters(LetterKind::Rejected).await;
        assert!(rejected.iter().all(|letter| !letter.reason.is_empty()));
        assert!(self.world.letters(LetterKind::Dead).await.is_empty());
        let conversations: BTreeSet<_> =
            self.queued.0.keys().chain(self.live.0.keys()).map(|(c, _)| c).collect();
        for conversation in conversations {
            let said = self.check_log(conversation).await;
            for (way, is_queue) in [(&self.queued, true), (&self.live, false)] {
                for ((_, sender), ids) in way.0.iter().filter(|((c, _), _)| c == conversation) {
                    self.check_sender(&said, sender, ids, is_queue, &rejected);
                }
            }
            if conversation.is_direct() {
                self.check_inbox(conversation).await;
            }
        }
    }

    /// Gap-free and without doubles, and heard by somebody: answers (sender, id) in order.
    async fn check_log(&self, conversation: &ConversationId) -> Vec<(String, String)> {
        let Some(page) = self.world.truth.log.entries(conversation, 0, 100_000).await.unwrap() else {
            return Vec::new();
        };
        let (mut said, mut number) = (Vec::new(), 0);
        let heard: BTreeSet<u64> = {
            let groups = match conversation.room() {
                Some(room) => vec![format!("room_{room}")],
                None => USERS.iter().map(|user| format!("user_{user}")).collect(),
            };
            let frames = groups.iter().flat_map(|group| self.world.heard(group));
            let own = frames
                .filter(|f| conversation.room().is_some() || f["conversation"] == conversation.as_str());
            own.filter_map(|frame| frame["seq"].as_u64()).collect()
        };
        for (index, entry) in page.entries.iter().enumerate() {
            assert_eq!(entry.seq, index as u64 + 1);
            if let Change::Message(message) = &entry.change {
                number += 1;
                said.push((message.sender.to_string(), message.id.to_string()));
            }
            assert_eq!(entry.number, number);
            if entry.seq <= page.head.sent {
                assert!(heard.contains(&entry.seq), "{conversation} {} is marked as sent", entry.seq);
            }
        }
        let unique: BTreeSet<_> = said.iter().collect();
        assert_eq!(unique.len(), said.len(), "no message twice");
        said
    }

    fn check_sender(
        &self,
        said: &[(String, String)],
        sender: &str,
        ids: &[String],
        is_queue: bool,
        rejected: &[crate::ports::NewLetter],
    ) {
        let is_rejected =
            |id: &str| rejected.iter().any(|l| l.body.contains(&format!("\"MessageID\":\"{id}\"")));
        let place = |id: &str| said.iter().position(|(by, what)| by == sender && what == id);
        let mut places = Vec::new();
        for id in ids {
            match place(id) {
                Some(place) => {
                    assert!(!is_rejected(id), "{id} is in history and among the rejected");
                    places.push(place);
                }
                None => assert!(is_queue && is_rejected(id), "{id} of {sender} is lost"),
            }
        }
        assert!(places.is_sorted(), "{sender}'s order: {places:?}");
    }

    /// Once for what was accepted. What failed towards its sender and was not repeated waits for the next append.
    async fn check_inbox(&self, conversation: &ConversationId) {
        let page = self.world.truth.log.messages(conversation, crate::ports::Page::After(0), 100_000).await;
        for message in page.unwrap().unwrap().messages.into_iter().map(|state| state.message) {
            let sender = USERS.iter().position(|user| *user == message.sender.as_str()).unwrap();
            let receiver = user(USERS[(sender + 1) % USERS.len()]);
            let inbox = self.world.truth.inbox.list(&receiver, None, None, 100_000).await.unwrap();
            let is_it = |item: &&crate::ports::InboxItem| {
                item.conversation == *conversation && item.message.id == message.id
            };
            let rows = inbox.iter().filter(is_it).count();
            let key = (conversation.clone(), USERS[sender]);
            let ways = [&self.queued, &self.live].into_iter().filter_map(|way| way.0.get(&key));
            let is_accepted = ways.flatten().any(|id| id == message.id.as_str());
            assert!(
                rows == 1 || rows == 0 && !is_accepted,
                "{} {rows} times in {receiver}'s inbox",
                message.id
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_doubled_or_swapped(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new().await;
            for step in steps {
                run.take(step).await;
            }
            run.settle().await;
            run.check().await;
        });
    }
}
