//! What connections ask about messages: change, delete, react, pin; and their users' profiles. Each answer names the
//! message as `target` and the entry it made as `seq`, which is missing where nothing had to change.

use bytes::Bytes;
use serde::Serialize;

use super::fields::{Field, Fields};
use super::live::{limit_of, missing, room_of};
use super::pins::PinsChanged;
use super::reactions::ReactionsView;
use super::scene::{Changed, Scene};
use super::view::{self, Place};
use super::{Caller, Chat, Pins, PresentMessage, ProfileView, ReactedPage, ReaderPage, Refused, Venue};
use crate::model::{RoomId, Timestamp};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Answer<'a> {
    Edited(MessageAnswer<'a>),
    Deleted(MessageAnswer<'a>),
    Reacted(ReactedAnswer<'a>),
    PinsChanged(PinsAnswer<'a>),
    Pins {
        room_id: &'a RoomId,
        #[serde(flatten)]
        pins: &'a Pins,
    },
    MessageInfo {
        message: &'a PresentMessage,
    },
    ReactedBy {
        target: u64,
        #[serde(flatten)]
        page: ReactedPage,
    },
    Readers {
        target: u64,
        #[serde(flatten)]
        page: ReaderPage,
    },
    Profile {
        #[serde(flatten)]
        profile: ProfileView,
    },
}

/// Where and by which entry.
#[derive(Serialize)]
struct Made<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Timestamp>,
    #[serde(flatten)]
    place: Place<'a>,
    target: u64,
}

#[derive(Serialize)]
struct MessageAnswer<'a> {
    #[serde(flatten)]
    made: Made<'a>,
    message: &'a PresentMessage,
}

#[derive(Serialize)]
struct ReactedAnswer<'a> {
    #[serde(flatten)]
    made: Made<'a>,
    emoji: &'a str,
    on: bool,
    reactions: &'a std::collections::BTreeMap<String, usize>,
    mine: &'a [String],
}

#[derive(Serialize)]
struct PinsAnswer<'a> {
    #[serde(flatten)]
    made: Made<'a>,
    on: bool,
    pins: &'a [u64],
}

impl<'a> Made<'a> {
    fn new(caller: &Caller, changed: &'a Changed) -> Self {
        let PresentMessage { scene, state } = &changed.message;
        Self {
            seq: changed.entry.map(|entry| entry.seq),
            number: changed.entry.map(|entry| entry.number),
            timestamp: changed.entry.map(|entry| entry.at),
            place: scene.place(&caller.user),
            target: state.seq,
        }
    }
}

impl Chat {
    /// The actions on messages and profiles. `None` where there is no such action here.
    pub(super) async fn act_on_messages(
        &self,
        caller: &Caller,
        action: &str,
        fields: &mut Fields,
    ) -> Result<Option<Bytes>, Refused> {
        match action {
            "message" | "get_message" => {
                let (venue, seq) = (venue_of(fields)?, seq_of(fields)?);
                let message = self.message(caller, &venue, seq).await?;
                Ok(Some(view::encode(&Answer::MessageInfo { message: &message })))
            }
            "edit" => self.edit_live(caller, fields).await.map(Some),
            "delete" => self.delete_live(caller, fields).await.map(Some),
            "react" | "unreact" => self.react_live(caller, fields, action == "react").await.map(Some),
            "reactions" => self.reacted_live(caller, fields).await.map(Some),
            "readers" => self.readers_live(caller, fields).await.map(Some),
            "pin" | "unpin" => self.pin_live(caller, fields, action == "pin").await.map(Some),
            "pins" => {
                let pins = self.pinned(caller, &room_of(fields)?).await?;
                let Scene::Room(room) = pins.scene() else { return Err(Refused::room_not_found()) };
                Ok(Some(view::encode(&Answer::Pins { room_id: &room.id, pins: &pins })))
            }
            "me" => {
                let profile = self.profile(caller).await?;
                Ok(Some(view::encode(&Answer::Profile { profile })))
            }
            "set_profile" => {
                let (name, url) = (fields.text(Field::DisplayName)?, fields.text(Field::AvatarUrl)?);
                let profile = self.set_profile(caller, name.as_deref(), url.as_deref()).await?;
                Ok(Some(view::encode(&Answer::Profile { profile })))
            }
            _ => Ok(None),
        }
    }

