//! What happened in many conversations behind the caller's cursors, in one answer: how a client catches up after it was away.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::access::room_id;
use super::budget::Budget;
use super::fields::{Field, Fields};
use super::history::{Gap, page_length};
use super::members::user_in;
use super::scene::Scene;
use super::{Caller, Chat, Refused, view};
use crate::chance::chance;
use crate::model::{Change, ConversationId, Entry, Head, bounds};
use crate::ports::{EntryPage, StoreError};

/// Conversations read at once.
const READ_AT_ONCE: usize = 16;
/// Entries held in memory at once, over all that are being read: 12 MiB of the longest.
const ENTRIES_AT_ONCE: usize = 128;
/// Clients that lost their connections together come back spread over this time.
const JITTER_MILLIS: f64 = 15_000.0;

/// Cursors as somebody gives them, read but not yet judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncRequest {
    /// By conversation; what is wanted is behind them.
    pub cursors: Vec<(String, u64)>,
    /// The same for direct conversations, by the other user: from their conversation's id nobody can tell who is in it.
    pub with: Vec<(String, u64)>,
    /// Entries over all conversations: clamped to 2,000; 500 when absent.
    pub limit: Option<usize>,
}

impl SyncRequest {
    /// Reads `{"cursors":{conversation: seq},"with":{user: seq},"limit"?}`.
    pub fn from_json(body: &[u8]) -> Result<Self, Refused> {
        Self::take(&mut Fields::read(body)?)
    }

    pub(super) fn take(fields: &mut Fields) -> Result<Self, Refused> {
        let cursors = fields.numbers(Field::Cursors)?;
        let with = fields.numbers(Field::With)?;
        if cursors.is_none() && with.is_none() {
            return Err(Refused::invalid("missing_field", "cursors", "cursors is missing."));
        }
        let limit = fields.number(Field::Limit)?;
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(Self { cursors: cursors.unwrap_or_default(), with: with.unwrap_or_default(), limit })
    }
}

/// Serialises as `{"conversations":{id:{"entries":[…],"gap"?,"head":{"seq","number"},"next"?,"error"?}},"more","jitter_ms"}`.
/// The entries are the frames that were sent live.
#[derive(Debug)]
pub struct Sync {
    conversations: Vec<Part>,
    /// Some conversation has a `next`.
    pub more: bool,
    /// What a client adds to its minute before it asks again, another one each time.
    pub jitter_ms: u64,
}

/// A conversation's id as it was asked for, and what is told of it.
type Part = (String, Result<Synced, Refused>);

/// One conversation's part of the answer.
#[derive(Debug, Serialize)]
struct Synced {
    #[serde(skip)]
    id: ConversationId,
    #[serde(skip)]
    scene: Scene,
    /// Everything up to here is told: by the entries, by the gap, or by the caller, who knew it.
    #[serde(skip)]
    reached: u64,
    #[serde(skip)]
    ended: bool,
    entries: Vec<Box<RawValue>>,
    /// What is not there any more and would stand before the entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<Gap>,
    #[serde(serialize_with = "seq_and_number")]
    head: Head,
    /// The cursor is beyond the head: it is not of this log.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ahead: bool,
    /// The cursor to go on with; none where there is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

fn seq_and_number<S: Serializer>(head: &Head, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(2))?;
    map.serialize_entry("seq", &head.seq)?;
    map.serialize_entry("number", &head.count)?;
    map.end()
}

impl Chat {
    /// Everything behind the cursors, in the order of `seq`, as far as one answer holds it: the room in it is divided among
    /// the conversations, and `next` goes on. What retention removed is declared as a gap. A conversation that is refused
    /// says so in its place and keeps nothing from the others.
    pub async fn sync(&self, caller: &Caller, request: SyncRequest) -> Result<Sync, Refused> {
        let limit = page_length(request.limit, bounds::SYNC_ENTRIES_DEFAULT, bounds::SYNC_ENTRIES_MAX)?;
        let mut conversations = self.open_all(caller, request).await?;
        let mut budget = Budget::new(limit);
        // Beginning anywhere, lest a busy conversation be served before the same others every time.
        let start = (chance() * conversations.len() as f64) as usize;
        let start = start.min(conversations.len());
        conversations.rotate_left(start);
        while self.read_round(&mut conversations, &mut budget).await {}
        conversations.rotate_right(start);
        if !conversations.is_empty()
            && conversations.iter().all(|(_, part)| part.as_ref().is_err_and(Refused::is_unavailable))
            && let Some((_, Err(refused))) = conversations.pop()
        {
            return Err(refused);
        }
        for (_, synced) in &mut conversations {
            if let Ok(synced) = synced {
                synced.next = (synced.reached < synced.head.seq).then_some(synced.reached);
            }
        }
        let more = conversations.iter().any(|(_, part)| part.as_ref().is_ok_and(|part| part.next.is_some()));
        Ok(Sync { conversations, more, jitter_ms: (chance() * JITTER_MILLIS) as u64 })
    }

