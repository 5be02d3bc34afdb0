use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::access::room_id;
use super::scene::{Scene, pair};
use super::{Caller, Chat, MessageView, Refused};
use crate::model::{MessageState, bounds};
use crate::ports::{MessagePage, Page};

/// Which page of a history: cursors are exclusive `seq`, at most one of them; none = the newest page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    pub after: Option<u64>,
    pub before: Option<u64>,
    /// Clamped to 500; 100 when absent.
    pub limit: Option<usize>,
}

/// Entries that were removed by retention, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    pub from: u64,
    pub to: u64,
}

/// A page of messages by ascending `seq`. Serialises as `{"messages":[…],"gap"?,"next"?}`; each message is a
/// [`MessageView`].
#[derive(Clone, Debug)]
pub struct History {
    scene: Scene,
    pub messages: Vec<MessageState>,
    /// What the page would hold if retention had not removed it.
    pub gap: Option<Gap>,
    /// The cursor that goes on in the same direction: `after` for a page that was asked by `after`, else `before`. None at
    /// the end.
    pub next: Option<u64>,
}

impl History {
    /// The messages as clients read them.
    pub fn views(&self) -> impl Iterator<Item = MessageView<'_>> {
        self.messages
            .iter()
            .map(|state| MessageView::of_state(self.scene.place(&state.message.sender), state))
    }

    fn new(scene: Scene, asked: Page, limit: usize, found: Option<MessagePage>) -> Self {
        let Some(MessagePage { mut messages, head }) = found else {
            return Self { scene, messages: Vec::new(), gap: None, next: None };
        };
        // One more than the page was asked for, to know whether it is the last.
        let more = messages.len() > limit;
        if more {
            match asked {
                Page::After(_) => messages.truncate(limit),
                Page::Newest | Page::Before(_) => drop(messages.drain(..messages.len() - limit)),
            }
        }
        let next = match asked {
            Page::After(_) => messages.last(),
            Page::Newest | Page::Before(_) => messages.first(),
        };
        let next = next.filter(|_| more).map(|state| state.seq);
        let gap = match asked {
            Page::After(seq) if seq < head.floor => Some(Gap { from: seq + 1, to: head.floor }),
            Page::Newest if !more && head.floor > 0 => Some(Gap { from: 1, to: head.floor }),
            Page::Before(seq) if !more && head.floor > 0 && seq > 1 => {
                Some(Gap { from: 1, to: head.floor.min(seq - 1) })
            }
            _ => None,
        };
        Self { scene, messages, gap, next }
    }
}

impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Views<'a>(&'a History);
        impl Serialize for Views<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.0.views())
            }
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("messages", &Views(self))?;
        if let Some(gap) = &self.gap {
            map.serialize_entry("gap", gap)?;
        }
        if let Some(next) = &self.next {
            map.serialize_entry("next", next)?;
        }
        map.end()
    }
}

/// How many of something a page holds, as `limit` asks: clamped to `max`, and never 0.
pub fn page_length(limit: Option<usize>, default: usize, max: usize) -> Result<usize, Refused> {
    match limit {
        Some(0) => Err(Refused::invalid("invalid_limit", "limit", "limit must be at least 1.")),
        limit => Ok(limit.unwrap_or(default).min(max)),
    }
}

impl PageRequest {
    fn judge(self) -> Result<(Page, usize), Refused> {
        let page = match (self.after, self.before) {
            (Some(_), Some(_)) => {
                return Err(Refused::invalid("two_cursors", "before", "Give after or before, not both."));
            }
            (Some(seq), None) => Page::After(seq),
            (None, Some(seq)) => Page::Before(seq),
            (None, None) => Page::Newest,
        };
        let limit = page_length(self.limit, bounds::HISTORY_PAGE_DEFAULT, bounds::HISTORY_PAGE_MAX)?;
        Ok((page, limit))
    }
}

impl Chat {
    /// What was said in a room. Members read; others read public rooms in anonymous mode.
    pub async fn room_history(
        &self,
        caller: &Caller,
        room: &str,
        page: PageRequest,
    ) -> Result<History, Refused> {
        let (page, limit) = page.judge()?;
        let room = self.may_read(caller, &room_id(room)?).await?;
        let found = self.ports.log.messages(&room.id.conversation(), page, limit + 1).await?;
        Ok(History::new(Scene::Room(room), page, limit, found))
    }

    /// What the caller and `with` wrote to each other; empty where they never did.
    pub async fn direct_history(
        &self,
        caller: &Caller,
        with: &str,
        page: PageRequest,
    ) -> Result<History, Refused> {
        let (page, limit) = page.judge()?;
        let scene = pair(caller, with)?;
        let found = self.ports.log.messages(&scene.conversation(), page, limit + 1).await?;
        Ok(History::new(scene, page, limit, found))
    }
}
