//! `ROOMS_ON_JOIN=create`: rooms that come with the first who joins and go with the last who leaves.

use serde_json::{Value, json};

use crate::calls::{ask, done, members, no, private_room, refused, room_of};
use crate::people::Person;
use crate::product::Product;

const CREATE: (&str, &str) = ("ROOMS_ON_JOIN", "create");

#[tokio::test]
async fn joining_makes_a_room_and_the_last_who_leaves_ends_it() {
    let product = Product::alone(&[CREATE]);
    let mut ann = Person::connect(&product, "ann").await;
    let joined = ann.joins("lobby").await;
    assert_eq!((&joined["member_count"], &joined["room"]["name"]), (&json!(1), &json!("lobby")));
    assert_eq!(members(&product, "ann", "lobby"), [("ann".to_owned(), "owner".to_owned())]);
    let mut bob = Person::connect(&product, "bob").await;
    assert_eq!(bob.joins("lobby").await["member_count"], 2);
    bob.says("lobby", "anybody?").await;
    ann.hears("anybody?").await;
    ann.leaves("lobby").await;
    assert_eq!(bob.leaves("lobby").await["member_count"], 0);
    assert_eq!(refused(&product, "bob", "GET", "/api/rooms/lobby", &Value::Null), no(404, "room_not_found"));
    let say = json!({"action": "send", "room_id": "lobby", "content": "too late"});
    assert_eq!(bob.is_refused(say).await, "room_not_found");

    // Another room of the same id: somebody else's, and what was said before is no secret and keeps its place.
    assert_eq!(bob.joins("lobby").await["room"]["created_by"], "bob");
    assert_eq!(members(&product, "bob", "lobby"), [("bob".to_owned(), "owner".to_owned())]);
    assert_eq!(bob.says("lobby", "here again").await["number"], 2);
    ann.catches_up(&product).await;
    assert_eq!(ann.messages()["lobby"], ["anybody?"], "who left the first one is not in the second");
}

#[test]
fn rooms_made_on_purpose_stay_and_private_ones_are_not_made_anew() {
    let product = Product::alone(&[CREATE]);
    let room = room_of(&product, "ann", &json!({"name": "Kept"}));
    for path in ["general", room.as_str()] {
        done(&product, "ann", "POST", &format!("/api/rooms/{path}/join"), &Value::Null);
        done(&product, "ann", "POST", &format!("/api/rooms/{path}/leave"), &Value::Null);
        assert_eq!(
            done(&product, "bob", "GET", &format!("/api/rooms/{path}"), &Value::Null)["member_count"],
            0
        );
    }
    let hidden = private_room(&product, "ann", "Hidden");
    let join = format!("/api/rooms/{hidden}/join");
    assert_eq!(refused(&product, "eve", "POST", &join, &Value::Null), no(404, "room_not_found"));
    let named = done(&product, "bob", "POST", "/api/rooms/kept/join", &Value::Null);
    assert!(named["name"].as_str().unwrap().starts_with("kept-"), "the name is taken: {named}");
    let wrong = ask(&product, "bob", "POST", "/api/rooms/no%20room/join", &Value::Null);
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    let refusing = Product::alone(&[]);
    let refused = refused(&refusing, "ann", "POST", "/api/rooms/lobby/join", &Value::Null);
    assert_eq!(refused, no(404, "room_not_found"));
}
