use async_trait::async_trait;

use super::StoreError;
use crate::model::{Member, ReadMark, Role, RoomId, UserId};

/// Who is in which room, and how far they have read. Reading works in both directions.
///
/// # Contract
/// An `Ok` is durable and visible to every later call. Each call is atomic and may be repeated.
#[async_trait]
pub trait Members: Send + Sync {
    /// Stores the membership unless there is one; answers the row that is there now. The mark of an existing row is kept.
    async fn add(&self, room: &RoomId, member: &Member) -> Result<Member, StoreError>;

    /// Notes the `seq` of the `joined` entry. Nothing happens when this membership is gone.
    async fn confirm(&self, room: &RoomId, member: &Member, joined_seq: u64) -> Result<(), StoreError>;

    /// Removes this membership, however it changed; a later one of the same user stays. Answers whether it was there.
    async fn remove(&self, room: &RoomId, member: &Member) -> Result<bool, StoreError>;

    /// Sets the role and answers the row as it is then. `None` when the user is no member.
    async fn set_role(&self, room: &RoomId, user: &UserId, role: Role) -> Result<Option<Member>, StoreError>;

    async fn get(&self, room: &RoomId, user: &UserId) -> Result<Option<Member>, StoreError>;

    /// How many members the room has.
    async fn count(&self, room: &RoomId) -> Result<usize, StoreError>;

    /// Members by ascending user id, those with id > `after`, at most `limit`.
    async fn list(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError>;

    /// The rooms a user is in, by ascending room id, those with id > `after`, at most `limit`.
    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Member)>, StoreError>;

    /// Raises the read mark; never lowers it. `None` when the user is no member.
    async fn raise_mark(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: ReadMark,
    ) -> Result<Option<ReadMark>, StoreError>;
}
