//! The log against a service of our own, which shows in what order and for what it was asked.

use std::pin::pin;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use futures_util::poll;
use http::{Method, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use super::*;
use crate::adapters::azure::Http;
use crate::adapters::azure::table::StorageAccount;
use crate::contract::data::{conversation, message, new};

/// One conversation of so many entries, none of them a message. Transactions wait for a permit and are refused.
#[derive(Clone)]
struct Service {
    seq: u64,
    asked: mpsc::UnboundedSender<String>,
    permits: Arc<Semaphore>,
}

async fn answer(State(service): State<Service>, request: Request) -> Response {
    let uri = reqwest::Url::parse(&format!("http://x{}", request.uri())).unwrap();
    let filter = uri.query_pairs().find(|(name, _)| name == "$filter").map(|(_, filter)| filter.into_owned());
    if request.method() == Method::POST {
        service.asked.send("write".to_owned()).unwrap();
        service.permits.acquire().await.unwrap().forget();
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "7")]).into_response();
    }
    service.asked.send(filter.clone().unwrap_or_else(|| "head".to_owned())).unwrap();
    let body = match filter {
        Some(_) => serde_json::json!({"odata.metadata": "x", "value": []}),
        None => {
            let head = Head { seq: service.seq, ..Head::default() };
            let mut columns = head_row("p", &head).unwrap().columns().clone();
            columns.insert("odata.metadata".to_owned(), "x".into());
            serde_json::Value::Object(columns)
        }
    };
    let headers = [
        ("x-ms-request-id", "5b1e8f4f-0002-0042-4e0f-2b5a6a000000"),
        ("x-ms-version", "2022-11-02"),
        ("date", "Sat, 21 Nov 2026 09:37:09 GMT"),
        ("server", "double"),
        ("etag", "W/1"),
        ("content-type", "application/json"),
    ];
    (headers, body.to_string()).into_response()
}

struct Asked {
    log: TableLog,
    asked: mpsc::UnboundedReceiver<String>,
    permits: Arc<Semaphore>,
}

async fn log_of(seq: u64) -> Asked {
    let (sender, asked) = mpsc::unbounded_channel();
    let permits = Arc::new(Semaphore::new(0));
    let service = Service { seq, asked: sender, permits: Arc::clone(&permits) };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap();
    let routes = Router::new().fallback(answer).with_state(service);
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let text = format!("AccountName=chat;AccountKey=a2V5;TableEndpoint=http://{host}/chat");
    let account = StorageAccount::parse(&text).unwrap();
    let tables = Tables::new(&account, None, "x", &Http::new().unwrap()).unwrap();
    Asked { log: TableLog::new(&tables), asked, permits }
}

impl Asked {
    fn all(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).collect()
    }
}

#[tokio::test]
async fn whoever_opens_waits_for_one_transaction_and_not_for_all_that_wait() {
    let (mut service, tea) = (log_of(0).await, conversation("tea"));
    let log = service.log.clone();
    let append = |id: String| log.append(&tea, vec![new(message(&id, "x"))]);
    let mut first = pin!(append("first".to_owned()));
    assert!(poll!(&mut first).is_pending());
    for call in ["head", "write"] {
        tokio::select! {
            asked = service.asked.recv() => assert_eq!(asked.unwrap(), call),
            answer = &mut first => panic!("{answer:?}"),
        }
    }
    let mut others = pin!(join_all((0..40).map(|n| append(n.to_string()))));
    assert!(poll!(&mut others).is_pending());
    // What they may have started gets in line.
    tokio::task::yield_now().await;
    let mut open = pin!(log.open(&tea));
    assert!(poll!(&mut open).is_pending());

    service.permits.add_permits(100);
    let (first, others, open) = tokio::join!(first, others, open);
    open.unwrap();
    // The opener's look at the head comes first, which serves the next 32 as well; the last 8 look again after a failure.
    assert_eq!(service.all(), ["head", "write", "head", "write"]);
    for answer in others.into_iter().chain([first]) {
        let Err(LogError::Store(error)) = answer else { panic!("{answer:?}") };
        assert_eq!(
            error.retry_after(),
            Some(Duration::from_secs(7)),
            "also for those that shared a transaction"
        );
    }
}

#[tokio::test]
async fn few_messages_among_many_entries_are_looked_for_in_bounded_steps() {
    let mut service = log_of(12_345).await;
    let page = service.log.messages(&conversation("tea"), Page::Newest, 10).await.unwrap().unwrap();
    assert!(page.messages.is_empty());
    let mut end = 12_345;
    for filter in service.all().iter().filter(|asked| *asked != "head") {
        let bound = |comparison: &str| {
            let (_, key) = filter.split_once(&format!("RowKey {comparison} 's")).unwrap();
            key.split('\'').next().unwrap().parse::<u64>().unwrap()
        };
        let (start, last) = (bound("ge"), bound("le"));
        assert_eq!(last, end, "none is left out: {filter}");
        assert!(last - start < LARGEST_WINDOW, "{filter}");
        end = start - 1;
    }
    assert_eq!(end, 0);
}
