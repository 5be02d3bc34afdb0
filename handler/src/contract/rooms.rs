//! The contract of [`Rooms`].

use std::sync::Arc;

use super::data::{at, odd_texts, room, room_id, user};
use crate::model::Room;
use crate::ports::{CreateRoomError, Rooms, UpdateRoomError};

async fn ids(rooms: &impl Rooms, after: Option<&str>, limit: usize) -> Vec<String> {
    let after = after.map(room_id);
    rooms.list(after.as_ref(), limit).await.unwrap().iter().map(|room| room.id.to_string()).collect()
}

pub async fn a_created_room_is_there<R: Rooms>(make: impl AsyncFn() -> R) {
    let rooms = make().await;
    assert_eq!(rooms.get(&room_id("tea")).await.unwrap(), None);
    let tea = Room { is_private: true, allowed_users: vec![user("bob"), user("cid")], ..room("tea", "Tea") };
    rooms.create(&tea).await.unwrap();
    assert_eq!(rooms.get(&tea.id).await.unwrap(), Some(tea.clone()));
    assert_eq!(rooms.list(None, 9).await.unwrap(), [tea]);
    assert_eq!(rooms.get(&room_id("te")).await.unwrap(), None);
    assert_eq!(rooms.get(&room_id("Tea")).await.unwrap(), None, "ids are compared as they are");
}

pub async fn creating_the_very_same_row_again_is_fine<R: Rooms>(make: impl AsyncFn() -> R) {
    let (rooms, tea) = (make().await, room("tea", "Tea"));
    rooms.create(&tea).await.unwrap();
    rooms.create(&tea).await.unwrap();
    assert_eq!(rooms.list(None, 9).await.unwrap(), [tea]);
}

pub async fn ids_and_names_are_unique<R: Rooms>(make: impl AsyncFn() -> R) {
    let (rooms, tea) = (make().await, room("tea", "Tea"));
    rooms.create(&tea).await.unwrap();
    for other in [room("tea", "Coffee"), Room { created_at: at(1), ..tea.clone() }] {
        assert!(matches!(rooms.create(&other).await, Err(CreateRoomError::IdTaken)));
    }
    for name in ["Tea", "tea", "TEA", "  tEa\t"] {
        let other = room("other", name);
        assert!(matches!(rooms.create(&other).await, Err(CreateRoomError::NameTaken)), "{name:?}");
    }
    assert_eq!(rooms.get(&room_id("other")).await.unwrap(), None);
    assert_eq!(rooms.get(&tea.id).await.unwrap(), Some(tea));
    rooms.create(&room("Tea", "Coffee")).await.unwrap();
}

pub async fn one_of_two_racing_for_a_name_wins<R: Rooms + 'static>(make: impl AsyncFn() -> R) {
    let rooms = Arc::new(make().await);
    let racers: Vec<_> = (0..8)
        .map(|n| {
            let rooms = Arc::clone(&rooms);
            tokio::spawn(async move { rooms.create(&room(&format!("room{n}"), "Tea")).await })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        match racer.await.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert!(matches!(error, CreateRoomError::NameTaken)),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(rooms.list(None, 9).await.unwrap().len(), 1);
}

pub async fn rooms_are_listed_by_id_behind_the_cursor<R: Rooms>(make: impl AsyncFn() -> R) {
    let rooms = make().await;
    for id in ["b", "a", "c", "B", "a0", "_"] {
        rooms.create(&room(id, &format!("{id}{id}{}", id.chars().all(char::is_uppercase)))).await.unwrap();
    }
    assert_eq!(ids(&rooms, None, 9).await, ["B", "_", "a", "a0", "b", "c"]);
    assert_eq!(ids(&rooms, None, 2).await, ["B", "_"]);
    assert_eq!(ids(&rooms, Some("_"), 2).await, ["a", "a0"]);
    assert_eq!(ids(&rooms, Some("aa"), 9).await, ["b", "c"], "the cursor need not exist");
    assert_eq!(ids(&rooms, Some("c"), 9).await, [""; 0]);
    assert_eq!(ids(&rooms, None, 0).await, [""; 0]);
}

pub async fn an_update_replaces_the_row_and_moves_the_name<R: Rooms>(make: impl AsyncFn() -> R) {
    let (rooms, tea) = (make().await, room("tea", "Tea"));
    assert!(matches!(rooms.update(&tea).await, Err(UpdateRoomError::NoSuchRoom)));
    assert_eq!(rooms.get(&tea.id).await.unwrap(), None, "an update makes no room");
    rooms.create(&tea).await.unwrap();
    rooms.create(&room("coffee", "Coffee")).await.unwrap();
    let private = Room { is_private: true, description: String::new(), name: "TEA".into(), ..tea.clone() };
    assert_eq!(rooms.update(&private).await.unwrap(), 1, "its own name is free to it");
    let private = Room { revision: 1, ..private };
    assert!(matches!(rooms.update(&tea).await, Err(UpdateRoomError::Changed)), "made from what was before");
    assert_eq!(rooms.get(&tea.id).await.unwrap(), Some(private.clone()));
    let taken = Room { name: " coffee".into(), revision: 1, ..tea.clone() };
    assert!(matches!(rooms.update(&taken).await, Err(UpdateRoomError::NameTaken)));
    assert_eq!(rooms.get(&tea.id).await.unwrap(), Some(private));
    assert_eq!(rooms.update(&Room { name: "Mate".into(), revision: 1, ..tea.clone() }).await.unwrap(), 2);
    rooms.create(&room("new", "Tea")).await.unwrap();
    assert!(matches!(rooms.create(&room("mate", "mate")).await, Err(CreateRoomError::NameTaken)));
}

pub async fn a_deleted_room_frees_its_name<R: Rooms>(make: impl AsyncFn() -> R) {
    let (rooms, tea) = (make().await, room("tea", "Tea"));
    assert!(!rooms.delete(&tea.id).await.unwrap());
    rooms.create(&tea).await.unwrap();
    assert!(rooms.delete(&tea.id).await.unwrap());
    assert!(!rooms.delete(&tea.id).await.unwrap());
    assert_eq!(rooms.get(&tea.id).await.unwrap(), None);
    assert_eq!(rooms.list(None, 9).await.unwrap(), []);
    rooms.create(&room("other", "tea")).await.unwrap();
    rooms.create(&room("tea", "Green")).await.unwrap();
}

pub async fn odd_names_come_back_as_they_were<R: Rooms>(make: impl AsyncFn() -> R) {
    let rooms = make().await;
    for (n, text) in odd_texts().iter().enumerate() {
        let odd = Room {
            description: text.clone(),
            created_by: user(text),
            allowed_users: vec![user(text)],
            ..room(&format!("r{n}"), &format!("{n}{text}"))
        };
        rooms.create(&odd).await.unwrap();
        assert_eq!(rooms.get(&odd.id).await.unwrap(), Some(odd));
    }
}

pub async fn everything_is_there_again<R: Rooms>(make: impl AsyncFn() -> R) {
    let (rooms, tea) = (make().await, room("tea", "Tea"));
    rooms.create(&tea).await.unwrap();
    rooms.create(&room("gone", "Gone")).await.unwrap();
    rooms.delete(&room_id("gone")).await.unwrap();
    drop(rooms);

    let rooms = make().await;
    assert_eq!(rooms.list(None, 9).await.unwrap(), [tea]);
    assert!(matches!(rooms.create(&room("other", "TEA")).await, Err(CreateRoomError::NameTaken)));
    rooms.create(&room("again", "Gone")).await.unwrap();
}
