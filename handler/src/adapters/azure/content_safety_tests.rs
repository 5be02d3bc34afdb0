//! Against a double of the service as its API is published: it checks what it is asked, and answers by what the text holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::*;
use crate::contract::data::user;
use crate::ports::moderator::Kind;

/// More than a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Default)]
struct Service {
    calls: Arc<AtomicUsize>,
    /// Answers with this status, and the seconds to wait.
    busy: Option<(u16, Option<&'static str>)>,
    silent: bool,
}

async fn analyze(State(service): State<Service>, uri: Uri, headers: HeaderMap, body: String) -> Response {
    service.calls.fetch_add(1, Ordering::Relaxed);
    if service.silent {
        std::future::pending::<()>().await;
    }
    if let Some((status, wait)) = service.busy {
        let status = StatusCode::from_u16(status).unwrap();
        let body = Json(json!({"error": {"code": "TooManyRequests", "message": "slow down"}}));
        let mut answer = (status, body).into_response();
        if let Some(wait) = wait {
            answer.headers_mut().insert(RETRY_AFTER, wait.parse().unwrap());
        }
        return answer;
    }
    let by_key = headers.get("Ocp-Apim-Subscription-Key").is_some_and(|key| key == "a-key");
    let by_token =
        headers.get("authorization").is_some_and(|proof| proof == &format!("Bearer token for {SCOPE}"));
    if !by_key && !by_token {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": {"code": "401"}}))).into_response();
    }
    assert_eq!(uri.query(), Some("api-version=2024-09-01"));
    let asked: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(asked["outputType"], "FourSeverityLevels");
    let text = asked["text"].as_str().unwrap();
    if text.trim().is_empty() || text.chars().count() > 10_000 {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": {"code": "InvalidRequestBody"}})))
            .into_response();
    }
    let severity = |word: &str, severity: u8| if text.contains(word) { severity } else { 0 };
    let found = [
        ("Hate", severity("shit", 2)),
        ("SelfHarm", severity("kys", 6)),
        ("Sexual", 0),
        ("Violence", severity("cunt", 4)),
    ];
    let found: Vec<_> =
        found.map(|(category, severity)| json!({"category": category, "severity": severity})).into();
    Json(json!({"blocklistsMatch": [], "categoriesAnalysis": found})).into_response()
}

async fn serve(service: Service) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/contentsafety/{*call}", post(analyze)).with_state(service);
    tokio::spawn(async move { axum::serve(listener, router).await });
    endpoint
}

async fn with_key(service: &Service, key: &str) -> ContentSafety {
    let endpoint = serve(service.clone()).await;
    let http = Http::new().unwrap();
    ContentSafety::with_key(&endpoint, key, &http, PATIENCE, Thresholds::default())
}

crate::contract_suite!(moderator, |_dir| with_key(&Service::default(), "a-key").await);

fn question(text: &str) -> Question {
    Question {
        kind: Kind::Message,
        text: text.into(),
        link: None,
        sender: user("ann"),
        rules: None,
        is_member: true,
        identity: None,
    }
}

async fn failure(moderator: &ContentSafety) -> (String, Option<Duration>) {
    let ModeratorError::Unavailable { retry_after, source } =
        moderator.judge(&question("hello")).await.unwrap_err();
    (source.to_string(), retry_after)
}

#[tokio::test]
async fn the_severity_decides_and_nothing_is_masked() {
    let moderator = with_key(&Service::default(), "a-key").await;
    assert_eq!(moderator.judge(&question("oh shit")).await.unwrap(), Judgement::Allow);
    let reason = "The text was found to hold violence.".to_owned();
    let held = Judgement::Hold { content: None, code: "inappropriate", reason };
    assert_eq!(moderator.judge(&question("shit and cunt")).await.unwrap(), held);
    let reason = "The text was found to hold self-harm.".to_owned();
    let rejected = Judgement::Reject { code: "inappropriate", reason };
    assert_eq!(moderator.judge(&question("kys")).await.unwrap(), rejected);
}

#[tokio::test]
async fn an_identity_is_a_proof_too_and_a_wrong_key_is_none() {
    let endpoint = serve(Service::default()).await;
    let http = Http::new().unwrap();
    let identity = Identity::fixed(Ok("token"));
    let moderator = ContentSafety::with_identity(&endpoint, identity, &http, PATIENCE, Thresholds::default());
    assert_eq!(moderator.judge(&question("hello")).await.unwrap(), Judgement::Allow);
    let moderator = with_key(&Service::default(), "another").await;
    assert_eq!(
        failure(&moderator).await,
        ("Content Safety answered 401 Unauthorized (401)".to_owned(), None)
    );
}

#[tokio::test]
async fn a_long_text_is_judged_in_parts_and_cut_between_words() {
    let service = Service::default();
    let moderator = with_key(&service, "a-key").await;
    let text = "word ".repeat(6_400);
    assert_eq!(moderator.judge(&question(&text)).await.unwrap(), Judgement::Allow);
    assert_eq!(service.calls.load(Ordering::Relaxed), 4);
    let at_the_seam = format!("{}kys {}", "x".repeat(9_998) + " ", "y".repeat(100));
    assert!(matches!(moderator.judge(&question(&at_the_seam)).await.unwrap(), Judgement::Reject { .. }));
    for text in ["🦀".repeat(10_000), "🦀".repeat(10_001), "x".repeat(32_000), " ".repeat(20_000) + "x"] {
        assert!(parts(&text).iter().all(|part| part.chars().count() <= 10_000));
        assert_eq!(moderator.judge(&question(&text)).await.unwrap(), Judgement::Allow);
    }
    assert_eq!(parts(&text).concat(), text);
}

#[tokio::test]
async fn who_asks_for_time_is_left_alone() {
    let service = Service { busy: Some((429, Some("7"))), ..Service::default() };
    let moderator = with_key(&service, "a-key").await;
    let (why, wait) = failure(&moderator).await;
    assert_eq!(why, "Content Safety answered 429 Too Many Requests (TooManyRequests)");
    assert_eq!(wait, Some(Duration::from_secs(7)));
    let (why, wait) = failure(&moderator).await;
    assert_eq!(why, "Content Safety asked to be left alone for a while");
    assert!(wait.unwrap() <= Duration::from_secs(7));
    assert_eq!(service.calls.load(Ordering::Relaxed), 1, "it was not asked again");
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_given_up() {
    let silent = Service { silent: true, ..Service::default() };
    let moderator = ContentSafety { timeout: Duration::from_millis(100), ..with_key(&silent, "a-key").await };
    let (_, wait) = failure(&moderator).await;
    assert_eq!(wait, None);
    let moderator = with_key(&Service { busy: Some((500, None)), ..Service::default() }, "a-key").await;
    assert!(failure(&moderator).await.0.contains("500"));
}
