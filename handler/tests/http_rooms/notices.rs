//! `rooms_updated`: what everybody is told of the list of public rooms, and how often.

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::calls::{all, done, private_room, room_of, users};
use crate::client::Client;
use crate::people::Person;
use crate::product::Product;

fn is_notice(frame: &Value) -> bool {
    frame["type"] == "rooms_updated"
}

/// Whether the notice has a room of this name with so many members.
fn counts(frame: &Value, name: &str, members: u64) -> bool {
    let rooms = frame["rooms"].as_array();
    is_notice(frame)
        && rooms.is_some_and(|rooms| {
            rooms.iter().any(|room| room["name"] == name && room["member_count"] == members)
        })
}

#[tokio::test]
async fn whoever_is_there_is_told_at_most_once_a_second_and_at_last_as_it_is() {
    let product = Product::alone(&[]);
    let room = room_of(&product, "ann", &json!({"name": "Tea"}));
    let mut plain = Person::connect(&product, "bob").await;
    let mut client = Client::connect(&product, "cid").await;
    plain.until(|frame| counts(frame, "Tea", 1)).await;
    let started = Instant::now();
    let guests = users(30);
    for user in &guests {
        done(&product, user, "POST", &format!("/api/rooms/{room}/join"), &Value::Null);
    }
    let last = plain.until(|frame| counts(frame, "Tea", 31)).await;
    let of_list = |frame: &Value| frame["group"] == "sys_rooms" && counts(&frame["data"], "Tea", 31);
    let same = client.until(of_list).await;
    assert_eq!(same["data"], last, "both kinds of client are told the same");
    let most = 2 + started.elapsed().as_secs();
    let told = plain.heard.iter().filter(|frame| is_notice(frame)).count();
    assert!(told as u64 <= most, "{told} notices in {:?}", started.elapsed());

    // A room is listed as `list_rooms` lists it.
    let listed = plain.asks(json!({"action": "list_rooms"}), "rooms_list").await;
    assert_eq!(listed["rooms"], last["rooms"]);
}

#[tokio::test]
async fn what_comes_changes_and_goes_is_told_and_what_is_private_never() {
    let product = Product::alone(&[]);
    let mut eve = Person::connect(&product, "eve").await;
    let mut ann = Person::connect(&product, "ann").await;
    let hidden = private_room(&product, "ann", "Hidden");
    ann.says(&hidden, "hush").await;
    done(&product, "ann", "PATCH", &format!("/api/rooms/{hidden}"), &json!({"name": "Hidden still"}));
    done(&product, "ann", "POST", &format!("/api/rooms/{hidden}/members"), &json!({"user": "bob"}));

    let tea = room_of(&product, "ann", &json!({"name": "Tea"}));
    let path = format!("/api/rooms/{tea}");
    eve.until(|frame| counts(frame, "Tea", 1)).await;
    done(&product, "bob", "POST", &format!("{path}/join"), &Value::Null);
    eve.until(|frame| counts(frame, "Tea", 2)).await;
    done(&product, "bob", "POST", &format!("{path}/leave"), &Value::Null);
    eve.until(|frame| counts(frame, "Tea", 1)).await;
    done(&product, "ann", "PATCH", &path, &json!({"name": "Mate"}));
    eve.until(|frame| counts(frame, "Mate", 1)).await;
    let without = |frame: &Value| is_notice(frame) && all(&frame["rooms"], "name") == ["General"];
    // Closed to the public it leaves the list, opened again it is back.
    done(&product, "ann", "PATCH", &path, &json!({"is_private": true}));
    eve.until(without).await;
    done(&product, "bob", "POST", "/api/rooms/general/join", &Value::Null);
    eve.until(|frame| counts(frame, "General", 1)).await;
    done(&product, "ann", "PATCH", &path, &json!({"is_private": false}));
    eve.until(|frame| counts(frame, "Mate", 1)).await;
    done(&product, "ann", "DELETE", &path, &Value::Null);
    eve.until(without).await;
    done(&product, "ann", "DELETE", &format!("/api/rooms/{hidden}"), &Value::Null);
    done(&product, "bob", "POST", "/api/rooms/general/leave", &Value::Null);
    eve.until(|frame| counts(frame, "General", 0)).await;

    // Not even to those who are in it: the list is the same for everybody.
    ann.until(|frame| counts(frame, "General", 0)).await;
    for person in [&eve, &ann] {
        let told: Vec<_> = person.heard.iter().filter(|frame| is_notice(frame)).collect();
        assert!(told.iter().all(|frame| !frame.to_string().contains(&hidden)), "{told:#?}");
    }
    assert!(eve.heard.iter().all(|frame| !frame.to_string().contains("Hidden")), "{:#?}", eve.heard);
}

#[tokio::test]
async fn nobody_publishes_to_the_list_or_leaves_others_without_it() {
    let product = Product::alone(&[]);
    let mut eve = Client::connect(&product, "eve").await;
    assert_eq!(eve.sends_to_group("sys_rooms").await, Err("Forbidden".to_owned()));
    room_of(&product, "ann", &json!({"name": "Tea"}));
    eve.until(|frame| frame["group"] == "sys_rooms" && counts(&frame["data"], "Tea", 1)).await;
}
