//! Rooms page by page: all of them, and by name; those the caller may see.
//!
//! A page's cursor is its last room. A hidden room is none, for the cursor would tell of it.

use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::history::page_length;
use super::{Caller, Chat, Ports, Refused, RoomView};
use crate::model::{Room, RoomId};
use crate::ports::StoreError;

/// Rooms of a page at most.
const PAGE: usize = 100;
/// Where most are hidden from the caller: rooms read at once behind the first, memberships looked up at once, and rooms looked
/// at for a page that has one already.
const READ: usize = 200;
const AT_ONCE: usize = 16;
const SCAN: usize = 1_000;

#[derive(Clone, Debug, PartialEq)]
pub struct RoomPage {
    pub rooms: Vec<RoomView>,
    /// Given back as `after` for the rooms behind these.
    pub next: Option<RoomId>,
}

/// Rooms by name.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundRooms {
    pub rooms: Vec<RoomView>,
    /// Given back as `after` for the rooms behind these.
    pub next: Option<String>,
}

/// Which rooms, and in which order.
enum Order<'a> {
    ById { after: Option<&'a RoomId> },
    ByName { prefix: &'a str, after: Option<&'a str> },
}

impl Order<'_> {
    async fn behind(
        &self,
        ports: &Ports,
        last: Option<&Room>,
        count: usize,
    ) -> Result<Vec<Room>, StoreError> {
        match *self {
            Self::ById { after } => ports.rooms.list(last.map(|room| &room.id).or(after), count).await,
            Self::ByName { prefix, after } => {
                let last = last.map(|room| Room::name_key(&room.name));
                ports.rooms.search(prefix, last.as_deref().or(after), count).await
            }
        }
    }
}

impl Chat {
    /// Rooms the caller may see, by ascending id; at most 100, which is also the default. A page may be short while there
    /// is more: `next` tells.
    pub async fn list_rooms(
        &self,
        caller: &Caller,
        after: Option<&RoomId>,
        limit: Option<usize>,
    ) -> Result<RoomPage, Refused> {
        let limit = page_length(limit, PAGE, PAGE)?;
        let (rooms, more) = self.visible_rooms(caller, &Order::ById { after }, limit).await?;
        let next = rooms.last().filter(|_| more).map(|room| room.id.clone());
        Ok(RoomPage { rooms: self.view_rooms(&rooms).await?, next })
    }

    /// Rooms whose name begins so, ignoring case and surrounding space, by name; of those the caller may see. Pages are
    /// as those of [`Self::list_rooms`], their cursor is a name.
    pub async fn search_rooms(
        &self,
        caller: &Caller,
        prefix: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<FoundRooms, Refused> {
        let limit = page_length(limit, PAGE, PAGE)?;
        let prefix = Room::name_key(prefix);
        let (rooms, more) =
            self.visible_rooms(caller, &Order::ByName { prefix: &prefix, after }, limit).await?;
        let next = rooms.last().filter(|_| more).map(|room| Room::name_key(&room.name));
        Ok(FoundRooms { rooms: self.view_rooms(&rooms).await?, next })
    }

    /// A page, and whether there may be more. However many are hidden, it has a room or is the last one.
    async fn visible_rooms(
        &self,
        caller: &Caller,
        order: &Order<'_>,
        limit: usize,
    ) -> Result<(Vec<Room>, bool), Refused> {
        let (mut seen, mut looked_at, mut last) = (Vec::new(), 0, None);
        loop {
            // One more than the page, to know whether it is the last.
            let wanted = if looked_at == 0 { limit + 1 } else { READ };
            let rooms = order.behind(&self.ports, last.as_ref(), wanted).await?;
            let is_end = rooms.len() < wanted;
            looked_at += rooms.len();
            last = rooms.last().cloned().or(last);
            let looks: Vec<_> = rooms.into_iter().map(|room| self.if_visible(caller, room)).collect();
            let visible: Vec<_> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
            seen.extend(visible.into_iter().flatten());
            if seen.len() > limit {
                seen.truncate(limit);
                return Ok((seen, true));
            }
            if is_end || (looked_at >= SCAN && !seen.is_empty()) {
                return Ok((seen, !is_end));
            }
        }
    }

    async fn if_visible(&self, caller: &Caller, room: Room) -> Result<Option<Room>, Refused> {
        Ok(self.can_see(caller, &room).await?.then_some(room))
    }

    async fn view_rooms(&self, rooms: &[Room]) -> Result<Vec<RoomView>, Refused> {
        try_join_all(rooms.iter().map(|room| self.view_room(room))).await
    }
}
