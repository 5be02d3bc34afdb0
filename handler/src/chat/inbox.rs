use std::collections::BTreeSet;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::budget::Budget;
use super::history::page_length;
use super::members::user_in;
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

impl InboxPage {
    /// Adds an item where there is room for it.
    fn take(&mut self, item: InboxItem, budget: &mut Budget) -> bool {
        let has_room = budget.pay_for(&View { receiver: &self.receiver, item: &item });
        if has_room {
            self.items.push(item);
        }
        has_room
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
        let mut page = InboxPage { receiver: receiver.clone(), items: Vec::new(), next: None };
        let (mut budget, backward, mut cursor) = (Budget::new(limit), before.is_some(), before.or(after));
        loop {
            let (rows, (after, before)) =
                (budget.rows(), if backward { (None, cursor) } else { (cursor, None) });
            let mut found = self.ports.inbox.list(receiver, after, before, rows).await?;
            let is_last = found.len() < rows;
            self.write_links(&mut found).await;
            if backward {
                found.reverse();
            }
            let is_whole = found.into_iter().all(|item| page.take(item, &mut budget));
            cursor = page.items.last().map(InboxItem::key).or(cursor);
            if is_last || !is_whole {
                page.next = cursor.filter(|_| !(is_last && is_whole)).map(InboxKey::to_text);
                if backward {
                    page.items.reverse();
                }
                return Ok(page);
            }
        }
    }

    /// Of one conversation after the other.
    async fn write_links(&self, items: &mut [InboxItem]) {
        let carrying = items.iter().filter(|item| item.message.attachment_id.is_some());
        let conversations: BTreeSet<ConversationId> =
            carrying.map(|item| item.conversation.clone()).collect();
        for conversation in conversations {
            let own = items.iter_mut().filter(|item| item.conversation == conversation);
            self.links.write(&conversation, own.map(|item| &mut item.message)).await;
        }
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
        let with = user_in("with", with)?;
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
