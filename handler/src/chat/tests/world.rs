//! A chat with its world: memory stores, a queue one can look into, a transport that writes down what it sent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use crate::adapters::LocalLinks;
use crate::adapters::faulty::{Faults, Faulty};
use crate::adapters::memory::{
    MemoryAttachments, MemoryAudit, MemoryDeadLetters, MemoryErasures, MemoryHandled, MemoryInbox,
    MemoryInvitations, MemoryLeases, MemoryLog, MemoryMembers, MemoryProfiles, MemoryReviews, MemoryRooms,
    MemorySanctions, MemoryUploads,
};
use crate::adapters::moderation::LocalModerator;
use crate::adapters::thresholds::Thresholds;
use crate::chat::{Caller, Chat, ChatOptions, NewRoom, PageRequest, Patience, Ports, Submission, Welcome};
use crate::contract::data::user;
use crate::model::{ConversationId, MessageId, RoomId, Timestamp, UserId};
use crate::ports::*;

pub(super) const START: u64 = 1_800_000_000_000;

/// A clock that moves when told, and ids that count.
pub(super) struct Ticker {
    now: AtomicU64,
    next: AtomicU64,
}

impl Ticker {
    pub(super) fn advance(&self, by: Duration) {
        self.now.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Ids from here on are another process's.
    pub(super) fn count_from(&self, first: u64) {
        self.next.store(first, Ordering::Relaxed);
    }
}

impl Clock for Ticker {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }
}

