use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use azure_core21::error::{Error, ErrorKind};
use azure_core21::headers::{HeaderName, HeaderValue, Headers};
use azure_core21::{Body, HttpClient, Request, Response, StatusCode};
use bytes::Bytes;

use crate::adapters::azure::Http;
use crate::adapters::azure::http::retry_after;

/// For reading one row, which takes milliseconds: so short that a lost one is read again while somebody waits.
const POINT_READ: Duration = Duration::from_secs(2);
/// For a page of a query, on which the service itself works for 5 s before it answers with what it has, and for one row's write.
const USUAL: Duration = Duration::from_secs(6);
/// For a transaction, of up to 4 MiB.
const TRANSACTION: Duration = Duration::from_secs(10);
/// Characters of an error's text that are kept.
const DETAIL_CHARS: usize = 500;
/// How the crate asks for entities; as answer to an insert they would all come back.
const ECHO: &str = "\naccept: application/json;odata=fullmetadata\n";
const NO_ECHO: &str = "\naccept: application/json;odata=nometadata\nprefer: return-no-content\n";

/// The transport under the Table client: one pool of connections, a time for every request, and every refusal an error
/// with the service's own code. The crate's own transport has no pool, and a transaction that failed is a success to it.
#[derive(Debug)]
pub(super) struct Wire {
    http: Http,
    client: reqwest::Client,
    proof: Proof,
    requests: Arc<AtomicU64>,
}

/// How we prove who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    Key,
    Identity,
}

/// The service answered, and not with success: the request as a whole, or a part of a transaction.
#[derive(Debug, thiserror::Error)]
#[error("Table Storage answered {status} {code}: {detail}{}", hint(*.status, .code, *.proof))]
pub(super) struct Refused {
    pub(super) status: u16,
    /// Such as `EntityAlreadyExists`.
    pub(super) code: String,
    pub(super) retry_after: Option<Duration>,
    proof: Proof,
    detail: String,
}

/// What to do about it, where that is not obvious.
fn hint(status: u16, code: &str, proof: Proof) -> &'static str {
    match (status, code, proof) {
        (403, "AuthorizationFailure", Proof::Key) => {
            " (the account's network rules keep this machine out, or the key may not do this)"
        }
        (403, "KeyBasedAuthenticationNotPermitted", _) => {
            " (the account takes no keys; use an identity with AZURE_STORAGE_ACCOUNT)"
        }
        (401 | 403, _, Proof::Key) => " (the account's key is wrong, or may not do this)",
        (403, "AuthorizationPermissionMismatch" | "InsufficientAccountPermissions", Proof::Identity) => {
            " (the identity needs the role Storage Table Data Contributor on the account; a new role takes minutes to work)"
        }
        (403, _, Proof::Identity) => {
            " (the account's network rules keep this machine out, or the identity lacks the role Storage Table Data Contributor on \
             the account; a new role takes minutes to work)"
        }
        (401, _, Proof::Identity) => {
            " (the account does not accept the identity's token: look at its tenant and at this machine's clock)"
        }
        _ => "",
    }
}

impl Wire {
    /// Counts what it sends.
    pub(super) fn new(endpoint: &str, http: &Http, proof: Proof, requests: Arc<AtomicU64>) -> Self {
        Self { client: http.of(endpoint).clone(), http: http.clone(), proof, requests }
    }

    async fn send(&self, request: &Request) -> azure_core21::Result<Answer> {
        // The service's own verbs are among them.
        let method = reqwest::Method::from_bytes(request.method().as_ref().as_bytes()).map_err(other)?;
        let is_batch = is_batch(request);
        let timeout = self.http.service_timeout(usual_timeout(request));
        let mut sent = self.client.request(method, request.url().clone()).timeout(timeout);
        for (name, value) in request.headers().iter() {
            // The length is the body's, which may change here.
            if name.as_str() != "content-length" {
                sent = sent.header(name.as_str(), value.as_str());
            }
        }
        let Body::Bytes(body) = request.body() else {
            return Err(Error::message(ErrorKind::Other, "a request has its body in memory"));
        };
        let body = if is_batch { without_echo(body) } else { body.clone() };
        self.requests.fetch_add(1, Ordering::Relaxed);
        let answer = sent.body(body).send().await.map_err(other)?;
        let retry_after = retry_after(answer.headers());
        let status = answer.status().as_u16();
        let mut headers = Headers::new();
        for (name, value) in answer.headers() {
            if let Ok(value) = value.to_str() {
                headers
                    .insert(HeaderName::from(name.as_str().to_owned()), HeaderValue::from(value.to_owned()));
            }
        }
        Ok(Answer { status, headers, retry_after, body: answer.bytes().await.map_err(other)? })
    }
}

