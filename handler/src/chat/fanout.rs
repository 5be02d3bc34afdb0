//! Hands the entries of one conversation to inboxes and groups, in the order of `seq`, from where the `sent` mark stands.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;

use super::command::{Audience, Failure};
use super::edits::inbox_key;
use super::known::{AT_INGEST, Known};
use super::links::Links;
use super::view::{self, Place};
use super::{Counters, Ports, groups};
use crate::model::{Change, ConversationId, Entry, NewMessage, UserId};
use crate::ports::InboxItem;

/// Entries read at once where some were left behind.
const PAGE: usize = 100;

/// An entry this process has just appended.
pub(super) struct Fresh {
    pub(super) entry: Entry,
    pub(super) excluded: Option<String>,
}

/// Each entry goes two ways, one after the other.
#[derive(Clone, Copy)]
enum Pass {
    File,
    Publish,
}

pub(super) struct Fanout {
    ports: Ports,
    known: Arc<Known>,
    counters: Arc<Counters>,
    links: Links,
    conversation: ConversationId,
    audience: Audience,
    /// Names of the audience's groups; one for a room, two for a pair, one for a user with themself.
    groups: Vec<String>,
    /// The room's name as it was last known.
    room_name: String,
    /// Everything up to here is in the inboxes it belongs into.
    filed: u64,
    /// Everything up to here went out.
    sent: u64,
    /// Everything up to here should have.
    due: u64,
}

