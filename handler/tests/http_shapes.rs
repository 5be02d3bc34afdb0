//! What existing clients read: the shape of each answer, to the key.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod product;

use product::{Answer, Product, call, repository};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");

fn create(product: &Product, user: &str, room: &Value) -> Answer {
    call(product.http, "POST", "/api/rooms", &[JSON, ("x-user-id", user)], room.to_string().as_bytes())
}

fn list(product: &Product, path: &str) -> (Vec<String>, Option<String>) {
    let answer = product.get(path);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json = answer.json();
    let ids = json.as_array().unwrap().iter().map(|room| room["id"].as_str().unwrap().to_owned()).collect();
    let next = answer.header("link").map(|link| {
        let path = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        path.to_owned()
    });
    (ids, next)
}

#[test]
fn rooms_are_a_bare_array_and_pages_are_linked() {
    let product = Product::alone(&[]);
    for n in 0..7 {
        let room = json!({"name": format!("Room {n}"), "is_private": n % 2 == 1});
        assert_eq!(create(&product, "ann & co", &room).status, 201);
    }
    let (all, next) = list(&product, "/api/rooms?user_id=ann%20%26%20co");
    assert_eq!((all.len(), next), (8, None), "general too");
    let (public, _) = list(&product, "/api/rooms");
    assert_eq!(public.len(), 5, "nobody in particular sees the public ones");
    for (start, expected) in
        [("/rooms?limit=3&user_id=ann%20%26%20co", &all), ("/rooms?user_id=bob&limit=1", &public)]
    {
        let (mut ids, mut next) = list(&product, start);
        while let Some(path) = next {
            let page = list(&product, &path);
            ids.extend(page.0);
            next = page.1;
        }
        assert_eq!(ids, *expected, "{start}");
    }
    assert_eq!(list(&product, "/api/rooms?limit=99999999999999999999").0.len(), 5, "clamped");
}

#[test]
fn a_room_is_created_and_deleted_with_the_answers_clients_know() {
    let product = Product::alone(&[]);
    let created = create(&product, "ann", &json!({"name": "Tea"}));
    assert_eq!(created.status, 201);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let place = created.header("location").unwrap().to_owned();
    assert_eq!(place, format!("/api/rooms/{id}"));
    assert_eq!(product.get(&place).json()["name"], "Tea");
    let delete = |more: &[(&str, &str)]| call(product.http, "DELETE", &place, more, b"");
    let refused = delete(&[("x-user-id", "bob")]);
    assert_eq!((refused.status, refused.error().0), (403, "not_the_creator".into()));
    let ann = [("x-user-id", "ann"), ("idempotency-key", "k-1")];
    for time in ["first", "again"] {
        let deleted = delete(&ann);
        assert_eq!(
            (deleted.status, deleted.json()),
            (200, json!({"status": "deleted", "room_id": id})),
            "{time}"
        );
    }
    for others in [&[("x-user-id", "ann")][..], &[("x-user-id", "bob"), ("idempotency-key", "k-1")]] {
        assert_eq!(delete(others).status, 404);
    }
    assert_eq!(product.get(&place).status, 404);
}

#[test]
fn an_admin_may_delete_the_room_of_another() {
    let product = Product::alone(&[("ADMIN_USERS", "root")]);
    let place = create(&product, "ann", &json!({"name": "Tea"})).header("location").unwrap().to_owned();
    assert_eq!(call(product.http, "DELETE", &place, &[("x-user-id", "root")], b"").status, 200);
}

#[test]
fn senders_get_the_receipt_of_their_call() {
    let product = Product::alone(&[]);
    let sent = product.post(
        "/api/sendMessage",
        r#"{"SenderID":"ann","RoomID":"general","MessageText":"x","MessageID":"m-1"}"#,
    );
    assert_eq!((sent.status, sent.json()), (200, json!({"status": "accepted", "MessageID": "m-1"})));
    let body = r#"{"room_id":"all","content":"x","sender":"ann","message_id":"m-2"}"#;
    let published = product.post("/api/publish", body);
    assert_eq!(
        (published.status, published.json()),
        (200, json!({"status": "success", "room": "General", "id": "m-2"}))
    );
}

#[test]
fn a_repeat_of_what_was_accepted_gets_the_first_answer_whatever_happened_since() {
    let product = Product::alone(&[]);
    let created = create(&product, "ann", &json!({"name": "Tea", "is_private": true}));
    let place = created.header("location").unwrap().to_owned();
    let room = created.json()["id"].as_str().unwrap().to_owned();
    let send = |id: &str| {
        let body = json!({"SenderID": "ann", "RoomID": room, "MessageText": "x", "MessageID": id});
        product.post("/api/sendMessage", &body.to_string())
    };
    let first = send("m-1");
    let accepted = || product.get("/api/metrics").json()["accepted"].clone();
    product.eventually("/api/metrics", |answer| answer.json()["delivered"] == 1);
    assert_eq!(send("m-1").json(), first.json(), "as before");
    let taken = accepted();
    let ann = [("x-user-id", "ann")];
    assert_eq!(call(product.http, "POST", &format!("{place}/leave"), &ann, b"").status, 200);
    let fresh = send("m-2");
    assert_eq!((fresh.status, fresh.error().0), (404, "room_not_found".into()), "what is new is refused");
    let repeat = send("m-1");
    assert_eq!((repeat.status, repeat.json()), (first.status, first.json()), "without access");
    assert_eq!(call(product.http, "DELETE", &place, &ann, b"").status, 200);
    assert_eq!(send("m-1").json(), first.json(), "without a room");
    assert_eq!(accepted(), taken, "nothing of it is queued");
}

/// The first literal behind each place that makes a refusal.
fn codes_in(source: &str) -> Vec<String> {
    let makers = ["invalid", "malformed", "too_large", "forbidden", "not_found", "conflict", "unavailable"]
        .map(|name| format!("{name}("));
    let after = |start: &str| {
        let makers = makers.clone();
        let places = source.split(start).skip(1).map(str::to_owned).collect::<Vec<_>>();
        places.into_iter().filter_map(move |place| {
            let maker = makers.iter().find(|maker| place.starts_with(*maker))?;
            let literal = place[maker.len()..].trim_start().strip_prefix('"')?;
            Some(literal.split('"').next()?.to_owned())
        })
    };
    after("Refused::").chain(after("Self::")).collect()
}

#[test]
fn every_code_is_in_the_document() {
    let rows = repository("handler/src/error.rs");
    let mut codes: Vec<_> = rows
        .split("(StatusCode::")
        .skip(1)
        .filter_map(|row| row.split_once(", \"")?.1.split('"').next().map(str::to_owned))
        .collect();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/chat");
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if file.is_file() {
            codes.extend(codes_in(&std::fs::read_to_string(file).unwrap()));
        }
    }
    assert!(codes.len() > 40, "{codes:?}");
    let document = repository("docs/API.md");
    codes.retain(|code| !document.contains(&format!("`{code}`")));
    assert!(codes.is_empty(), "{codes:?}");
}
