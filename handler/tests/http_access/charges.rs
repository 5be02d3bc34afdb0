//! What a call costs its caller: every route that charges, with a caller who has one token and one who has none.

use handler::functions::{Access, Charge, table};
use serde_json::json;

use crate::people::{ask, claims, product, signed, token};
use crate::product::{Answer, Product};
use crate::table::{Row, TABLE};
use crate::world::{Standing, World};

/// What charges nobody, although it is no `GET`: a token for a socket is no change, and who brings an event or a file was
/// asked for another proof.
const FREE: [(&str, &str); 4] = [
    ("POST", "/negotiate"),
    ("POST", "/eventhandler"),
    ("OPTIONS", "/eventhandler"),
    ("PUT", "/attachments/{id}/blob"),
];
/// The table's pair has no message that its member may report; it is the same use case as in a room.
const UNSERVED: (&str, &str) = ("POST", "/messages/{seq}/report");
/// One token, and a second for the next.
const ONE: (&str, &str) = ("RATE_LIMIT_USER", "1/1");

fn charge(row: &Row) -> Charge {
    let (method, path) = (row.method, row.template());
    let found = table().into_iter().find(|route| route.method == method && route.path == path);
    found.unwrap_or_else(|| panic!("there is no route {method} {path}")).charge
}

/// A caller, and the world they call in.
struct Asked<'a> {
    world: &'a World,
    standing: Standing,
    bearer: String,
}

impl Asked<'_> {
    fn calls(&self, product: &Product, method: &str, path: &str, body: &str) -> Answer {
        let fill = |text: &str| self.world.fill(self.standing, text);
        let shown = [("authorization", self.bearer.as_str())];
        ask(product, &shown, method, &fill(&format!("/api{path}")), &fill(body))
    }

    fn asks(&self, product: &Product, row: &Row) -> Answer {
        self.calls(product, row.method, &format!("{}{}", row.path, row.query), row.body)
    }
}

/// An admin who did nothing yet.
fn fresh<'a>(world: &'a World, name: &str) -> Asked<'a> {
    let mut claims = claims(name);
    claims["roles"] = json!(["chat.admin"]);
    Asked { world, standing: Standing::Admin, bearer: format!("Bearer {}", signed(&claims)) }
}

/// Whoever the route serves in a world where nobody did anything else since it is up.
fn served<'a>(world: &'a World, row: &Row) -> Asked<'a> {
    let served = |standing: &&Standing| row.expected[**standing as usize] < 300;
    let standing = *Standing::ALL[..5].iter().find(served).unwrap();
    Asked { world, standing, bearer: format!("Bearer {}", token(&world.user(standing))) }
}

/// A world in which there is something for the call to change: what changes nothing is free.
fn prepared(product: &Product, row: &Row) -> World {
    let world = World::new(product);
    if row.method == "DELETE" && (row.path.ends_with("/reactions") || row.path.contains("/pins/")) {
        let path = format!("{}{}", row.path, row.query);
        assert_eq!(served(&world, row).calls(product, "PUT", &path, row.body).status, 200);
    }
    world
}

fn asked<'a>(own: Option<&'a World>, common: &'a World, row: &Row, name: &str) -> Asked<'a> {
    own.map_or_else(|| fresh(common, name), |world| served(world, row))
}

fn is_refused(answer: &Answer, row: &Row) {
    let told = (answer.status, answer.error(), answer.header("retry-after").map(str::to_owned));
    let expected = (429, ("rate_limited".to_owned(), "user".to_owned()), Some("1".to_owned()));
    assert_eq!(told, expected, "{} {}: {}", row.method, row.path, answer.text());
}

#[test]
fn what_changes_something_charges_somebody() {
    let free = TABLE.iter().filter(|row| row.method != "GET" && charge(row) == Charge::Nobody);
    let free: Vec<_> = free.map(|row| (row.method.to_owned(), row.template())).collect();
    assert_eq!(free, FREE.map(|(method, path)| (method.to_owned(), path.to_owned())));
    let open =
        table().into_iter().filter(|route| matches!(route.access, Access::Open | Access::EventHandler));
    assert!(open.into_iter().all(|route| route.charge == Charge::Nobody), "nobody is known there");
}

/// One token is enough, and none is too few: so each takes one.
#[test]
fn every_route_that_charges_takes_one_token_of_its_caller() {
    let dir = tempfile::tempdir().unwrap();
    let stored = [("STORAGE_MODE", "file"), ("DATA_DIR", dir.path().to_str().unwrap())];
    let rows = || {
        let is_served = |row: &Row| (row.method, row.template().as_str()) != UNSERVED;
        TABLE.iter().filter(move |row| charge(row) != Charge::Nobody && is_served(row))
    };
    let mut unlimited = product(&stored);
    let common = World::new(&unlimited);
    // What a use case charges shows where it is gone through with.
    let pairs: Vec<_> = rows()
        .map(|row| {
            let own = || (charge(row) == Charge::UseCase).then(|| prepared(&unlimited, row));
            (row, own(), own())
        })
        .collect();
    unlimited.signal("KILL");
    unlimited.ended();

    // All buckets are full again.
    let product = product(&[stored[0], stored[1], ONE]);
    for (number, (row, first, second)) in pairs.iter().enumerate() {
        let rich = asked(first.as_ref(), &common, row, &format!("one-{number}"));
        let answer = rich.asks(&product, row);
        assert_ne!(answer.status, 429, "{} {} with a token: {}", row.method, row.path, answer.text());
        assert!(first.is_none() || answer.status < 300, "{} {}: {}", row.method, row.path, answer.text());

        let poor = asked(second.as_ref(), &common, row, &format!("none-{number}"));
        assert_eq!(poor.calls(&product, "POST", "/inbox/ack", r#"{"ids":["none"]}"#).status, 200);
        is_refused(&poor.asks(&product, row), row);
    }
}
