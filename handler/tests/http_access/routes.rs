//! Every route × every kind of caller.

use std::collections::BTreeMap;

use handler::functions::{Access, table};
use serde_json::json;
use tokio::time::Instant;

use crate::people::{ROOT, ask, ask_as, claims, now, product, signed, token, token_but};
use crate::product::{PATIENCE, Product, call};
use crate::table::{Row, TABLE, kept_out, somebody_else};
use crate::world::{Standing, World};

const LAST: &str = r#"{"SenderID":"ann","ReceiverID":"bob","MessageText":"the last"}"#;

fn routes() -> BTreeMap<(String, String), Access> {
    let routes = table().into_iter();
    routes.map(|route| ((route.method.to_owned(), route.path.to_owned()), route.access)).collect()
}

fn access(row: &Row) -> Access {
    let access = routes().get(&(row.method.to_owned(), row.template())).copied();
    access.unwrap_or_else(|| panic!("there is no route {} {}", row.method, row.template()))
}

#[test]
fn the_table_has_every_route_once() {
    let mut rows: Vec<_> = TABLE.iter().map(|row| (row.method.to_owned(), row.template())).collect();
    rows.sort();
    let routes: Vec<_> = routes().into_keys().collect();
    assert_eq!(rows, routes, "each route has its row in tests/http_access/table.rs");
}

