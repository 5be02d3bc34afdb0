//! Changing a room, and its end.

use serde_json::{Value, json};

use crate::calls::{all, done, entries, members, no, private_room, refused, room_of, users};
use crate::people::Person;
use crate::product::{Product, call};

#[tokio::test]
async fn a_change_is_told_live_and_stays() {
    let product = Product::alone(&[]);
    let room = room_of(&product, "ann", &json!({"name": "Tea", "description": "old"}));
    let path = format!("/api/rooms/{room}");
    let mut bob = Person::connect(&product, "bob").await;
    bob.joins(&room).await;
    let changed = done(&product, "ann", "PATCH", &path, &json!({"name": "Mate"}));
    assert_eq!((&changed["name"], &changed["description"]), (&json!("Mate"), &json!("old")));
    let told = bob.until(|frame| frame["type"] == "room_changed").await;
    assert_eq!(
        (&told["name"], &told["description"], &told["by"]),
        (&json!("Mate"), &json!("old"), &json!("ann"))
    );
    assert_eq!(done(&product, "bob", "GET", &path, &Value::Null), changed);

    // PUT names the whole room: what it leaves out takes its default.
    let put = done(&product, "ann", "PUT", &path, &json!({"name": "Mate"}));
    assert_eq!(put["description"], "");
    let told = bob.until(|frame| frame["type"] == "room_changed").await;
    assert_eq!(told["description"], "");
    assert_eq!(
        refused(&product, "ann", "PUT", &path, &json!({"description": "no name"})),
        no(400, "missing_field")
    );

    // A repeat changes nothing and says nothing.
    done(&product, "ann", "PUT", &path, &json!({"name": "Mate"}));
    bob.catches_up(&product).await;
    let told = bob.heard.iter().filter(|frame| frame["type"] == "room_changed").count();
    assert_eq!(told, 2);
    // The old name is free, in any case of its letters.
    room_of(&product, "bob", &json!({"name": "TEA"}));
}

#[test]
fn who_may_change_a_room_and_to_what() {
    let product = Product::alone(&[("ADMIN_USERS", "root")]);
    let room = room_of(&product, "ann", &json!({"name": "Tea"}));
    let path = format!("/api/rooms/{room}");
    room_of(&product, "ann", &json!({"name": "Coffee"}));
    for (user, role) in [("mod", "moderator"), ("own", "owner"), ("bob", "member")] {
        done(&product, "ann", "POST", &format!("{path}/members"), &json!({"user": user, "role": role}));
    }
    let rename = json!({"name": "Mate"});
    for method in ["PATCH", "PUT"] {
        for user in ["bob", "mod"] {
            assert_eq!(refused(&product, user, method, &path, &rename), no(403, "not_permitted"), "{user}");
        }
        assert_eq!(refused(&product, "eve", method, &path, &rename), no(403, "not_a_member"));
        let taken = refused(&product, "ann", method, &path, &json!({"name": " COFFEE"}));
        assert_eq!(taken, no(409, "room_name_taken"));
        assert_eq!(
            refused(&product, "ann", method, "/api/rooms/nowhere", &rename),
            no(404, "room_not_found")
        );
        let hidden = format!("/api/rooms/{}", private_room(&product, "zoe", &format!("Hidden {method}")));
        assert_eq!(refused(&product, "ann", method, &hidden, &rename), no(404, "room_not_found"));
        assert_eq!(refused(&product, "ann", method, &path, &json!({"name": " "})), no(400, "missing_field"));
        assert_eq!(
            refused(&product, "ann", method, &path, &json!({"name": "x".repeat(101)})),
            no(400, "too_long")
        );
    }
    // Its own name in other letters is not taken.
    assert_eq!(done(&product, "own", "PATCH", &path, &json!({"name": "tEA"}))["name"], "tEA");
    assert_eq!(done(&product, "root", "PATCH", &path, &rename)["name"], "Mate");
}

#[test]
fn of_changes_at_once_none_is_lost_and_each_is_told() {
    let product = Product::alone(&[]);
    let room = private_room(&product, "ann", "Tea");
    let path = format!("/api/rooms/{room}");
    let owners = users(8);
    for owner in &owners {
        let body = json!({"user": owner, "role": "owner"});
        done(&product, "ann", "POST", &format!("{path}/members"), &body);
    }
    // Each owner lets in another guest, all of them writing the same row.
    std::thread::scope(|scope| {
        for owner in &owners {
            let (to, path) = (product.http, format!("{path}/invitations"));
            let headers = [("x-user-id", owner.as_str()), ("content-type", "application/json")];
            let body = json!({"user": format!("guest-of-{owner}")}).to_string();
            scope.spawn(move || assert_eq!(call(to, "POST", &path, &headers, body.as_bytes()).status, 200));
        }
    });
    for owner in &owners {
        done(&product, &format!("guest-of-{owner}"), "POST", &format!("{path}/join"), &Value::Null);
    }
    let types = all(&Value::Array(entries(&product, "ann", &room)), "type");
    assert_eq!(types.iter().filter(|kind| *kind == "room_changed").count(), owners.len());
}

