use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::model::{Member, ReadMark, Role, RoomId, UserId};
use crate::ports::{Members, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Members + ?Sized, W: Around> Members for Wrapped<P, W> {
    async fn add(&self, room: &RoomId, member: &Member) -> Result<Member, StoreError> {
        self.call(Call::again("members.add"), || self.inner.add(room, member)).await
    }

    async fn confirm(&self, room: &RoomId, member: &Member, joined_seq: u64) -> Result<(), StoreError> {
        self.call(Call::again("members.confirm"), || self.inner.confirm(room, member, joined_seq)).await
    }

    async fn remove(&self, room: &RoomId, member: &Member) -> Result<bool, StoreError> {
        self.call(Call::once("members.remove"), || self.inner.remove(room, member)).await
    }

    async fn set_role(&self, room: &RoomId, user: &UserId, role: Role) -> Result<Option<Member>, StoreError> {
        self.call(Call::again("members.set_role"), || self.inner.set_role(room, user, role)).await
    }

    async fn get(&self, room: &RoomId, user: &UserId) -> Result<Option<Member>, StoreError> {
        self.call(Call::again("members.get"), || self.inner.get(room, user)).await
    }

    async fn count(&self, room: &RoomId) -> Result<usize, StoreError> {
        self.call(Call::again("members.count"), || self.inner.count(room)).await
    }

    async fn list(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError> {
        self.call(Call::again("members.list"), || self.inner.list(room, after, limit)).await
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Member)>, StoreError> {
        self.call(Call::again("members.rooms_of"), || self.inner.rooms_of(user, after, limit)).await
    }

    async fn raise_mark(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: ReadMark,
    ) -> Result<Option<ReadMark>, StoreError> {
        self.call(Call::again("members.raise_mark"), || self.inner.raise_mark(room, user, mark)).await
    }
}
