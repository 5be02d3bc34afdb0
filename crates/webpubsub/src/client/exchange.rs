use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use super::call::Call;
use super::{ClientError, ErrorKind, ServiceClient, retry};

/// The longest answer that is read, in bytes. A page of a listing has some 20 KiB.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// Characters of an answer's text that an error keeps.
const DETAIL_CHARS: usize = 300;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
/// Where the service says its own id of a request, and its code of a mistake.
const REQUEST_ID: &str = "x-ms-request-id";
const ERROR_CODE: &str = "x-ms-error-code";

/// A successful answer's body.
pub(super) type Answer = Bytes;

impl ServiceClient {
    /// Carries a call out: `Ok` is an answer of 2xx, to one of the tries.
    pub(super) async fn exchange(&self, call: &Call) -> Result<Answer, ClientError> {
        let options = self.options();
        let started = Instant::now();
        let id = request_id(&options.random);
        let mut made = 0;
        loop {
            let left = options.budget.saturating_sub(started.elapsed());
            let error = match self.once(call, &id, left).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            made += 1;
            let left = options.budget.saturating_sub(started.elapsed());
            let chance = chance(&options.random);
            match retry::pause(options, &error, call.repeatable, made, left, chance) {
                Some(pause) => sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    /// As [`Self::exchange`], where 404 is an answer too: `None`.
    pub(super) async fn exchange_unless_missing(&self, call: &Call) -> Result<Option<Answer>, ClientError> {
        match self.exchange(call).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn once(&self, call: &Call, id: &HeaderValue, left: Duration) -> Result<Answer, ClientError> {
        let options = self.options();
        let url = format!("{}{}", self.endpoint(), call.path);
        let too_late =
            || ClientError::new(call.operation, ErrorKind::TimedOut, "there was no answer in time");
        // The provider has patience of its own; it is bounded here all the same.
        let bearer = timeout(left, self.inner.credential.bearer(&url, (options.clock)()));
        let no_token = |why: String| ClientError::new(call.operation, ErrorKind::NoToken, why);
        let bearer = bearer
            .await
            .map_err(|_| no_token("the identity gave no token in time".to_owned()))?
            .map_err(|why| no_token(why.to_string()).caused_by(why))?;
        let mut request = self
            .inner
            .http
            .request(call.method.clone(), format!("{url}?{}", call.query))
            .headers(call.headers.clone())
            .header(CLIENT_REQUEST_ID, id)
            .bearer_auth(bearer);
        match &call.body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, body.content_type).body(body.bytes.clone());
            }
            // Servers want to be told that nothing follows, where something could.
            None if matches!(call.method, http::Method::POST | http::Method::PUT) => {
                request = request.header(header::CONTENT_LENGTH, 0).body(Bytes::new());
            }
            None => {}
        }
        let answer = timeout(left.min(options.try_timeout), self.read(call, request, id));
        answer.await.map_err(|_| too_late())?
    }

    async fn read(
        &self,
        call: &Call,
        request: reqwest::RequestBuilder,
        id: &HeaderValue,
    ) -> Result<Answer, ClientError> {
        let failed = |error: reqwest::Error| {
            let kind = match () {
                () if error.is_timeout() => ErrorKind::TimedOut,
                () if error.is_builder() => ErrorKind::Invalid,
                () => ErrorKind::Unreachable,
            };
            // The URL is left out: it may tell names of people.
            let error = error.without_url();
            ClientError::new(call.operation, kind, innermost(&error)).caused_by(error)
        };
        let mut response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(body.freeze());
        }
        Err(refusal(call.operation, status, &headers, &body, id)
            .with_retry_after(retry::retry_after(&headers, (self.options().clock)())))
    }
}

/// The service's own error, or the problem that its framework writes.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    code: Option<String>,
    message: Option<String>,
    title: Option<String>,
}

fn refusal(
    operation: &'static str,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    id: &HeaderValue,
) -> ClientError {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let said: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    let message = said.message.or(said.title).unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let message: String = message.chars().filter(|c| !c.is_control()).take(DETAIL_CHARS).collect();
    let code = said.code.or_else(|| text(ERROR_CODE));
    let request_id = text(REQUEST_ID).unwrap_or_else(|| id.to_str().unwrap_or_default().to_owned());
    ClientError::new(operation, ErrorKind::of(status), message)
        .with_status(status, code)
        .with_request_id(request_id)
}

/// The last cause says most; the first sentence of an HTTP client's errors says little.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let last = std::iter::successors(Some(error), |error| error.source()).last();
    last.map(ToString::to_string).unwrap_or_default()
}

fn chance(random: &super::RandomBytes) -> f64 {
    let mut bytes = [0; 4];
    random(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

/// A random UUID (version 4), the same for all tries of a call.
fn request_id(random: &super::RandomBytes) -> HeaderValue {
    let mut bytes = [0; 16];
    random(&mut bytes);
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex = hex::encode(bytes);
    let id = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("none"))
}
