//! Files that nobody needs go, and none that somebody reads.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::world::{World, admin, caller, foreign, pair, to_room, to_user};
use crate::adapters::faulty::Mode;
use crate::chat::{ExportRecord, NewAttachment, Submission, UploadTicket, Venue, desk_of};
use crate::contract::data::user;
use crate::model::{AttachmentId, Timestamp, UserId};
use crate::ports::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl World {
    async fn asks_for_a_file(&self, who: &str, room: &str) -> UploadTicket {
        let new = NewAttachment {
            room: Some(room.to_owned()),
            file_name: "a.png".to_owned(),
            bytes: Some(1_000),
            ..NewAttachment::default()
        };
        self.chat.new_attachment(&caller(who), &new, None).await.unwrap()
    }

    async fn stores(&self, ticket: &UploadTicket) {
        let query = ticket.upload_url.split_once('?').unwrap().1;
        let content = stream::iter([Ok(Bytes::from_static(PNG))]).boxed();
        self.files.receive(ticket.id.as_str(), query, content).await.unwrap();
    }

    async fn has(&self, ticket: &UploadTicket) -> (bool, bool) {
        let row = self.truth.uploads.get(std::slice::from_ref(&ticket.id)).await.unwrap();
        (!row.is_empty(), self.files.look(&ticket.id).await.unwrap().is_some())
    }

    async fn looks_after_files(&self) {
        while self.chat.look_after_attachments().await.unwrap() > 0 {}
    }

    /// A message with a file, accepted and not delivered.
    async fn accepts_with_file(&self, ticket: &UploadTicket, id: &str) -> Received {
        let with =
            Submission { attachment_id: Some(ticket.id.to_string()), ..to_room("general", id, "look") };
        self.chat.send_message(&caller("ann"), with, None).await.unwrap();
        self.outbox.take().pop().unwrap()
    }
}

#[tokio::test]
async fn what_is_in_no_message_after_a_day_goes() {
    let world = World::open().await;
    let (stored, empty) =
        (world.asks_for_a_file("ann", "general").await, world.asks_for_a_file("ann", "general").await);
    world.stores(&stored).await;
    world.ticker.advance(DAY - Duration::from_secs(1));
    world.looks_after_files().await;
    assert_eq!((world.has(&stored).await, world.has(&empty).await), ((true, true), (true, false)));
    world.ticker.advance(Duration::from_secs(2));
    world.looks_after_files().await;
    assert_eq!((world.has(&stored).await, world.has(&empty).await), ((false, false), (false, false)));
    assert_eq!(world.truth.uploads.due(None, world.ticker.now(), 9).await.unwrap(), []);
}