struct Answer {
    status: u16,
    headers: Headers,
    retry_after: Option<Duration>,
    body: Bytes,
}

#[async_trait]
impl HttpClient for Wire {
    async fn execute_request(&self, request: &Request) -> azure_core21::Result<Response> {
        let Answer { status, headers, retry_after, body } = self.send(request).await?;
        if !(200..300).contains(&status) {
            let refused = refused(status, &String::from_utf8_lossy(&body), self.proof);
            return Err(other(Refused { retry_after, ..refused }));
        }
        if is_batch(request)
            && let Some(refused) = refused_part(&String::from_utf8_lossy(&body), self.proof)
        {
            return Err(other(refused));
        }
        let status = StatusCode::try_from(status)
            .map_err(|_| Error::message(ErrorKind::DataConversion, "the status is not one of HTTP's"))?;
        Ok(Response::new(status, headers, Box::pin(futures_util::stream::iter([Ok(body)]))))
    }
}

fn usual_timeout(request: &Request) -> Duration {
    let is_of_one_row = request.url().path().ends_with(')') && !request.url().path().ends_with("()");
    match request.method() {
        azure_core21::Method::Get if is_of_one_row => POINT_READ,
        _ if is_batch(request) => TRANSACTION,
        _ => USUAL,
    }
}

fn is_batch(request: &Request) -> bool {
    request.url().path().ends_with("/$batch")
}

/// Line feeds in an entity are escaped, so the pattern is only where the crate wrote it.
fn without_echo(body: &Bytes) -> Bytes {
    match std::str::from_utf8(body) {
        Ok(text) => text.replace(ECHO, NO_ECHO).into(),
        Err(_) => body.clone(),
    }
}

/// The first part of a transaction's answer that is no success. All other parts are undone then.
fn refused_part(body: &str, proof: Proof) -> Option<Refused> {
    let parts = body.split("HTTP/1.1 ").skip(1);
    parts
        .map(|part| (part.get(..3).and_then(|status| status.parse().ok()).unwrap_or(0), part))
        .find_map(|(status, part)| (!(200..300).contains(&status)).then(|| refused(status, part, proof)))
}

/// The code is a JSON string of the error's body: `"code":"EntityAlreadyExists"`.
fn refused(status: u16, body: &str, proof: Proof) -> Refused {
    let code = body.split_once("\"code\"").and_then(|(_, rest)| rest.split('"').nth(1));
    let detail = body.split_once("\"value\"").and_then(|(_, rest)| rest.split('"').nth(1)).unwrap_or(body);
    Refused {
        status,
        code: code.unwrap_or_default().to_owned(),
        retry_after: None,
        proof,
        detail: detail.chars().filter(|c| !c.is_control()).take(DETAIL_CHARS).collect(),
    }
}

/// Never of the kind that the crate would try again by itself: what a repeat may do is decided above.
fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Other, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_part_of_a_transaction_is_found() {
        let answer = "--batchresponse_1\r\n\r\n--changesetresponse_1\r\nContent-Type: application/http\r\n\r\n\
            HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\n\r\n\
            {\"odata.error\":{\"code\":\"EntityAlreadyExists\",\"message\":{\"lang\":\"en-US\",\"value\":\"1:The specified entity already exists.\\nRequestId:1\"}}}\r\n--changesetresponse_1--\r\n";
        let refused = refused_part(answer, Proof::Key).unwrap();
        assert_eq!((refused.status, refused.code.as_str()), (409, "EntityAlreadyExists"));
        assert!(refused.to_string().contains("1:The specified entity already exists."), "{refused}");
        let fine = "HTTP/1.1 204 No Content\r\nETag: W/\"x\"\r\n\r\nHTTP/1.1 201 Created\r\n";
        assert!(refused_part(fine, Proof::Key).is_none());
    }

    #[test]
    fn what_is_inserted_does_not_come_back() {
        let body = Bytes::from(format!("POST x HTTP/1.1{ECHO}content-type: a\n\n{{\"text\":\"a\\n\"}}\n"));
        let sent = without_echo(&body);
        assert!(std::str::from_utf8(&sent).unwrap().contains("\nprefer: return-no-content\n"));
    }
}
