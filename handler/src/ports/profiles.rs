use async_trait::async_trait;

use super::StoreError;
use crate::model::{Profile, Timestamp, UserId};

/// What users say of themselves.
///
/// # Contract
/// An `Ok` is durable and visible to every later call. Each call is atomic and may be repeated.
#[async_trait]
pub trait Profiles: Send + Sync {
    /// The profiles of those who have one, in the order asked; others are left out.
    async fn get(&self, users: &[UserId]) -> Result<Vec<Profile>, StoreError>;

    /// Stores name and picture; `last_seen` and `signed_out_at` stay what they were.
    async fn put(&self, profile: &Profile) -> Result<(), StoreError>;

    /// Raises `last_seen`; never lowers it. Makes the row where there is none.
    async fn seen(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError>;

    /// Raises `signed_out_at`, likewise.
    async fn sign_out(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError>;

    /// Takes all out of the row but `signed_out_at`, `last_seen` too; a row without one is removed.
    async fn blank(&self, user: &UserId) -> Result<(), StoreError>;
}
