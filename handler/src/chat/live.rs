//! What live connections ask, by events or plain text frames.

use bytes::Bytes;
use serde::Serialize;

use super::access::room_id;
use super::command::{Audience, Command, Verdict};
use super::fields::{Field, Fields};
use super::ingest::Status;
use super::known::AT_APPEND;
use super::message::Target;
use super::moderation::Repeats;
use super::{
    Caller, Chat, PageRequest, QueuedMessage, Refused, RoomView, Submission, SyncRequest, live_moderation,
    live_rooms, view,
};
use crate::model::{Change, ConversationId, MessageId, RoomId, Timestamp};
use crate::ports::{NewEntry, Position};

/// Answers, by `type`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Answer<'a> {
    Sent {
        id: &'a MessageId,
        seq: u64,
        number: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        room_id: Option<&'a RoomId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        conversation: Option<&'a ConversationId>,
        timestamp: Timestamp,
    },
    /// Not published before somebody has looked at it.
    Held {
        id: &'a MessageId,
        #[serde(skip_serializing_if = "Option::is_none")]
        room_id: Option<&'a RoomId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        conversation: Option<&'a ConversationId>,
    },
    RoomJoined {
        room: &'a RoomView,
        room_id: &'a RoomId,
        member_count: usize,
        message: String,
    },
    RoomLeft {
        room_id: &'a RoomId,
        member_count: usize,
        message: String,
    },
    RoomsInfo {
        #[serde(serialize_with = "counts")]
        rooms: &'a [RoomView],
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        truncated: bool,
    },
    RoomsList {
        rooms: &'a [RoomView],
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        truncated: bool,
    },
    History {
        #[serde(flatten)]
        history: super::History,
    },
    Inbox {
        #[serde(flatten)]
        page: super::InboxPage,
    },
    Acked {
        count: usize,
    },
    Error {
        code: &'a str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        field: Option<&'a str>,
        /// Seconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
}

fn counts<S: serde::Serializer>(rooms: &&[RoomView], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(rooms.iter().map(|room| (&room.id, room.member_count)))
}

impl Chat {
    /// A named event of a connection (`caller.via` is the socket) with its JSON payload; the answer is one JSON object.
    /// The event `message` is a plain WebSocket text frame, see [`Chat::text_frame`].
    pub async fn event(&self, caller: &Caller, name: &str, payload: &[u8]) -> Result<Option<Bytes>, Refused> {
        if name == "message" {
            return Ok(Some(self.text_frame(caller, payload).await));
        }
        let answer = async {
            self.charge_frame(caller)?;
            let mut fields = Fields::read(if payload.is_empty() { b"{}" } else { payload })?;
            self.act(caller, name, &mut fields).await
        };
        self.refusals_noted(caller, answer.await).await.map(Some)
    }

    /// A text frame `{"action": …}` of a plain WebSocket. Every one has an answer; mistakes are answered
    /// `{"type":"error","code","message","field"?}`.
    pub async fn text_frame(&self, caller: &Caller, frame: &[u8]) -> Bytes {
        let answer = async {
            self.charge_frame(caller)?;
            let mut fields = Fields::read(frame)?;
            let action = fields.text(Field::Action)?;
            let action = action.ok_or_else(|| missing(&fields, Field::Action))?;
            self.act(caller, &action, &mut fields).await
        };
        let answer = self.refusals_noted(caller, answer.await).await;
        answer.unwrap_or_else(|refused| error_frame(&refused))
    }

    /// Who goes on whatever they are told is told no more.
    async fn refusals_noted(
        &self,
        caller: &Caller,
        answer: Result<Bytes, Refused>,
    ) -> Result<Bytes, Refused> {
        if answer.as_ref().is_err_and(Refused::is_limited) {
            self.note_refusal(caller).await;
        }
        answer
    }

    async fn act(&self, caller: &Caller, action: &str, fields: &mut Fields) -> Result<Bytes, Refused> {
        self.charge_event(caller, action)?;
        match action {
            "send" => self.send_live(caller, Submission::take(fields)?).await,
            "join" => {
                let room = self.join_room(caller, &room_of(fields)?).await?;
                Ok(view::encode(&Answer::RoomJoined {
                    room_id: &room.id,
                    member_count: room.member_count,
                    message: format!("You joined {}.", room.name),
                    room: &room,
                }))
            }
            "leave" => {
                let room = self.leave_room(caller, &room_of(fields)?).await?;
                Ok(view::encode(&Answer::RoomLeft {
                    room_id: &room.id,
                    member_count: room.member_count,
                    message: format!("You left {}.", room.name),
                }))
            }
            "get_rooms" | "list_rooms" => {
                let page = self.list_rooms(caller, None, None).await?;
                let (rooms, truncated) = (page.rooms.as_slice(), page.next.is_some());
                Ok(view::encode(&match action {
                    "get_rooms" => Answer::RoomsInfo { rooms, truncated },
                    _ => Answer::RoomsList { rooms, truncated },
                }))
            }
            "history" => self.history_live(caller, fields).await,
            "inbox" => {
                let (after, before) = (fields.text(Field::After)?, fields.text(Field::Before)?);
                let limit = limit_of(fields)?;
                let page = self.inbox(caller, after.as_deref(), before.as_deref(), limit).await?;
                Ok(view::encode(&Answer::Inbox { page }))
            }
            "ack" => {
                let ids = fields.texts(Field::Ids)?.ok_or_else(|| missing(fields, Field::Ids))?;
                let count = self.acknowledge(caller, &ids).await?;
                Ok(view::encode(&Answer::Acked { count }))
            }
            "read" => self.read_live(caller, fields).await,
            "typing" => self.typing_live(caller, fields).await,
            "my_rooms" => {
                let (after, limit) = (fields.text(Field::After)?, limit_of(fields)?);
                self.my_rooms_live(caller, after, limit).await
            }
            action if live_rooms::ACTIONS.contains(&action) => {
                self.act_on_rooms(caller, action, fields).await
            }
            "online" | "presence" => self.act_on_presence(caller, action, fields).await,
            "report" | "reviews" | "review" | "rules" => self.act_on_reviews(caller, action, fields).await,
            action if live_moderation::ACTIONS.contains(&action) => {
                self.act_on_sanctions(caller, action, fields).await
            }
            "sync" => Ok(self.sync(caller, SyncRequest::take(fields)?).await?.to_frame()),
            _ => {
                let answer = self.act_on_messages(caller, action, fields).await?;
                answer.ok_or_else(|| Refused::invalid("unknown_action", "action", "There is no such action."))
            }
        }
    }

