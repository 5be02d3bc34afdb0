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
    let tea = Room {
        created_at: at(7),
        is_private: true,
        allowed_users: vec![user("bob"), user("cid")],
        fleeting: true,
        retention_days: Some(7),
        ..room("tea", "Tea")
    };
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

/// Ids of the rooms found by a key's beginning.
async fn found(rooms: &impl Rooms, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    rooms.search(prefix, after, limit).await.unwrap().iter().map(|room| room.id.to_string()).collect()
}

/// Updates the row as many times at once as there are tries; answers those who won.
async fn race<R: Rooms + 'static>(
    rooms: &Arc<R>,
    tries: Vec<Room>,
    lost: fn(&UpdateRoomError) -> bool,
) -> Vec<Room> {
    let racers: Vec<_> = tries
        .into_iter()
        .map(|room| {
            let rooms = Arc::clone(rooms);
            tokio::spawn(async move { (rooms.update(&room).await, room) })
        })
        .collect();
    let mut won = Vec::new();
    for racer in racers {
        match racer.await.unwrap() {
            (Ok(revision), room) => won.push(Room { revision, ..room }),
            (Err(error), _) => assert!(lost(&error), "{error}"),
        }
    }
    won
}

pub async fn one_of_two_racing_updates_wins<R: Rooms + 'static>(make: impl AsyncFn() -> R) {
    let (rooms, tea) = (Arc::new(make().await), room("tea", "Tea"));
    rooms.create(&tea).await.unwrap();
    for revision in 0..3 {
        let tries = (0..8).map(|n| Room { name: format!("Tea {revision}.{n}"), revision, ..tea.clone() });
        let won = race(&rooms, tries.collect(), |error| matches!(error, UpdateRoomError::Changed)).await;
        assert_eq!(won.len(), 1, "all were made from the same row");
        assert_eq!(won[0].revision, revision + 1);
        assert_eq!(rooms.search("", None, 99).await.unwrap(), won, "nothing is left of the other names");
        assert_eq!(rooms.get(&tea.id).await.unwrap().as_ref(), won.first());
    }
}

pub async fn one_of_two_racing_to_rename_wins<R: Rooms + 'static>(make: impl AsyncFn() -> R) {
    let rooms = Arc::new(make().await);
    let all: Vec<Room> = (0..6).map(|n| room(&format!("room{n}"), &format!("Room {n}"))).collect();
    for room in &all {
        rooms.create(room).await.unwrap();
    }
    let tries = all.iter().map(|room| Room { name: "Tea".into(), ..room.clone() }).collect();
    let won = race(&rooms, tries, |error| matches!(error, UpdateRoomError::NameTaken)).await;
    assert_eq!(won.len(), 1);
    assert_eq!(rooms.search("tea", None, 9).await.unwrap(), won);
    assert_eq!(rooms.search("room ", None, 9).await.unwrap().len(), 5, "the others kept row and name");
}

pub async fn an_update_never_brings_back_a_deleted_room<R: Rooms + 'static>(make: impl AsyncFn() -> R) {
    let rooms = Arc::new(make().await);
    for n in 0..12 {
        let tea = room(&format!("tea{n}"), &format!("Tea {n}"));
        rooms.create(&tea).await.unwrap();
        let deletion = {
            let (rooms, tea) = (Arc::clone(&rooms), tea.clone());
            tokio::spawn(async move { rooms.delete(&tea).await.unwrap() })
        };
        let answer = rooms.update(&Room { name: format!("Mate {n}"), ..tea.clone() }).await;
        assert!(matches!(answer, Ok(1) | Err(UpdateRoomError::NoSuchRoom)));
        assert!(deletion.await.unwrap());
        assert_eq!(rooms.get(&tea.id).await.unwrap(), None);
    }
    assert_eq!(found(&*rooms, "", None, 99).await, [""; 0]);
}

