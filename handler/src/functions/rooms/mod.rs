//! Rooms: create, list, read, change, delete, join, leave; their members, invitations, bans and mutes.

mod create;
mod delete;
mod get;
pub(super) mod invitations;
mod join;
mod leave;
mod list;
pub(super) mod members;
pub(super) mod sanctions;
pub(super) mod update;

pub(super) use create::handle as create;
pub(super) use delete::handle as delete;
pub(super) use get::handle as get;
pub(super) use join::handle as join;
pub(super) use leave::handle as leave;
pub(super) use list::handle as list;
