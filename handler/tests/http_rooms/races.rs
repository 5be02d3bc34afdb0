//! What happens at once: joining and leaving, changing one thing by many.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::calls::{all, at_once, done, entries, members, no, refused, room_of};
use crate::people::Person;
use crate::product::Product;

const CREATE: (&str, &str) = ("ROOMS_ON_JOIN", "create");

#[tokio::test]
async fn who_joins_while_the_last_one_leaves_is_in_a_room_that_is_there() {
    let product = Product::alone(&[CREATE]);
    let mut people = join_all((0..8).map(async |n| Person::connect(&product, &format!("p-{n}")).await)).await;
    for round in 0..12 {
        // Half of them are in; they leave while the others come.
        let (leaving, coming) = people.split_at_mut(4);
        join_all(leaving.iter_mut().map(async |person| person.joins("lobby").await)).await;
        let leave = join_all(leaving.iter_mut().map(async |person| person.leaves("lobby").await));
        let join = join_all(coming.iter_mut().map(async |person| person.joins("lobby").await));
        tokio::join!(leave, join);
        let inside: Vec<_> = members(&product, "p-0", "lobby").into_iter().map(|(user, _)| user).collect();
        assert_eq!(inside, ["p-4", "p-5", "p-6", "p-7"], "round {round}");
        let text = format!("round {round}");
        coming[0].says("lobby", &text).await;
        for person in &mut coming[1..] {
            person.hears(&text).await;
        }
        join_all(coming.iter_mut().map(async |person| person.leaves("lobby").await)).await;
        let gone = refused(&product, "p-0", "GET", "/api/rooms/lobby", &Value::Null);
        assert_eq!(gone, no(404, "room_not_found"), "round {round}");
    }
    // The log tells the same story: whoever joined a room left it, or was in it at no end.
    people[0].joins("lobby").await;
    let log = entries(&product, "p-0", "lobby");
    let mut inside = std::collections::BTreeSet::new();
    for entry in &log {
        let user = entry["user"].as_str().unwrap_or_default().to_owned();
        match entry["type"].as_str().unwrap() {
            "joined" => assert!(inside.insert(user), "{entry} joins twice"),
            "left" => assert!(inside.remove(&user), "{entry} left without being there"),
            "room_deleted" => assert!(inside.is_empty(), "{entry} ends a room with {inside:?} in it"),
            _ => {}
        }
    }
    assert_eq!(inside.into_iter().collect::<Vec<_>>(), ["p-0"]);
    assert!(all(&Value::Array(log), "type").len() > 100);
}

/// What the log says last of a field.
fn last_told(log: &[Value], kind: &str, field: &str, of: Option<&str>) -> Value {
    let is_it = |entry: &&Value| entry["type"] == kind && of.is_none_or(|user| entry["user"] == user);
    log.iter().rfind(is_it).map(|entry| entry[field].clone()).unwrap_or_default()
}

#[test]
fn of_owners_who_give_a_role_at_once_the_row_and_the_log_say_the_same() {
    let product = Product::alone(&[]);
    let room = room_of(&product, "ann", &json!({"name": "Tea"}));
    let path = format!("/api/rooms/{room}/members");
    for user in ["own-1", "own-2", "own-3"] {
        done(&product, "ann", "POST", &path, &json!({"user": user, "role": "owner"}));
    }
    done(&product, "ann", "POST", &path, &json!({"user": "bob"}));
    for round in 0..20 {
        let roles = ["member", "moderator", "owner"].into_iter().cycle().skip(round);
        let wishes = roles.map(|role| json!({"user": "bob", "role": role}));
        let answers = at_once(&product, "PATCH", &path, ["own-1", "own-2", "own-3"].into_iter().zip(wishes));
        // An owner is not above another: who comes behind the one that made an owner is refused.
        assert!(answers.iter().all(|answer| [200, 403].contains(&answer.status)), "{answers:?}");
        let inside = members(&product, "ann", &room);
        let row = &inside.iter().find(|(user, _)| user == "bob").unwrap().1;
        let told = last_told(&entries(&product, "ann", &room), "role_changed", "role", Some("bob"));
        assert_eq!(told, row.as_str(), "round {round}");
    }
}

#[test]
fn of_changes_at_once_each_field_keeps_its_own_and_the_log_ends_as_the_room_is() {
    let product = Product::alone(&[]);
    let room = room_of(&product, "ann", &json!({"name": "Tea"}));
    let path = format!("/api/rooms/{room}");
    for round in 0..20 {
        let bodies = [
            json!({"name": format!("Tea {round}")}),
            json!({"description": format!("green {round}")}),
            json!({"description": format!("black {round}")}),
            json!({"allowed_users": [format!("guest-{round}")]}),
        ];
        let answers = at_once(&product, "PATCH", &path, bodies.into_iter().map(|body| ("ann", body)));
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        let now = done(&product, "ann", "GET", &path, &Value::Null);
        assert_eq!(
            now["name"],
            format!("Tea {round}").as_str(),
            "no change of a description took the name back"
        );
        let log = entries(&product, "ann", &room);
        for field in ["name", "description"] {
            assert_eq!(last_told(&log, "room_changed", field, None), now[field], "round {round}: {field}");
        }
    }
}
