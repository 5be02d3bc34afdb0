//! Tokens against an issuer that is a real server.

use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::*;
use crate::model::Timestamp;
use crate::ports::{Claims, Clock, NotVerified, Tokens};

const NOW: u64 = 1_800_000_000;
const SECRET: &[u8] = b"a secret of more than 32 bytes, surely";

struct At(u64);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0 * 1000)
    }
}

/// Who signs, and under which name of the key.
#[derive(Clone)]
struct Signer {
    id: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
}

macro_rules! test_key {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/keys/", $name, ".der"))
    };
}

impl Signer {
    fn rsa(id: &'static str, algorithm: Algorithm) -> Self {
        let der: &[u8] = match id {
            "one" => test_key!("rsa-1"),
            "two" => test_key!("rsa-2"),
            _ => test_key!("rsa-weak"),
        };
        Self { id, algorithm, key: EncodingKey::from_rsa_der(der) }
    }

    fn ec() -> Self {
        Self { id: "ec", algorithm: Algorithm::ES256, key: EncodingKey::from_ec_der(test_key!("ec-1")) }
    }

    fn ed() -> Self {
        Self { id: "ed", algorithm: Algorithm::EdDSA, key: EncodingKey::from_ed_der(test_key!("ed-1")) }
    }

    fn secret() -> Self {
        Self { id: "", algorithm: Algorithm::HS256, key: EncodingKey::from_secret(SECRET) }
    }

    /// The public half as issuers show it, for every algorithm it can do.
    fn shown(&self) -> Value {
        let mut jwk =
            serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap();
        jwk.as_object_mut().unwrap().remove("alg");
        jwk["kid"] = self.id.into();
        jwk["use"] = "sig".into();
        jwk
    }

    fn token(&self, claims: &Value) -> String {
        let id = Some(self.id.to_owned()).filter(|id| !id.is_empty());
        self.token_with(&Header { kid: id, ..Header::new(self.algorithm) }, claims)
    }

    fn token_with(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.key).unwrap()
    }
}

/// An issuer's server: its documents, what it answers and how often it was asked.
#[derive(Clone)]
struct Issuer {
    url: String,
    keys: Arc<Mutex<String>>,
    status: Arc<AtomicU16>,
    asked: Arc<AtomicUsize>,
    /// It answers when it gets one.
    permits: Arc<Semaphore>,
}

impl Issuer {
    async fn start(keys: &[Signer]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            keys: Arc::default(),
            status: Arc::new(AtomicU16::new(200)),
            asked: Arc::default(),
            permits: Arc::new(Semaphore::new(1_000)),
        };
        issuer.shows(keys);
        let configuration = |State(issuer): State<Self>| async move {
            json!({ "issuer": issuer.url, "jwks_uri": format!("{}/keys", issuer.url) }).to_string()
        };
        let router = axum::Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/keys", get(Self::answer))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        issuer
    }

    async fn answer(State(issuer): State<Self>) -> (StatusCode, String) {
        issuer.asked.fetch_add(1, Ordering::SeqCst);
        issuer.permits.acquire().await.unwrap().forget();
        let status = StatusCode::from_u16(issuer.status.load(Ordering::SeqCst)).unwrap();
        (status, issuer.keys.lock().unwrap().clone())
    }

    fn shows(&self, keys: &[Signer]) {
        let keys: Vec<_> = keys.iter().map(Signer::shown).collect();
        *self.keys.lock().unwrap() = json!({ "keys": keys }).to_string();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn verifier(&self) -> JwtVerifier {
        verifier(KeySource::Url(format!("{}/keys", self.url)), &self.url)
    }

    fn claims(&self) -> Value {
        json!({ "iss": self.url, "aud": "chat", "sub": "ann", "exp": NOW + 600 })
    }
}

fn verifier(source: KeySource, issuer: &str) -> JwtVerifier {
    let rules = TokenRules {
        issuers: vec!["https://other.example".to_owned(), issuer.to_owned()],
        audiences: vec!["chat".to_owned(), "api://chat".to_owned()],
        skew: Duration::from_secs(60),
    };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    JwtVerifier::new(rules, source, client, Arc::new(At(NOW)))
}

/// Lets time pass. Time that stands still would run ahead by itself whenever everybody waits for the network.
async fn later(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}

