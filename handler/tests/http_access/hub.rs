//! The hub's own routes: every operation, and the sockets, × every kind of token. What lets a person into the chat lets
//! nobody in here.

use serde_json::json;
use tokio_tungstenite::connect_async;
use webpubsub::key::AccessKey;
use webpubsub::names::HubName;
use webpubsub::token::{ClientToken, client_url, mint_rest_token};

use crate::people::{ROOT, ask, ask_as, now, product, token};
use crate::product::Product;
use crate::sockets::{HUB, KEY, negotiated, refused};

const OTHER_KEY: &str = "ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210ZYXWVUTS";

/// Each operation, below the hub's name, with what it answers to the hub's key. No connection is there.
/// Permissions name no group, which is refused behind the door.
const OPERATIONS: &[(&str, &str, u16)] = &[
    ("POST", "/:generateToken", 200),
    ("POST", "/:send", 202),
    ("POST", "/:closeConnections", 204),
    ("POST", "/:addToGroups", 200),
    ("POST", "/:removeFromGroups", 200),
    ("HEAD", "/groups/g", 404),
    ("POST", "/groups/g/:send", 202),
    ("POST", "/groups/g/:closeConnections", 204),
    ("GET", "/groups/g/connections", 200),
    ("PUT", "/groups/g/connections/c", 404),
    ("DELETE", "/groups/g/connections/c", 204),
    ("HEAD", "/users/u", 404),
    ("POST", "/users/u/:send", 202),
    ("POST", "/users/u/:closeConnections", 204),
    ("PUT", "/users/u/groups/g", 404),
    ("DELETE", "/users/u/groups/g", 204),
    ("DELETE", "/users/u/groups", 204),
    ("HEAD", "/connections/c", 404),
    ("POST", "/connections/c/:send", 202),
    ("DELETE", "/connections/c", 204),
    ("DELETE", "/connections/c/groups", 204),
    ("PUT", "/permissions/joinLeaveGroup/connections/c", 400),
    ("HEAD", "/permissions/joinLeaveGroup/connections/c", 400),
    ("DELETE", "/permissions/joinLeaveGroup/connections/c", 400),
];

fn key(text: &str) -> AccessKey {
    AccessKey::new(text).unwrap()
}

fn call(product: &Product, method: &str, path: &str, bearer: Option<&str>) -> u16 {
    let bearer = bearer.map(|token| format!("Bearer {token}"));
    let shown: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    let body = match path {
        path if path.ends_with(":send") => "{}",
        path if path.ends_with("Groups") => r#"{"groups":["g"],"filter":"userId eq 'u'"}"#,
        _ => "",
    };
    ask(product, &shown, method, path, body).status
}

