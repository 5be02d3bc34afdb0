//! The rooms somebody is in, with what is new there: the first screen of a client, in one call.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Serialize, Serializer};

use super::history::page_length;
use super::view::{self, Place};
use super::{Caller, Chat, MessageView, Refused, RoomView};
use crate::model::{Member, MessageState, ReadMark, Role, RoomId};
use crate::ports::Page;

const PAGE: usize = 50;
const PAGE_MAX: usize = 100;
const READ_AT_ONCE: usize = 16;

/// A page of the caller's rooms by ascending id. Serialises as `{"rooms":[…],"next"?}`.
#[derive(Debug, Serialize)]
pub struct MyRooms {
    pub rooms: Vec<MyRoom>,
    /// Given back as `after` for the rooms behind these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<RoomId>,
}

/// A room as its member sees it.
#[derive(Debug, Serialize)]
pub struct MyRoom {
    #[serde(flatten)]
    pub room: RoomView,
    pub role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message: Option<LastMessage>,
    /// Messages behind the mark.
    pub unread: u64,
    pub read_seq: u64,
    pub head_seq: u64,
}

#[derive(Debug)]
struct LastMessage {
    room: RoomId,
    room_name: String,
    state: MessageState,
}

impl Serialize for LastMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = Place::Room { id: &self.room, name: &self.room_name };
        MessageView::of_state(place, &self.state).serialize(serializer)
    }
}

impl Chat {
    /// The caller's rooms with their last message and what is unread; 50 when no limit is named, at most 100.
    pub async fn my_rooms(
        &self,
        caller: &Caller,
        after: Option<&RoomId>,
        limit: Option<usize>,
    ) -> Result<MyRooms, Refused> {
        let limit = page_length(limit, PAGE, PAGE_MAX)?;
        // One more than the page, to know whether it is the last.
        let mut mine = self.ports.members.rooms_of(&caller.user, after, limit + 1).await?;
        let more = mine.len() > limit;
        mine.truncate(limit);
        let next = mine.last().filter(|_| more).map(|(room, _)| room.clone());
        let reads: Vec<_> = mine.into_iter().map(|(room, member)| self.my_room(room, member)).collect();
        let rooms: Vec<_> = stream::iter(reads).buffered(READ_AT_ONCE).try_collect().await?;
        Ok(MyRooms { rooms: rooms.into_iter().flatten().collect(), next })
    }

    /// `None` for a room that is being deleted.
    async fn my_room(&self, id: RoomId, member: Member) -> Result<Option<MyRoom>, Refused> {
        let Some(room) = self.known.room(&id, Duration::ZERO).await? else { return Ok(None) };
        // The head is read behind the mark's row, so the mark is not beyond it.
        let found = self.ports.log.messages(&id.conversation(), Page::Newest, 1).await?;
        let (last, head) =
            found.map_or_else(Default::default, |page| (page.messages.into_iter().next_back(), page.head));
        let mut mark = self.read_mark(&id, &member);
        // Who said the last word has read everything, also where a crash came before the mark was written.
        if let Some(own) = last.as_ref().filter(|state| state.message.sender == member.user) {
            mark = mark.raised_to(ReadMark { seq: own.seq, number: own.number });
        }
        let last = last.map(|state| LastMessage { room: id, room_name: room.name.clone(), state });
        Ok(Some(MyRoom {
            role: if room.created_by == member.user { Role::Owner } else { member.role },
            room: self.view_room(&room).await?,
            last_message: last,
            unread: head.count.saturating_sub(mark.number),
            read_seq: mark.seq,
            head_seq: head.seq,
        }))
    }

    pub(super) async fn my_rooms_live(
        &self,
        caller: &Caller,
        after: Option<String>,
        limit: Option<usize>,
    ) -> Result<Bytes, Refused> {
        #[derive(Serialize)]
        #[serde(tag = "type", rename = "my_rooms")]
        struct Answer {
            #[serde(flatten)]
            page: MyRooms,
        }
        let after = after.as_deref().map(super::access::room_id).transpose()?;
        let page = self.my_rooms(caller, after.as_ref(), limit).await?;
        Ok(view::encode(&Answer { page }))
    }
}
