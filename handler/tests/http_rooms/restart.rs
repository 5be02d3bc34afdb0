//! What a killed process leaves behind with the file store: all of it.

use serde_json::{Value, json};

use crate::calls::{ask, done, members, no, private_room, refused, room_of};
use crate::people::Person;
use crate::product::Product;

#[tokio::test]
async fn rooms_members_roles_and_invitations_outlive_a_killed_process() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("STORAGE_MODE", "file"), ("DATA_DIR", dir.path().to_str().unwrap())];
    let mut product = Product::alone(&settings);
    let tea = private_room(&product, "ann", "Tea");
    let path = format!("/api/rooms/{tea}");
    for (user, role) in [("own", "owner"), ("mod", "member"), ("bob", "member"), ("cid", "member")] {
        done(&product, "ann", "POST", &format!("{path}/members"), &json!({"user": user, "role": role}));
    }
    let to_moderator = json!({"user": "mod", "role": "moderator"});
    done(&product, "own", "PATCH", &format!("{path}/members"), &to_moderator);
    done(&product, "mod", "DELETE", &format!("{path}/members?user=cid"), &Value::Null);
    done(&product, "ann", "PATCH", &path, &json!({"name": "Green tea", "description": "leaves"}));
    done(&product, "ann", "POST", &format!("{path}/invitations"), &json!({"user": "dan"}));
    let link = |max_uses: u32| {
        done(&product, "ann", "POST", &format!("{path}/invitations"), &json!({"max_uses": max_uses}))
    };
    let (good, revoked, used) = (link(2), link(2), link(1));
    let accept = |product: &Product, user: &str, link: &Value| {
        let answer = ask(product, user, "POST", "/api/invitations/accept", &json!({"token": link["token"]}));
        (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(accept(&product, "eve", &used).0, 200);
    assert_eq!(accept(&product, "hal", &good).0, 200);
    let revoke = format!("{path}/invitations/{}", revoked["id"].as_str().unwrap());
    done(&product, "ann", "DELETE", &revoke, &Value::Null);
    let gone = room_of(&product, "ann", &json!({"name": "Gone"}));
    done(&product, "ann", "DELETE", &format!("/api/rooms/{gone}"), &Value::Null);
    let room = done(&product, "ann", "GET", &path, &Value::Null);
    let inside = members(&product, "ann", &tea);
    let links = done(&product, "ann", "GET", &format!("{path}/invitations"), &Value::Null);
    assert_eq!(inside.len(), 6);
    product.signal("KILL");
    product.ended();

    let product = Product::alone(&settings);
    assert_eq!(done(&product, "ann", "GET", &path, &Value::Null), room);
    assert_eq!(members(&product, "ann", &tea), inside);
    assert_eq!(done(&product, "ann", "GET", &format!("{path}/invitations"), &Value::Null), links);
    assert_eq!(accept(&product, "fay", &used), no(409, "invitation_used_up"));
    assert_eq!(accept(&product, "fay", &revoked), no(404, "invitation_unknown"));
    assert_eq!(accept(&product, "fay", &good).0, 200);
    assert_eq!(accept(&product, "gus", &good), no(409, "invitation_used_up"));
    done(&product, "dan", "POST", &format!("{path}/join"), &Value::Null);
    assert_eq!(refused(&product, "cid", "GET", &path, &Value::Null), no(404, "room_not_found"));
    let gone = format!("/api/rooms/{gone}");
    assert_eq!(refused(&product, "ann", "GET", &gone, &Value::Null), no(404, "room_not_found"));
    room_of(&product, "bob", &json!({"name": "gone"}));
    // Roles hold, and a member's connection is in the room from its start.
    done(&product, "mod", "DELETE", &format!("{path}/members?user=fay"), &Value::Null);
    let mut bob = Person::connect(&product, "bob").await;
    let mut ann = Person::connect(&product, "ann").await;
    ann.says(&tea, "all there?").await;
    bob.hears("all there?").await;
}

#[test]
fn rooms_made_by_joining_outlive_it_too() {
    let dir = tempfile::tempdir().unwrap();
    let settings =
        [("ROOMS_ON_JOIN", "create"), ("STORAGE_MODE", "file"), ("DATA_DIR", dir.path().to_str().unwrap())];
    let mut product = Product::alone(&settings);
    for user in ["ann", "bob"] {
        done(&product, user, "POST", "/api/rooms/lobby/join", &Value::Null);
    }
    product.signal("KILL");
    product.ended();
    let product = Product::alone(&settings);
    assert_eq!(members(&product, "ann", "lobby").len(), 2);
    for user in ["ann", "bob"] {
        done(&product, user, "POST", "/api/rooms/lobby/leave", &Value::Null);
    }
    assert_eq!(refused(&product, "ann", "GET", "/api/rooms/lobby", &Value::Null), no(404, "room_not_found"));
}