impl Fanout {
    pub(super) fn new(
        ports: Ports,
        known: Arc<Known>,
        counters: Arc<Counters>,
        conversation: ConversationId,
        audience: Audience,
    ) -> Self {
        let (groups, room_name) = match &audience {
            Audience::Room(room) => (vec![groups::room(room)], room.to_string()),
            Audience::Pair(one, other) if one == other => (vec![groups::user(one)], String::new()),
            Audience::Pair(one, other) => (vec![groups::user(one), groups::user(other)], String::new()),
        };
        let links = Links::new(ports.clone());
        Self {
            ports,
            known,
            counters,
            links,
            conversation,
            audience,
            groups,
            room_name,
            filed: 0,
            sent: 0,
            due: 0,
        }
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn is_behind(&self) -> bool {
        self.sent < self.due
    }

    pub(super) async fn catch_up(&mut self) -> Result<(), Failure> {
        self.send(&[], self.due).await
    }

    /// Sends everything up to `top` that did not go out yet. What is not among the `fresh` entries (ascending) is what a
    /// crash, a failure or another process left behind, and is read from the log. All of it is in the inboxes before any
    /// of it goes to the groups, so that a transport that is away keeps nothing out of them: after a failure of the
    /// transport the inboxes are complete.
    pub(super) async fn send(&mut self, fresh: &[Fresh], top: u64) -> Result<(), Failure> {
        self.due = self.due.max(top);
        if self.sent >= self.due {
            return Ok(());
        }
        if fresh.first().is_none_or(|first| first.entry.seq != self.sent + 1) {
            self.learn_sent().await?;
        }
        if matches!(self.audience, Audience::Pair(..)) {
            self.pass(Pass::File, fresh).await?;
        }
        self.learn_room_name().await?;
        let before = self.sent;
        let result = self.pass(Pass::Publish, fresh).await;
        if self.sent > before
            && let Err(error) = self.ports.log.mark_sent(&self.conversation, self.sent).await
        {
            // A mark that stays behind costs a doubled frame after a crash, no more.
            tracing::debug!(error = &error as &dyn std::error::Error, "the sent mark could not be raised");
        }
        result
    }

    /// Brings one cursor up to what is due.
    async fn pass(&mut self, pass: Pass, fresh: &[Fresh]) -> Result<(), Failure> {
        let done = fresh.partition_point(|next| next.entry.seq <= self.cursor(pass));
        let mut rest = fresh.get(done..).unwrap_or_default();
        while self.cursor(pass) < self.due {
            match rest {
                [next, behind @ ..] if next.entry.seq == self.cursor(pass) + 1 => {
                    self.step(pass, &next.entry, next.excluded.as_slice()).await?;
                    rest = behind;
                }
                [next, ..] => self.pass_left_behind(pass, next.entry.seq - 1).await?,
                [] => self.pass_left_behind(pass, self.due).await?,
            }
        }
        Ok(())
    }

    async fn pass_left_behind(&mut self, pass: Pass, up_to: u64) -> Result<(), Failure> {
        while self.cursor(pass) < up_to {
            let page = self.ports.log.entries(&self.conversation, self.cursor(pass), PAGE).await?;
            let entries = page.map(|page| page.entries).unwrap_or_default();
            let before = self.cursor(pass);
            for entry in entries.iter().take_while(|entry| entry.seq <= up_to) {
                self.step(pass, entry, &[]).await?;
            }
            if self.cursor(pass) == before {
                // Retention was faster: there is nothing left to send.
                self.set_cursor(pass, up_to);
            }
        }
        Ok(())
    }

    async fn step(&mut self, pass: Pass, entry: &Entry, excluded: &[String]) -> Result<(), Failure> {
        match (pass, &self.audience, &entry.change) {
            (Pass::File, Audience::Pair(one, other), Change::Message(message)) => {
                let receiver = if message.sender == *one { other } else { one };
                self.put_into_inbox(receiver, entry, message).await?;
            }
            (Pass::File, Audience::Pair(one, other), Change::Delete { target, .. }) => {
                self.take_out_of_inbox(one, other, *target).await?;
            }
            (Pass::File, ..) => {}
            (Pass::Publish, ..) => {
                let linked = self.links.in_entry(&self.conversation, entry).await;
                let frame = self.frame(linked.as_ref().unwrap_or(entry));
                // A pair's two groups at once: both have this frame before any has the next.
                let sends = self.groups.iter().map(|group| self.publish(group, frame.clone(), excluded));
                try_join_all(sends).await?;
            }
        }
        self.set_cursor(pass, entry.seq);
        Ok(())
    }

    async fn publish(&self, group: &str, frame: Bytes, excluded: &[String]) -> Result<(), Failure> {
        self.ports.transport.publish(group, frame, excluded).await?;
        self.counters.published.add(1);
        Ok(())
    }

    fn cursor(&self, pass: Pass) -> u64 {
        match pass {
            Pass::File => self.filed,
            Pass::Publish => self.sent,
        }
    }

    fn set_cursor(&mut self, pass: Pass, seq: u64) {
        match pass {
            Pass::File => self.filed = seq,
            Pass::Publish => self.sent = seq,
        }
    }

    /// Before the group send and whoever seems online: a phone that died still looks connected.
    async fn put_into_inbox(
        &self,
        receiver: &UserId,
        entry: &Entry,
        message: &NewMessage,
    ) -> Result<(), Failure> {
        let item = InboxItem {
            conversation: self.conversation.clone(),
            seq: entry.seq,
            number: entry.number,
            at: entry.at,
            message: message.clone(),
        };
        Ok(self.ports.inbox.put(receiver, &item).await?)
    }

    /// The inbox has a copy of its own, which is not to be handed over any more.
    async fn take_out_of_inbox(&self, one: &UserId, other: &UserId, target: u64) -> Result<(), Failure> {
        let found = self.ports.log.states(&self.conversation, &[target]).await?;
        for state in found.iter().filter(|state| state.seq == target) {
            let receiver = if state.message.sender == *one { other } else { one };
            let key = inbox_key(&self.conversation, state).to_text();
            self.ports.inbox.acknowledge(receiver, &[key]).await?;
        }
        Ok(())
    }

    fn frame(&self, entry: &Entry) -> Bytes {
        let place = match &self.audience {
            Audience::Room(room) => Place::Room { id: room, name: &self.room_name },
            Audience::Pair(one, other) => {
                // To whoever did not do it.
                let is_others = author(&entry.change) == Some(other);
                Place::Direct { conversation: &self.conversation, to: if is_others { one } else { other } }
            }
        };
        view::encode(&view::Frame(place, entry))
    }

    async fn learn_room_name(&mut self) -> Result<(), Failure> {
        if let Audience::Room(room) = &self.audience
            && let Some(room) = self.known.room(room, AT_INGEST).await?
            && room.name != self.room_name
        {
            self.room_name.clone_from(&room.name);
        }
        Ok(())
    }

    /// Another process, or this one before it died, may have sent what this appender has not seen.
    async fn learn_sent(&mut self) -> Result<(), Failure> {
        if let Some(head) = self.ports.log.head(&self.conversation).await? {
            self.sent = self.sent.max(head.sent.min(self.due));
            self.filed = self.filed.max(self.sent);
        }
        Ok(())
    }
}

/// Who said or did what stands in the entry, as far as it can stand in a conversation of two.
fn author(change: &Change) -> Option<&UserId> {
    match change {
        Change::Message(message) => Some(&message.sender),
        Change::Edit { by, .. }
        | Change::Delete { by, .. }
        | Change::Reaction { by, .. }
        | Change::Pinned { by, .. } => Some(by),
        _ => None,
    }
}
