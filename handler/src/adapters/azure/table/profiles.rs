use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use super::client::{Match, Table, Tables, Write, WriteError};
use super::row::Row;
use super::{keys, pause};
use crate::model::{Profile, Timestamp, UserId};
use crate::ports::{Profiles, StoreError};

/// Profiles read at once.
const AT_ONCE: usize = 16;
const KEY: &str = "profile";

/// The profiles of a storage account, one partition per user.
#[derive(Clone, Debug)]
pub struct TableProfiles {
    table: Table,
}

fn partition(user: &UserId) -> String {
    format!("v1-{}", keys::escaped(user.as_str()))
}

impl TableProfiles {
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        Self { table: tables.table("profiles") }
    }

    async fn find(&self, user: &UserId) -> Result<Option<(Profile, String)>, StoreError> {
        let Some(row) = self.table.get(&partition(user), KEY).await? else { return Ok(None) };
        Ok(Some((row.get_json()?, row.etag()?.to_owned())))
    }

    /// Changes the row, or makes it, until nobody comes between.
    async fn change(
        &self,
        user: &UserId,
        change: impl Fn(Profile) -> Profile + Send,
    ) -> Result<(), StoreError> {
        let partition = partition(user);
        let mut retry = pause::Retry::default();
        loop {
            let there = self.find(user).await?;
            let (former, etag) = there.map_or((None, None), |(profile, etag)| (Some(profile), Some(etag)));
            let profile = change(former.clone().unwrap_or_else(|| Profile::of(user.clone())));
            if former.as_ref() == Some(&profile) {
                return Ok(());
            }
            let row = Row::new(&partition, KEY)?.json(&profile)?;
            let write = match etag {
                Some(etag) => Write::Replace(row, Match::Etag(etag)),
                None => Write::Insert(row),
            };
            match self.table.write_one(&partition, write).await {
                Ok(_) => return Ok(()),
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
    }
}

#[async_trait]
impl Profiles for TableProfiles {
    async fn get(&self, users: &[UserId]) -> Result<Vec<Profile>, StoreError> {
        let asked = stream::iter(users.to_vec()).map(async |user| self.find(&user).await).buffered(AT_ONCE);
        let found = asked.collect::<Vec<_>>().await.into_iter().filter_map(Result::transpose);
        found.map(|found| found.map(|(profile, _)| profile)).collect()
    }

    async fn put(&self, profile: &Profile) -> Result<(), StoreError> {
        self.change(&profile.user, |there| there.replaced_by(profile)).await
    }

    async fn seen(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError> {
        self.change(user, |there| Profile { last_seen: there.last_seen.max(Some(at)), ..there }).await
    }

    async fn sign_out(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError> {
        self.change(user, |there| Profile { signed_out_at: there.signed_out_at.max(Some(at)), ..there }).await
    }

    async fn blank(&self, user: &UserId) -> Result<(), StoreError> {
        let partition = partition(user);
        let mut retry = pause::Retry::default();
        loop {
            let Some((there, etag)) = self.find(user).await? else { return Ok(()) };
            let write = match there.blanked() {
                Some(blank) if blank == there => return Ok(()),
                Some(blank) => Write::Replace(Row::new(&partition, KEY)?.json(&blank)?, Match::Etag(etag)),
                None => Write::Delete(KEY.to_owned(), Match::Etag(etag)),
            };
            match self.table.write_one(&partition, write).await {
                Ok(_) => return Ok(()),
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
    }
}