#[tokio::test]
async fn what_a_message_has_stays_until_the_message_goes() {
    let world = World::open().await;
    let ticket = world.asks_for_a_file("ann", "general").await;
    world.stores(&ticket).await;
    let received = world.accepts_with_file(&ticket, "1").await;
    // The queue is away for days: what was accepted keeps its file.
    for _ in 0..3 {
        world.ticker.advance(DAY + Duration::from_secs(1));
        world.looks_after_files().await;
        assert_eq!(world.has(&ticket).await, (true, true));
    }
    world.deliver(&[received]).await;
    world.ticker.advance(DAY * 30);
    world.looks_after_files().await;
    assert_eq!(world.has(&ticket).await, (true, true));
    assert_eq!(world.truth.uploads.due(None, world.ticker.now(), 9).await.unwrap(), [], "it is settled");
    let history = world.history("bob", "general").await;
    assert_eq!(history["messages"][0]["attachment_id"], ticket.id.as_str());
    assert!(history["messages"][0]["attachment_url"].is_string(), "{history}");

    let general = crate::contract::data::conversation("general");
    // The process dies between the deletion and the removal of the file.
    let venue = Venue::Room("general".to_owned());
    let delete = async || world.chat.delete_message(&caller("ann"), &venue, 1, None).await;
    let said = world.chat.message(&caller("ann"), &venue, 1).await.unwrap().state.message;
    world.chat.doubt_file(&general, &said).await.unwrap();
    world.looks_after_files().await;
    assert_eq!(world.has(&ticket).await, (true, true), "the message is there");
    delete().await.unwrap();
    assert_eq!(world.has(&ticket).await, (false, false));
    let history = world.history("bob", "general").await;
    assert!(history["messages"][0].get("attachment_id").is_none(), "{history}");
    world.looks_after_files().await;
    assert_eq!(world.truth.uploads.due(None, world.ticker.now(), 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_store_that_is_away_costs_no_file_and_no_history() {
    let world = World::open().await;
    let ticket = world.asks_for_a_file("ann", "general").await;
    world.stores(&ticket).await;
    let received = world.accepts_with_file(&ticket, "1").await;
    world.deliver(&[received]).await;
    world.ticker.advance(DAY * 2);
    world.store.set(Mode::FailAll);
    assert!(world.chat.look_after_attachments().await.is_err());
    world.store.set(Mode::Quiet);
    world.looks_after_files().await;
    assert_eq!(world.has(&ticket).await, (true, true));
}

/// Files of one person that nothing removes.
struct Stuck {
    inner: Arc<dyn Attachments>,
    owner: UserId,
}

#[async_trait]
impl Attachments for Stuck {
    async fn upload_link(
        &self,
        id: &AttachmentId,
        bytes: u64,
        until: Timestamp,
    ) -> Result<String, StoreError> {
        self.inner.upload_link(id, bytes, until).await
    }
    async fn look(&self, id: &AttachmentId) -> Result<Option<Stored>, StoreError> {
        self.inner.look(id).await
    }
    async fn read_link(
        &self,
        id: &AttachmentId,
        name: &str,
        content_type: &str,
        until: Timestamp,
    ) -> Result<String, StoreError> {
        self.inner.read_link(id, name, content_type, until).await
    }
    async fn remove(&self, id: &AttachmentId) -> Result<(), StoreError> {
        if id.shelf() == AttachmentId::shelf_of(&self.owner) {
            return Err(StoreError::unavailable("files", std::io::Error::other("it is stuck")));
        }
        self.inner.remove(id).await
    }
}

#[tokio::test]
async fn files_that_cannot_be_removed_keep_no_others() {
    let mut world = World::open().await;
    for _ in 0..150 {
        world.asks_for_a_file("eve", "general").await;
    }
    world.ticker.advance(Duration::from_secs(1));
    let others = world.asks_for_a_file("ann", "general").await;
    world.stores(&others).await;
    let stuck = Stuck { inner: Arc::clone(&world.files) as _, owner: user("eve") };
    world.faulty.attachments = Some(Arc::new(stuck));
    world.restart();
    world.ticker.advance(DAY * 2);
    for _ in 0..2 {
        assert!(world.chat.look_after_attachments().await.is_err(), "it is told");
    }
    assert_eq!(world.has(&others).await, (false, false));
    let eves = world.truth.uploads.of_owner(&user("eve"), None, 999).await.unwrap();
    assert_eq!(eves.len(), 150);
    world.faulty.attachments = Some(Arc::clone(&world.files) as _);
    world.restart();
    world.looks_after_files().await;
    assert_eq!(
        world.truth.uploads.of_owner(&user("eve"), None, 999).await.unwrap(),
        [],
        "they are met again"
    );
}

#[tokio::test]
async fn nobody_reads_the_file_of_a_deleted_message_also_where_it_could_not_be_removed() {
    let world = World::open().await;
    let ticket = world.asks_for_a_file("ann", "general").await;
    world.stores(&ticket).await;
    let received = world.accepts_with_file(&ticket, "1").await;
    world.deliver(&[received]).await;
    let read = async |who: &str| {
        let found = world.chat.attachment(&caller(who), ticket.id.as_str()).await;
        found.map(drop).map_err(|refused| refused.code)
    };
    for who in ["ann", "bob"] {
        assert_eq!(read(who).await, Ok(()), "{who}");
    }
    world.store.set(Mode::FailCalls("attachments.remove"));
    let venue = Venue::Room("general".to_owned());
    world.chat.delete_message(&caller("ann"), &venue, 1, None).await.unwrap();
    assert_eq!(world.has(&ticket).await, (true, true));
    for who in ["ann", "bob"] {
        assert_eq!(read(who).await, Err("attachment_not_found"), "{who}");
    }
    world.store.set(Mode::Quiet);
    world.looks_after_files().await;
    assert_eq!(world.has(&ticket).await, (false, false));
}

#[tokio::test]
async fn what_a_moderator_removes_goes_with_its_file() {
    let world = World::open().await;
    let tickets =
        [world.asks_for_a_file("ann", "general").await, world.asks_for_a_file("ann", "general").await];
    for (ticket, id) in tickets.iter().zip(["1", "2"]) {
        world.stores(ticket).await;
        let received = world.accepts_with_file(ticket, id).await;
        world.deliver(&[received]).await;
    }
    let venue = Venue::Room("general".to_owned());
    let desk = desk_of(Some("general")).unwrap();
    for (seq, ruling) in world.seqs("general").await.into_iter().zip(["remove", "approve"]) {
        world.chat.report(&caller("bob"), &venue, seq, None).await.unwrap();
        let review = world.chat.reviews(&admin("root"), &desk, None, None).await.unwrap().reviews.remove(0);
        world.chat.decide(&admin("root"), &desk, &review.id, ruling, None).await.unwrap();
    }
    assert_eq!(world.has(&tickets[0]).await, (false, false));
    assert_eq!(world.has(&tickets[1]).await, (true, true));
}

#[tokio::test]
async fn an_id_in_a_foreign_body_shows_nothing() {
    let world = World::open().await;
    let ticket = world.asks_for_a_file("ann", "general").await;
    world.stores(&ticket).await;
    let body = |sender: &str| {
        format!(
            r#"{{"SenderID":"{sender}","RoomID":"general","AttachmentID":"{}","MessageID":"{sender}"}}"#,
            ticket.id
        )
    };
    for sender in ["eve", "ann"] {
        world.deliver(&[foreign(Entity::Topic, body(sender))]).await;
    }
    let history = world.history("bob", "general").await;
    for message in history["messages"].as_array().unwrap() {
        assert!(message.get("attachment_url").is_none(), "{message}");
    }
    let venue = Venue::Room("general".to_owned());
    world.chat.delete_message(&caller("eve"), &venue, 1, None).await.unwrap();
    world.looks_after_files().await;
    assert_eq!(world.has(&ticket).await, (true, true), "and deleting it removes nothing");
}

#[tokio::test]
async fn a_repeat_has_the_first_answer_whatever_became_of_the_file() {
    let world = World::open().await;
    let ticket = world.asks_for_a_file("ann", "general").await;
    world.stores(&ticket).await;
    let received = world.accepts_with_file(&ticket, "1").await;
    world.deliver(&[received]).await;
    let venue = Venue::Room("general".to_owned());
    world.chat.delete_message(&caller("ann"), &venue, 1, None).await.unwrap();
    let with = Submission { attachment_id: Some(ticket.id.to_string()), ..to_room("general", "1", "look") };
    assert!(world.chat.send_message(&caller("ann"), with.clone(), None).await.is_ok());
    let other = Submission { message_id: Some("2".to_owned()), ..with };
    let refused = world.chat.send_message(&caller("ann"), other, None).await.unwrap_err();
    assert_eq!(refused.code, "attachment_not_found");
}

#[tokio::test]
async fn a_room_and_a_person_go_with_their_files() {
    let world = World::open().await;
    let (first, second) =
        (world.asks_for_a_file("ann", "general").await, world.asks_for_a_file("ann", "general").await);
    world.stores(&first).await;
    world.stores(&second).await;
    let received = world.accepts_with_file(&first, "1").await;
    world.deliver(&[received]).await;
    let general = crate::contract::data::conversation("general");
    world.chat.drop_attachments_in(&general, 0).await.unwrap();
    assert_eq!(world.has(&first).await, (true, true));
    world.chat.drop_attachments_in(&general, u64::MAX).await.unwrap();
    assert_eq!((world.has(&first).await, world.has(&second).await), ((false, false), (true, true)));
    assert!(!world.chat.drop_attachments_of(&user("bob")).await.unwrap());
    assert_eq!(world.has(&second).await, (true, true));
    assert!(!world.chat.drop_attachments_of(&user("ann")).await.unwrap());
    assert_eq!(world.has(&second).await, (false, false));
}

#[tokio::test]
async fn a_file_of_two_is_theirs() {
    let world = World::open().await;
    let named = Submission { attachment_url: Some("a.png".to_owned()), ..to_user("bob", "1", "") };
    let accepted = world.chat.send_message(&caller("ann"), named, None).await.unwrap();
    let received = world.outbox.take();
    world.deliver(&received).await;
    let ticket = accepted.upload.unwrap();
    world.stores(&ticket).await;
    for (who, may) in [("ann", true), ("bob", true), ("cid", false)] {
        let found = world.chat.attachment(&caller(who), ticket.id.as_str()).await;
        assert_eq!(found.is_ok(), may, "{who}");
    }
    let history = world.chat.direct_history(&caller("bob"), "ann", Default::default()).await.unwrap();
    let link = history.views().next().unwrap().message.attachment_url.clone();
    assert!(link.is_some());
    assert_eq!(world.truth.log.head(&pair("ann", "bob")).await.unwrap().unwrap().seq, 1);
}

#[tokio::test]
async fn an_export_lists_the_files_and_an_erasure_removes_them() {
    let world = World::open().await;
    let (used, waiting, others) = (
        world.asks_for_a_file("ann", "general").await,
        world.asks_for_a_file("ann", "general").await,
        world.asks_for_a_file("bob", "general").await,
    );
    for ticket in [&used, &waiting, &others] {
        world.stores(ticket).await;
    }
    let received = world.accepts_with_file(&used, "1").await;
    world.deliver(&[received]).await;
    let (mut files, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = world.chat.export(&caller("ann"), None, after.as_deref()).await.unwrap();
        files.extend(page.records.into_iter().filter_map(|record| match record {
            ExportRecord::File { id, name, at, .. } => Some((id, name, at)),
            _ => None,
        }));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut expected =
        [&used, &waiting].map(|ticket| (ticket.id.clone(), "a.png".to_owned(), world.ticker.now()));
    expected.sort();
    assert_eq!(files, expected);
    // Whatever fails on the way.
    world.store.set(Mode::FailCalls("attachments.remove"));
    world.chat.erase(&caller("ann"), None).await.unwrap();
    assert_eq!(world.has(&used).await, (true, true));
    world.store.set(Mode::Quiet);
    world.chat.repair().await.unwrap();
    for ticket in [&used, &waiting] {
        assert_eq!(world.has(ticket).await, (false, false));
    }
    assert_eq!(world.has(&others).await, (true, true));
}
