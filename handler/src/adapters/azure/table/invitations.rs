use async_trait::async_trait;

use super::client::{Match, Query, Table, Tables, Write, WriteError};
use super::row::Row;
use super::{keys, pause};
use crate::model::{Invitation, RoomId, Timestamp, UserId};
use crate::ports::{Invitations, Redeemed, StoreError};

/// Invitations are few and used seldom, so all of them are in one partition: both rows change in one transaction.
const PARTITION: &str = "v1";

/// The invitations of a storage account: `i` and an id, `r` and a room and an id; both rows hold the invitation.
#[derive(Clone, Debug)]
pub struct TableInvitations {
    table: Table,
}

fn id_key(id: &str) -> String {
    format!("i{}", keys::sortable(id))
}

fn room_key(room: &RoomId, id: &str) -> String {
    format!("r{room}.{}", keys::sortable(id))
}

fn rows(invitation: &Invitation) -> Result<(Row, Row), StoreError> {
    let by_id = Row::new(PARTITION, &id_key(&invitation.id))?.json(invitation)?;
    let by_room = Row::new(PARTITION, &room_key(&invitation.room, &invitation.id))?.json(invitation)?;
    Ok((by_id, by_room))
}

impl TableInvitations {
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        Self { table: tables.table("invitations") }
    }

    async fn find(&self, id: &str) -> Result<Option<(Invitation, String)>, StoreError> {
        let Some(row) = self.table.get(PARTITION, &id_key(id)).await? else { return Ok(None) };
        Ok(Some((row.get_json()?, row.etag()?.to_owned())))
    }
}

#[async_trait]
impl Invitations for TableInvitations {
    async fn create(&self, invitation: &Invitation) -> Result<(), StoreError> {
        let (by_id, by_room) = rows(invitation)?;
        match self.table.write(PARTITION, vec![Write::Insert(by_id), Write::Insert(by_room)]).await {
            Ok(_) | Err(WriteError::Refused(_)) => Ok(()),
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    async fn get(&self, id: &str) -> Result<Option<Invitation>, StoreError> {
        Ok(self.find(id).await?.map(|(invitation, _)| invitation))
    }

    async fn redeem(&self, id: &str, user: &UserId, now: Timestamp) -> Result<Redeemed, StoreError> {
        let mut retry = pause::Retry::default();
        loop {
            let Some((there, etag)) = self.find(id).await? else { return Ok(Redeemed::Unknown) };
            let mut invitation = there.clone();
            let redeemed = invitation.redeem(user, now);
            if invitation == there {
                return Ok(redeemed);
            }
            let (by_id, by_room) = rows(&invitation)?;
            let writes = vec![Write::Replace(by_id, Match::Etag(etag)), Write::Put(by_room)];
            match self.table.write(PARTITION, writes).await {
                Ok(_) => return Ok(redeemed),
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
    }

    async fn list(
        &self,
        room: &RoomId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Invitation>, StoreError> {
        let mut query = Query::partition(PARTITION).beginning(&format!("r{room}."));
        if let Some(after) = after {
            query = query.after(&room_key(room, after));
        }
        self.table.query(&query, limit).await?.iter().map(Row::get_json).collect()
    }

    async fn revoke(&self, room: &RoomId, id: &str) -> Result<bool, StoreError> {
        let mut retry = pause::Retry::default();
        loop {
            let (invitation, etag) = match self.find(id).await? {
                Some(found) if found.0.room == *room => found,
                _ => return Ok(false),
            };
            let writes = vec![
                Write::Delete(id_key(id), Match::Etag(etag)),
                Write::Delete(room_key(&invitation.room, id), Match::Any),
            ];
            match self.table.write(PARTITION, writes).await {
                Ok(_) => return Ok(true),
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
    }
}
