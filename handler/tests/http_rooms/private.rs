//! Private rooms: for those who are not in them they do not exist, whichever way is tried.

use serde_json::{Value, json};
use webpubsub::key::AccessKey;
use webpubsub::names::HubName;
use webpubsub::token::{ClientToken, client_url};

use crate::calls::{all, ask, done, no, private_room, refused, room_of};
use crate::client::Client;
use crate::people::Person;
use crate::product::{Product, call};

const KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH";

/// A token for `eve` with every right and the group itself, signed with this key.
fn forged(product: &Product, key: &str, group: &str) -> String {
    let hub = HubName::new("demo_ai_chat").unwrap();
    let base = format!("http://{}", product.hub.unwrap());
    let mut token = ClientToken::new(&base, &hub, 0, 10_000_000_000);
    token.user_id = Some("eve".to_owned());
    token.roles = vec![
        "webpubsub.joinLeaveGroup".to_owned(),
        "webpubsub.sendToGroup".to_owned(),
        format!("webpubsub.joinLeaveGroup.{group}"),
        format!("webpubsub.sendToGroup.{group}"),
    ];
    token.groups = vec![group.to_owned()];
    client_url(&base, &hub, &token.sign(&AccessKey::new(key).unwrap()).unwrap())
}

#[tokio::test]
async fn a_private_room_is_in_no_list_of_others() {
    let product = Product::alone(&[]);
    let room = private_room(&product, "ann", "Hidden");
    room_of(&product, "ann", &json!({"name": "Hide and seek"}));
    let lists =
        |user: &str, path: &str| all(&done(&product, user, "GET", path, &Value::Null), "id").contains(&room);
    let mut eve = Person::connect(&product, "eve").await;
    let mut ann = Person::connect(&product, "ann").await;
    for path in ["/api/rooms", "/api/rooms?prefix=hid"] {
        assert!(lists("ann", path) && !lists("eve", path), "{path}");
    }
    let nobody = call(product.http, "GET", "/api/rooms", &[], b"");
    assert!(!all(&nobody.json(), "id").contains(&room), "nobody in particular");
    for (action, answer) in [("get_rooms", "rooms_info"), ("list_rooms", "rooms_list")] {
        let seen = eve.asks(json!({"action": action}), answer).await.to_string();
        assert!(!seen.contains(&room), "{seen}");
        assert!(ann.asks(json!({"action": action}), answer).await.to_string().contains(&room));
    }
    let found = eve.asks(json!({"action": "search_rooms", "prefix": "hid"}), "rooms_found").await;
    assert_eq!(all(&found["rooms"], "name"), ["Hide and seek"]);
}

#[tokio::test]
async fn every_call_answers_as_if_it_were_not_there() {
    let product = Product::alone(&[]);
    let room = private_room(&product, "ann", "Hidden");
    let mut ann = Person::connect(&product, "ann").await;
    ann.says(&room, "hush").await;
    let calls = [
        ("GET", "", Value::Null),
        ("PATCH", "", json!({"name": "Mine"})),
        ("PUT", "", json!({"name": "Mine"})),
        ("DELETE", "", Value::Null),
        ("POST", "/join", Value::Null),
        ("POST", "/leave", Value::Null),
        ("GET", "/members", Value::Null),
        ("POST", "/members", json!({"user": "eve"})),
        ("PATCH", "/members", json!({"user": "eve", "role": "owner"})),
        ("DELETE", "/members?user=ann", Value::Null),
        ("GET", "/invitations", Value::Null),
        ("POST", "/invitations", json!({"user": "eve"})),
        ("POST", "/invitations", json!({})),
        ("DELETE", "/invitations/x", Value::Null),
        ("GET", "/messages", Value::Null),
        ("GET", "/messages/2", Value::Null),
        ("PATCH", "/messages/2", json!({"content": "x"})),
        ("DELETE", "/messages/2", Value::Null),
        ("GET", "/messages/2/reactions", Value::Null),
        ("PUT", "/messages/2/reactions", json!({"emoji": "👍"})),
        ("GET", "/messages/2/readers", Value::Null),
        ("GET", "/pins", Value::Null),
        ("PUT", "/pins/2", Value::Null),
        ("PUT", "/read", json!({"seq": 1})),
    ];
    for (method, path, body) in &calls {
        // A room that never was answers the very same.
        let never = ask(&product, "eve", method, &format!("/api/rooms/never{path}"), body);
        let hidden = ask(&product, "eve", method, &format!("/api/rooms/{room}{path}"), body);
        assert_eq!((hidden.status, hidden.text()), (404, never.text()), "{method} {path}");
        assert_eq!(hidden.error().0, "room_not_found", "{method} {path}");
    }
    let say = json!({"SenderID": "eve", "RoomID": room, "MessageText": "hello?"});
    assert_eq!(refused(&product, "eve", "POST", "/api/sendMessage", &say), no(404, "room_not_found"));
    let synced = done(&product, "eve", "POST", "/api/sync", &json!({"cursors": {(room.as_str()): 0}}));
    assert!(!synced.to_string().contains("hush"), "{synced}");

    let mut eve = Person::connect(&product, "eve").await;
    let actions = ["join", "leave", "get_room", "members", "history", "delete_room", "invitations"];
    for action in actions {
        let refused = eve.is_refused(json!({"action": action, "room_id": room})).await;
        assert_eq!(refused, "room_not_found", "{action}");
    }
    ann.says(&room, "hush again").await;
    eve.catches_up(&product).await;
    assert!(!eve.messages().contains_key(&room), "{:#?}", eve.heard);
}