#[tokio::test]
async fn every_algorithm_that_counts_counts() {
    let mut signers = vec![Signer::ec(), Signer::ed()];
    use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
    signers.extend([RS256, RS384, RS512, PS256, PS384, PS512].map(|each| Signer::rsa("one", each)));
    let issuer = Issuer::start(&[Signer::rsa("one", RS256), Signer::ec(), Signer::ed()]).await;
    let verifier = issuer.verifier();
    for signer in signers {
        let verified = verifier.verify(&signer.token(&issuer.claims())).await;
        assert_eq!(verified.unwrap().text("sub"), Some("ann"), "{:?}", signer.algorithm);
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn claims_are_judged_one_by_one() {
    let verifier = verifier(KeySource::Secret(SECRET.to_vec()), "me");
    let good = json!({ "iss": "me", "aud": "chat", "sub": "ann", "exp": NOW + 600 });
    let outcome = async |name: &str, value: Value| {
        let mut claims = good.clone();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        verifier.verify(&Signer::secret().token(&claims)).await.map(drop)
    };
    use NotVerified::*;
    let cases = [
        ("exp", json!(NOW - 59), Ok(())),
        ("exp", json!(NOW as f64 + 0.5), Ok(())),
        ("exp", json!(NOW - 60), Err(Expired)),
        ("exp", json!(-1), Err(Expired)),
        ("exp", json!(0), Err(Expired)),
        ("exp", Value::Null, Err(Invalid)),
        ("exp", json!("9999999999"), Err(Invalid)),
        ("exp", json!([NOW + 600]), Err(Invalid)),
        ("nbf", json!(NOW + 60), Ok(())),
        ("nbf", json!(NOW + 61), Err(NotYetValid)),
        ("nbf", json!("soon"), Err(Invalid)),
        ("iss", json!("https://other.example"), Ok(())),
        ("iss", json!("me/"), Err(WrongIssuer)),
        ("iss", json!("ME"), Err(WrongIssuer)),
        ("iss", json!(["me"]), Err(WrongIssuer)),
        ("iss", Value::Null, Err(WrongIssuer)),
        ("aud", json!("api://chat"), Ok(())),
        ("aud", json!(["else", "chat"]), Ok(())),
        ("aud", json!(["else"]), Err(WrongAudience)),
        ("aud", json!([]), Err(WrongAudience)),
        ("aud", json!("chat2"), Err(WrongAudience)),
        ("aud", json!({"chat": "chat"}), Err(WrongAudience)),
        ("aud", Value::Null, Err(WrongAudience)),
    ];
    for (name, value, expected) in cases {
        assert_eq!(outcome(name, value.clone()).await, expected, "{name} = {value}");
    }
}

#[tokio::test]
async fn what_is_no_token_is_invalid() {
    let verifier = verifier(KeySource::Secret(SECRET.to_vec()), "me");
    let claims = json!({ "iss": "me", "aud": "chat", "sub": "ann", "exp": NOW + 600 });
    let good = Signer::secret().token(&claims);
    assert!(verifier.verify(&good).await.is_ok());
    let (head, signature) = good.rsplit_once('.').unwrap();
    let payload = head.split_once('.').unwrap().1;
    let none = "eyJhbGciOiJub25lIn0";
    let critical = Header { crit: Some(vec!["b64".to_owned()]), ..Header::new(Algorithm::HS256) };
    let strangers = EncodingKey::from_secret(b"another secret of more than 32 bytes....");
    let strangers = Signer { key: strangers, ..Signer::secret() }.token(&claims);
    let longer = Signer { algorithm: Algorithm::HS512, ..Signer::secret() }.token(&claims);
    let tokens = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        format!("{good}.x"),
        format!("{head}."),
        head.to_owned(),
        format!("{none}.{payload}."),
        format!("{none}.{payload}.{signature}"),
        format!("{head}.{}", signature.chars().rev().collect::<String>()),
        Signer::secret().token_with(&critical, &claims),
        strangers,
        longer,
        "x".repeat(1024 * 1024),
        format!("{head}.{}", "A".repeat(16 * 1024)),
        "\u{0}\u{7f}é.é.é".to_owned(),
    ];
    for token in tokens {
        let short: String = token.chars().take(80).collect();
        assert_eq!(verifier.verify(&token).await, Err(NotVerified::Invalid), "{short}");
    }
}

#[tokio::test]
async fn a_public_key_is_never_a_secret_and_a_key_does_its_own_algorithms_alone() {
    let rsa = Signer::rsa("one", Algorithm::RS256);
    let issuer = Issuer::start(&[rsa.clone(), Signer::ec()]).await;
    // A set that shows a symmetric key shows it to everybody.
    let mut shown: Value = serde_json::from_str(&issuer.keys.lock().unwrap()).unwrap();
    let symmetric = json!({ "kty": "oct", "kid": "oct", "k": "c2VjcmV0", "alg": "HS256" });
    shown["keys"].as_array_mut().unwrap().push(symmetric);
    shown["keys"].as_array_mut().unwrap().push(json!({ "kty": "RSA", "kid": "broken" }));
    *issuer.keys.lock().unwrap() = shown.to_string();
    let verifier = issuer.verifier();
    assert!(verifier.verify(&rsa.token(&issuer.claims())).await.is_ok());
    let secrets: [Vec<u8>; 4] = [
        test_key!("rsa-1").to_vec(),
        shown["keys"][0]["n"].as_str().unwrap().into(),
        shown["keys"][0].to_string().into(),
        b"secret".to_vec(),
    ];
    for secret in secrets {
        let forger =
            Signer { algorithm: Algorithm::HS256, key: EncodingKey::from_secret(&secret), ..rsa.clone() };
        for id in ["one", "oct", "ec", "nobody's", "../../etc/passwd", "' or 1=1 --", "\u{0}"] {
            let header = Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::HS256) };
            let forged = forger.token_with(&header, &issuer.claims());
            assert_eq!(verifier.verify(&forged).await, Err(NotVerified::Invalid), "{id}");
        }
    }
    // A key brought along, or pointed at, is not looked at.
    let own = Signer::rsa("two", Algorithm::RS256);
    let brought = Header {
        kid: Some("one".to_owned()),
        jku: Some(format!("{}/keys", issuer.url)),
        jwk: Some(Jwk::from_encoding_key(&own.key, Algorithm::RS256).unwrap()),
        ..Header::new(Algorithm::RS256)
    };
    let forged = own.token_with(&brought, &issuer.claims());
    assert_eq!(verifier.verify(&forged).await, Err(NotVerified::Invalid));
    assert_eq!(issuer.asked(), 1, "unknown names ask no more than once in a while");
}

