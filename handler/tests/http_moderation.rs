//! Bans, mutes and moderation over the real ports, against everything a client may try with real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "shared by the modules of this binary")]

#[path = "http_rooms/calls.rs"]
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod calls;
#[path = "moderation/judged.rs"]
mod judged;
#[path = "moderation/live.rs"]
mod live;
#[path = "stories/people.rs"]
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod people;
mod product;

use std::time::Duration;

use calls::{ask, done, no, refused};
use live::{Live, forged_url};
use people::{Person, make_room};
use product::{PATIENCE, Product};
use serde_json::{Value, json};
use tokio::time::Instant;

const KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH";
/// Within this a ban takes effect on live connections.
const PROMISED: Duration = Duration::from_secs(2);

fn bans(room: &str) -> String {
    format!("/api/rooms/{room}/bans")
}

fn mutes(room: &str) -> String {
    format!("/api/rooms/{room}/mutes")
}

#[tokio::test]
async fn a_ban_takes_out_all_devices_and_nothing_brings_them_back() {
    let product = Product::alone(&[("HUB_ACCESS_KEY", KEY)]);
    let room = make_room(&product, "ann", "Tea");
    let group = format!("room_{room}");
    let mut ann = Person::connect(&product, "ann").await;
    let mut desk = Live::negotiated(&product, "bob").await;
    let mut phone = Live::negotiated(&product, "bob").await;
    let mut plain = Person::connect(&product, "bob").await;
    plain.joins(&room).await;
    let kept_url = live::negotiate(&product, "bob");
    ann.says(&room, "before").await;
    desk.hears("before").await;
    phone.hears("before").await;
    plain.hears("before").await;
    assert!(desk.joins_group(&group).await.is_ok(), "a member's client may, as the SDK's rejoin does");
    let way_back = phone.breaks_off();

    let started = Instant::now();
    let laid = done(&product, "ann", "POST", &bans(&room), &json!({"user": "bob", "reason": "spam"}));
    assert!(started.elapsed() < PROMISED);
    assert_eq!((&laid["by"], &laid["reason"]), (&"ann".into(), &"spam".into()));
    ann.says(&room, "after").await;

    let mut recovered = Live::recovered(&product, "bob", &way_back).await;
    let mut anew = Live::negotiated(&product, "bob").await;
    let mut kept = Live::open(&kept_url, "bob").await;
    let mut forged = Live::open(&forged_url(&product, KEY, "bob", &group), "bob").await;
    ann.says(&room, "still after").await;
    for device in [&mut desk, &mut recovered, &mut anew, &mut kept, &mut forged] {
        assert_eq!(device.joins_group(&group).await, Err("Forbidden".to_owned()));
        assert_eq!(device.sends_to_group(&group).await, Err("Forbidden".to_owned()));
        assert_eq!(device.asks("join", json!({"room_id": room})).await["code"], "banned");
    }
    assert_eq!(plain.is_refused(json!({"action": "join", "room_id": room})).await, "banned");
    ann.says(&room, "and after that").await;
    for device in [&mut desk, &mut recovered, &mut anew, &mut kept, &mut forged] {
        device.catches_up(&product).await;
        assert!(device.texts().iter().all(|text| !text.contains("after")), "{:?}", device.texts());
    }
    plain.catches_up(&product).await;
    assert_eq!(plain.messages()[&room], ["before"]);
    let told = plain.heard.iter().filter(|frame| frame["room_id"] == room.as_str());
    let told: Vec<_> = told.map(|frame| frame["type"].as_str().unwrap()).collect();
    assert_eq!(told, ["room_joined", "message", "sanctioned", "left"], "the last that it hears is why");

    let path = format!("/api/rooms/{room}");
    for (method, path, body) in [
        ("POST", format!("{path}/join"), Value::Null),
        ("GET", format!("{path}/messages"), Value::Null),
        ("GET", format!("{path}/members"), Value::Null),
        ("POST", "/api/publish".to_owned(), json!({"room_id": room, "content": "x", "sender": "bob"})),
        (
            "POST",
            "/api/sendMessage".to_owned(),
            json!({"RoomID": room, "MessageText": "x", "SenderID": "bob"}),
        ),
    ] {
        assert_eq!(refused(&product, "bob", method, &path, &body), no(403, "banned"), "{method} {path}");
    }
    for (user, code) in [("ann", "banned"), ("bob", "not_a_member")] {
        let add = json!({"user": "bob"});
        assert_eq!(refused(&product, user, "POST", &format!("{path}/members"), &add), no(403, code));
    }

    for _ in 0..2 {
        let lifted = done(&product, "ann", "DELETE", &format!("{}?user=bob", bans(&room)), &Value::Null);
        assert_eq!(lifted, json!({"status": "unbanned", "room_id": room, "user": "bob"}));
    }
    done(&product, "bob", "POST", &format!("{path}/join"), &Value::Null);
    ann.says(&room, "welcome back").await;
    for device in [&mut desk, &mut recovered, &mut anew, &mut kept, &mut forged] {
        device.hears("welcome back").await;
    }
    plain.hears("welcome back").await;
}