#[tokio::test]
async fn no_frame_and_no_token_opens_it() {
    let product = Product::alone(&[("HUB_ACCESS_KEY", KEY)]);
    let room = private_room(&product, "ann", "Hidden");
    let group = format!("room_{room}");
    let mut ann = Person::connect(&product, "ann").await;
    // The token says which rights and groups its bearer would like; the connection has those of its user.
    let mut liar = Client::connect_to(&forged(&product, KEY, &group)).await.unwrap();
    let mut honest = Client::connect(&product, "eve").await;
    for eve in [&mut liar, &mut honest] {
        for group in [group.as_str(), "room_general", "user_ann"] {
            assert_eq!(eve.joins_group(group).await, Err("Forbidden".to_owned()), "{group}");
            assert_eq!(eve.sends_to_group(group).await, Err("Forbidden".to_owned()), "{group}");
        }
        let refused = eve.asks("join", json!({"room_id": room})).await;
        assert_eq!(refused["code"], "room_not_found");
    }
    let foreign = "ZYXWVUTSRQPONMLKJIHGFEDCBAZYXWVUTSRQPONMLKJI";
    assert!(
        Client::connect_to(&forged(&product, foreign, &group)).await.is_err(),
        "signed by nobody we know"
    );

    ann.says(&room, "hush").await;
    for eve in [&mut liar, &mut honest] {
        eve.catches_up(&product, "eve").await;
        assert_eq!(eve.of_group(&group), Vec::<Value>::new());
    }
}

#[tokio::test]
async fn whom_a_private_room_names_may_join_and_hears_from_then_on() {
    let product = Product::alone(&[]);
    let body = json!({"name": "Hidden", "is_private": true, "allowed_users": ["bob"]});
    let room = room_of(&product, "ann", &body);
    let path = format!("/api/rooms/{room}");
    let mut ann = Person::connect(&product, "ann").await;
    let mut bob = Person::connect(&product, "bob").await;
    ann.says(&room, "before").await;
    assert_eq!(done(&product, "bob", "GET", &path, &Value::Null)["is_private"], true);
    let outside = refused(&product, "bob", "GET", &format!("{path}/messages"), &Value::Null);
    assert_eq!(outside, no(403, "not_a_member"), "allowed to join, not to read from outside");
    bob.joins(&room).await;
    ann.says(&room, "after").await;
    bob.hears("after").await;
    assert_eq!(bob.messages()[&room], ["after"]);

    // Closed to others later, a public room goes out of sight of those who are not in it; its members stay.
    let open = room_of(&product, "ann", &json!({"name": "Open"}));
    bob.joins(&open).await;
    let path = format!("/api/rooms/{open}");
    done(&product, "ann", "PATCH", &path, &json!({"is_private": true}));
    assert_eq!(refused(&product, "eve", "GET", &path, &Value::Null), no(404, "room_not_found"));
    assert_eq!(
        refused(&product, "eve", "POST", &format!("{path}/join"), &Value::Null),
        no(404, "room_not_found")
    );
    ann.says(&open, "among us").await;
    bob.hears("among us").await;
}
