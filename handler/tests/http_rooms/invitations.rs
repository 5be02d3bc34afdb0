//! Ways into a room: to a user by name, or to whoever has a link's token.

use serde_json::{Value, json};

use crate::calls::{all, all_post, ask, done, members, no, private_room, refused, users};
use crate::people::Person;
use crate::product::{PATIENCE, Product};

fn link(product: &Product, by: &str, room: &str, body: &Value) -> Value {
    done(product, by, "POST", &format!("/api/rooms/{room}/invitations"), body)
}

fn accepts(product: &Product, user: &str, token: &Value) -> (u16, String) {
    let answer = ask(product, user, "POST", "/api/invitations/accept", &json!({"token": token}));
    (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn an_invited_user_is_told_and_may_come() {
    let product = Product::alone(&[]);
    let room = private_room(&product, "ann", "Hidden");
    let mut bob = Person::connect(&product, "bob").await;
    assert_eq!(bob.is_refused(json!({"action": "join", "room_id": room})).await, "room_not_found");
    assert_eq!(link(&product, "ann", &room, &json!({"user": "bob"}))["status"], "invited");
    let told = bob.until(|frame| frame["type"] == "invited").await;
    assert_eq!(
        (&told["room_id"], &told["room_name"], &told["by"]),
        (&json!(room), &json!("Hidden"), &json!("ann"))
    );
    assert_eq!(bob.joins(&room).await["member_count"], 2);
    let eve = refused(&product, "eve", "POST", &format!("/api/rooms/{room}/join"), &Value::Null);
    assert_eq!(eve, no(404, "room_not_found"), "an invitation is one user's");
    // A repeat tells once more and changes nothing.
    link(&product, "ann", &room, &json!({"user": "bob"}));
    assert_eq!(members(&product, "ann", &room).len(), 2);
}

#[tokio::test]
async fn a_link_lets_in_and_its_token_is_shown_once() {
    let product = Product::alone(&[]);
    let room = private_room(&product, "ann", "Hidden");
    let issued = link(&product, "ann", &room, &json!({"max_uses": 2, "expires_in": 3600}));
    let mut bob = Person::connect(&product, "bob").await;
    let joined = bob.asks(json!({"action": "accept_invitation", "token": issued["token"]}), "room").await;
    assert_eq!(joined["room"]["id"], room.as_str());
    let mut ann = Person::connect(&product, "ann").await;
    ann.says(&room, "welcome").await;
    bob.hears("welcome").await;
    // Once more costs no use.
    assert_eq!(accepts(&product, "bob", &issued["token"]).0, 200);
    assert_eq!(accepts(&product, "cid", &issued["token"]).0, 200);
    assert_eq!(accepts(&product, "dan", &issued["token"]), no(409, "invitation_used_up"));
    assert_eq!(accepts(&product, "bob", &issued["token"]).0, 200, "whom it let in may come again");

    let path = format!("/api/rooms/{room}/invitations");
    let listed = done(&product, "ann", "GET", &path, &Value::Null);
    assert_eq!(
        (&listed["invitations"][0]["id"], &listed["invitations"][0]["uses"]),
        (&issued["id"], &json!(2))
    );
    assert!(!listed.to_string().contains(issued["token"].as_str().unwrap()));
    assert_eq!(refused(&product, "bob", "GET", &path, &Value::Null), no(403, "not_permitted"));
    for (token, code) in
        [(json!("no such"), "invitation_unknown"), (issued["id"].clone(), "invitation_unknown")]
    {
        assert_eq!(accepts(&product, "eve", &token), no(404, code), "{token}");
    }
    assert_eq!(accepts(&product, "eve", &Value::Null), no(400, "missing_field"));
    assert_eq!(accepts(&product, "eve", &json!(7)), no(400, "wrong_type"));
}

#[test]
fn of_twenty_at_once_five_get_in_by_a_link_for_five() {
    let dir = tempfile::tempdir().unwrap();
    for settings in [vec![], vec![("STORAGE_MODE", "file"), ("DATA_DIR", dir.path().to_str().unwrap())]] {
        let product = Product::alone(&settings);
        let room = private_room(&product, "ann", "Hidden");
        let issued = link(&product, "ann", &room, &json!({"max_uses": 5}));
        let guests = users(20);
        let body = json!({"token": issued["token"]});
        let answers = all_post(&product, &guests, "/api/invitations/accept", &body);
        let mut let_in: Vec<_> = guests
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| answer.status == 200)
            .map(|(user, _)| user.clone())
            .collect();
        assert_eq!(let_in.len(), 5, "{let_in:?}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!((answer.status, answer.error().0), no(409, "invitation_used_up"));
        }
        let_in.push("ann".to_owned());
        let_in.sort();
        let inside: Vec<_> = members(&product, "ann", &room).into_iter().map(|(user, _)| user).collect();
        assert_eq!(inside, let_in);
    }
}

#[test]
fn a_revoked_link_lets_nobody_in_and_whom_it_let_in_stay() {
    let product = Product::alone(&[]);
    let room = private_room(&product, "ann", "Hidden");
    let issued = link(&product, "ann", &room, &json!({"max_uses": 9}));
    assert_eq!(accepts(&product, "bob", &issued["token"]).0, 200);
    let path = format!("/api/rooms/{room}/invitations/{}", issued["id"].as_str().unwrap());
    assert_eq!(refused(&product, "bob", "DELETE", &path, &Value::Null), no(403, "not_permitted"));
    assert_eq!(refused(&product, "eve", "DELETE", &path, &Value::Null), no(404, "room_not_found"));
    let other = private_room(&product, "eve", "Other");
    let elsewhere = format!("/api/rooms/{other}/invitations/{}", issued["id"].as_str().unwrap());
    // There is none of that id in her room; the one here stays.
    assert_eq!(done(&product, "eve", "DELETE", &elsewhere, &Value::Null)["status"], "revoked");
    assert_eq!(accepts(&product, "dan", &issued["token"]).0, 200);
    for _ in 0..2 {
        assert_eq!(done(&product, "ann", "DELETE", &path, &Value::Null)["status"], "revoked");
    }
    for user in ["bob", "cid"] {
        assert_eq!(accepts(&product, user, &issued["token"]), no(404, "invitation_unknown"), "{user}");
    }
    assert_eq!(members(&product, "ann", &room).len(), 3);
}

#[tokio::test]
async fn a_link_ends_by_itself() {
    let product = Product::alone(&[]);
    let room = private_room(&product, "ann", "Hidden");
    let brief = link(&product, "ann", &room, &json!({"expires_in": 1, "max_uses": 1000}));
    let mut guest = 0;
    let ended = async {
        while accepts(&product, &format!("guest-{guest}"), &brief["token"]) != no(409, "invitation_expired") {
            guest += 1;
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    assert_eq!(accepts(&product, "late", &brief["token"]), no(409, "invitation_expired"));
    let path = format!("/api/rooms/{room}/invitations");
    for (body, field) in [
        (json!({"expires_in": 0}), "expires_in"),
        (json!({"expires_in": 91 * 86_400}), "expires_in"),
        (json!({"max_uses": 0}), "max_uses"),
        (json!({"max_uses": 1001}), "max_uses"),
    ] {
        let answer = ask(&product, "ann", "POST", &path, &body);
        assert_eq!((answer.status, answer.error()), (400, ("invalid_field".to_owned(), field.to_owned())));
    }
}

#[test]
fn who_may_open_which_way_in() {
    let product = Product::alone(&[]);
    let room = private_room(&product, "ann", "Hidden");
    for (user, role) in [("own", "owner"), ("mod", "moderator"), ("bob", "member")] {
        let body = json!({"user": user, "role": role});
        done(&product, "ann", "POST", &format!("/api/rooms/{room}/members"), &body);
    }
    let path = format!("/api/rooms/{room}/invitations");
    assert_eq!(refused(&product, "bob", "POST", &path, &json!({})), no(403, "not_permitted"));
    assert_eq!(refused(&product, "bob", "POST", &path, &json!({"user": "x"})), no(403, "not_permitted"));
    let moderator = json!({"role": "moderator"});
    assert_eq!(
        refused(&product, "mod", "POST", &path, &moderator),
        no(403, "not_permitted"),
        "only owners give roles"
    );
    link(&product, "mod", &room, &json!({}));
    let issued = link(&product, "own", &room, &moderator);
    assert_eq!(accepts(&product, "cid", &issued["token"]).0, 200);
    assert!(members(&product, "ann", &room).contains(&("cid".to_owned(), "moderator".to_owned())));
    // A link raises nobody who is in already.
    let issued = link(&product, "own", &room, &json!({"role": "owner"}));
    assert_eq!(accepts(&product, "bob", &issued["token"]).0, 200);
    assert!(members(&product, "ann", &room).contains(&("bob".to_owned(), "member".to_owned())));
    let listed = all(&done(&product, "own", "GET", &path, &Value::Null)["invitations"], "id");
    assert_eq!(listed.len(), 3);
    let page = done(&product, "own", "GET", &format!("{path}?limit=2"), &Value::Null);
    let next = page["next"].as_str().unwrap();
    let rest = done(&product, "own", "GET", &format!("{path}?limit=2&after={next}"), &Value::Null);
    let paged = [all(&page["invitations"], "id"), all(&rest["invitations"], "id")].concat();
    assert_eq!(paged, listed);
    assert!(rest["next"].is_null());
}

#[test]
fn a_link_of_somebody_who_may_invite_no_more_lets_nobody_in() {
    let product = Product::alone(&[]);
    let room = private_room(&product, "ann", "Hidden");
    let members = format!("/api/rooms/{room}/members");
    done(&product, "ann", "POST", &members, &json!({"user": "mod", "role": "moderator"}));
    let issued = link(&product, "mod", &room, &json!({"max_uses": 9}));
    assert_eq!(accepts(&product, "bob", &issued["token"]).0, 200);
    done(&product, "ann", "POST", &format!("/api/rooms/{room}/bans"), &json!({"user": "mod"}));
    assert_eq!(accepts(&product, "cid", &issued["token"]), no(409, "invitation_withdrawn"));
}
