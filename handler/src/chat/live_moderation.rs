//! What live connections ask of bans and mutes. The answers carry what the REST calls of the same name answer.

use bytes::Bytes;
use serde::Serialize;

use super::fields::{Field, Fields};
use super::live::{limit_of, room_of};
use super::{Caller, Chat, NewSanction, Refused, SanctionView, view};
use crate::model::{SanctionKind, UserId};

/// The actions that are answered here.
pub(super) const ACTIONS: [&str; 6] = ["ban", "unban", "bans", "mute", "unmute", "mutes"];

/// Answers, by `type`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Answer<'a> {
    Banned(Laid<'a>),
    Unbanned(Lifted<'a>),
    Bans {
        room_id: &'a str,
        bans: &'a [SanctionView],
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<&'a UserId>,
    },
    Muted(Laid<'a>),
    Unmuted(Lifted<'a>),
    Mutes {
        room_id: &'a str,
        mutes: &'a [SanctionView],
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<&'a UserId>,
    },
}

#[derive(Serialize)]
struct Laid<'a> {
    room_id: &'a str,
    #[serde(flatten)]
    sanction: SanctionView,
}

#[derive(Serialize)]
struct Lifted<'a> {
    room_id: &'a str,
    user: &'a str,
}

impl Chat {
    pub(super) async fn act_on_sanctions(
        &self,
        caller: &Caller,
        action: &str,
        fields: &mut Fields,
    ) -> Result<Bytes, Refused> {
        let room_id = &*room_of(fields)?;
        let kind = if action.contains("ban") { SanctionKind::Ban } else { SanctionKind::Mute };
        match action {
            "bans" | "mutes" => self.sanctions_live(caller, room_id, kind, fields).await,
            "unban" | "unmute" => {
                let user = &*fields.required(Field::User)?;
                self.lift(caller, room_id, kind, user).await?;
                let lifted = Lifted { room_id, user };
                Ok(view::encode(&match kind {
                    SanctionKind::Ban => Answer::Unbanned(lifted),
                    _ => Answer::Unmuted(lifted),
                }))
            }
            _ => {
                let new = NewSanction {
                    user: fields.required(Field::User)?,
                    duration_secs: fields.number(Field::Duration)?,
                    reason: fields.text(Field::Reason)?,
                };
                let laid = Laid { room_id, sanction: self.sanction(caller, room_id, kind, new).await? };
                Ok(view::encode(&match kind {
                    SanctionKind::Ban => Answer::Banned(laid),
                    _ => Answer::Muted(laid),
                }))
            }
        }
    }

    async fn sanctions_live(
        &self,
        caller: &Caller,
        room_id: &str,
        kind: SanctionKind,
        fields: &mut Fields,
    ) -> Result<Bytes, Refused> {
        let (after, limit) = (fields.text(Field::After)?, limit_of(fields)?);
        let page = self.list_sanctions(caller, room_id, kind, after.as_deref(), limit).await?;
        let (sanctions, next) = (page.sanctions.as_slice(), page.next.as_ref());
        Ok(view::encode(&match kind {
            SanctionKind::Ban => Answer::Bans { room_id, bans: sanctions, next },
            _ => Answer::Mutes { room_id, mutes: sanctions, next },
        }))
    }
}