    /// Who may read what, in the order asked.
    async fn open_all(&self, caller: &Caller, request: SyncRequest) -> Result<Vec<Part>, Refused> {
        if request.cursors.len() + request.with.len() > bounds::SYNC_CURSORS {
            let sentence = format!("At most {} conversations at once.", bounds::SYNC_CURSORS);
            return Err(Refused::too_large("too_many_cursors", "cursors", sentence));
        }
        let mut seen = BTreeSet::new();
        let mut conversations = Vec::with_capacity(request.cursors.len() + request.with.len());
        for (other, cursor) in request.with {
            let other = user_in("with", &other)?;
            let id = ConversationId::direct(&caller.user, &other);
            if seen.insert(id.to_string()) {
                let scene = Scene::Pair(id.clone(), caller.user.clone(), other);
                conversations.push((id.to_string(), Ok(Synced::new(id, scene, cursor))));
            }
        }
        let rooms = request.cursors.into_iter().filter(|(id, _)| seen.insert(id.clone()));
        let rooms: Vec<_> = rooms.map(|(id, cursor)| self.open_room(caller, id, cursor)).collect();
        conversations.extend(stream::iter(rooms).buffered(READ_AT_ONCE).collect::<Vec<_>>().await);
        Ok(conversations)
    }

    async fn open_room(&self, caller: &Caller, id: String, cursor: u64) -> Part {
        let part = self.judge_room(caller, &id, cursor).await;
        (id, part)
    }

    async fn judge_room(&self, caller: &Caller, id: &str, cursor: u64) -> Result<Synced, Refused> {
        if ConversationId::new(id).is_ok_and(|id| id.is_direct()) {
            let sentence = "Ask for a direct conversation by the other user, in with.";
            return Err(Refused::invalid("ask_by_user", "with", sentence));
        }
        let room = self.may_read(caller, &room_id(id)?).await?;
        Ok(Synced::new(room.id.conversation(), Scene::Room(room), cursor))
    }

    /// Gives every conversation that has more an equal share of what is left. `false` when that was the last round.
    async fn read_round(&self, conversations: &mut [Part], budget: &mut Budget) -> bool {
        let open = |part: &Result<Synced, Refused>| part.as_ref().is_ok_and(|synced| !synced.ended);
        let count = conversations.iter().filter(|(_, part)| open(part)).count();
        if count == 0 || budget.places == 0 {
            return false;
        }
        let entries = (budget.places / count).clamp(1, ENTRIES_AT_ONCE / count.min(READ_AT_ONCE));
        let (bytes, before) = (budget.bytes / count, budget.spent);
        let reads: Vec<_> = (conversations.iter().enumerate())
            .filter_map(|(place, (_, part))| {
                part.as_ref().ok().filter(|_| open(part)).map(|synced| (place, synced))
            })
            .map(|(place, synced)| self.read(place, synced.id.clone(), synced.reached, entries))
            .collect();
        let mut pages = stream::iter(reads).buffered(READ_AT_ONCE);
        while let Some((place, page)) = pages.next().await {
            if let Some((_, part)) = conversations.get_mut(place) {
                take(part, page, bytes, budget);
            }
        }
        budget.spent > before
    }