#[test]
fn every_operation_is_for_the_hubs_key_alone() {
    let product = product(&[("HUB_ACCESS_KEY", KEY)]);
    let mut wrong = Vec::new();
    for (method, below, expected) in OPERATIONS {
        let path = format!("/api/hubs/{HUB}{below}");
        let url = format!("http://{}{path}", product.http);
        let rest = |by: &str, url: &str, at| mint_rest_token(&key(by), url, at, 600).unwrap();
        let client =
            ClientToken::new(&format!("http://{}", product.http), &HubName::new(HUB).unwrap(), now(), 600);
        let kept_out = [
            ("without a token", None),
            ("with an admin's token of the chat", Some(token(ROOT))),
            ("with a client's token", Some(client.sign(&key(KEY)).unwrap())),
            ("with an expired token", Some(rest(KEY, &url, now() - 7_200))),
            ("with one for another call", Some(rest(KEY, &format!("{url}/else"), now()))),
            ("with one of another key", Some(rest(OTHER_KEY, &url, now()))),
            ("with none to read", Some("x.y.z".to_owned())),
        ];
        for (kind, shown) in kept_out {
            assert_eq!(call(&product, method, &path, shown.as_deref()), 401, "{method} {below} {kind}");
        }
        let status = call(&product, method, &path, Some(&rest(KEY, &url, now())));
        if status != *expected {
            wrong.push(format!("{method} {below} with the right one: {status} instead of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_socket_is_for_a_token_of_negotiate_alone() {
    let product = product(&[("HUB_ACCESS_KEY", KEY)]);
    let (http, hub) = (format!("http://{}", product.http), HubName::new(HUB).unwrap());
    let signed = |endpoint: &str, hub: &HubName, at, by: &str| {
        let mut token = ClientToken::new(endpoint, hub, at, 600);
        token.user_id = Some("ann".to_owned());
        token.sign(&key(by)).unwrap()
    };
    let kept_out = [
        ("an admin's token of the chat", token(ROOT)),
        (
            "a token of a call",
            mint_rest_token(&key(KEY), &format!("{http}/client/hubs/{HUB}"), now() - 7_200, 600).unwrap(),
        ),
        ("an expired token", signed(&http, &hub, now() - 7_200, KEY)),
        ("one for another hub", signed(&http, &HubName::new("other").unwrap(), now(), KEY)),
        ("one of another key", signed(&http, &hub, now(), OTHER_KEY)),
        ("none to read", "x.y.z".to_owned()),
    ];
    for (kind, token) in kept_out {
        assert_eq!(refused(&client_url(&http, &hub, &token)).await, 401, "{kind}");
    }
    assert_eq!(refused(&format!("ws://{}/client/hubs/{HUB}", product.http)).await, 401, "none");
    connect_async(client_url(&http, &hub, &signed(&http, &hub, now(), KEY))).await.unwrap();
    connect_async(negotiated(&product, "ann")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_of_the_hub_is_on_record() {
    let product = product(&[("HUB_ACCESS_KEY", KEY), ("TRUSTED_PROXIES", "1")]);
    let records = || {
        let audit = ask_as(&product, ROOT, "GET", "/api/admin/audit?action=sign_in", "").json();
        audit["records"].as_array().unwrap().clone()
    };
    let (http, hub) = (format!("http://{}", product.http), HubName::new(HUB).unwrap());
    assert_eq!(refused(&format!("ws://{}/client/hubs/{HUB}", product.http)).await, 401);
    assert_eq!(records().len(), 0, "nothing shown is nothing refused");
    let mut late = ClientToken::new(&http, &hub, now() - 7_200, 600);
    late.user_id = Some("ann".to_owned());
    let late = client_url(&http, &hub, &late.sign(&key(KEY)).unwrap());
    for _ in 0..3 {
        assert_eq!(refused(&late).await, 401);
    }
    let record = records().remove(0);
    let told = [&record["code"], &record["on"], &record["origin"], &record["outcome"]];
    assert_eq!(told, ["unauthenticated", "ann", "address:127.0.0.1", "refused"]);
    assert_eq!((records().len(), &record["by"]), (1, &json!(null)), "nobody has proven to be anybody");
    // A token of before: its user has signed out, and from elsewhere.
    let url = negotiated(&product, "bob");
    assert_eq!(ask_as(&product, "bob", "POST", "/api/me/logout", "").status, 200);
    let mut request = tungstenite_request(&url);
    request.headers_mut().insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
    connect_async(request).await.unwrap_err();
    assert!(
        records().iter().any(|r| r["on"] == "bob" && r["origin"] == "address:203.0.113.9"),
        "{:?}",
        records()
    );
    let forged = format!("Bearer {}", token("eve"));
    let path = format!("/api/hubs/{HUB}/:send");
    let headers = [("authorization", forged.as_str()), ("x-forwarded-for", "203.0.113.10")];
    assert_eq!(ask(&product, &headers, "POST", &path, "{}").status, 401);
    assert!(records().iter().any(|record| record["on"] == "eve"), "{:?}", records());
}

fn tungstenite_request(url: &str) -> tokio_tungstenite::tungstenite::handshake::client::Request {
    tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(url).unwrap()
}
