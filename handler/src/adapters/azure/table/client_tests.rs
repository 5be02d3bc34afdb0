//! The client against a server of our own, for what an emulator never answers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tokio::net::TcpListener;

use super::*;
use crate::ports::reasons;

/// Status, continuation, body.
type Answer = (u16, &'static str, &'static str);

/// What it was asked, and what it answers next; the last answer goes on.
#[derive(Clone, Default)]
struct Service {
    asked: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

async fn answer(State(service): State<Service>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let header = |name: &str| head.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let asked = format!(
        "{} {} [{}] {}",
        head.method,
        head.uri,
        header("authorization"),
        String::from_utf8_lossy(&body)
    );
    service.asked.lock().unwrap().push(asked);
    let mut answers = service.answers.lock().unwrap();
    let (status, next, body) = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0] };
    let mut answer = body.into_response();
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    let headers = answer.headers_mut();
    if [429, 503].contains(&status) {
        headers.insert("retry-after", "7".parse().unwrap());
    }
    for (name, value) in [
        ("x-ms-request-id", "5b1e8f4f-0002-0042-4e0f-2b5a6a000000"),
        ("x-ms-version", "2022-11-02"),
        ("date", "Sat, 21 Nov 2026 09:37:09 GMT"),
        ("server", "double"),
        ("etag", "W/1"),
        ("preference-applied", "return-no-content"),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    if !next.is_empty() {
        headers.insert("x-ms-continuation-NextPartitionKey", next.parse().unwrap());
        headers.insert("x-ms-continuation-NextRowKey", next.parse().unwrap());
    }
    answer
}

async fn service(answers: &[Answer]) -> (Table, Service) {
    let (account, service) = account(answers).await;
    let account = StorageAccount { key: None, ..account };
    let tables = Tables::new(&account, Some(Identity::fixed(Ok("token"))), "x", &Http::new().unwrap());
    (tables.unwrap().table("rows"), service)
}