#[tokio::test]
async fn a_token_with_rights_of_before_the_ban_has_none_for_that_room() {
    let product = Product::alone(&[("NEGOTIATE_ROLES", "token")]);
    let (tea, mate) = (make_room(&product, "ann", "Tea"), make_room(&product, "ann", "Mate"));
    for room in [&tea, &mate] {
        done(&product, "bob", "POST", &format!("/api/rooms/{room}/join"), &Value::Null);
    }
    let url = live::negotiate(&product, "bob");
    assert!(live::roles_of(&url).contains(&format!("webpubsub.joinLeaveGroup.room_{tea}")));
    assert!(Live::open(&url, "bob").await.joins_group(&format!("room_{tea}")).await.is_ok());
    done(&product, "ann", "POST", &bans(&tea), &json!({"user": "bob"}));
    let mut bob = Live::open(&url, "bob").await;
    assert_eq!(bob.joins_group(&format!("room_{tea}")).await, Err("Forbidden".to_owned()));
    assert!(bob.joins_group(&format!("room_{mate}")).await.is_ok(), "other rooms stay");
    assert!(!live::roles_of(&live::negotiate(&product, "bob")).iter().any(|role| role.contains(&tea)));
}

#[tokio::test]
async fn who_is_muted_reads_on_and_writes_nothing() {
    let product = Product::alone(&[]);
    let room = make_room(&product, "ann", "Tea");
    let (mut ann, mut bob) = (Person::connect(&product, "ann").await, Person::connect(&product, "bob").await);
    bob.joins(&room).await;
    let seq = bob.says(&room, "mine").await["seq"].clone();
    let muted =
        ann.asks(json!({"action": "mute", "room_id": room, "user": "bob", "duration": 600}), "muted").await;
    assert!(muted["until"].is_string(), "{muted}");
    for action in [
        json!({"action": "send", "room_id": room, "content": "x"}),
        json!({"action": "edit", "room_id": room, "seq": seq, "content": "x"}),
        json!({"action": "react", "room_id": room, "seq": seq, "emoji": "👍"}),
        json!({"action": "typing", "room_id": room}),
    ] {
        assert_eq!(bob.is_refused(action.clone()).await, "muted", "{action}");
    }
    let body = json!({"RoomID": room, "MessageText": "x", "SenderID": "bob"});
    assert_eq!(refused(&product, "bob", "POST", "/api/sendMessage", &body), no(403, "muted"));
    // Coming anew is no way round it.
    bob.leaves(&room).await;
    bob.joins(&room).await;
    assert_eq!(bob.is_refused(json!({"action": "send", "room_id": room, "content": "x"})).await, "muted");
    ann.says(&room, "heard").await;
    bob.hears("heard").await;
    assert_eq!(people::history(&product, &room, "bob"), ["mine", "heard"]);
    let listed = done(&product, "ann", "GET", &mutes(&room), &Value::Null);
    assert_eq!(calls::all(&listed["mutes"], "user"), ["bob"]);
    ann.asks(json!({"action": "unmute", "room_id": room, "user": "bob"}), "unmuted").await;
    bob.says(&room, "at last").await;
    ann.hears("at last").await;
}

#[test]
fn a_ban_ends_with_its_duration() {
    let product = Product::alone(&[]);
    let room = make_room(&product, "ann", "Tea");
    done(&product, "ann", "POST", &bans(&room), &json!({"user": "bob", "duration": 1}));
    let join = || ask(&product, "bob", "POST", &format!("/api/rooms/{room}/join"), &Value::Null);
    assert_eq!(join().error().0, "banned");
    let deadline = Instant::now() + PATIENCE;
    while join().status != 200 {
        assert!(Instant::now() < deadline, "it does not end");
    }
    assert_eq!(done(&product, "ann", "GET", &bans(&room), &Value::Null), json!({"bans": []}));
}

#[test]
fn bans_are_listed_in_pages_for_those_who_may_lay_them() {
    let product = Product::alone(&[]);
    let room = make_room(&product, "ann", "Tea");
    for who in ["cid", "bob", "dan"] {
        done(&product, "ann", "POST", &bans(&room), &json!({"user": who}));
    }
    done(&product, "ann", "POST", &mutes(&room), &json!({"user": "eve"}));
    let page = done(&product, "ann", "GET", &format!("{}?limit=2", bans(&room)), &Value::Null);
    assert_eq!(
        (calls::all(&page["bans"], "user"), &page["next"]),
        (vec!["bob".into(), "cid".into()], &"cid".into())
    );
    let rest = done(&product, "ann", "GET", &format!("{}?limit=2&after=cid", bans(&room)), &Value::Null);
    assert_eq!(calls::all(&rest["bans"], "user"), ["dan"]);
    for path in [bans(&room), mutes(&room)] {
        assert_eq!(refused(&product, "eve", "GET", &path, &Value::Null), no(403, "not_a_member"));
    }
}