pub async fn a_search_finds_names_by_their_beginning<R: Rooms>(make: impl AsyncFn() -> R) {
    let rooms = make().await;
    assert_eq!(found(&rooms, "", None, 9).await, [""; 0]);
    let names = [
        ("5", "TEAPOT"),
        ("2", "  Tea "),
        ("1", "te"),
        ("4", "tEa time"),
        ("6", "Teb"),
        ("3", "tea house"),
        ("0", "Coffee or tea"),
        ("7", "Éclair"),
    ];
    for (id, name) in names {
        rooms.create(&room(id, name)).await.unwrap();
    }
    assert_eq!(found(&rooms, "tea", None, 9).await, ["2", "3", "4", "5"], "ascending by key");
    assert_eq!(found(&rooms, "tea", None, 2).await, ["2", "3"]);
    assert_eq!(found(&rooms, "tea ", None, 9).await, ["3", "4"]);
    assert_eq!(found(&rooms, "teapot", None, 9).await, ["5"]);
    assert_eq!(found(&rooms, "", None, 9).await, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(found(&rooms, &Room::name_key(" É"), None, 9).await, ["7"]);
    for nothing in ["teapots", "ea", "Tea", "x", "\u{10ffff}"] {
        assert_eq!(found(&rooms, nothing, None, 9).await, [""; 0], "{nothing:?}");
    }
    assert_eq!(found(&rooms, "tea", None, 0).await, [""; 0]);
    assert_eq!(rooms.search("teb", None, 9).await.unwrap(), [room("6", "Teb")], "whole rows");
}

pub async fn a_search_goes_on_behind_its_cursor<R: Rooms>(make: impl AsyncFn() -> R) {
    let rooms = make().await;
    for (id, name) in [("0", "mate"), ("1", "tea"), ("2", "tea b"), ("3", "tea d"), ("4", "water")] {
        rooms.create(&room(id, name)).await.unwrap();
    }
    let cases: [(&str, &[&str]); 8] = [
        ("tea", &["2", "3"]),
        ("tea b", &["3"]),
        ("tea c", &["3"]),
        ("tea d", &[]),
        ("water", &[]),
        ("zzz", &[]),
        ("", &["1", "2", "3"]),
        ("mate", &["1", "2", "3"]),
    ];
    for (after, expected) in cases {
        assert_eq!(found(&rooms, "tea", Some(after), 9).await, expected, "{after:?}");
    }
    assert_eq!(found(&rooms, "tea", Some("tea"), 1).await, ["2"]);
    assert_eq!(found(&rooms, "", Some("tea b"), 9).await, ["3", "4"]);
}

pub async fn a_search_finds_rooms_by_their_present_names<R: Rooms>(make: impl AsyncFn() -> R) {
    let (rooms, tea) = (make().await, room("tea", "Tea"));
    rooms.create(&tea).await.unwrap();
    rooms.create(&room("teapot", "Teapot")).await.unwrap();
    rooms.update(&Room { name: "Mate".into(), ..tea.clone() }).await.unwrap();
    assert_eq!(found(&rooms, "tea", None, 9).await, ["teapot"]);
    assert_eq!(found(&rooms, "mate", None, 9).await, ["tea"]);
    let private = Room { name: "MATE".into(), is_private: true, revision: 1, ..tea.clone() };
    rooms.update(&private).await.unwrap();
    let expected = Room { revision: 2, ..private };
    assert_eq!(rooms.search("mate", None, 9).await.unwrap(), [expected], "as it is now");
    assert!(rooms.delete(&room("teapot", "Teapot")).await.unwrap());
    assert!(rooms.delete(&tea).await.unwrap(), "however it changed");
    assert_eq!(found(&rooms, "", None, 9).await, [""; 0]);
}

pub async fn odd_names_are_found<R: Rooms>(make: impl AsyncFn() -> R) {
    let rooms = make().await;
    let mut keys = Vec::new();
    for (n, text) in odd_texts().iter().enumerate() {
        let odd = room(&format!("r{n}"), &format!("{n:03}{text}"));
        let key = Room::name_key(&odd.name);
        rooms.create(&odd).await.unwrap();
        assert_eq!(rooms.search(&key, None, 9).await.unwrap(), [odd], "{text:?}");
        keys.push(key);
    }
    keys.sort_unstable();
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = rooms.search("", after.as_deref(), 7).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(Room::name_key(&last.name));
        paged.extend(page.iter().map(|room| Room::name_key(&room.name)));
    }
    assert_eq!(paged, keys);
}

pub async fn a_deleted_room_frees_its_name<R: Rooms>(make: impl AsyncFn() -> R) {
    let (rooms, tea) = (make().await, room("tea", "Tea"));
    assert!(!rooms.delete(&tea).await.unwrap());
    rooms.create(&tea).await.unwrap();
    assert!(rooms.delete(&tea).await.unwrap());
    assert!(!rooms.delete(&tea).await.unwrap());
    assert_eq!(rooms.get(&tea.id).await.unwrap(), None);
    assert_eq!(rooms.list(None, 9).await.unwrap(), []);
    rooms.create(&room("other", "tea")).await.unwrap();
    rooms.create(&room("tea", "Green")).await.unwrap();
}

pub async fn another_room_of_the_same_id_is_left_alone<R: Rooms>(make: impl AsyncFn() -> R) {
    let rooms = make().await;
    let former = Room { instance: "one".into(), ..room("tea", "Tea") };
    let next = Room { instance: "two".into(), ..former.clone() };
    rooms.create(&former).await.unwrap();
    assert!(matches!(rooms.create(&next).await, Err(CreateRoomError::IdTaken)));
    assert!(rooms.delete(&former).await.unwrap());
    rooms.create(&next).await.unwrap();
    assert!(!rooms.delete(&former).await.unwrap());
    assert!(matches!(rooms.update(&former).await, Err(UpdateRoomError::Changed)));
    assert_eq!(rooms.get(&former.id).await.unwrap(), Some(next));
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
    rooms.delete(&room("gone", "Gone")).await.unwrap();
    let changed = Room { name: "Tea room".into(), description: "new".into(), ..tea.clone() };
    rooms.update(&changed).await.unwrap();
    drop(rooms);

    let rooms = make().await;
    let changed = Room { revision: 1, ..changed };
    assert_eq!(rooms.list(None, 9).await.unwrap(), vec![changed.clone()]);
    assert_eq!(rooms.search("tea", None, 9).await.unwrap(), vec![changed.clone()]);
    assert!(matches!(rooms.update(&tea).await, Err(UpdateRoomError::Changed)));
    assert_eq!(rooms.update(&Room { name: "Tea".into(), ..changed }).await.unwrap(), 2);
    assert!(matches!(rooms.create(&room("other", "TEA")).await, Err(CreateRoomError::NameTaken)));
    rooms.create(&room("again", "Gone")).await.unwrap();
}
