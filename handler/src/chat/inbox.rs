use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::history::page_length;
use super::view::Place;
use super::{Caller, Chat, MessageView, Refused};
use crate::model::{ConversationId, UserId, bounds};
use crate::ports::{InboxItem, InboxKey};

/// Ids acknowledged at once, at most.
const ACKNOWLEDGED_AT_ONCE: usize = 1_000;

/// Serialises as `{"messages":[…],"next"?}`; each message is a [`MessageView`] with `inbox_id`.
#[derive(Clone, Debug)]
pub struct InboxPage {
    receiver: UserId,
    pub items: Vec<InboxItem>,
    /// The `inbox_id` to go on from: as `before` where the page was asked by `before`, else as `after`. None at the end.
    pub next: Option<String>,
}

impl Serialize for InboxPage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Items<'a>(&'a InboxPage);
        impl Serialize for Items<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer
                    .collect_seq(self.0.items.iter().map(|item| View { receiver: &self.0.receiver, item }))
            }
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("messages", &Items(self))?;
        if let Some(next) = &self.next {
            map.serialize_entry("next", next)?;
        }
        map.end()
    }
}

struct View<'a> {
    receiver: &'a UserId,
    item: &'a InboxItem,
}

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inbox_id = self.item.key().to_text();
        MessageView {
            place: Place::Direct { conversation: &self.item.conversation, to: self.receiver },
            seq: self.item.seq,
            number: self.item.number,
            at: self.item.at,
            message: &self.item.message,
            state: None,
            inbox_id: Some(&inbox_id),
        }
        .serialize(serializer)
    }
}

impl Chat {
    /// The caller's direct messages that are not acknowledged, oldest first. Cursors are opaque (`next`, `inbox_id`), at
    /// most one of them; at most 1,000 messages, which is also the default.
    pub async fn inbox(
        &self,
        caller: &Caller,
        after: Option<&str>,
        before: Option<&str>,
        limit: Option<usize>,
    ) -> Result<InboxPage, Refused> {
        if after.is_some() && before.is_some() {
            return Err(Refused::invalid("two_cursors", "before", "Give after or before, not both."));
        }
        let limit = page_length(limit, bounds::INBOX_PAGE, bounds::INBOX_PAGE)?;
        let (after, before) = (cursor("after", after)?, cursor("before", before)?);
        self.inbox_page(&caller.user, after, before, limit).await
    }

    pub(super) async fn inbox_page(
        &self,
        receiver: &UserId,
        after: Option<InboxKey>,
        before: Option<InboxKey>,
        limit: usize,
    ) -> Result<InboxPage, Refused> {
        // One more than the page, to know whether it is the last.
        let mut items = self.ports.inbox.list(receiver, after, before, limit + 1).await?;
        let mut next = None;
        if items.len() > limit {
            if before.is_some() {
                items.drain(..items.len() - limit);
                next = items.first();
            } else {
                items.truncate(limit);
                next = items.last();
            }
        }
        let next = next.map(|item| item.key().to_text());
        Ok(InboxPage { receiver: receiver.clone(), items, next })
    }

    /// Marks items as done by their message `id` or `inbox_id`; at most 1,000 ids. Answers how many changed; ids that name
    /// nothing are no mistake, so a repeat is safe.
    pub async fn acknowledge(&self, caller: &Caller, ids: &[String]) -> Result<usize, Refused> {
        if ids.len() > ACKNOWLEDGED_AT_ONCE {
            let sentence = format!("ids must be at most {ACKNOWLEDGED_AT_ONCE}.");
            return Err(Refused::too_large("too_many_ids", "ids", sentence));
        }
        if ids.is_empty() {
            return Ok(0);
        }
        Ok(self.ports.inbox.acknowledge(&caller.user, ids).await?)
    }

    /// Marks as done what the caller and `with` wrote to each other up to this `seq`.
    pub async fn acknowledge_read(&self, caller: &Caller, with: &str, up_to: u64) -> Result<usize, Refused> {
        let with = UserId::new(with).map_err(|error| Refused::bad_id("with", &error))?;
        let conversation = ConversationId::direct(&caller.user, &with);
        Ok(self.ports.inbox.acknowledge_read(&caller.user, &conversation, up_to).await?)
    }
}

fn cursor(field: &'static str, text: Option<&str>) -> Result<Option<InboxKey>, Refused> {
    let Some(text) = text else { return Ok(None) };
    let key = InboxKey::parse(text);
    key.map(Some).ok_or_else(|| {
        Refused::invalid("invalid_cursor", field, format!("{field} is no cursor of an inbox."))
    })
}
