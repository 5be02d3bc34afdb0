//! What live connections ask of rooms and their members. The answers carry what the REST calls of the same name answer.

use bytes::Bytes;
use serde::Serialize;

use super::fields::{Field, Fields};
use super::live::{limit_of, room_of};
use super::members::role_named;
use super::{
    Caller, Chat, Issued, MemberQuery, MemberView, NewInvitation, NewRoom, Refused, RoomEdit, RoomView, view,
};
use crate::model::{MessageId, RoomId, UserId};

/// The actions that are answered here.
pub(super) const ACTIONS: [&str; 13] = [
    "create_room",
    "get_room",
    "change_room",
    "delete_room",
    "search_rooms",
    "members",
    "add_member",
    "change_role",
    "remove_member",
    "invite",
    "invitations",
    "revoke_invitation",
    "accept_invitation",
];

/// Answers, by `type`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Answer<'a> {
    Room {
        room: &'a RoomView,
    },
    Deleted {
        room_id: &'a RoomId,
    },
    RoomsFound {
        rooms: &'a [RoomView],
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<&'a str>,
    },
    Members {
        room_id: &'a str,
        #[serde(flatten)]
        page: super::MemberPage,
    },
    Member {
        room_id: &'a str,
        member: &'a MemberView,
    },
    MemberRemoved {
        room_id: &'a str,
        user: &'a str,
    },
    UserInvited {
        room_id: &'a str,
        user: &'a UserId,
    },
    Invitation {
        room_id: &'a str,
        invitation: &'a Issued,
    },
    Invitations {
        room_id: &'a str,
        #[serde(flatten)]
        page: super::InvitationPage,
    },
    InvitationRevoked {
        room_id: &'a str,
        invitation: &'a str,
    },
}

impl Chat {
    pub(super) async fn act_on_rooms(
        &self,
        caller: &Caller,
        action: &str,
        fields: &mut Fields,
    ) -> Result<Bytes, Refused> {
        match action {
            "create_room" => {
                let key = key(fields)?;
                let room = self.create_room(caller, new_room(fields)?, key.as_deref()).await?;
                Ok(view::encode(&Answer::Room { room: &room }))
            }
            "accept_invitation" => {
                let room = self.accept_invitation(caller, &fields.required(Field::Token)?).await?;
                Ok(view::encode(&Answer::Room { room: &room }))
            }
            "search_rooms" => {
                let (prefix, after) = (fields.required(Field::Prefix)?, fields.text(Field::After)?);
                let found = self.search_rooms(caller, &prefix, after.as_deref(), limit_of(fields)?).await?;
                Ok(view::encode(&Answer::RoomsFound { rooms: &found.rooms, next: found.next.as_deref() }))
            }
            _ => {
                let room = room_of(fields)?;
                self.act_in_room(caller, action, &room, fields).await
            }
        }
    }

    async fn act_in_room(
        &self,
        caller: &Caller,
        action: &str,
        room_id: &str,
        fields: &mut Fields,
    ) -> Result<Bytes, Refused> {
        Ok(match action {
            "get_room" => view::encode(&Answer::Room { room: &self.get_room(caller, room_id).await? }),
            "change_room" => {
                let room = self.change_room(caller, room_id, &edit(fields)?).await?;
                view::encode(&Answer::Room { room: &room })
            }
            "delete_room" => {
                let key = key(fields)?;
                let room = self.delete_room(caller, room_id, key.as_deref()).await?;
                view::encode(&Answer::Deleted { room_id: &room })
            }
            "members" => {
                let query = MemberQuery {
                    after: fields.text(Field::After)?,
                    limit: limit_of(fields)?,
                    only_online: fields.flag(Field::Online)?.unwrap_or(false),
                };
                let page = self.list_members(caller, room_id, &query).await?;
                view::encode(&Answer::Members { room_id, page })
            }
            "invitations" => {
                let (after, limit) = (fields.text(Field::After)?, limit_of(fields)?);
                let page = self.list_invitations(caller, room_id, after.as_deref(), limit).await?;
                view::encode(&Answer::Invitations { room_id, page })
            }
            "revoke_invitation" => {
                let invitation = fields.required(Field::Invitation)?;
                self.revoke_invitation(caller, room_id, &invitation).await?;
                view::encode(&Answer::InvitationRevoked { room_id, invitation: &invitation })
            }
            "invite" => self.invite_live(caller, room_id, fields).await?,
            _ => self.act_on_member(caller, action, room_id, fields).await?,
        })
    }

    async fn act_on_member(
        &self,
        caller: &Caller,
        action: &str,
        room_id: &str,
        fields: &mut Fields,
    ) -> Result<Bytes, Refused> {
        let user = fields.required(Field::User)?;
        let member = match action {
            "add_member" => {
                let role = fields.text(Field::Role)?.map(|role| role_named(&role)).transpose()?;
                self.add_member(caller, room_id, &user, role.unwrap_or_default()).await?
            }
            "change_role" => {
                let role = role_named(&fields.required(Field::Role)?)?;
                self.change_role(caller, room_id, &user, role).await?
            }
            _ => {
                self.remove_member(caller, room_id, &user, fields.text(Field::Reason)?.as_deref()).await?;
                return Ok(view::encode(&Answer::MemberRemoved { room_id, user: &user }));
            }
        };
        Ok(view::encode(&Answer::Member { room_id, member: &member }))
    }

    async fn invite_live(
        &self,
        caller: &Caller,
        room_id: &str,
        fields: &mut Fields,
    ) -> Result<Bytes, Refused> {
        if let Some(user) = fields.text(Field::User)? {
            let user = self.invite_user(caller, room_id, &user).await?;
            return Ok(view::encode(&Answer::UserInvited { room_id, user: &user }));
        }
        let role = fields.text(Field::Role)?.map(|role| role_named(&role)).transpose()?;
        let new = NewInvitation {
            expires_in: fields.number(Field::ExpiresIn)?,
            max_uses: fields.number(Field::MaxUses)?,
            role: role.unwrap_or_default(),
        };
        let invitation = self.create_invitation(caller, room_id, new).await?;
        Ok(view::encode(&Answer::Invitation { room_id, invitation: &invitation }))
    }
}

/// What makes a repeat the same command: the frame's `id`.
fn key(fields: &mut Fields) -> Result<Option<String>, Refused> {
    let key = fields.text(Field::MessageId)?;
    if let Some(key) = &key {
        MessageId::new(key).map_err(|error| Refused::bad_id("id", &error))?;
    }
    Ok(key)
}

fn new_room(fields: &mut Fields) -> Result<NewRoom, Refused> {
    Ok(NewRoom {
        name: fields.required(Field::Name)?,
        description: fields.text(Field::Description)?.unwrap_or_default(),
        is_private: fields.flag(Field::IsPrivate)?.unwrap_or(false),
        allowed_users: fields.texts(Field::AllowedUsers)?.unwrap_or_default(),
    })
}

fn edit(fields: &mut Fields) -> Result<RoomEdit, Refused> {
    Ok(RoomEdit {
        blocked_words: fields.texts(Field::BlockedWords)?,
        links: fields.text(Field::Links)?,
        name: fields.text(Field::Name)?,
        description: fields.text(Field::Description)?,
        is_private: fields.flag(Field::IsPrivate)?,
        allowed_users: fields.texts(Field::AllowedUsers)?,
        retention_days: fields.number(Field::RetentionDays)?,
    })
}