impl Ids for Ticker {
    fn message_id(&self) -> MessageId {
        MessageId::new(&format!("made-{}", self.next.fetch_add(1, Ordering::Relaxed))).unwrap()
    }
    fn room_id(&self) -> RoomId {
        RoomId::new(&format!("room-{}", self.next.fetch_add(1, Ordering::Relaxed))).unwrap()
    }
    fn token(&self) -> String {
        format!("{:032x}", self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// What was sent, in order: to groups (with whom it left out) and to connections.
#[derive(Default)]
pub(super) struct Wire {
    published: Mutex<Vec<(String, Value, Vec<String>)>>,
    sent: Mutex<Vec<(String, Value)>>,
    groups: Mutex<BTreeMap<String, BTreeSet<UserId>>>,
    /// Open connections and the groups each is in.
    connections: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// Groups that a connection may join by itself, each with the connection's id.
    rights: Mutex<BTreeSet<(String, String)>>,
    /// Whose connections cannot be taken out of anything.
    stuck: Mutex<BTreeSet<UserId>>,
}

impl Wire {
    /// A client is in, with all that `connect` answered.
    pub(super) fn welcomes(&self, connection: &str, welcome: &Welcome) {
        self.opens(connection, &welcome.groups);
        let groups = welcome.groups.iter().filter(|group| {
            welcome.roles.iter().any(|role| *role == crate::chat::groups::join_leave_role(group))
        });
        let mut rights = self.rights.lock().unwrap();
        rights.extend(groups.map(|group| (connection.to_owned(), group.clone())));
    }

    pub(super) fn may_join(&self, connection: &str, group: &str) -> bool {
        self.rights.lock().unwrap().contains(&(connection.to_owned(), group.to_owned()))
    }

    /// From now on, or no longer, the transport fails when the user is to be taken out of a group.
    pub(super) fn set_stuck(&self, user: &UserId, is_stuck: bool) {
        let mut stuck = self.stuck.lock().unwrap();
        if is_stuck {
            stuck.insert(user.clone())
        } else {
            stuck.remove(user)
        };
    }

    /// A client is in, with the groups that `connect` answered.
    pub(super) fn opens(&self, connection: &str, groups: &[String]) {
        let groups = groups.iter().cloned().collect();
        self.connections.lock().unwrap().insert(connection.to_owned(), groups);
    }

    /// A client is gone, and nobody is told.
    pub(super) fn vanishes(&self, connection: &str) {
        self.connections.lock().unwrap().remove(connection);
    }

    pub(super) fn is_in(&self, connection: &str, group: &str) -> bool {
        self.connections.lock().unwrap().get(connection).is_some_and(|groups| groups.contains(group))
    }
}

#[async_trait]
impl Transport for Wire {
    async fn publish(&self, group: &str, json: Bytes, excluded: &[String]) -> Result<(), TransportError> {
        let json = serde_json::from_slice(&json).unwrap();
        self.published.lock().unwrap().push((group.to_owned(), json, excluded.to_vec()));
        Ok(())
    }
    async fn send_to_connection(&self, connection: &str, json: Bytes) -> Result<(), TransportError> {
        let json = serde_json::from_slice(&json).unwrap();
        self.sent.lock().unwrap().push((connection.to_owned(), json));
        Ok(())
    }
    async fn admit(&self, user: &UserId, group: &str, connections: &[String]) -> Result<(), TransportError> {
        let mut live = self.connections.lock().unwrap();
        let joined = connections
            .iter()
            .filter_map(|id| live.get_mut(id).map(|groups| (id, groups.insert(group.to_owned()))));
        let rights = joined.map(|(id, _)| (id.clone(), group.to_owned()));
        self.rights.lock().unwrap().extend(rights);
        self.groups.lock().unwrap().entry(group.to_owned()).or_default().insert(user.clone());
        Ok(())
    }
    async fn expel(&self, user: &UserId, group: &str, connections: &[String]) -> Result<(), TransportError> {
        if self.stuck.lock().unwrap().contains(user) {
            return Err(TransportError::unavailable("it is stuck"));
        }
        for connection in connections {
            self.rights.lock().unwrap().remove(&(connection.clone(), group.to_owned()));
        }
        let mut live = self.connections.lock().unwrap();
        let left = connections.iter().filter_map(|id| live.get_mut(id).map(|groups| groups.remove(group)));
        left.count();
        self.groups.lock().unwrap().entry(group.to_owned()).or_default().remove(user);
        Ok(())
    }
    async fn close(&self, connection: &str, _: &str) -> Result<(), TransportError> {
        self.connections.lock().unwrap().remove(connection);
        Ok(())
    }
    async fn close_all(&self, user: &UserId, connections: &[String], _: &str) -> Result<(), TransportError> {
        let own = crate::chat::groups::user(user);
        let mut live = self.connections.lock().unwrap();
        live.retain(|connection, groups| !connections.contains(connection) && !groups.contains(&own));
        Ok(())
    }
    async fn connections_in(
        &self,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, TransportError> {
        let live = self.connections.lock().unwrap();
        let of_group = live.iter().filter(|(_, groups)| groups.contains(group)).map(|(id, _)| id);
        let behind = of_group.filter(|id| after.is_none_or(|after| id.as_str() > after));
        Ok(behind.take(limit).cloned().collect())
    }
    async fn client_access(&self, _: &UserId, _: &[String], _: &str) -> Result<ClientAccess, TransportError> {
        Ok(ClientAccess { url: String::new() })
    }
    fn connections(&self) -> Option<usize> {
        None
    }
    async fn check(&self) -> Result<(), TransportError> {
        Ok(())
    }
}

/// Keeps what was sent until a test takes it.
#[derive(Default)]
pub(super) struct Outbox(pub(super) Mutex<VecDeque<Outgoing>>, AtomicU64);

impl Outbox {
    /// Everything that waits, as first deliveries.
    pub(super) fn take(&self) -> Vec<Received> {
        self.0.lock().unwrap().drain(..).map(|outgoing| self.delivery(outgoing)).collect()
    }

    fn delivery(&self, outgoing: Outgoing) -> Received {
        Received {
            entity: outgoing.entity,
            message_id: Some(outgoing.message_id),
            session_id: Some(outgoing.session_id),
            sequence_number: Some(self.1.fetch_add(1, Ordering::Relaxed)),
            enqueued_at: Some(Timestamp::from_millis(START)),
            properties: outgoing.properties,
            body: outgoing.body,
            attempt: 1,
        }
    }
}

#[async_trait]
impl Queue for Outbox {
    async fn send(&self, message: Outgoing) -> Result<(), QueueError> {
        self.0.lock().unwrap().push_back(message);
        Ok(())
    }
    async fn check(&self) -> Result<(), QueueError> {
        Ok(())
    }
}

pub(super) struct World {
    /// Behind the faults, for looking.
    pub(super) truth: Ports,
    /// With the faults, as the chat has them.
    pub(super) faulty: Ports,
    pub(super) chat: Arc<Chat>,
    pub(super) options: ChatOptions,
    pub(super) store: Faults,
    pub(super) live: Faults,
    pub(super) queue: Faults,
    pub(super) wire: Arc<Wire>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) ticker: Arc<Ticker>,
    pub(super) files: Arc<MemoryAttachments>,
}

impl World {
    /// Anonymous, with the room `general`.
    pub(super) async fn open() -> Self {
        Self::with(ChatOptions { anonymous: true, ..ChatOptions::default() }).await
    }

    /// Only members send and read.
    pub(super) async fn members_only() -> Self {
        Self::with(ChatOptions::default()).await
    }

    /// Joining makes rooms.
    pub(super) async fn with_rooms_on_join() -> Self {
        Self::with(ChatOptions { anonymous: true, create_on_join: true, ..ChatOptions::default() }).await
    }

    /// Anonymous, and what everybody says is judged as it is by default.
    pub(super) async fn moderated() -> Self {
        let options = ChatOptions { anonymous: true, moderated: true, ..ChatOptions::default() };
        let mut world = Self::with(options).await;
        world.judged_by(Arc::new(LocalModerator::new(Thresholds::default())));
        world
    }

    /// Whoever judged before forgets everything.
    pub(super) fn judged_by(&mut self, moderator: Arc<dyn Moderator>) {
        self.truth.moderator = Arc::clone(&moderator);
        self.faulty.moderator = moderator;
        self.restart();
    }

    pub(super) async fn with(options: ChatOptions) -> Self {
        Self::on(options, |memory| memory).await
    }

    /// On other stores than memory's.
    pub(super) async fn on(options: ChatOptions, change: impl FnOnce(Ports) -> Ports) -> Self {
        let ticker = Arc::new(Ticker { now: AtomicU64::new(START), next: AtomicU64::new(0) });
        let (wire, outbox) = (Arc::new(Wire::default()), Arc::new(Outbox::default()));
        let links = LocalLinks::new(ticker.as_ref(), "http://here".to_owned(), Arc::clone(&ticker) as _);
        let files = Arc::new(MemoryAttachments::new(links));
        let truth = Ports {
            log: Arc::new(MemoryLog::new()),
            rooms: Arc::new(MemoryRooms::new()),
            members: Arc::new(MemoryMembers::new()),
            sanctions: Arc::new(MemorySanctions::new()),
            invitations: Arc::new(MemoryInvitations::new()),
            profiles: Arc::new(MemoryProfiles::new()),
            leases: Arc::new(MemoryLeases::new()),
            inbox: Arc::new(MemoryInbox::new()),
            letters: Arc::new(MemoryDeadLetters::new()),
            uploads: Arc::new(MemoryUploads::new()),
            attachments: Some(Arc::clone(&files) as _),
            reviews: Arc::new(MemoryReviews::new()),
            moderator: Arc::new(LocalModerator::of_rooms()),
            erasures: Arc::new(MemoryErasures::new()),
            audit: Arc::new(MemoryAudit::new()),
            handled: Arc::new(MemoryHandled::new()),
            queue: Arc::clone(&outbox) as _,
            transport: Arc::clone(&wire) as _,
            clock: Arc::clone(&ticker) as _,
            ids: Arc::clone(&ticker) as _,
        };
        let truth = change(truth);
        let (store, live, queue) = (Faults::default(), Faults::default(), Faults::default());
        let faulty = Ports {
            log: Arc::new(Faulty::new(Arc::clone(&truth.log), store.clone())),
            rooms: Arc::new(Faulty::new(Arc::clone(&truth.rooms), store.clone())),
            members: Arc::new(Faulty::new(Arc::clone(&truth.members), store.clone())),
            sanctions: Arc::new(Faulty::new(Arc::clone(&truth.sanctions), store.clone())),
            invitations: Arc::new(Faulty::new(Arc::clone(&truth.invitations), store.clone())),
            profiles: Arc::new(Faulty::new(Arc::clone(&truth.profiles), store.clone())),
            leases: Arc::new(Faulty::new(Arc::clone(&truth.leases), store.clone())),
            inbox: Arc::new(Faulty::new(Arc::clone(&truth.inbox), store.clone())),
            letters: Arc::new(Faulty::new(Arc::clone(&truth.letters), store.clone())),
            uploads: Arc::new(Faulty::new(Arc::clone(&truth.uploads), store.clone())),
            attachments: Some(Arc::new(Faulty::new(
                Arc::clone(&files) as Arc<dyn Attachments>,
                store.clone(),
            ))),
            reviews: Arc::new(Faulty::new(Arc::clone(&truth.reviews), store.clone())),
            erasures: Arc::new(Faulty::new(Arc::clone(&truth.erasures), store.clone())),
            audit: Arc::new(Faulty::new(Arc::clone(&truth.audit), store.clone())),
            handled: Arc::new(Faulty::new(Arc::clone(&truth.handled), store.clone())),
            queue: Arc::new(Faulty::new(Arc::clone(&truth.queue), queue.clone())),
            transport: Arc::new(Faulty::new(Arc::clone(&truth.transport), live.clone())),
            ..truth.clone()
        };
        let chat = Arc::new(Chat::new(faulty.clone(), options));
        chat.ensure_general().await.unwrap();
        Self { truth, faulty, chat, options, store, live, queue, wire, outbox, ticker, files }
    }

    /// The process dies and starts again: memory of its own is gone, stores stay.
    pub(super) fn restart(&mut self) {
        self.chat = Arc::new(Chat::new(self.faulty.clone(), self.options));
    }

    /// Another process on the same stores and transport, with faults of its own.
    pub(super) fn another_process(&self, faults: &Faults) -> Chat {
        let truth = &self.truth;
        let ports = Ports {
            log: Arc::new(Faulty::new(Arc::clone(&truth.log), faults.clone())),
            rooms: Arc::new(Faulty::new(Arc::clone(&truth.rooms), faults.clone())),
            members: Arc::new(Faulty::new(Arc::clone(&truth.members), faults.clone())),
            sanctions: Arc::new(Faulty::new(Arc::clone(&truth.sanctions), faults.clone())),
            invitations: Arc::new(Faulty::new(Arc::clone(&truth.invitations), faults.clone())),
            leases: Arc::new(Faulty::new(Arc::clone(&truth.leases), faults.clone())),
            transport: Arc::new(Faulty::new(Arc::clone(&truth.transport), faults.clone())),
            ..truth.clone()
        };
        Chat::new(ports, self.options)
    }

    /// These are the deployment's admins.
    pub(super) fn set_admins(&mut self, admins: &[&str]) {
        let admins: Vec<_> = admins.iter().map(|who| user(who)).collect();
        self.chat = Arc::new(Chat::new(self.faulty.clone(), self.options).with_admins(&admins));
    }

    pub(super) async fn room(&self, owner: &str, name: &str) -> RoomId {
        let new = NewRoom { name: name.to_owned(), ..NewRoom::default() };
        self.chat.create_room(&caller(owner), new, None).await.unwrap().id
    }

    pub(super) async fn private_room(&self, owner: &str, name: &str) -> RoomId {
        let new = NewRoom { name: name.to_owned(), is_private: true, ..NewRoom::default() };
        self.chat.create_room(&caller(owner), new, None).await.unwrap().id
    }

    /// Accepts a room message and answers what the queue has of it.
    pub(super) async fn accept(&self, sender: &str, room: &str, id: &str, content: &str) -> Received {
        self.chat.send_message(&caller(sender), to_room(room, id, content), None).await.unwrap();
        self.outbox.take().pop().unwrap()
    }

    pub(super) async fn accept_direct(&self, from: &str, to: &str, id: &str, content: &str) -> Received {
        self.chat.send_message(&caller(from), to_user(to, id, content), None).await.unwrap();
        self.outbox.take().pop().unwrap()
    }

    /// Accepts and delivers.
    pub(super) async fn say(&self, sender: &str, room: &str, id: &str, content: &str) {
        let received = self.accept(sender, room, id, content).await;
        self.deliver(&[received]).await;
    }

    pub(super) async fn deliver(&self, batch: &[Received]) {
        self.chat.deliver(batch, Patience::Forever).await.unwrap();
    }

    /// Contents of a conversation, straight from the log.
    pub(super) async fn contents(&self, conversation: &ConversationId) -> Vec<String> {
        let page = self.truth.log.messages(conversation, Page::After(0), 100_000).await.unwrap();
        page.map(|page| page.messages).unwrap_or_default().into_iter().map(|m| m.message.content).collect()
    }

    /// Ids of the messages in a caller's room history, as JSON readers see them.
    pub(super) async fn history(&self, reader: &str, room: &str) -> Value {
        let history = self.chat.room_history(&caller(reader), room, PageRequest::default()).await.unwrap();
        serde_json::to_value(history).unwrap()
    }

    pub(super) async fn letters(&self, kind: LetterKind) -> Vec<NewLetter> {
        let letters = self.truth.letters.list(kind, None, 100_000).await.unwrap();
        letters.into_iter().map(|letter| letter.letter).collect()
    }

    /// Everything published to a group so far.
    pub(super) fn heard(&self, group: &str) -> Vec<Value> {
        let published = self.wire.published.lock().unwrap();
        published.iter().filter(|(to, ..)| to == group).map(|(_, json, _)| json.clone()).collect()
    }

    pub(super) fn heard_ids(&self, group: &str) -> Vec<String> {
        let messages = self.heard(group).into_iter().filter(|frame| frame["type"] == "message");
        messages.map(|frame| frame["id"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) fn excluded(&self, group: &str, id: &str) -> Vec<String> {
        let published = self.wire.published.lock().unwrap();
        let found = published.iter().find(|(to, json, _)| to == group && json["id"] == id);
        found.map(|(.., excluded)| excluded.clone()).unwrap()
    }

    /// Whom the last frame to the group left out.
    pub(super) fn excluded_from_last(&self, group: &str) -> Vec<String> {
        let published = self.wire.published.lock().unwrap();
        published.iter().rfind(|(to, ..)| to == group).map(|(.., excluded)| excluded.clone()).unwrap()
    }

    pub(super) fn sent_to(&self, connection: &str) -> Vec<Value> {
        let sent = self.wire.sent.lock().unwrap();
        sent.iter().filter(|(to, _)| to == connection).map(|(_, json)| json.clone()).collect()
    }

    pub(super) fn is_live_in(&self, who: &str, group: &str) -> bool {
        self.wire.groups.lock().unwrap().get(group).is_some_and(|users| users.contains(&user(who)))
    }

    /// `seq` of the messages of a room.
    pub(super) async fn seqs(&self, room: &str) -> Vec<u64> {
        let conversation = RoomId::new(room).unwrap().conversation();
        let page = self.truth.log.messages(&conversation, Page::After(0), 100_000).await.unwrap().unwrap();
        page.messages.iter().map(|message| message.seq).collect()
    }

    pub(super) async fn head(&self, conversation: &ConversationId) -> crate::model::Head {
        self.truth.log.head(conversation).await.unwrap().unwrap()
    }
}

pub(super) fn caller(who: &str) -> Caller {
    Caller::request(user(who))
}

pub(super) fn admin(who: &str) -> Caller {
    Caller { is_admin: true, ..caller(who) }
}

pub(super) fn socket(who: &str, connection: &str) -> Caller {
    Caller::socket(user(who), connection)
}

pub(super) fn to_room(room: &str, id: &str, content: &str) -> Submission {
    Submission {
        room: Some(room.to_owned()),
        message_id: Some(id.to_owned()),
        content: Some(content.to_owned()),
        ..Submission::default()
    }
}

pub(super) fn to_user(receiver: &str, id: &str, content: &str) -> Submission {
    Submission { room: None, receiver: Some(receiver.to_owned()), ..to_room("", id, content) }
}

pub(super) fn pair(one: &str, other: &str) -> ConversationId {
    ConversationId::direct(&user(one), &user(other))
}

/// A body of a foreign producer, as the broker hands it over.
pub(super) fn foreign(entity: Entity, body: impl Into<Vec<u8>>) -> Received {
    Received {
        entity,
        message_id: Some("broker-1".to_owned()),
        session_id: Some("s".to_owned()),
        sequence_number: Some(7),
        enqueued_at: Some(Timestamp::from_millis(START)),
        properties: Properties::new(),
        body: Bytes::from(body.into()),
        attempt: 1,
    }
}