#[tokio::test]
async fn keys_that_are_weak_or_for_something_else_are_left_out() {
    let weak = Signer::rsa("weak", Algorithm::RS256);
    let issuer = Issuer::start(&[weak.clone(), Signer::ec()]).await;
    assert_eq!(issuer.verifier().verify(&weak.token(&issuer.claims())).await, Err(NotVerified::Invalid));
    let (one, mut shown) = (Signer::rsa("one", Algorithm::RS256), json!({}));
    for (name, value) in [("use", "enc"), ("alg", "RS512"), ("kty", "EC")] {
        let mut key = one.shown();
        key[name] = value.into();
        shown["keys"] = json!([key]);
        *issuer.keys.lock().unwrap() = shown.to_string();
        let verified = issuer.verifier().verify(&one.token(&issuer.claims())).await;
        assert_eq!(verified, Err(NotVerified::Invalid), "{name}");
    }
}

#[tokio::test]
async fn a_token_without_a_key_id_means_the_only_key_it_can_mean() {
    let (one, two) = (Signer::rsa("one", Algorithm::RS256), Signer::rsa("two", Algorithm::RS256));
    let issuer = Issuer::start(&[one.clone(), Signer::ec()]).await;
    let nameless = one.token_with(&Header::new(Algorithm::RS256), &issuer.claims());
    assert!(issuer.verifier().verify(&nameless).await.is_ok());
    issuer.shows(&[one, two]);
    assert_eq!(issuer.verifier().verify(&nameless).await, Err(NotVerified::Invalid));
}

#[tokio::test]
async fn the_issuer_says_where_its_keys_are() {
    let signer = Signer::ec();
    let issuer = Issuer::start(std::slice::from_ref(&signer)).await;
    let discovered = verifier(KeySource::Issuer(issuer.url.clone()), &issuer.url);
    assert!(discovered.verify(&signer.token(&issuer.claims())).await.is_ok());
    // One letter more is another issuer, whose word does not count.
    let other = verifier(KeySource::Issuer(format!("{}/", issuer.url)), &issuer.url);
    let outcome = other.verify(&signer.token(&issuer.claims())).await;
    assert!(matches!(outcome, Err(NotVerified::KeysUnavailable { .. })), "{outcome:?}");
}