    async fn history_live(&self, caller: &Caller, fields: &mut Fields) -> Result<Bytes, Refused> {
        let page = PageRequest {
            after: fields.number(Field::After)?,
            before: fields.number(Field::Before)?,
            limit: limit_of(fields)?,
        };
        let history = match fields.text(Field::With)? {
            Some(with) => self.direct_history(caller, &with, page).await?,
            None => self.room_history(caller, &room_of(fields)?, page).await?,
        };
        Ok(view::encode(&Answer::History { history }))
    }

    /// Appended at once, without the queue. The connection that sent gets this answer and no copy.
    async fn send_live(&self, caller: &Caller, submission: Submission) -> Result<Bytes, Refused> {
        let mut message = self.judge(caller, submission, caller.repeat_key().as_deref())?;
        let position = self.append_live(caller, &mut message).await?;
        let (room_id, conversation) = match &message.target {
            Target::Room(room) => (Some(room), None),
            Target::Direct(_) => (None, Some(&message.conversation)),
        };
        let Some(position) = position else {
            return Ok(view::encode(&Answer::Held { id: &message.message.id, room_id, conversation }));
        };
        Ok(view::encode(&Answer::Sent {
            id: &message.message.id,
            seq: position.seq,
            number: position.number,
            room_id,
            conversation,
            timestamp: position.at,
        }))
    }

    /// Where it stands; `None` where it is held.
    async fn append_live(
        &self,
        caller: &Caller,
        message: &mut QueuedMessage,
    ) -> Result<Option<Position>, Refused> {
        let sender = &message.message.sender;
        let room = match &message.target {
            Target::Room(room) => match self.may_send(room, sender, AT_APPEND).await {
                Ok(room) => Some(room),
                // A repeat gets the first answer, whatever was decided since.
                Err(refused) => return self.first_position(message, refused).await.map(Some),
            },
            Target::Direct(_) => None,
        };
        let paid = match self.charge_message(message) {
            Ok(paid) => paid,
            Err(refused) => {
                let first = self.first_position(message, refused.clone()).await;
                return first.map(Some).map_err(|_| refused);
            }
        };
        if let Err(refused) = self.attach(message).await {
            self.limits.give_back(&paid);
            return self.first_position(message, refused).await.map(Some);
        }
        match self.moderate(message, room.as_deref(), Repeats::AreJudged).await {
            Ok(Status::Accepted) => {}
            Ok(Status::Held) => return Ok(None),
            Err(refused) => {
                let first = self.first_position(message, refused).await?;
                self.limits.give_back(&paid);
                return Ok(Some(first));
            }
        }
        let (position, is_duplicate) = self.append_message(message, caller.connection()).await?;
        if is_duplicate {
            self.limits.give_back(&paid);
        }
        self.lately.add(message.marker);
        Ok(Some(position))
    }

    /// Appends a message that may be published, and sends it to everybody but one connection. Answers where it stands, and
    /// whether it stood there before.
    pub(super) async fn append_message(
        &self,
        message: &QueuedMessage,
        excluded: Option<&str>,
    ) -> Result<(Position, bool), Refused> {
        let sender = &message.message.sender;
        let entry = NewEntry {
            marker: Some(message.marker),
            at: self.ports.clock.now(),
            change: Change::Message(message.message.clone()),
            only_behind: None,
        };
        let mut commands = vec![Command { entry, excluded: excluded.map(str::to_owned) }];
        self.names.sign(&mut commands).await;
        let audience = Audience::of(&message.target, sender);
        let appended = self.appenders.append(&audience, &message.conversation, commands).await?;
        appended.filed()?;
        match appended.verdicts.first() {
            Some(Verdict::Stored { position, duplicate }) => {
                self.raise_own_mark(&message.conversation, sender, *position).await;
                Ok((*position, *duplicate))
            }
            Some(Verdict::Refused(refusal)) => Err((*refusal).into()),
            _ => Err(Refused::room_not_found()),
        }
    }
}

pub(super) fn missing(fields: &Fields, field: Field) -> Refused {
    let name = fields.name(field);
    Refused::invalid("missing_field", name, format!("{name} is missing."))
}

pub(super) fn room_of(fields: &mut Fields) -> Result<String, Refused> {
    let room = fields.text(Field::Room)?.ok_or_else(|| missing(fields, Field::Room))?;
    room_id(&room).map(String::from)
}

pub(super) fn limit_of(fields: &mut Fields) -> Result<Option<usize>, Refused> {
    Ok(fields.number(Field::Limit)?.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)))
}

/// What a client is told of a refusal, `{"type":"error","code","message","field"?,"retry_after"?}`.
#[must_use]
pub fn error_frame(refused: &Refused) -> Bytes {
    view::encode(&Answer::Error {
        code: refused.code,
        message: &refused.message,
        field: refused.field,
        retry_after: refused.retry_after_secs(),
    })
}
