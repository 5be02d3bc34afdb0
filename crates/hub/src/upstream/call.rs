//! One event as HTTP: `POST`, repeated with the same headers and body while the handler is in trouble.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::time::{sleep, timeout};
use webpubsub::cloud_events::EventKind;
use webpubsub::names::HubName;
use webpubsub::validation::REQUEST_ORIGIN;

use super::template::UrlTemplate;
use super::validation::Validations;
use crate::options::RandomBytes;

/// How long to wait before the second, third and fourth try.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(5)];
/// For all tries of one event together.
const BUDGET: Duration = Duration::from_secs(100);
/// The longest answer, in bytes.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// The host that events come from, as validation and `WebHook-Request-Origin` name it.
pub(super) const ORIGIN: &str = "127.0.0.1";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");

/// What is posted.
pub(super) struct Body {
    pub(super) content_type: &'static str,
    pub(super) bytes: Bytes,
}

/// A request, ready to be sent more than once.
pub(super) struct Call {
    pub(super) kind: EventKind,
    url: String,
    pub(super) headers: HeaderMap,
    body: Bytes,
}

impl Call {
    pub(super) fn new(
        kind: EventKind,
        url: String,
        mut headers: HeaderMap,
        body: Body,
        random: &RandomBytes,
    ) -> Self {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(body.content_type));
        headers.insert(REQUEST_ORIGIN, HeaderValue::from_static(ORIGIN));
        if let Ok(id) = HeaderValue::from_str(&guid(random)) {
            headers.insert(REQUEST_ID, id);
        }
        Self { kind, url, headers, body: body.bytes }
    }
}

/// A handler's answer of any status.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// There is no answer to go by.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the event handler does not accept events: {0}")]
    NotValidated(String),
    /// Without the URL, whose query may hold a secret.
    #[error("the event handler was not reached: {}", with_causes(.0))]
    Unreachable(reqwest::Error),
    #[error("the event handler did not answer within {} s", BUDGET.as_secs())]
    TimedOut,
    #[error("the event handler's answer is longer than {MAX_ANSWER} bytes")]
    TooLong,
}

pub(super) struct Caller {
    http: reqwest::Client,
    validations: Validations,
}

impl Caller {
    /// Redirects are not followed, and no proxy of the environment comes between: events go to the URL that is
    /// configured, nowhere else.
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        let http =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        Ok(Self { http, validations: Validations::default() })
    }

    pub(super) async fn validate(&self, hub: &HubName, template: &UrlTemplate) -> Result<(), Failure> {
        self.validations.check(&self.http, hub, template).await.map_err(Failure::NotValidated)
    }

    /// Sends until there is an answer that another try would not change, or the tries are used up. `tried` hears of the
    /// end of every try.
    pub(super) async fn send(&self, call: &Call, tried: &(dyn Fn() + Sync)) -> Result<Answer, Failure> {
        let attempt = || async {
            let outcome = self.send_once(call).await;
            tried();
            outcome
        };
        repeatedly(attempt).await
    }

    async fn send_once(&self, call: &Call) -> Result<Answer, Failure> {
        let request =
            self.http.request(Method::POST, &call.url).headers(call.headers.clone()).body(call.body.clone());
        let mut response = request.send().await.map_err(unreachable)?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(Failure::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body: body.freeze() })
    }
}

fn unreachable(error: reqwest::Error) -> Failure {
    Failure::Unreachable(error.without_url())
}

/// An error and what lies behind it; the first sentence of an HTTP client's errors says little.
pub(super) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// At most one try more than there are pauses, all within the budget.
async fn repeatedly<F: Future<Output = Result<Answer, Failure>>>(
    mut attempt: impl FnMut() -> F,
) -> Result<Answer, Failure> {
    let tries = async {
        let mut outcome = attempt().await;
        for pause in PAUSES {
            if !is_transient(&outcome) {
                break;
            }
            sleep(pause).await;
            outcome = attempt().await;
        }
        outcome
    };
    timeout(BUDGET, tries).await.unwrap_or(Err(Failure::TimedOut))
}

/// Whether another try may help. 429 is not repeated: the handler asked for less.
fn is_transient(outcome: &Result<Answer, Failure>) -> bool {
    match outcome {
        Ok(answer) => answer.status.is_server_error() || answer.status == StatusCode::REQUEST_TIMEOUT,
        Err(Failure::Unreachable(error)) => !error.is_builder(),
        Err(_) => false,
    }
}

/// A random UUID (version 4).
fn guid(random: &RandomBytes) -> String {
    let mut bytes = [0; 16];
    random(&mut bytes);
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex = hex::encode(bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    fn status(code: u16) -> Result<Answer, Failure> {
        let status = StatusCode::from_u16(code).expect("a status");
        Ok(Answer { status, headers: HeaderMap::new(), body: Bytes::new() })
    }

    /// The tries that are made against a handler that answers so, each time after `delay`, and the seconds they take.
    async fn tries(delay: u64, answers: &[u16]) -> (usize, u64, Result<u16, String>) {
        let (started, mut made) = (Instant::now(), 0);
        let outcome = repeatedly(|| {
            let answer = answers[made.min(answers.len() - 1)];
            made += 1;
            async move {
                sleep(Duration::from_secs(delay)).await;
                status(answer)
            }
        });
        let outcome =
            outcome.await.map(|answer| answer.status.as_u16()).map_err(|failure| failure.to_string());
        (made, started.elapsed().as_secs(), outcome)
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_in_trouble_is_tried_four_times() {
        assert_eq!(tries(0, &[500]).await, (4, 9, Ok(500)));
        assert_eq!(tries(0, &[503, 408, 200]).await, (3, 4, Ok(200)));
        for last_word in [200, 204, 302, 400, 404, 429] {
            assert_eq!(tries(0, &[last_word, 200]).await, (1, 0, Ok(last_word)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_tries_share_a_hundred_seconds() {
        let timed_out = Err("the event handler did not answer within 100 s".to_owned());
        assert_eq!(tries(40, &[500]).await, (3, 100, timed_out.clone()));
        assert_eq!(tries(1000, &[200]).await, (1, 100, timed_out));
    }

    #[test]
    fn a_request_id_is_a_uuid() {
        let ones: RandomBytes = std::sync::Arc::new(|bytes| bytes.fill(0xFF));
        assert_eq!(guid(&ones), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