#[test]
fn every_route_answers_every_standing_as_the_table_says() {
    let product = product(&[]);
    let mut world = World::new(&product);
    let mut wrong = Vec::new();
    for row in TABLE {
        for (standing, expected) in Standing::ALL.into_iter().zip(row.expected) {
            let path = world.fill(standing, &format!("/api{}{}", row.path, row.query));
            let body = world.fill(standing, row.body);
            let bearer = format!("Bearer {}", token(&world.user(standing)));
            let shown = [row.headers, &[("authorization", bearer.as_str())]].concat();
            let answer = ask(&product, &shown, row.method, &path, &body);
            if answer.status != expected {
                wrong.push(format!(
                    "{} {} for {standing:?}: {} instead of {expected}: {}",
                    row.method,
                    row.path,
                    answer.status,
                    answer.text()
                ));
            }
            // The next caller finds everything as it was.
            if answer.status < 300 && row.method != "GET" {
                world = World::new(&product);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nobody_gets_in_without_a_good_token_of_their_own() {
    let product = product(&[]);
    let world = World::new(&product);
    let member = world.user(Standing::Member);
    let bearer = |token: String| [("authorization", format!("Bearer {token}"))];
    let late = bearer(token_but(&member, "exp", json!(now() - 61)));
    let other = bearer(token_but(&member, "aud", json!("another")));
    let good = bearer(token(&member));
    for row in TABLE {
        let access = access(row);
        let path = world.fill(Standing::Member, &format!("/api{}{}", row.path, row.query));
        let body = world.fill(Standing::Member, row.body);
        let check = |kind: &str, shown: &[(&str, &str)], expected: Option<(u16, &str)>| {
            let Some((status, code)) = expected else { return };
            let answer = ask(&product, shown, row.method, &path, &body);
            let got = (answer.status, answer.error().0);
            assert_eq!(got, (status, code.to_owned()), "{} {path} {kind}", row.method);
            assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{path} {kind}");
        };
        let shown =
            |(name, value): &(&'static str, String)| -> (&'static str, String) { (*name, value.clone()) };
        let as_is = |headers: &[(&'static str, String); 1]| shown(&headers[0]);
        check("without a token", &[], kept_out(access, (401, "token_missing")));
        for (kind, headers, because) in [
            ("with an expired token", &late, (401, "token_expired")),
            ("with a token for somebody else", &other, (401, "wrong_audience")),
        ] {
            let (name, value) = as_is(headers);
            check(kind, &[(name, &value)], kept_out(access, because));
        }
        let (name, value) = as_is(&good);
        let named = [(name, value.as_str()), ("x-user-id", "somebody")];
        check("as somebody else", &named, somebody_else(access));
    }
}

/// There is no second way to a route around its class.
#[test]
fn every_spelling_of_a_route_is_guarded() {
    let product = product(&[]);
    for row in TABLE {
        let Some((status, _)) = kept_out(access(row), (401, "")) else { continue };
        let path = row.path.replace("ROOM", "general").replace("MINE", "1").replace("THEIRS", "1");
        let api = format!("/api{path}");
        let (slash, upper) = (format!("{api}/"), api.to_uppercase().replace("GENERAL", "general"));
        for spelled in [path.as_str(), &api, &slash, &upper] {
            let answer = call(product.http, row.method, spelled, &[], b"");
            assert_eq!(answer.status, status, "{} {spelled}", row.method);
            if row.method == "GET" {
                assert_eq!(call(product.http, "HEAD", spelled, &[], b"").status, status, "HEAD {spelled}");
            }
        }
    }
}

#[test]
fn an_admin_by_claim_is_one_and_other_roles_are_none() {
    let product = product(&[]);
    let letters = |roles: serde_json::Value| {
        let mut claims = claims("ann");
        claims["roles"] = roles;
        let bearer = format!("Bearer {}", signed(&claims));
        ask(&product, &[("authorization", &bearer)], "GET", "/api/admin/letters", "").status
    };
    assert_eq!(letters(json!(["reader", "chat.admin"])), 200);
    assert_eq!(letters(json!("chat.admin")), 200);
    for roles in
        [json!(["chat"]), json!([]), json!({"chat.admin": true}), json!([["chat.admin"]]), json!(true)]
    {
        assert_eq!(letters(roles.clone()), 403, "{roles}");
    }
}

#[test]
fn a_refused_sign_in_is_on_record_and_a_missing_one_is_not() {
    let product = product(&[]);
    let late = format!("Bearer {}", token_but("ann", "exp", json!(now() - 61)));
    assert_eq!(ask(&product, &[("authorization", &late)], "GET", "/api/inbox", "").status, 401);
    assert_eq!(ask(&product, &[], "GET", "/api/inbox", "").status, 401);
    let audit = ask_as(&product, ROOT, "GET", "/api/admin/audit?action=sign_in", "").json();
    let codes: Vec<_> = audit["records"].as_array().unwrap().iter().map(|record| &record["code"]).collect();
    assert_eq!(codes, ["token_expired"], "{audit}");
    assert_eq!(audit["records"][0]["on"], "ann", "whom it named: {audit}");
}

/// Nobody reads by `sync` what history refuses them.
#[test]
fn sync_tells_nobody_what_they_may_not_read() {
    let product = product(&[]);
    let world = World::new(&product);
    let sync = |standing| {
        let body = world.fill(standing, r#"{"cursors":{"ROOM":0}}"#);
        ask_as(&product, &world.user(standing), "POST", "/api/sync", &body).text()
    };
    let said = "\"content\":\"member\"";
    assert!(sync(Standing::Member).contains(said));
    let outside = sync(Standing::NonMember);
    assert!(!outside.contains(said), "{outside}");
}

/// Whoever is signed in speaks for nobody else, wherever a request may name somebody.
#[test]
fn no_field_makes_somebody_else_of_a_caller() {
    let product = product(&[]);
    let world = World::new(&product);
    let member = world.user(Standing::Member);
    let cases: &[(&str, &str, &str, &str, &str)] = &[
        (
            "POST",
            "/api/sendMessage",
            r#"{"SenderID":"x","RoomID":"ROOM","MessageText":"t"}"#,
            "sender_mismatch",
            "SenderID",
        ),
        (
            "POST",
            "/api/sendMessage",
            r#"{"sender":"x","room":"ROOM","content":"t"}"#,
            "sender_mismatch",
            "sender",
        ),
        ("POST", "/api/publish?room_id=ROOM&content=t&sender=x", "", "not_you", "sender"),
        (
            "POST",
            "/api/publish?sender_id=x",
            r#"{"room_id":"ROOM","content":"t","sender":"ME"}"#,
            "not_you",
            "sender_id",
        ),
        (
            "POST",
            "/api/publish",
            r#"{"room_id":"ROOM","content":"t","sender":"x"}"#,
            "sender_mismatch",
            "sender",
        ),
        ("POST", "/api/rooms", r#"{"name":"n","created_by":"x"}"#, "not_you", "created_by"),
        ("POST", "/api/rooms", r#"{"name":"n","user_id":"ME","created_by":"x"}"#, "not_you", "created_by"),
        ("POST", "/api/rooms/ROOM/join", r#"{"user_id":"x"}"#, "not_you", "user_id"),
        ("POST", "/api/rooms/ROOM/leave", r#"{"userId":"x"}"#, "not_you", "userId"),
        ("POST", "/api/negotiate", r#"{"user_id":"x"}"#, "not_you", "user_id"),
        ("GET", "/api/negotiate?user_id=x", "", "not_you", "user_id"),
        ("GET", "/api/inbox?user_id=x", "", "not_you", "user_id"),
        ("PUT", "/api/me", r#"{"user_id":"x","display_name":"d"}"#, "not_you", "user_id"),
        ("PUT", "/api/rooms/ROOM/read", r#"{"user_id":"x","seq":1}"#, "not_you", "user_id"),
        ("POST", "/api/sync?user_id=x", r#"{"cursors":{}}"#, "not_you", "user_id"),
    ];
    for (method, path, body, code, field) in cases {
        let fill = |text: &str| world.fill(Standing::Member, &text.replace("ME", &member));
        let answer = ask_as(&product, &member, method, &fill(path), &fill(body));
        let got = (answer.status, answer.error());
        assert_eq!(got, (403, ((*code).to_owned(), (*field).to_owned())), "{method} {path} {body}");
    }
    // Their own name may stand everywhere.
    let bearer = format!("Bearer {}", token(&member));
    let shown = [("authorization", bearer.as_str()), ("x-user-id", member.as_str())];
    let path = format!("/api/sendMessage?user_id={member}");
    let body = world.fill(
        Standing::Member,
        &format!(r#"{{"SenderID":"{member}","RoomID":"ROOM","MessageText":"mine"}}"#),
    );
    assert_eq!(ask(&product, &shown, "POST", &path, &body).status, 200);
    let made =
        ask(&product, &shown, "POST", "/api/rooms", &format!(r#"{{"name":"n","created_by":"{member}"}}"#));
    assert_eq!((made.status, &made.json()["created_by"]), (201, &json!(member)));
}

/// Nothing is checked by one value and done by another.
#[test]
fn what_is_said_twice_makes_nobody_else_of_a_caller() {
    let product = product(&[]);
    let bearer = format!("Bearer {}", token("ann"));
    let shown = ("authorization", bearer.as_str());
    let mut made = 0;
    for (first, second) in [("ann", "eve"), ("eve", "ann")] {
        let (query, none) = (format!("?user_id={first}&user_id={second}"), String::new());
        let in_headers = vec![shown, ("x-user-id", first), ("x-user-id", second)];
        let in_body = |name: &str| format!(r#","{name}":"{first}","{name}":"{second}""#);
        let cases = [
            (query, vec![shown], none.clone()),
            (none.clone(), in_headers, none.clone()),
            (none.clone(), vec![shown], in_body("user_id")),
            (none, vec![shown], in_body("created_by")),
        ];
        for (number, (query, headers, more)) in cases.into_iter().enumerate() {
            let body = format!(r#"{{"name":"{first} {number}"{more}}}"#);
            let answer = ask(&product, &headers, "POST", &format!("/api/rooms{query}"), &body);
            let is_anns = answer.status == 201 && answer.json()["created_by"] == "ann";
            assert!(is_anns || [400, 403].contains(&answer.status), "{query} {body}: {}", answer.text());
            made += usize::from(is_anns);
        }
        let names = format!(r#""SenderID":"{first}","sender_id":"{second}","SenderID":"{second}""#);
        let body = format!(r#"{{{names},"ReceiverID":"bob","MessageText":"x"}}"#);
        let answer = ask(&product, &[shown], "POST", "/api/sendMessage", &body);
        assert!([200, 400, 403].contains(&answer.status), "{body}: {}", answer.text());
    }
    assert!(made > 0, "otherwise nothing was tried");
    // What comes last was sent last.
    assert_eq!(ask_as(&product, "ann", "POST", "/api/sendMessage", LAST).status, 200);
    let bearer = format!("Bearer {}", token("bob"));
    let patience = Instant::now() + PATIENCE;
    let inbox = loop {
        let inbox = ask(&product, &[("authorization", &bearer)], "GET", "/api/inbox", "").json();
        if inbox.to_string().contains("the last") {
            break inbox["messages"].as_array().unwrap().clone();
        }
        assert!(Instant::now() < patience, "{inbox}");
    };
    assert!(inbox.iter().all(|message| message["sender"] == "ann"), "{inbox:?}");
}

/// The settings name no way of signing in, and everything is as it was.
#[test]
fn in_anonymous_mode_a_token_is_not_looked_at() {
    let product = Product::alone(&[("AUTH_MODE", "anonymous")]);
    let bearer = format!("Bearer {}", token("eve"));
    let shown = [("authorization", bearer.as_str()), ("x-ms-client-principal-id", "eve")];
    let answer = ask(&product, &shown, "GET", "/api/inbox", "");
    assert_eq!((answer.status, answer.error().0.as_str()), (400, "missing_user"));
    let made = ask(&product, &shown, "POST", "/api/rooms", r#"{"name":"n","user_id":"ann"}"#);
    assert_eq!((made.status, &made.json()["created_by"]), (201, &json!("ann")));
}
