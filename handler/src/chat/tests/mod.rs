//! The use cases as their users see them, on memory adapters whose every call may be made to fail.

mod delivery;
mod inbox;
mod live;
mod members;
mod poison;
mod promises;
mod room_edit;
mod rooms;
mod sending;
mod waiting;
mod worker;
mod world;
