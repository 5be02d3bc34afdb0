//! Tokens at the door: an issuer with keys, and what is no token.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::people::{SECRET, ask, claims, now, product, signed, token, token_but};
use crate::product::{Product, call};

const INBOX: &str = "/api/inbox";

fn with(token: &str, product: &Product) -> (u16, String) {
    let answer = ask(product, &[("authorization", &format!("Bearer {token}"))], "GET", INBOX, "");
    let code = if answer.status == 200 { String::new() } else { answer.error().0 };
    (answer.status, code)
}

#[test]
fn what_is_no_good_token_has_its_code_and_tells_nothing_else() {
    let product = product(&[("AUTH_USER_CLAIM", "uid")]);
    let uid = |value: Value| token_but("ann", "uid", value);
    assert_eq!(with(&uid(json!("ann")), &product), (200, String::new()));
    let mut late = claims("ann");
    late["uid"] = "ann".into();
    late["exp"] = (now() - 61).into();
    let cases = [
        (signed(&late), 401, "token_expired"),
        (token_but("ann", "nbf", json!(now() + 120)), 401, "token_not_yet_valid"),
        (token_but("ann", "iss", json!("https://else.example")), 401, "wrong_issuer"),
        (token_but("ann", "aud", json!(["a", "b"])), 401, "wrong_audience"),
        (format!("{}x", uid(json!("ann"))), 401, "token_invalid"),
        ("eyJhbGciOiJub25lIn0.e30.".to_owned(), 401, "token_invalid"),
        ("x".repeat(17 * 1024), 401, "token_invalid"),
        (token("ann"), 403, "unusable_user"),
        (uid(json!("")), 403, "unusable_user"),
        (uid(json!("x".repeat(129))), 403, "unusable_user"),
        (uid(json!(7)), 403, "unusable_user"),
        (uid(json!("system")), 403, "unusable_user"),
        (uid(json!("guest-0123abcd")), 403, "unusable_user"),
    ];
    for (token, status, code) in cases {
        assert_eq!(with(&token, &product), (status, code.to_owned()));
    }
    for value in ["Basic YW5uOmFubg==", "Bearer", "Bearer ", "bearer\t", "token"] {
        let answer = ask(&product, &[("authorization", value)], "GET", INBOX, "");
        assert_eq!((answer.status, answer.error().0.as_str()), (401, "token_missing"), "{value}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let good = format!("bEARER {}", uid(json!("ann")));
    assert_eq!(ask(&product, &[("authorization", &good)], "GET", INBOX, "").status, 200);
    let twice = ask(&product, &[("authorization", &good), ("authorization", &good)], "GET", INBOX, "");
    assert_eq!((twice.status, twice.error().0.as_str()), (401, "token_invalid"));
    assert_eq!(twice.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    // A URL stands in logs; a token in it is none.
    let path = format!("{INBOX}?access_token={}&token={}", uid(json!("ann")), SECRET.len());
    assert_eq!(call(product.http, "GET", &path, &[], b"").status, 401);
    // Nor do the platform's headers say anything here.
    let spoofed = [("x-ms-client-principal-id", "ann"), ("x-ms-client-principal", "e30=")];
    assert_eq!(ask(&product, &spoofed, "GET", INBOX, "").error().0, "token_missing");
}

/// Who is refused reads why, however much they were sending; and it is not kept.
#[test]
fn a_body_without_a_token_is_answered_and_forgotten() {
    let product = product(&[]);
    for size in [0, 1_000, 3_000_000] {
        let body = vec![b' '; size];
        let answer =
            call(product.http, "POST", "/api/sendMessage", &[("content-type", "application/json")], &body);
        assert_eq!((answer.status, answer.error().0.as_str()), (401, "token_missing"), "{size}");
    }
}

#[derive(Clone)]
pub struct Issuer {
    pub url: String,
    asked: Arc<AtomicUsize>,
    /// Whether it shows its keys.
    is_there: bool,
}

impl Issuer {
    pub async fn start(is_there: bool) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let issuer = Self { url, asked: Arc::default(), is_there };
        let configuration = |State(issuer): State<Self>| async move {
            axum::Json(json!({ "issuer": issuer.url, "jwks_uri": format!("{}/keys", issuer.url) }))
        };
        let keys = |State(issuer): State<Self>| async move {
            issuer.asked.fetch_add(1, Ordering::SeqCst);
            let mut jwk =
                serde_json::to_value(Jwk::from_encoding_key(&key(), Algorithm::RS256).unwrap()).unwrap();
            jwk["kid"] = "one".into();
            if issuer.is_there {
                Ok(axum::Json(json!({ "keys": [jwk] })))
            } else {
                Err(StatusCode::BAD_GATEWAY)
            }
        };
        let router = axum::Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/keys", get(keys))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        issuer
    }

    fn token(&self, user: &str) -> String {
        self.signed(claims(user))
    }

    /// A token that says this, and whose it is.
    pub fn signed(&self, mut claims: Value) -> String {
        claims["iss"] = self.url.clone().into();
        let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::RS256) };
        encode(&header, &claims, &key()).unwrap()
    }

    fn product(&self) -> Product {
        let mut settings = vec![("AUTH_MODE", "jwt"), ("JWT_ISSUER", &self.url), ("JWT_AUDIENCE", "chat")];
        settings.extend(crate::people::UNLIMITED);
        Product::alone(&settings)
    }
}