#[test]
fn a_ban_outlives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("STORAGE_MODE", "file"), ("DATA_DIR", dir.path().to_str().unwrap())];
    let mut product = Product::alone(&settings);
    let room = make_room(&product, "ann", "Tea");
    done(&product, "bob", "POST", &format!("/api/rooms/{room}/join"), &Value::Null);
    done(&product, "ann", "POST", &bans(&room), &json!({"user": "bob", "reason": "spam"}));
    product.signal("KILL");
    product.ended();
    let product = Product::alone(&settings);
    let join = format!("/api/rooms/{room}/join");
    assert_eq!(refused(&product, "bob", "POST", &join, &Value::Null), no(403, "banned"));
    let listed = done(&product, "ann", "GET", &bans(&room), &Value::Null);
    assert_eq!(listed["bans"][0]["reason"], "spam");
}

#[tokio::test]
async fn each_mistake_has_its_status_code_and_field_on_every_way() {
    let product = Product::alone(&[("ADMIN_USERS", "root")]);
    let room = make_room(&product, "ann", "Tea");
    done(&product, "bob", "POST", &format!("/api/rooms/{room}/join"), &Value::Null);
    let mut sockets = [Person::connect(&product, "ann").await, Person::connect(&product, "bob").await];
    let mut eve = Person::connect(&product, "eve").await;
    let long = "x".repeat(501);
    let name = "x".repeat(129);
    for (by, room, body, status, code, field) in [
        ("ann", &*room, json!({}), 400, "missing_field", "user"),
        ("ann", &room, json!({"user": ""}), 400, "missing_field", "user"),
        ("ann", &room, json!({"user": 5}), 400, "wrong_type", "user"),
        ("ann", &room, json!({"user": name}), 400, "too_long", "user"),
        ("ann", &room, json!({"user": "bob", "duration": -1}), 400, "wrong_type", "duration"),
        ("ann", &room, json!({"user": "bob", "duration": 1.5}), 400, "wrong_type", "duration"),
        ("ann", &room, json!({"user": "bob", "duration": "60"}), 400, "wrong_type", "duration"),
        ("ann", &room, json!({"user": "bob", "duration": 1e300}), 400, "wrong_type", "duration"),
        ("ann", &room, json!({"user": "bob", "duration": 0}), 400, "invalid_field", "duration"),
        ("ann", &room, json!({"user": "bob", "duration": u64::MAX}), 400, "invalid_field", "duration"),
        ("ann", &room, json!({"user": "bob", "reason": long}), 400, "too_long", "reason"),
        ("ann", &room, json!({"user": "bob", "reason": []}), 400, "wrong_type", "reason"),
        ("ann", "nowhere", json!({"user": "bob"}), 404, "room_not_found", ""),
        ("ann", &room, json!({"user": "ann"}), 403, "not_yourself", "user"),
        ("ann", &room, json!({"user": "root"}), 403, "not_permitted", "user"),
        ("bob", &room, json!({"user": "ann"}), 403, "not_permitted", ""),
        ("eve", &room, json!({"user": "bob"}), 403, "not_a_member", ""),
    ] {
        for (path, action) in [("bans", "ban"), ("mutes", "mute")] {
            let answer = ask(&product, by, "POST", &format!("/api/rooms/{room}/{path}"), &body);
            let seen = (answer.status, answer.error());
            assert_eq!(seen, (status, (code.to_owned(), field.to_owned())), "{by}: {path} {body}");
            let person = sockets.iter_mut().find(|person| person.name == by).unwrap_or(&mut eve);
            let mut asked = body.clone();
            asked["action"] = action.into();
            asked["room_id"] = room.into();
            assert_eq!(person.is_refused(asked).await, code, "{by}: {action} {body}");
            let told = person.heard.last().unwrap();
            assert_eq!(told["field"].as_str().unwrap_or_default(), field, "{by}: {action} {body}");
        }
    }
    for (path, by, code) in
        [(bans(&room), "ann", "missing_field"), (format!("{}?user=bob", bans(&room)), "bob", "not_permitted")]
    {
        assert_eq!(refused(&product, by, "DELETE", &path, &Value::Null).1, code);
    }
    let creator = refused(&product, "root", "POST", &bans(&room), &json!({"user": "ann"}));
    assert_eq!(creator, no(403, "is_the_creator"));
    assert_eq!(done(&product, "ann", "GET", &bans(&room), &Value::Null), json!({"bans": []}));
    assert_eq!(calls::members(&product, "ann", &room).len(), 2, "nothing of it had an effect");
}