#[tokio::test]
async fn new_keys_are_found_once_for_all_who_need_them() {
    let (one, two) = (Signer::rsa("one", Algorithm::RS256), Signer::rsa("two", Algorithm::RS256));
    let issuer = Issuer::start(std::slice::from_ref(&one)).await;
    let verifier = Arc::new(issuer.verifier());
    let (old, new) = (one.token(&issuer.claims()), two.token(&issuer.claims()));
    let all_of = async |token: &str| {
        let asking: Vec<_> = (0..50)
            .map(|_| {
                let (verifier, token) = (Arc::clone(&verifier), token.to_owned());
                tokio::spawn(async move { verifier.verify(&token).await.map(drop) })
            })
            .collect();
        let mut outcomes = Vec::new();
        for asked in asking {
            outcomes.push(asked.await.unwrap());
        }
        outcomes
    };
    assert_eq!(all_of(&old).await, vec![Ok(()); 50]);
    assert_eq!(issuer.asked(), 1);
    issuer.shows(&[two]);
    assert_eq!(all_of(&new).await, vec![Err(NotVerified::Invalid); 50], "asked a moment ago");
    later(Duration::from_secs(11)).await;
    assert_eq!(all_of(&new).await, vec![Ok(()); 50]);
    assert_eq!(issuer.asked(), 2);
    assert_eq!(verifier.verify(&old).await, Err(NotVerified::Invalid), "a withdrawn key counts no more");
}

#[tokio::test]
async fn who_stops_waiting_stops_nobody_else() {
    let signer = Signer::ec();
    let issuer = Issuer::start(std::slice::from_ref(&signer)).await;
    issuer.permits.forget_permits(1_000);
    let verifier = Arc::new(issuer.verifier());
    let token = signer.token(&issuer.claims());
    let ask = || {
        let (verifier, token) = (Arc::clone(&verifier), token.clone());
        tokio::spawn(async move { verifier.verify(&token).await.map(drop) })
    };
    let (impatient, patient) = (ask(), ask());
    while issuer.asked() == 0 {
        tokio::task::yield_now().await;
    }
    impatient.abort();
    assert!(impatient.await.is_err());
    issuer.permits.add_permits(1_000);
    assert_eq!(patient.await.unwrap(), Ok(()));
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn while_the_issuer_is_away_known_keys_serve_and_unknown_ones_are_waited_for() {
    let (one, two) = (Signer::rsa("one", Algorithm::RS256), Signer::rsa("two", Algorithm::RS256));
    let issuer = Issuer::start(std::slice::from_ref(&one)).await;
    issuer.status.store(500, Ordering::SeqCst);
    let verifier = issuer.verifier();
    let (known, unknown) = (one.token(&issuer.claims()), two.token(&issuer.claims()));
    let away =
        |outcome: Result<Claims, NotVerified>| matches!(outcome, Err(NotVerified::KeysUnavailable { .. }));
    assert!(away(verifier.verify(&known).await) && away(verifier.verify(&known).await));
    assert_eq!(issuer.asked(), 1, "who is away is not asked by everybody");
    issuer.status.store(200, Ordering::SeqCst);
    later(Duration::from_secs(11)).await;
    assert!(verifier.verify(&known).await.is_ok());
    issuer.status.store(500, Ordering::SeqCst);
    later(Duration::from_secs(11)).await;
    assert!(away(verifier.verify(&unknown).await), "nothing is known of this token");
    assert!(verifier.verify(&known).await.is_ok());
    assert_eq!(issuer.asked(), 3);
}

#[tokio::test]
async fn old_keys_serve_while_newer_ones_are_asked_for_but_not_for_ever() {
    let signer = Signer::ec();
    let issuer = Issuer::start(std::slice::from_ref(&signer)).await;
    let verifier = issuer.verifier();
    let token = signer.token(&issuer.claims());
    assert!(verifier.verify(&token).await.is_ok());
    issuer.status.store(500, Ordering::SeqCst);
    later(Duration::from_secs(3_601)).await;
    assert!(verifier.verify(&token).await.is_ok(), "nobody waits");
    while issuer.asked() == 1 {
        tokio::task::yield_now().await;
    }
    assert!(verifier.verify(&token).await.is_ok(), "nor hears of the failure");
    later(Duration::from_secs(24 * 3600)).await;
    let outcome = verifier.verify(&token).await;
    assert!(matches!(outcome, Err(NotVerified::KeysUnavailable { .. })), "{outcome:?}");
}

#[tokio::test]
async fn an_answer_without_end_or_without_sense_is_no_answer() {
    let signer = Signer::ec();
    let issuer = Issuer::start(&[]).await;
    for document in ["x".repeat(257 * 1024), "[]".to_owned(), "{\"keys\":5}".to_owned(), String::new()] {
        *issuer.keys.lock().unwrap() = document;
        let outcome = issuer.verifier().verify(&signer.token(&issuer.claims())).await;
        assert!(matches!(outcome, Err(NotVerified::KeysUnavailable { .. })), "{outcome:?}");
    }
}