/// With a key.
async fn account(answers: &[Answer]) -> (StorageAccount, Service) {
    let service = Service::default();
    service.answers.lock().unwrap().extend(answers);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap();
    let routes = Router::new().fallback(answer).with_state(service.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let text = format!("AccountName=chat;AccountKey=a2V5;TableEndpoint=http://{host}/chat");
    (StorageAccount::parse(&text).unwrap(), service)
}

fn row(key: &str) -> Row {
    Row::new("p", key).unwrap()
}

const EXISTS: &str = r#"{"odata.error":{"code":"EntityAlreadyExists","message":{"value":"It exists."}}}"#;
const CHANGED: &str = r#"{"odata.error":{"code":"UpdateConditionNotSatisfied","message":{"value":"No."}}}"#;
const GONE: &str = r#"{"odata.error":{"code":"ResourceNotFound","message":{"value":"No such row."}}}"#;
const NO_TABLE: &str = r#"{"odata.error":{"code":"TableNotFound","message":{"value":"No such table."}}}"#;
const NO_ROLE: &str =
    r#"{"odata.error":{"code":"AuthorizationPermissionMismatch","message":{"value":"Not you."}}}"#;

const NO_WAY: &str = r#"{"odata.error":{"code":"AuthorizationFailure","message":{"value":"Not you."}}}"#;

#[tokio::test]
async fn an_identity_proves_who_we_are() {
    let (table, service) = service(&[(404, "", GONE)]).await;
    assert!(table.get("p", "r").await.unwrap().is_none());
    let asked = service.asked.lock().unwrap().pop().unwrap();
    let place = "GET /chat/xrows(PartitionKey=%27p%27,RowKey=%27r%27) ";
    assert!(asked.replace('\'', "%27").starts_with(place), "{asked}");
    assert!(asked.contains("[Bearer token"), "{asked}");
}

#[tokio::test]
async fn refusals_of_the_rows_are_told_apart_from_failures() {
    for (status, body, refusal) in
        [(409, EXISTS, Refusal::Exists), (412, CHANGED, Refusal::Changed), (404, GONE, Refusal::Missing)]
    {
        let (table, _) = service(&[(status, "", body)]).await;
        let write = Write::Replace(row("r"), Match::Etag("W/1".into()));
        let error = table.write_one("p", write).await.unwrap_err();
        assert!(matches!(error, WriteError::Refused(told) if told == refusal), "{error:?}");
    }
    for (status, body, says) in [
        (403, NO_ROLE, "Storage Table Data Contributor"),
        (403, NO_WAY, "network rules keep this machine out, or the identity lacks the role"),
        (403, "", "lacks the role Storage Table Data Contributor"),
        (401, "", "does not accept the identity's token"),
        (400, "", "answered 400"),
        (409, r#"{"code":"TableBeingDeleted"}"#, "TableBeingDeleted"),
        (429, "", "answered 429"),
        (500, "", "answered 500"),
        (503, "slow down", "slow down"),
    ] {
        let (table, asked) = service(&[(status, "", body)]).await;
        let error = table.write_one("p", Write::Insert(row("r"))).await.unwrap_err();
        let text = reasons(&error);
        assert!(matches!(error, WriteError::Store(StoreError::Unavailable { .. })), "{status}: {text}");
        assert!(text.contains(says), "{status}: {text}");
        assert_eq!(asked.asked.lock().unwrap().len(), 1, "nothing is tried again by itself");
    }
}

#[tokio::test]
async fn a_refused_key_is_not_told_of_roles() {
    for (status, body, says) in [
        (403, NO_WAY, "network rules keep this machine out, or the key"),
        (403, r#"{"code":"KeyBasedAuthenticationNotPermitted"}"#, "takes no keys"),
        (403, r#"{"code":"AuthenticationFailed"}"#, "the account's key is wrong"),
        (401, "", "the account's key is wrong"),
    ] {
        let (account, _) = account(&[(status, "", body)]).await;
        let tables = Tables::new(&account, None, "x", &Http::new().unwrap()).unwrap();
        let error = tables.table("rows").get("p", "r").await.unwrap_err();
        assert!(reasons(&error).contains(says), "{status}: {}", reasons(&error));
        assert!(!reasons(&error).contains("role"), "{status}: {}", reasons(&error));
    }
}

#[tokio::test]
async fn the_time_the_service_asks_for_is_passed_on() {
    for (status, body) in [(429, ""), (503, "busy")] {
        let (table, _) = service(&[(status, "", body)]).await;
        let error = table.get("p", "r").await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{status}");
    }
}

#[tokio::test]
async fn a_table_that_is_not_there_is_made_and_the_write_repeated() {
    let created =
        r#"{"odata.metadata":"x","odata.type":"x","odata.id":"x","odata.editLink":"x","TableName":"xrows"}"#;
    let (table, service) = service(&[(404, "", NO_TABLE), (201, "", created), (204, "", "")]).await;
    table.write_one("p", Write::Insert(row("r"))).await.unwrap();
    let asked = service.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(
        asked[1].starts_with("POST /chat/Tables ") && asked[1].contains(r#""TableName":"xrows""#),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_transaction_is_whole_or_an_error() {
    let refused = "HTTP/1.1 412 Precondition Failed\r\n\r\n{\"odata.error\":{\"code\":\"UpdateConditionNotSatisfied\"}}";
    let half = "\n--changesetresponse_1\nHTTP/1.1 204 No Content\nETag: W/2\n";
    let (table, service) = service(&[(202, "", refused), (202, "", half)]).await;
    let both = || vec![Write::Put(row("a")), Write::Insert(row("b'"))];
    let error = table.write("p", both()).await.unwrap_err();
    assert!(matches!(error, WriteError::Refused(Refusal::Changed)), "{error:?}");
    let error = table.write("p", both()).await.unwrap_err();
    assert!(matches!(error, WriteError::Store(_)), "one answer for two rows: {error:?}");
    let asked = service.asked.lock().unwrap().clone();
    assert!(asked[0].contains("prefer: return-no-content"), "{}", asked[0]);
}

#[tokio::test]
async fn a_page_may_be_empty_and_not_the_last_one() {
    let empty = r#"{"odata.metadata":"x","value":[]}"#;
    let one = r#"{"odata.metadata":"x","value":[{"PartitionKey":"p","RowKey":"r"}]}"#;
    let (table, service) = service(&[(200, "next", empty), (200, "", one)]).await;
    let rows = table.query(&Query::partition("p").after("q"), 5).await.unwrap();
    assert_eq!(rows.len(), 1);
    let asked = service.asked.lock().unwrap().clone();
    assert!(asked[1].contains("NextPartitionKey=next&NextRowKey=next"), "{}", asked[1]);
    assert!(asked[0].contains("%24top=5") || asked[0].contains("$top=5"), "{}", asked[0]);
}

#[tokio::test]
async fn a_key_that_is_too_long_asks_nobody() {
    let (table, service) = service(&[(500, "", "")]).await;
    let error = table.get("p", &"x".repeat(1_000)).await.unwrap_err();
    assert!(reasons(&error).contains("512 UTF-16 units"));
    assert!(service.asked.lock().unwrap().is_empty());
}

#[test]
#[should_panic(expected = "rows of one partition")]
fn rows_of_another_partition_are_noticed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (table, _) = service(&[(202, "", "")]).await;
        let other = Row::new("other", "r").unwrap();
        let _ = table.write("p", vec![Write::Put(row("r")), Write::Put(other)]).await;
    });
}
