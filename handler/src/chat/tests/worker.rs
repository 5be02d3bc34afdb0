use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::adapters::queue::{Limits, MemoryQueue};
use crate::chat::{Chat, Ports};
use crate::contract::data::conversation;
use crate::model::{Change, ConversationId, Head, Marker, MessageState, Timestamp, UserId};
use crate::ports::*;
use crate::worker::{Worker, WorkerOptions};

const OPTIONS: WorkerOptions = WorkerOptions { sessions: 8, batch: 32, is_under_host: false };

/// A chat whose queue is the embedded one.
fn chat_with_queue(world: &World, ports: &Ports) -> (Arc<Chat>, Arc<MemoryQueue>) {
    let queue = Arc::new(MemoryQueue::new(Limits::MEMORY));
    let ports = Ports { queue: Arc::clone(&queue) as _, ..ports.clone() };
    (Arc::new(Chat::new(ports, world.options)), queue)
}

async fn until(mut done: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(600), wait).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_empties_the_queue_in_order_and_stops_when_told() {
    let world = World::open().await;
    let (chat, queue) = chat_with_queue(&world, &world.faulty);
    let worker = Worker::start(Arc::clone(&chat), Arc::clone(&queue) as _, OPTIONS);
    for n in 0..200 {
        let to = to_user(&format!("user-{}", n % 10), &format!("{n:03}"), &format!("{n:03}"));
        chat.send_message(&caller("ann"), to, None).await.unwrap();
    }
    until(async || queue.counts().depth == 0).await;
    for user in 0..10 {
        let contents = world.contents(&pair("ann", &format!("user-{user}"))).await;
        let wanted: Vec<_> = (0..20).map(|n| format!("{:03}", n * 10 + user)).collect();
        assert_eq!(contents, wanted);
    }
    worker.stop().await;
    chat.send_message(&caller("ann"), to_user("bob", "late", "late"), None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(queue.counts().depth, 1, "nothing is taken after the stop");
}

#[tokio::test(start_paused = true)]
async fn it_waits_without_end_and_stopping_finishes_what_is_in_hand() {
    let world = World::open().await;
    let (chat, queue) = chat_with_queue(&world, &world.faulty);
    let worker = Worker::start(Arc::clone(&chat), Arc::clone(&queue) as _, OPTIONS);
    world.store.set(Mode::FailAll);
    for n in 0..10 {
        chat.send_message(&caller("ann"), to_user("bob", &format!("{n}"), &format!("{n}")), None)
            .await
            .unwrap();
    }
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    world.store.set(Mode::Quiet);
    until(async || world.contents(&pair("ann", "bob")).await.len() == 10).await;
    worker.stop().await;
    until(async || world.contents(&pair("ann", "bob")).await.len() == 10).await;
    let contents = world.contents(&pair("ann", "bob")).await;
    assert_eq!(contents, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert!(world.letters(LetterKind::Dead).await.is_empty());
    assert_eq!(chat.counters().duplicates.get(), 0, "nobody else was given the messages meanwhile");
}

#[tokio::test(start_paused = true)]
async fn giving_up_on_a_stop_gives_back_what_is_in_hand() {
    let world = World::open().await;
    let (chat, queue) = chat_with_queue(&world, &world.faulty);
    let worker = Worker::start(Arc::clone(&chat), Arc::clone(&queue) as _, OPTIONS);
    world.store.set(Mode::FailAll);
    chat.send_message(&caller("ann"), to_user("bob", "m1", "hi"), None).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(tokio::time::timeout(Duration::from_secs(2), worker.stop()).await.is_err());
    let taken = tokio::time::timeout(Duration::from_secs(1), queue.receive(9)).await.unwrap();
    assert_eq!(taken[0].message().attempt, 2);
}

/// A log that panics on some content.
struct Explosive(Arc<dyn Log>);

#[async_trait]
impl Log for Explosive {
    async fn open(&self, conversation: &ConversationId) -> Result<Head, StoreError> {
        self.0.open(conversation).await
    }
    async fn append(&self, to: &ConversationId, entries: Vec<NewEntry>) -> Result<Vec<Outcome>, LogError> {
        let explodes = |entry: &NewEntry| matches!(&entry.change, Change::Message(m) if m.content == "boom");
        assert!(!entries.iter().any(explodes), "boom");
        self.0.append(to, entries).await
    }
    async fn find(&self, of: &ConversationId, marker: &Marker) -> Result<Option<Position>, StoreError> {
        self.0.find(of, marker).await
    }
    async fn head(&self, conversation: &ConversationId) -> Result<Option<Head>, StoreError> {
        self.0.head(conversation).await
    }
    async fn messages(
        &self,
        of: &ConversationId,
        page: Page,
        n: usize,
    ) -> Result<Option<MessagePage>, StoreError> {
        self.0.messages(of, page, n).await
    }
    async fn entries(
        &self,
        of: &ConversationId,
        after: u64,
        n: usize,
    ) -> Result<Option<EntryPage>, StoreError> {
        self.0.entries(of, after, n).await
    }
    async fn states(
        &self,
        conversation: &ConversationId,
        seqs: &[u64],
    ) -> Result<Vec<MessageState>, StoreError> {
        self.0.states(conversation, seqs).await
    }
    async fn mark_sent(&self, conversation: &ConversationId, seq: u64) -> Result<(), StoreError> {
        self.0.mark_sent(conversation, seq).await
    }
    async fn trim(&self, conversation: &ConversationId, seq: u64) -> Result<(), StoreError> {
        self.0.trim(conversation, seq).await
    }
    async fn redact(
        &self,
        of: &ConversationId,
        user: &UserId,
        seqs: &[u64],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.0.redact(of, user, seqs, now).await
    }
    async fn conversations(
        &self,
        after: Option<&ConversationId>,
        n: usize,
    ) -> Result<Vec<ConversationId>, StoreError> {
        self.0.conversations(after, n).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_retried_and_parked_after_many_deliveries_without_holding_up_the_rest() {
    let world = World::open().await;
    let ports = Ports { log: Arc::new(Explosive(Arc::clone(&world.truth.log))), ..world.faulty.clone() };
    let (chat, queue) = chat_with_queue(&world, &ports);
    let worker = Worker::start(Arc::clone(&chat), Arc::clone(&queue) as _, OPTIONS);
    for (id, content) in [("m1", "before"), ("m2", "boom"), ("m3", "after")] {
        chat.send_message(&caller("ann"), to_room("general", id, content), None).await.unwrap();
    }
    chat.send_message(&caller("ann"), to_user("bob", "d1", "elsewhere"), None).await.unwrap();
    until(async || queue.counts().depth == 0).await;
    assert_eq!(world.contents(&conversation("general")).await, ["before", "after"]);
    assert_eq!(world.contents(&pair("ann", "bob")).await, ["elsewhere"]);
    let letters = world.letters(LetterKind::Waiting).await;
    assert_eq!((letters.len(), letters[0].code.as_str()), (1, "too_many_deliveries"));
    assert_eq!(letters[0].delivery_count, 21);
    assert!(chat.counters().panics.get() >= 21);
    worker.stop().await;
}
