//! Who is online: in a room, and of users by name. It is judged by the leases when it is asked, so what a lost event left
//! behind is right again once the repair has run.

use std::collections::HashSet;

use bytes::Bytes;
use serde::Serialize;

use super::access::room_id;
use super::fields::{Field, Fields};
use super::history::page_length;
use super::live::{limit_of, missing, room_of};
use super::members::user_in;
use super::{Caller, Chat, Refused, view};
use crate::model::{Timestamp, UserId, bounds};

/// Members looked at for one page, and how many of them at once.
const SCAN: usize = 2_000;
const AT_ONCE: usize = bounds::MEMBERS_PAGE_MAX;

/// Members of a room with a live connection, by ascending user id. Serialises as `{"users":[…],"next"?}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OnlinePage {
    pub users: Vec<UserId>,
    /// Given back as `after` for those behind these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// Whether somebody is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PresenceView {
    pub user: UserId,
    pub online: bool,
    /// When they were last known to come or go; absent where nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
}

/// Serialises as `{"presence":[…]}`, in the order asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Presences {
    pub presence: Vec<PresenceView>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Answer<'a> {
    Online {
        room_id: &'a str,
        #[serde(flatten)]
        page: OnlinePage,
    },
    PresenceOf {
        #[serde(flatten)]
        presences: Presences,
    },
}

impl Chat {
    /// The members of a room who are online, each once however many devices they have. A page may be short while there is
    /// more: `next` tells. For whoever may read the room.
    pub async fn online_in(
        &self,
        caller: &Caller,
        room: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<OnlinePage, Refused> {
        let limit = page_length(limit, bounds::MEMBERS_PAGE_DEFAULT, bounds::MEMBERS_PAGE_MAX)?;
        let mut last = after.map(|after| user_in("after", after)).transpose()?;
        let room = self.may_read(caller, &room_id(room)?).await?;
        let (mut users, mut scanned, mut more) = (Vec::new(), 0, true);
        while more && users.len() < limit && scanned < SCAN {
            let rows = self.ports.members.list(&room.id, last.as_ref(), AT_ONCE).await?;
            more = rows.len() == AT_ONCE;
            scanned += rows.len();
            let members: Vec<_> = rows.into_iter().map(|row| row.user).collect();
            let online = self.ports.leases.online(&members).await?;
            last = members.last().cloned().or(last);
            users.extend(members.into_iter().zip(online).filter_map(|(user, online)| online.then_some(user)));
        }
        if users.len() > limit {
            users.truncate(limit);
            last = users.last().cloned();
            more = true;
        }
        Ok(OnlinePage { users, next: last.filter(|_| more) })
    }

    /// Whether users are online, and when they were last seen; at most 100 at a time, each once. Whoever has a name may ask
    /// about anybody: people write to each other without sharing a room. Only ids one knows can be asked for, and who is
    /// nobody looks like somebody who was never there.
    pub async fn presence_of(&self, field: &'static str, users: &[String]) -> Result<Presences, Refused> {
        let max = bounds::PRESENCE_USERS;
        if users.len() > max {
            let sentence = format!("{field} must name at most {max} users.");
            return Err(Refused::too_large("too_many_users", field, sentence));
        }
        let users: Vec<_> = users.iter().map(|user| user_in(field, user)).collect::<Result<_, _>>()?;
        let mut asked = HashSet::with_capacity(users.len());
        let users: Vec<_> = users.into_iter().filter(|user| asked.insert(user.clone())).collect();
        let (online, profiles) =
            tokio::try_join!(self.ports.leases.online(&users), self.ports.profiles.get(&users))?;
        // Profiles come in the order asked, with some left out.
        let mut profiles = profiles.into_iter().peekable();
        let view = |(user, online)| {
            let profile = profiles.next_if(|profile| profile.user == user);
            PresenceView { user, online, last_seen: profile.and_then(|profile| profile.last_seen) }
        };
        Ok(Presences { presence: users.into_iter().zip(online).map(view).collect() })
    }

    /// The actions `online` and `presence`.
    pub(super) async fn act_on_presence(
        &self,
        caller: &Caller,
        action: &str,
        fields: &mut Fields,
    ) -> Result<Bytes, Refused> {
        if action == "online" {
            let (room_id, after, limit) = (room_of(fields)?, fields.text(Field::After)?, limit_of(fields)?);
            let page = self.online_in(caller, &room_id, after.as_deref(), limit).await?;
            return Ok(view::encode(&Answer::Online { room_id: &room_id, page }));
        }
        let users = fields.texts(Field::Users)?.filter(|users| !users.is_empty());
        let users = users.ok_or_else(|| missing(fields, Field::Users))?;
        let presences = self.presence_of("users", &users).await?;
        Ok(view::encode(&Answer::PresenceOf { presences }))
    }
}
