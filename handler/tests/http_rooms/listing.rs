//! Making rooms and finding them again.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::calls::{all, all_post, ask, done, members, no, private_room, refused, room_of, users};
use crate::product::Product;

/// Ids on every page, led by `Link`; and how many pages there were.
fn pages(product: &Product, user: &str, first: &str) -> (Vec<String>, usize) {
    let (mut ids, mut path, mut count) = (Vec::new(), Some(first.to_owned()), 0);
    while let Some(here) = path.take() {
        let answer = ask(product, user, "GET", &here, &Value::Null);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let page = all(&answer.json(), "id");
        assert!(page.len() <= 2, "{here} has {page:?}");
        ids.extend(page);
        count += 1;
        path = answer.header("link").map(|link| {
            let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
            next.unwrap_or_else(|| panic!("no link: {link}")).to_owned()
        });
    }
    (ids, count)
}

#[test]
fn a_room_is_made_with_its_maker_as_owner() {
    let product = Product::alone(&[]);
    let body = json!({"name": " Tea ", "description": "All about tea"});
    let answer = ask(&product, "ann", "POST", "/api/rooms", &body);
    assert_eq!(answer.status, 201);
    let room = answer.json();
    let path = format!("/api/rooms/{}", room["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), Some(path.as_str()));
    assert_eq!((&room["name"], &room["created_by"]), (&json!("Tea"), &json!("ann")));
    assert_eq!((&room["member_count"], &room["is_private"]), (&json!(1), &json!(false)));
    assert_eq!(done(&product, "bob", "GET", &path, &Value::Null), room);
    let owner = ("ann".to_owned(), "owner".to_owned());
    assert_eq!(members(&product, "bob", room["id"].as_str().unwrap()), [owner]);
}

#[test]
fn every_page_leads_to_the_next_and_none_repeats_a_room() {
    let product = Product::alone(&[]);
    let mut made: BTreeSet<String> =
        (0..7).map(|n| room_of(&product, "ann", &json!({"name": format!("Room {n}")}))).collect();
    made.insert("general".to_owned());
    let hidden = private_room(&product, "ann", "Room hidden");
    let (ids, count) = pages(&product, "bob", "/api/rooms?limit=2");
    assert!(ids.is_sorted() && count >= 4, "{ids:?} on {count} pages");
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), made);
    made.insert(hidden);
    let (ids, _) = pages(&product, "ann", "/api/rooms?limit=2");
    assert_eq!(ids.len(), made.len());
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), made, "who is in a private room finds it");
}

#[test]
fn rooms_are_found_by_how_their_name_begins() {
    let product = Product::alone(&[]);
    let names = ["Tea", "TEA party", "team", "Tear & wear", "Coffee"];
    for name in names {
        room_of(&product, "ann", &json!({"name": name}));
    }
    private_room(&product, "ann", "tea, secretly");
    let found = |user: &str, prefix: &str| {
        let path = format!("/api/rooms?prefix={prefix}");
        all(&done(&product, user, "GET", &path, &Value::Null), "name")
    };
    assert_eq!(found("bob", "%20tEa%20"), ["Tea", "TEA party", "team", "Tear & wear"]);
    assert_eq!(found("bob", "tear%20%26"), ["Tear & wear"]);
    assert_eq!(found("ann", "tea,"), ["tea, secretly"]);
    assert!(found("bob", "tea,").is_empty());
    assert!(found("bob", "eam").is_empty(), "a name is found by its beginning alone");
    let (ids, _) = pages(&product, "bob", "/api/rooms?prefix=tea&limit=2");
    let once: BTreeSet<_> = ids.iter().collect();
    assert_eq!((ids.len(), once.len()), (4, 4), "{ids:?}");
}

#[test]
fn a_name_is_taken_whatever_its_case_and_space_until_its_room_is_gone() {
    let product = Product::alone(&[]);
    let tea = room_of(&product, "ann", &json!({"name": "Tee & Kuchen"}));
    for name in ["Tee & Kuchen", "  TEE & KUCHEN ", "tee & kuchen\t"] {
        let answer = ask(&product, "bob", "POST", "/api/rooms", &json!({"name": name}));
        assert_eq!((answer.status, answer.error()), (409, ("room_name_taken".to_owned(), "name".to_owned())));
    }
    assert_eq!(
        refused(&product, "bob", "POST", "/api/rooms", &json!({"name": "GENERAL"})),
        no(409, "room_name_taken")
    );
    private_room(&product, "ann", "Hidden");
    let hidden = refused(&product, "bob", "POST", "/api/rooms", &json!({"name": "hidden"}));
    assert_eq!(hidden, no(409, "room_name_taken"), "a private room's name is taken too");
    done(&product, "ann", "DELETE", &format!("/api/rooms/{tea}"), &Value::Null);
    let again = room_of(&product, "bob", &json!({"name": "TEE & Kuchen"}));
    assert_ne!(again, tea);
}

#[test]
fn of_many_who_want_one_name_at_once_one_gets_it() {
    let product = Product::alone(&[]);
    let answers = all_post(&product, &users(12), "/api/rooms", &json!({"name": "One"}));
    let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(201), with(409)), (1, 11));
}
