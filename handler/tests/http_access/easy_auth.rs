//! The platform's word for who is calling, where it is believed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::people::{ask, now, token};
use crate::product::Product;

const ID: &str = "x-ms-client-principal-id";
const PRINCIPAL: &str = "x-ms-client-principal";
const LETTERS: &str = "/api/admin/letters";

fn product(more: &[(&str, &str)]) -> Product {
    let mut settings =
        vec![("AUTH_MODE", "easyauth"), ("AUTH_ADMIN_ROLE", "chat.admin"), ("ADMIN_USERS", "root")];
    settings.extend(crate::people::UNLIMITED);
    settings.extend_from_slice(more);
    Product::alone(&settings)
}

fn principal(claims: &Value) -> String {
    STANDARD.encode(json!({ "auth_typ": "aad", "role_typ": "roles", "claims": claims }).to_string())
}

#[test]
fn the_platform_says_who_is_calling() {
    let mut product = product(&[]);
    let made = ask(&product, &[(ID, "ann")], "POST", "/api/rooms", r#"{"name":"n"}"#);
    assert_eq!((made.status, &made.json()["created_by"]), (201, &json!("ann")));
    let other = ask(&product, &[(ID, "ann"), ("x-user-id", "bob")], "GET", "/api/inbox", "");
    assert_eq!((other.status, other.error().0.as_str()), (403, "not_you"));
    // Nothing else says it.
    let bearer = format!("Bearer {}", token("ann"));
    for shown in [vec![], vec![("x-user-id", "ann")], vec![("authorization", bearer.as_str())]] {
        let answer = ask(&product, &shown, "GET", "/api/inbox?user_id=ann", "");
        assert_eq!((answer.status, answer.error().0.as_str()), (401, "token_missing"), "{shown:?}");
    }
    let twice = ask(&product, &[(ID, "ann"), (ID, "root")], "GET", "/api/inbox", "");
    assert_eq!((twice.status, twice.error().0.as_str()), (401, "token_invalid"));
    product.signal("TERM");
    assert!(product.ended().success());
    let lines = product.all_lines().join("\n");
    assert!(lines.contains("easyauth"), "who runs this where no platform stands in front is told: {lines}");
}

#[test]
fn roles_and_ids_are_read_from_its_claims() {
    let product = product(&[]);
    let letters = |shown: &[(&str, &str)]| ask(&product, shown, "GET", LETTERS, "").status;
    let admin = principal(&json!([{ "typ": "roles", "val": "chat.admin" }]));
    let reader =
        principal(&json!([{ "typ": "roles", "val": "chat" }, { "typ": "name", "val": "chat.admin" }]));
    assert_eq!(letters(&[(ID, "root")]), 200);
    assert_eq!(letters(&[(ID, "ann"), (PRINCIPAL, &admin)]), 200);
    assert_eq!(letters(&[(ID, "ann"), (PRINCIPAL, &reader)]), 403);
    for broken in ["%", "e30", "bm8ganNvbg=="] {
        let expected = if broken == "e30" { 403 } else { 401 };
        assert_eq!(letters(&[(ID, "ann"), (PRINCIPAL, broken)]), expected, "{broken}");
    }
    let by_claim = self::product(&[("AUTH_USER_CLAIM", "oid")]);
    let who = principal(&json!([{ "typ": "oid", "val": "1-2-3" }]));
    let made = ask(&by_claim, &[(ID, "ann"), (PRINCIPAL, &who)], "POST", "/api/rooms", r#"{"name":"n"}"#);
    assert_eq!((made.status, &made.json()["created_by"]), (201, &json!("1-2-3")));
    let none = ask(&by_claim, &[(ID, "ann")], "GET", "/api/inbox", "");
    assert_eq!((none.status, none.error().0.as_str()), (403, "unusable_user"));
}

const PAGE: &str = "https://chat.example";

#[test]
fn a_page_of_another_site_does_nothing_in_its_visitors_name() {
    let product = product(&[("CORS_ORIGINS", PAGE)]);
    let own = format!("http://{}", product.http);
    let ask_from = |product: &Product, page: &[(&str, &str)], method: &str, path: &str| {
        let shown = [&[(ID, "ann")], page].concat();
        let answer = ask(product, &shown, method, path, r#"{"room_id":"general"}"#);
        (answer.status, if answer.status == 403 { answer.error() } else { Default::default() })
    };
    let refused = (403, ("foreign_origin".to_owned(), "Origin".to_owned()));
    let foreign: [&[(&str, &str)]; 6] = [
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", &own), ("sec-fetch-site", "cross-site")],
    ];
    for page in foreign {
        for (method, path) in [
            ("POST", "/api/sendMessage"),
            ("POST", "/rooms/general/join"),
            ("PUT", "/api/me"),
            ("PATCH", "/api/rooms/general"),
            ("DELETE", "/api/rooms/general"),
            ("POST", "/api/me/logout"),
            ("POST", "/api/negotiate"),
        ] {
            assert_eq!(ask_from(&product, page, method, path), refused, "{method} {path} {page:?}");
        }
        assert_eq!(ask_from(&product, page, "GET", "/api/inbox").0, 200, "what changes nothing is not asked");
    }
    let ours: [&[(&str, &str)]; 6] = [
        &[],
        &[("origin", PAGE)],
        &[("origin", PAGE), ("sec-fetch-site", "cross-site")],
        &[("origin", &own)],
        &[("origin", "https://front.example"), ("x-forwarded-host", "front.example")],
        &[("origin", "https://front.example"), ("sec-fetch-site", "same-origin")],
    ];
    for page in ours {
        assert_eq!(ask_from(&product, page, "POST", "/api/rooms/general/join").0, 200, "{page:?}");
    }
    // Where all may read, nobody may act for whoever is signed in.
    let everybodys = self::product(&[("CORS_ORIGINS", "*")]);
    assert_eq!(ask_from(&everybodys, &[("origin", PAGE)], "POST", "/api/rooms/general/join"), refused);
}

#[test]
fn two_providers_ids_are_two_people() {
    let product = product(&[]);
    let who = |provider: &str| {
        let shown = [(ID, "1234"), ("x-ms-client-principal-idp", provider)];
        ask(&product, &shown, "GET", "/api/me", "").json()["user"].as_str().unwrap().to_owned()
    };
    assert_eq!([who("aad"), who("AAD"), who("")], ["1234"; 3]);
    assert_eq!([who("google"), who("Facebook")], ["google:1234", "facebook:1234"]);
}

#[test]
fn who_signed_out_everywhere_signs_in_at_the_platform_again() {
    let product = product(&[]);
    let negotiates = |signed_in: u64| {
        let who = principal(&json!([{ "typ": "iat", "val": signed_in.to_string() }]));
        ask(&product, &[(ID, "ann"), (PRINCIPAL, &who)], "GET", "/api/negotiate", "").status
    };
    let before = now();
    assert_eq!(negotiates(before), 200);
    assert_eq!(ask(&product, &[(ID, "ann")], "POST", "/api/me/logout", "").status, 200);
    assert_eq!((negotiates(before), negotiates(now())), (401, 200));
}
