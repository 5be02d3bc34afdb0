//! Pages of rooms, where most are hidden from who asks.

use super::world::*;
use crate::contract::data::{room, user};
use crate::model::Room;

/// More hidden rooms than one page looks at, in the way of those that are not.
async fn hide(world: &World, count: usize) {
    for n in 0..count {
        let name = format!("Secret {n:04}");
        let hidden = Room { is_private: true, created_by: user("bob"), ..room(&format!("m{n:04}"), &name) };
        world.truth.rooms.create(&hidden).await.unwrap();
    }
}

#[tokio::test]
async fn no_cursor_tells_of_a_hidden_room() {
    let world = World::open().await;
    hide(&world, 1_500).await;
    let open = [("a", "Seats"), ("m0700x", "Secret 0700 x"), ("z", "Seven")];
    for (id, name) in open {
        world.truth.rooms.create(&room(id, name)).await.unwrap();
    }
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = world.chat.list_rooms(&caller("eve"), after.as_ref(), Some(2)).await.unwrap();
        assert!(!page.rooms.is_empty(), "a page has something, or it is the last one");
        ids.extend(page.rooms.iter().map(|room| room.id.to_string()));
        let Some(next) = page.next else { break };
        assert_eq!(next.as_str(), ids.last().unwrap());
        after = Some(next);
    }
    assert_eq!(ids, ["a", "general", "m0700x", "z"]);

    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = world.chat.search_rooms(&caller("eve"), "Se", after.as_deref(), Some(1)).await.unwrap();
        names.extend(page.rooms.iter().map(|room| room.name.clone()));
        let Some(next) = page.next else { break };
        assert_eq!(next, Room::name_key(names.last().unwrap()));
        after = Some(next);
    }
    assert_eq!(names, ["Seats", "Secret 0700 x", "Seven"]);
}

#[tokio::test]
async fn hidden_rooms_are_read_in_pages() {
    let world = World::open().await;
    hide(&world, 1_500).await;
    let before = world.store.calls("rooms.list");
    let page = world.chat.list_rooms(&caller("eve"), None, Some(1)).await.unwrap();
    assert_eq!((page.rooms.len(), page.next.is_some()), (1, true));
    assert!(world.store.calls("rooms.list") - before < 20, "{}", world.store.calls("rooms.list") - before);
}

#[tokio::test]
async fn a_page_that_ends_with_the_last_room_is_the_last_page() {
    let world = World::open().await;
    world.truth.rooms.create(&room("tea", "Tea")).await.unwrap();
    let page = world.chat.list_rooms(&caller("eve"), None, Some(2)).await.unwrap();
    assert_eq!((page.rooms.len(), page.next), (2, None));
    let page = world.chat.search_rooms(&caller("eve"), "tea", None, Some(1)).await.unwrap();
    assert_eq!((page.rooms.len(), page.next), (1, None));
}