    async fn read(
        &self,
        place: usize,
        conversation: ConversationId,
        after: u64,
        limit: usize,
    ) -> (usize, Result<Option<EntryPage>, StoreError>) {
        let mut page = self.ports.log.entries(&conversation, after, limit).await;
        if let Ok(Some(page)) = &mut page {
            let messages = page.entries.iter_mut().filter_map(|entry| match &mut entry.change {
                Change::Message(message) => Some(message),
                _ => None,
            });
            self.links.write(&conversation, messages).await;
        }
        (place, page)
    }
}

fn take(
    part: &mut Result<Synced, Refused>,
    page: Result<Option<EntryPage>, StoreError>,
    bytes: usize,
    budget: &mut Budget,
) {
    match (part.as_mut(), page) {
        (Ok(synced), Ok(page)) => synced.take(page, bytes, budget),
        // What was read before stays; `next` goes on behind it.
        (Ok(synced), Err(_)) if !synced.is_fresh() => synced.ended = true,
        (_, Err(error)) => *part = Err(error.into()),
        (Err(_), Ok(_)) => {}
    }
}

impl Synced {
    fn new(id: ConversationId, scene: Scene, cursor: u64) -> Self {
        Self {
            id,
            scene,
            reached: cursor,
            ended: false,
            entries: Vec::new(),
            gap: None,
            head: Head::default(),
            ahead: false,
            next: None,
        }
    }

    /// Nothing was told of it yet.
    fn is_fresh(&self) -> bool {
        self.entries.is_empty() && self.gap.is_none()
    }

    /// Adds a page read behind `reached`, as far as its share of bytes and the budget go.
    fn take(&mut self, page: Option<EntryPage>, share: usize, budget: &mut Budget) {
        let EntryPage { entries, head } =
            page.unwrap_or_else(|| EntryPage { entries: Vec::new(), head: Head::default() });
        self.head = head;
        if self.reached > self.head.seq {
            // A caller's number may be any: nothing is counted from it.
            (self.ahead, self.ended) = (self.is_fresh(), true);
            return;
        }
        let first = entries.first().map_or(self.head.seq + 1, |entry| entry.seq);
        if first > self.reached + 1 {
            if !self.entries.is_empty() {
                // Retention was faster than this answer: the next one begins with the gap.
                self.ended = true;
                return;
            }
            self.gap = Some(Gap { from: self.gap.map_or(self.reached + 1, |gap| gap.from), to: first - 1 });
            self.reached = first - 1;
        }
        let mut bytes = 0;
        for entry in &entries {
            if entry.seq != self.reached + 1 || !self.add(entry, &mut bytes, share, budget) {
                break;
            }
        }
        self.ended = self.reached >= self.head.seq;
    }

    fn add(&mut self, entry: &Entry, bytes: &mut usize, share: usize, budget: &mut Budget) -> bool {
        let place = self.scene.place(entry.change.author());
        let frame = match to_raw_value(&view::Frame(place, entry)) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::error!(%error, "an entry could not be encoded");
                return false;
            }
        };
        let length = frame.get().len();
        if (*bytes > 0 && *bytes + length > share) || !budget.pay(length) {
            return false;
        }
        *bytes += length;
        self.entries.push(frame);
        self.reached = entry.seq;
        true
    }
}

impl Serialize for Sync {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write(&mut map)?;
        map.end()
    }
}

impl Sync {
    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        struct Parts<'a>(&'a [Part]);
        impl Serialize for Parts<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().map(|(id, part)| (id, Told(part))))
            }
        }
        map.serialize_entry("conversations", &Parts(&self.conversations))?;
        map.serialize_entry("more", &self.more)?;
        map.serialize_entry("jitter_ms", &self.jitter_ms)
    }

    /// The answer on a socket: the same object with its type.
    pub(super) fn to_frame(&self) -> Bytes {
        struct Typed<'a>(&'a Sync);
        impl Serialize for Typed<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("type", "sync")?;
                self.0.write(&mut map)?;
                map.end()
            }
        }
        view::encode(&Typed(self))
    }
}

struct Told<'a>(&'a Result<Synced, Refused>);

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Failed<'a> {
            code: &'a str,
            message: &'a str,
        }
        match self.0 {
            Ok(synced) => synced.serialize(serializer),
            Err(refused) => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("entries", &[(); 0])?;
                map.serialize_entry("error", &Failed { code: refused.code, message: &refused.message })?;
                map.end()
            }
        }
    }
}