    async fn edit_live(&self, caller: &Caller, fields: &mut Fields) -> Result<Bytes, Refused> {
        let (venue, seq) = (venue_of(fields)?, seq_of(fields)?);
        let content = fields.text(Field::Content)?.ok_or_else(|| missing(fields, Field::Content))?;
        let key = fields.text(Field::MessageId)?;
        let changed = self.edit_message(caller, &venue, seq, content, key.as_deref()).await?;
        let made = Made::new(caller, &changed);
        Ok(view::encode(&Answer::Edited(MessageAnswer { made, message: &changed.message })))
    }

    async fn delete_live(&self, caller: &Caller, fields: &mut Fields) -> Result<Bytes, Refused> {
        let (venue, seq) = (venue_of(fields)?, seq_of(fields)?);
        let reason = fields.text(Field::Reason)?;
        let changed = self.delete_message(caller, &venue, seq, reason.as_deref()).await?;
        let made = Made::new(caller, &changed);
        Ok(view::encode(&Answer::Deleted(MessageAnswer { made, message: &changed.message })))
    }

    async fn react_live(&self, caller: &Caller, fields: &mut Fields, on: bool) -> Result<Bytes, Refused> {
        let (venue, seq) = (venue_of(fields)?, seq_of(fields)?);
        let emoji = fields.text(Field::Emoji)?.ok_or_else(|| missing(fields, Field::Emoji))?;
        let changed = self.react(caller, &venue, seq, &emoji, on).await?;
        let ReactionsView { counts, mine, .. } = ReactionsView::new(&caller.user, &changed.message);
        let made = Made::new(caller, &changed);
        Ok(view::encode(&Answer::Reacted(ReactedAnswer {
            made,
            emoji: &emoji,
            on,
            reactions: &counts,
            mine: &mine,
        })))
    }

    async fn reacted_live(&self, caller: &Caller, fields: &mut Fields) -> Result<Bytes, Refused> {
        let (venue, target) = (venue_of(fields)?, seq_of(fields)?);
        let emoji = fields.text(Field::Emoji)?.ok_or_else(|| missing(fields, Field::Emoji))?;
        let (after, limit) = (fields.text(Field::After)?, limit_of(fields)?);
        let page = self.reacted(caller, &venue, target, &emoji, after.as_deref(), limit).await?;
        Ok(view::encode(&Answer::ReactedBy { target, page }))
    }

    async fn readers_live(&self, caller: &Caller, fields: &mut Fields) -> Result<Bytes, Refused> {
        let (room, target) = (room_of(fields)?, seq_of(fields)?);
        let (after, limit) = (fields.text(Field::After)?, limit_of(fields)?);
        let page = self.readers(caller, &room, target, after.as_deref(), limit).await?;
        Ok(view::encode(&Answer::Readers { target, page }))
    }

    async fn pin_live(&self, caller: &Caller, fields: &mut Fields, on: bool) -> Result<Bytes, Refused> {
        let (room, seq) = (room_of(fields)?, seq_of(fields)?);
        let PinsChanged { pins, changed, .. } = self.pin(caller, &room, seq, on).await?;
        let made = Made::new(caller, &changed);
        Ok(view::encode(&Answer::PinsChanged(PinsAnswer { made, on, pins: &pins })))
    }
}

pub(super) fn venue_of(fields: &mut Fields) -> Result<Venue, Refused> {
    match fields.text(Field::With)? {
        Some(with) => Ok(Venue::With(with)),
        None => room_of(fields).map(Venue::Room),
    }
}

pub(super) fn seq_of(fields: &mut Fields) -> Result<u64, Refused> {
    fields.number(Field::Seq)?.ok_or_else(|| missing(fields, Field::Seq))
}