#[tokio::test]
async fn only_its_creator_ends_a_room_and_all_hear_of_it() {
    let product = Product::alone(&[]);
    let room = room_of(&product, "ann", &json!({"name": "Tea"}));
    let path = format!("/api/rooms/{room}");
    let mut bob = Person::connect(&product, "bob").await;
    bob.joins(&room).await;
    for (user, role) in [("own", "owner"), ("mod", "moderator")] {
        done(&product, "ann", "POST", &format!("{path}/members"), &json!({"user": user, "role": role}));
    }
    for user in ["bob", "own", "mod", "eve"] {
        assert_eq!(
            refused(&product, user, "DELETE", &path, &Value::Null),
            no(403, "not_the_creator"),
            "{user}"
        );
    }
    assert_eq!(
        refused(&product, "ann", "DELETE", "/api/rooms/general", &Value::Null),
        no(403, "room_is_permanent")
    );
    let mut eve = Person::connect(&product, "eve").await;
    assert_eq!(done(&product, "ann", "DELETE", &path, &Value::Null)["status"], "deleted");
    let told = bob.until(|frame| frame["type"] == "room_deleted").await;
    assert_eq!((&told["room_id"], &told["by"]), (&json!(room), &json!("ann")));
    // Who only looks at the list sees it gone.
    eve.until(|frame| {
        let listed =
            frame["rooms"].as_array().map(|rooms| rooms.iter().any(|one| one["id"] == room.as_str()));
        frame["type"] == "rooms_updated" && listed == Some(false)
    })
    .await;
    assert_eq!(bob.is_refused(json!({"action": "join", "room_id": room})).await, "room_not_found");
    for path in [path.clone(), format!("{path}/members"), format!("{path}/messages")] {
        assert_eq!(refused(&product, "bob", "GET", &path, &Value::Null), no(404, "room_not_found"));
    }
    assert_eq!(refused(&product, "ann", "DELETE", &path, &Value::Null), no(404, "room_not_found"));
}

#[test]
fn what_a_body_may_leave_out_add_or_get_wrong() {
    let product = Product::alone(&[]);
    let body = json!({"name": "Tea", "description": "green", "is_private": true, "allowed_users": ["bob"]});
    let room = room_of(&product, "ann", &body);
    let path = format!("/api/rooms/{room}");
    let before = done(&product, "ann", "GET", &path, &Value::Null);
    for method in ["PATCH", "PUT"] {
        assert_eq!(
            refused(&product, "ann", method, &path, &Value::Null),
            no(400, "invalid_json"),
            "{method}"
        );
        for (body, code) in [
            (json!([]), "not_an_object"),
            (json!({"name": 7}), "wrong_type"),
            (json!({"name": "Tea", "description": ["x"]}), "wrong_type"),
            (json!({"name": "Tea", "is_private": "yes"}), "wrong_type"),
            (json!({"name": "Tea", "allowed_users": "bob"}), "wrong_type"),
            (json!({"name": "Tea", "allowed_users": [1]}), "wrong_type"),
            (json!({"name": "Tea", "allowed_users": [""]}), "missing_field"),
            (json!({"name": "a\nb"}), "invalid_name"),
            (json!({"name": "Tea", "description": "x".repeat(1_001)}), "too_long"),
        ] {
            assert_eq!(refused(&product, "ann", method, &path, &body), no(400, code), "{method} {body}");
        }
    }
    assert_eq!(refused(&product, "ann", "PUT", &path, &json!({"name": null})), no(400, "missing_field"));
    // Nothing named, `null`, and fields that no room has: nothing changes.
    let odd = json!({"name": null, "description": null, "is_private": null, "allowed_users": null,
        "created_by": "eve", "id": "other", "member_count": 99, "colour": "red"});
    for body in [json!({}), odd] {
        assert_eq!(done(&product, "ann", "PATCH", &path, &body), before, "{body}");
    }
    done(&product, "bob", "POST", &format!("{path}/join"), &Value::Null);
    // PUT takes `null` for what is left out.
    let put = done(&product, "ann", "PUT", &path, &json!({"name": "Tea", "is_private": null}));
    assert_eq!((&put["is_private"], &put["description"]), (&json!(false), &json!("")));
}

#[test]
fn a_room_is_never_without_somebody_who_can_own_it() {
    let product = Product::alone(&[]);
    let room = private_room(&product, "ann", "Tea");
    let path = format!("/api/rooms/{room}");
    done(&product, "ann", "POST", &format!("{path}/members"), &json!({"user": "own", "role": "owner"}));
    done(&product, "ann", "POST", &format!("{path}/leave"), &Value::Null);
    // The last owner goes back among the others, by their own will.
    let to_member = json!({"user": "own", "role": "member"});
    assert_eq!(done(&product, "own", "PATCH", &format!("{path}/members"), &to_member)["role"], "member");
    assert_eq!(
        refused(&product, "own", "PATCH", &path, &json!({"name": "Mine"})),
        no(403, "not_permitted"),
        "a right given up is gone"
    );
    // Who made the room has its door open, and is its owner again.
    assert_eq!(
        refused(&product, "ann", "GET", &format!("{path}/messages"), &Value::Null),
        no(403, "not_a_member")
    );
    assert_eq!(
        refused(&product, "ann", "PATCH", &path, &json!({"name": "Mine"})),
        no(403, "not_a_member"),
        "from outside nobody changes it"
    );
    assert_eq!(done(&product, "ann", "POST", &format!("{path}/join"), &Value::Null)["member_count"], 2);
    let inside = members(&product, "ann", &room);
    assert_eq!(inside[0], ("ann".to_owned(), "owner".to_owned()));
    done(&product, "ann", "PATCH", &path, &json!({"name": "Green tea"}));
}