fn key() -> EncodingKey {
    EncodingKey::from_rsa_der(include_bytes!("../keys/rsa-1.der"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuers_keys_are_found_by_its_name_and_asked_for_once() {
    let issuer = Issuer::start(true).await;
    let product = issuer.product();
    let address = product.http;
    let asking: Vec<_> = (0..20)
        .map(|n| {
            let bearer = format!("Bearer {}", issuer.token(&format!("u{n}")));
            tokio::task::spawn_blocking(move || {
                call(address, "GET", INBOX, &[("authorization", &bearer)], b"").status
            })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.unwrap(), 200);
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
    // A token of ours by the issuer's public key, taken for a secret, and one of somebody's secret.
    assert_eq!(with(&token("ann"), &product), (401, "token_invalid".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_keys_cannot_be_had_nobody_is_told_their_token_is_bad() {
    let issuer = Issuer::start(false).await;
    let product = issuer.product();
    let bearer = format!("Bearer {}", issuer.token("ann"));
    let answer = ask(&product, &[("authorization", &bearer)], "GET", INBOX, "");
    assert_eq!((answer.status, answer.error().0.as_str()), (503, "keys_unavailable"));
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
    // What needs nobody goes on.
    assert_eq!(product.get("/api/readyz").status, 200);
    assert_eq!(ask(&product, &[], "GET", INBOX, "").status, 401);
}

/// A moment of the token's life, in seconds.
fn token_of(user: &str, claim: &str, at: u64) -> String {
    token_but(user, claim, json!(at))
}

fn negotiates(product: &Product, token: &str, method: &str) -> (u16, String) {
    let bearer = format!("Bearer {token}");
    let answer = ask(product, &[("authorization", &bearer)], method, "/api/negotiate", "");
    (answer.status, if answer.status == 200 { String::new() } else { answer.error().0 })
}

#[test]
fn who_signed_out_everywhere_opens_nothing_with_a_token_of_before() {
    let product = product(&[]);
    let (in_, out) = ((200, String::new()), (401, "unauthenticated".to_owned()));
    let stolen = [token_of("ann", "iat", now()), token_of("ann", "nbf", now())];
    for token in &stolen {
        assert_eq!(negotiates(&product, token, "GET"), in_);
    }
    let bearer = format!("Bearer {}", stolen[0]);
    let signed_out = ask(&product, &[("authorization", &bearer)], "POST", "/api/me/logout", "");
    assert_eq!(signed_out.status, 200, "{}", signed_out.text());
    for token in &stolen {
        for method in ["GET", "POST"] {
            assert_eq!(negotiates(&product, token, method), out);
        }
    }
    // The answer came when the second was over: who signs in again is younger.
    assert_eq!(negotiates(&product, &token_of("ann", "iat", now()), "GET"), in_);
    assert_eq!(negotiates(&product, &token_of("bob", "iat", now() - 60), "GET"), in_, "another user");
    assert_eq!(negotiates(&product, &token("ann"), "GET"), in_, "it does not say when it was made");
}
