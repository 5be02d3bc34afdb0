//! Who has read a message: told from how far each member has read, so it costs no row of its own.

use serde::Serialize;

use super::history::page_length;
use super::policy::Action;
use super::scene::Scene;
use super::{Caller, Chat, Refused, Venue};
use crate::model::{UserId, bounds};

/// Members looked at for one page, where most have not read so far.
const SCAN: usize = 2_000;

/// A member whose read mark stands at the message or behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reader {
    pub user: UserId,
    /// How far they have read.
    pub read_seq: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReaderPage {
    pub readers: Vec<Reader>,
    /// Given back as `after` for those behind these. A page may be short while there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

impl Chat {
    /// The members who have read a message of a room, by user id; its members may see that.
    pub async fn readers(
        &self,
        caller: &Caller,
        room: &str,
        seq: u64,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<ReaderPage, Refused> {
        let limit = page_length(limit, bounds::MEMBERS_PAGE_DEFAULT, bounds::MEMBERS_PAGE_MAX)?;
        let after = after.map(UserId::new).transpose();
        let mut last = after.map_err(|error| Refused::bad_id("after", &error))?;
        let message = self.message(caller, &Venue::Room(room.to_owned()), seq).await?;
        let Scene::Room(room) = &message.scene else { return Err(Refused::room_not_found()) };
        self.require(caller, room, Action::SeeMembers).await?;
        let (mut readers, mut scanned, mut more) = (Vec::new(), 0, true);
        while more && readers.len() < limit && scanned < SCAN {
            // Whole pages: where few have read so far, their number says nothing of how many to look at.
            let wanted = bounds::MEMBERS_PAGE_MAX;
            let members = self.ports.members.list(&room.id, last.as_ref(), wanted).await?;
            more = members.len() == wanted;
            scanned += members.len();
            last = members.last().map(|member| member.user.clone()).or(last);
            let marks = members
                .into_iter()
                .map(|member| Reader { read_seq: self.read_mark(&room.id, &member).seq, user: member.user });
            readers.extend(marks.filter(|reader| reader.read_seq >= seq));
        }
        if readers.len() > limit {
            readers.truncate(limit);
            last = readers.last().map(|reader| reader.user.clone());
            more = true;
        }
        Ok(ReaderPage { readers, next: last.filter(|_| more) })
    }
}
