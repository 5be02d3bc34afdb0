//! The use cases as their users see them, on memory adapters whose every call may be made to fail.

mod decisions;
mod delivery;
mod enforcement;
mod inbox;
mod judged;
mod leaving;
mod live;
mod marks;
mod members;
mod messages;
mod moderation;
mod over;
mod pages;
mod poison;
mod presence;
mod promises;
mod races;
mod replay;
mod room_edit;
mod room_pages;
mod rooms;
mod sending;
mod sync;
mod waiting;
mod worker;
mod world;
