//! Events of a service that shows its identity instead of a signature.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::people::now;
use crate::product::{Answer, Product, call};
use crate::sign_in::Issuer;

const IDENTITY: &str = "11111111-2222-3333-4444-555555555555";
const HUB: (&str, &str) = ("HUB_ACCESS_KEY", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH");
const CODE: (&str, &str) = ("EVENTHANDLER_KEY", "open sesame open");
const WITH_CODE: &str = "/eventhandler?code=open%20sesame%20open";
/// By the hub's key, of the connection that speaks here.
const SIGNED: (&str, &str) =
    ("ce-signature", "sha256=dd527c793428b58b71b037644217fc6bb0164a08513c39f37ac6c2cad55f9023");

fn product(issuer: &Issuer, more: &[(&str, &str)]) -> Product {
    let mut settings = vec![
        ("EVENTHANDLER_TOKEN_ISSUER", issuer.url.as_str()),
        ("EVENTHANDLER_TOKEN_AUDIENCE", "api://chat"),
        ("EVENTHANDLER_TOKEN_IDS", IDENTITY),
        HUB,
        ("ADMIN_USERS", "root"),
    ];
    settings.extend_from_slice(more);
    Product::alone(&settings)
}

/// The token of a service's identity.
fn claims() -> Value {
    json!({ "aud": "api://chat", "oid": IDENTITY, "exp": now() + 600 })
}

fn say(product: &Product, path: &str, proof: &[(&str, &str)]) -> Answer {
    static EVENTS: AtomicUsize = AtomicUsize::new(1);
    let id = EVENTS.fetch_add(1, Ordering::Relaxed).to_string();
    let mut headers = vec![
        ("ce-id", id.as_str()),
        ("ce-type", "azure.webpubsub.user.send"),
        ("ce-hub", "demo_ai_chat"),
        ("ce-connectionId", "c1"),
        ("ce-userId", "ann"),
        ("content-type", "application/json"),
    ];
    headers.extend_from_slice(proof);
    call(product.http, "POST", path, &headers, br#"{"room_id":"general","content":"hi"}"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_of_the_services_identity_is_proof() {
    let issuer = Issuer::start(true).await;
    let product = product(&issuer, &[CODE]);
    let with = |claims: Value, path: &str| {
        let bearer = format!("Bearer {}", issuer.signed(claims));
        say(&product, path, &[("authorization", &bearer)])
    };
    let but = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        claims
    };
    for path in ["/api/eventhandler", "/eventhandler"] {
        let sent = with(claims(), path);
        assert_eq!((sent.status, &sent.json()["type"]), (200, &json!("sent")), "{}", sent.text());
    }
    for id in ["appid", "azp"] {
        let mut by_app = but("oid", json!("another"));
        by_app[id] = json!(IDENTITY.to_uppercase());
        assert_eq!(with(by_app, "/eventhandler").status, 200, "{id}");
    }
    let forgeries = [
        but("aud", json!("api://another")),
        but("oid", json!("66666666-2222-3333-4444-555555555555")),
        but("oid", Value::Null),
        but("exp", json!(now() - 600)),
        but("nbf", json!(now() + 600)),
    ];
    for claims in forgeries {
        for path in ["/api/eventhandler", "/eventhandler", WITH_CODE] {
            let refused = with(claims.clone(), path);
            assert_eq!((refused.status, refused.error().0.as_str()), (401, "bad_signature"), "{claims}");
        }
    }
    let audit = call(product.http, "GET", "/api/admin/audit?action=sign_in", &[("x-user-id", "root")], b"");
    let record = &audit.json()["records"][0];
    let told = [&record["code"], &record["on"], &record["origin"]];
    assert_eq!(
        told,
        ["bad_signature", "ann", "address:127.0.0.1"],
        "a forgery is on record, as what it says it is"
    );
    let other = Issuer::start(true).await;
    let foreign = format!("Bearer {}", other.signed(claims()));
    let unsigned = format!("Bearer {}", issuer.signed(claims()).rsplit_once('.').unwrap().0);
    for proof in [foreign.as_str(), &unsigned, "Bearer x", "Basic x", ""] {
        assert_eq!(say(&product, "/eventhandler", &[("authorization", proof)]).status, 401, "{proof}");
    }
    // Without a token it is as it was: the URL's secret and a signature.
    assert_eq!(say(&product, WITH_CODE, &[SIGNED]).status, 200);
    assert_eq!(say(&product, "/eventhandler", &[SIGNED]).status, 401);
    assert_eq!(say(&product, WITH_CODE, &[]).status, 401);
}

/// Whoever has caught one event of a connection has the signature of all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_counts_by_itself_only_where_nothing_better_can_be_had() {
    let issuer = Issuer::start(true).await;
    let bearer = format!("Bearer {}", issuer.signed(claims()));
    let azure = [
        ("WEBSITE_SKU", "Flex"),
        ("TRANSPORT_MODE", "self"),
        ("STORAGE_MODE", "memory"),
        ("QUEUE_MODE", "embedded"),
        ("AUTH_MODE", "anonymous"),
    ];
    for case in 0..8 {
        let (on_azure, by_token, has_key) = (case & 1 != 0, case & 2 != 0, case & 4 != 0);
        let mut settings = if on_azure { azure.to_vec() } else { vec![] };
        settings.extend(has_key.then_some(CODE));
        let product = if by_token {
            product(&issuer, &settings)
        } else {
            Product::alone(&[&settings[..], &[HUB]].concat())
        };
        let by_itself = !on_azure && !by_token && !has_key;
        let says = |path: &str, proof: &[(&str, &str)]| say(&product, path, proof).status == 200;
        assert_eq!(says("/eventhandler", &[SIGNED]), by_itself, "{settings:?}, {by_token}");
        assert_eq!(says(WITH_CODE, &[SIGNED]), by_itself || has_key, "{settings:?}, {by_token}");
        assert_eq!(says("/eventhandler", &[("authorization", &bearer)]), by_token, "{settings:?}");
        let unsigned = say(&product, WITH_CODE, &[]);
        assert_eq!((unsigned.status, unsigned.error().0.as_str()), (401, "bad_signature"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_issuers_keys_are_not_to_be_had_events_wait() {
    let issuer = Issuer::start(false).await;
    let product = product(&issuer, &[]);
    let bearer = format!("Bearer {}", issuer.signed(claims()));
    let answer = say(&product, "/eventhandler", &[("authorization", &bearer)]);
    assert_eq!(answer.status, 503, "a service repeats what it got no answer to: {}", answer.text());
    assert!(answer.header("retry-after").is_some());
}
