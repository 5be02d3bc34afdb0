use std::collections::VecDeque;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::access::room_id;
use super::budget::Budget;
use super::scene::{Scene, pair};
use super::{Caller, Chat, MessageView, Refused};
use crate::calls::Tally;
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
    pub messages: VecDeque<MessageState>,
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

    /// Adds what was read behind the page so far, as far as the budget goes. `true` where that was all of it.
    fn take(&mut self, asked: Page, found: Vec<MessageState>, budget: &mut Budget) -> bool {
        let forward = matches!(asked, Page::After(_));
        let mut found = VecDeque::from(found);
        while let Some(state) = if forward { found.pop_front() } else { found.pop_back() } {
            let place = self.scene.place(&state.message.sender);
            if !budget.pay_for(&MessageView::of_state(place, &state)) {
                return false;
            }
            if forward {
                self.messages.push_back(state);
            } else {
                self.messages.push_front(state);
            }
        }
        true
    }

    /// The page behind this one, in the direction asked.
    fn behind(&self, asked: Page) -> Page {
        let (first, last) = (self.messages.front(), self.messages.back());
        match asked {
            Page::After(_) => last.map_or(asked, |last| Page::After(last.seq)),
            Page::Newest | Page::Before(_) => first.map_or(asked, |first| Page::Before(first.seq)),
        }
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

/// What the page would hold if retention had not removed it. `is_end`: nothing is left behind it.
fn gap(asked: Page, behind: Page, floor: u64, is_end: bool) -> Option<Gap> {
    let (from, to) = match (asked, behind) {
        (Page::After(seq), _) => (seq.saturating_add(1), floor),
        _ if !is_end => return None,
        (_, Page::Before(first)) => (1, floor.min(first.saturating_sub(1))),
        _ => (1, floor),
    };
    (from <= to).then_some(Gap { from, to })
}

const fn cursor_of(page: Page) -> Option<u64> {
    match page {
        Page::After(seq) | Page::Before(seq) => Some(seq),
        Page::Newest => None,
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
        self.history(Scene::Room(room), page, limit).await
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
        self.history(scene, page, limit).await
    }

    /// A page of at most `limit` messages, and of fewer where they are long.
    async fn history(&self, scene: Scene, asked: Page, limit: usize) -> Result<History, Refused> {
        let conversation = scene.conversation();
        Tally::about(conversation.as_str());
        let mut history = History { scene, messages: VecDeque::new(), gap: None, next: None };
        let (mut budget, mut first_floor) = (Budget::new(limit), None);
        loop {
            let (behind, rows) = (history.behind(asked), budget.rows());
            let Some(MessagePage { mut messages, head }) =
                self.ports.log.messages(&conversation, behind, rows).await?
            else {
                return Ok(history);
            };
            let is_last = messages.len() < rows;
            self.links.write(&conversation, messages.iter_mut().map(|state| &mut state.message)).await;
            // The gap before a page that goes forward is the one that its first read saw: what was removed since is the
            // next page's.
            let floor = match asked {
                Page::After(_) => *first_floor.get_or_insert(head.floor),
                _ => head.floor,
            };
            let is_whole = head.floor == floor && history.take(asked, messages, &mut budget);
            if is_last || !is_whole {
                let (is_end, behind) = (is_last && is_whole, history.behind(asked));
                history.gap = gap(asked, behind, floor, is_end);
                history.next = cursor_of(behind).filter(|_| !is_end);
                return Ok(history);
            }
        }
    }
}
