//! The platform's word for who is calling, where it is believed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::people::{ask, token};
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
