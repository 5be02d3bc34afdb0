use async_trait::async_trait;
use redb::{ReadTransaction, WriteTransaction};

use super::keys::Key;
use super::rows::{Table, encode, get, make_tables};
use crate::adapters::engine::Engine;
use crate::model::{Profile, Timestamp, UserId};
use crate::ports::{Profiles, StoreError};

/// User -> the profile.
const PROFILES: Table = Table::new("profiles.v1.profiles");

/// The profiles of a data directory.
#[derive(Clone)]
pub struct FileProfiles {
    engine: Engine,
}

impl FileProfiles {
    pub async fn open(engine: &Engine) -> Result<Self, StoreError> {
        make_tables(engine, &[PROFILES]).await?;
        Ok(Self { engine: engine.clone() })
    }

    /// Stores what `change` makes of the row, or of an empty one, where that is something else.
    async fn change(
        &self,
        user: &UserId,
        change: impl Fn(&mut Profile) + Send + 'static,
    ) -> Result<(), StoreError> {
        let user = user.clone();
        let write = move |txn: &WriteTransaction| {
            let (mut profiles, key) = (txn.open_table(PROFILES)?, key(&user));
            let there = get::<Profile>(&profiles, &key)?;
            let mut profile = there.clone().unwrap_or_else(|| Profile::of(user.clone()));
            change(&mut profile);
            if there.as_ref() != Some(&profile) {
                profiles.insert(key.as_bytes(), encode(&profile)?.as_slice())?;
            }
            Ok(())
        };
        self.engine.write(write).await
    }
}

#[async_trait]
impl Profiles for FileProfiles {
    async fn get(&self, users: &[UserId]) -> Result<Vec<Profile>, StoreError> {
        if let [user] = users {
            let profile = self.engine.read(|txn| get(&txn.open_table(PROFILES)?, &key(user)))?;
            return Ok(profile.into_iter().collect());
        }
        let users = users.to_vec();
        let read = move |txn: &ReadTransaction| {
            let profiles = txn.open_table(PROFILES)?;
            users.iter().filter_map(|user| get(&profiles, &key(user)).transpose()).collect()
        };
        self.engine.scan(read).await
    }

    async fn put(&self, profile: &Profile) -> Result<(), StoreError> {
        let new = profile.clone();
        self.change(&profile.user, move |profile| *profile = profile.replaced_by(&new)).await
    }

    async fn seen(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError> {
        self.change(user, move |profile| profile.last_seen = profile.last_seen.max(Some(at))).await
    }

    async fn sign_out(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError> {
        self.change(user, move |profile| profile.signed_out_at = profile.signed_out_at.max(Some(at))).await
    }

    async fn blank(&self, user: &UserId) -> Result<(), StoreError> {
        let key = key(user);
        let blank = move |txn: &WriteTransaction| {
            let mut profiles = txn.open_table(PROFILES)?;
            match get::<Profile>(&profiles, &key)?.and_then(|profile| profile.blanked()) {
                Some(blank) => profiles.insert(key.as_bytes(), encode(&blank)?.as_slice())?,
                None => profiles.remove(key.as_bytes())?,
            };
            Ok(())
        };
        self.engine.write(blank).await
    }
}

fn key(user: &UserId) -> Key {
    Key::default().then_text(user.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::tests::engine_in;
    use super::*;

    crate::contract_suite!(profiles, |dir| FileProfiles::open(&engine_in(dir).await).await.unwrap());
}
