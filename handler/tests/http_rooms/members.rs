//! Who is in a room: the list, those who are added, their roles, and those who are taken out.

use serde_json::{Value, json};

use crate::calls::{all, ask, done, entries, members, no, private_room, refused, room_of, users};
use crate::client::Client;
use crate::people::Person;
use crate::product::Product;

fn add(product: &Product, by: &str, room: &str, user: &str, role: &str) {
    let body = json!({"user": user, "role": role});
    done(product, by, "POST", &format!("/api/rooms/{room}/members"), &body);
}

/// A room of `ann`'s with an owner, two moderators and two members.
fn tea_with_everybody(product: &Product) -> String {
    let room = private_room(product, "ann", "Tea");
    for (user, role) in
        [("own", "owner"), ("mod", "moderator"), ("mod-2", "moderator"), ("bob", "member"), ("cid", "member")]
    {
        add(product, "ann", &room, user, role);
    }
    room
}

#[tokio::test]
async fn members_are_listed_page_by_page_each_once() {
    let product = Product::alone(&[]);
    let room = room_of(&product, "ann", &json!({"name": "Tea"}));
    let path = format!("/api/rooms/{room}/members");
    let mut expected = users(23);
    for user in &expected {
        add(&product, "ann", &room, user, "member");
    }
    expected.push("ann".to_owned());
    expected.sort();
    let _online = Person::connect(&product, "user-7").await;

    let (mut seen, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = done(&product, "eve", "GET", &format!("{path}?limit=5{after}"), &Value::Null);
        let users = all(&page["members"], "user");
        assert!(users.len() <= 5, "{users:?}");
        seen.extend(users);
        pages += 1;
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!((seen, pages), (expected, 5));

    let page = done(&product, "eve", "GET", &format!("{path}?online=true"), &Value::Null);
    assert_eq!(all(&page["members"], "user"), ["user-7"]);
    assert_eq!(page["members"][0]["online"], true);
    let whole = done(&product, "eve", "GET", &format!("{path}?limit=100000"), &Value::Null);
    assert_eq!(whole["members"].as_array().unwrap().len(), 24, "a large limit is clamped");
    for wrong in ["limit=0", "limit=x", "online=maybe", "after=%FF"] {
        assert_eq!(
            ask(&product, "eve", "GET", &format!("{path}?{wrong}"), &Value::Null).status,
            400,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn who_is_added_hears_the_room_at_once() {
    let product = Product::alone(&[]);
    let room = private_room(&product, "ann", "Tea");
    let mut ann = Person::connect(&product, "ann").await;
    let mut bob = Person::connect(&product, "bob").await;
    let body = json!({"user": "bob"});
    let path = format!("/api/rooms/{room}/members");
    assert_eq!(done(&product, "ann", "POST", &path, &body)["role"], "member");
    ann.says(&room, "welcome").await;
    bob.hears("welcome").await;
    // A repeat changes nothing, not even the role, and says nothing.
    let again = done(&product, "ann", "POST", &path, &json!({"user": "bob", "role": "owner"}));
    assert_eq!(again["role"], "member");
    let joined = entries(&product, "ann", &room);
    assert_eq!(joined.iter().filter(|entry| entry["type"] == "joined").count(), 2);
}

#[test]
fn who_may_add_whom_as_what() {
    let product = Product::alone(&[("ADMIN_USERS", "root")]);
    let room = tea_with_everybody(&product);
    let path = format!("/api/rooms/{room}/members");
    let adds = |by: &str, user: &str, role: &str| {
        let answer = ask(&product, by, "POST", &path, &json!({"user": user, "role": role}));
        (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(adds("bob", "x", "member"), no(403, "not_permitted"));
    assert_eq!(adds("mod", "x", "moderator"), no(403, "not_permitted"), "a moderator makes no moderators");
    assert_eq!(adds("eve", "eve", "member"), no(404, "room_not_found"), "nobody adds themself from outside");
    assert_eq!(adds("mod", "from-mod", "member").0, 200);
    assert_eq!(adds("own", "from-own", "owner").0, 200);
    assert_eq!(adds("root", "from-root", "moderator").0, 200);
    assert_eq!(adds("ann", "x", "king"), no(400, "invalid_role"));
    assert_eq!(adds("ann", "", "member"), no(400, "missing_field"));
    assert_eq!(refused(&product, "ann", "POST", &path, &json!({"role": "member"})), no(400, "missing_field"));
}

#[tokio::test]
async fn a_role_gives_its_rights_and_takes_them() {
    let product = Product::alone(&[]);
    let room = tea_with_everybody(&product);
    let path = format!("/api/rooms/{room}/members");
    let mut bob = Person::connect(&product, "bob").await;
    let set = |by: &str, user: &str, role: &str| {
        let answer = ask(&product, by, "PATCH", &path, &json!({"user": user, "role": role}));
        (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(set("mod", "bob", "moderator"), no(403, "not_permitted"));
    assert_eq!(set("bob", "bob", "owner"), no(403, "not_permitted"));
    assert_eq!(set("own", "ann", "member"), no(403, "is_the_creator"));
    assert_eq!(set("own", "nobody", "member"), no(404, "member_not_found"));
    assert_eq!(set("own", "bob", "king"), no(400, "invalid_role"));

    let invite =
        |by: &str| ask(&product, by, "POST", &format!("/api/rooms/{room}/invitations"), &json!({})).status;
    assert_eq!(invite("bob"), 403);
    assert_eq!(set("own", "bob", "moderator").0, 200);
    let told = bob.until(|frame| frame["type"] == "role_changed").await;
    assert_eq!(
        (&told["user"], &told["role"], &told["by"]),
        (&json!("bob"), &json!("moderator"), &json!("own"))
    );
    assert_eq!(invite("bob"), 201);
    assert_eq!(set("own", "bob", "moderator").0, 200, "a repeat is harmless");
    assert_eq!(set("own", "bob", "member").0, 200);
    assert_eq!(invite("bob"), 403);
    let changed = entries(&product, "ann", &room);
    let roles: Vec<_> = changed.iter().filter(|entry| entry["type"] == "role_changed").collect();
    assert_eq!(roles.len(), 2, "{roles:#?}");

    // The same over a socket.
    let mut own = Person::connect(&product, "own").await;
    let ask = json!({"action": "change_role", "room_id": room, "user": "cid", "role": "moderator"});
    assert_eq!(own.asks(ask, "member").await["member"]["role"], "moderator");
    assert!(members(&product, "ann", &room).contains(&("cid".to_owned(), "moderator".to_owned())));
}

#[tokio::test]
async fn who_is_removed_hears_no_more_and_cannot_bring_themself_back() {
    let product = Product::alone(&[]);
    let room = private_room(&product, "ann", "Tea");
    let group = format!("room_{room}");
    add(&product, "ann", &room, "bob", "member");
    let mut ann = Person::connect(&product, "ann").await;
    let mut phone = Person::connect(&product, "bob").await;
    let mut desk = Client::connect(&product, "bob").await;
    ann.says(&room, "before").await;
    phone.hears("before").await;
    desk.until(|frame| frame["data"]["content"] == "before").await;
    assert_eq!(desk.joins_group(&group).await, Ok(()), "a member may");

    let path = format!("/api/rooms/{room}/members?user=bob&reason=enough");
    assert_eq!(done(&product, "ann", "DELETE", &path, &Value::Null)["status"], "removed");
    let told = phone.until(|frame| frame["type"] == "removed").await;
    assert_eq!((&told["room_id"], &told["reason"]), (&json!(room), &json!("enough")));
    desk.until(|frame| frame["data"]["type"] == "removed").await;
    assert_eq!(desk.joins_group(&group).await, Err("Forbidden".to_owned()));
    ann.says(&room, "after").await;
    phone.catches_up(&product).await;
    desk.catches_up(&product, "bob").await;
    assert_eq!(phone.messages()[&room], ["before"]);
    let heard = desk.of_group(&group);
    assert!(heard.iter().all(|frame| frame["content"] != "after"), "{heard:#?}");

    // Nothing else of the room is open to them either, and a repeat is harmless.
    for path in ["", "/messages", "/members"] {
        let path = format!("/api/rooms/{room}{path}");
        assert_eq!(refused(&product, "bob", "GET", &path, &Value::Null), no(404, "room_not_found"));
    }
    let say = json!({"action": "send", "room_id": room, "content": "let me in"});
    assert_eq!(phone.is_refused(say).await, "room_not_found");
    done(&product, "ann", "DELETE", &path, &Value::Null);
    let left = entries(&product, "ann", &room);
    assert_eq!(left.iter().filter(|entry| entry["type"] == "left").count(), 1);

    // Whoever is added again hears again, on every connection.
    add(&product, "ann", &room, "bob", "member");
    ann.says(&room, "again").await;
    phone.hears("again").await;
    desk.until(|frame| frame["data"]["content"] == "again").await;
}

#[test]
fn who_may_remove_whom() {
    let product = Product::alone(&[("ADMIN_USERS", "root")]);
    let room = tea_with_everybody(&product);
    let removes = |by: &str, user: &str| {
        let path = format!("/api/rooms/{room}/members?user={user}");
        let answer = ask(&product, by, "DELETE", &path, &Value::Null);
        (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(removes("bob", "cid"), no(403, "not_permitted"));
    assert_eq!(removes("eve", "cid"), no(404, "room_not_found"));
    for above in ["mod-2", "own"] {
        assert_eq!(removes("mod", above), no(403, "not_permitted"), "{above}");
    }
    for by in ["mod", "own", "root"] {
        assert_eq!(removes(by, "ann"), no(403, "is_the_creator"), "{by}");
    }
    for (by, user) in [("mod", "bob"), ("own", "mod-2"), ("root", "own"), ("ann", "cid")] {
        assert_eq!(removes(by, user).0, 200, "{by} removes {user}");
    }
    let left: Vec<_> = members(&product, "ann", &room).into_iter().map(|(user, _)| user).collect();
    assert_eq!(left, ["ann", "mod"]);
}
