use std::time::Duration;

use async_trait::async_trait;
use azure_core21::error::{Error, ErrorKind};
use azure_core21::headers::{AUTHORIZATION, Headers};
use azure_core21::{Body, CollectedResponse, HttpClient, Request, Response, StatusCode};
use reqwest::Url;

use super::http::retry_after;
use super::sas::SharedKey;
use super::{Http, Identity};

/// What an identity's token is asked for.
const SCOPE: &str = "https://servicebus.azure.net/.default";
/// For a whole request, which takes milliseconds: so short that a lost one is sent again while the sender of the HTTP request
/// still waits.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Characters of an error's text that are kept.
const DETAIL_CHARS: usize = 500;

/// The transport under the Service Bus client, which by itself knows only `https://{namespace}.servicebus.windows.net`
/// and its own signature. It sends to our endpoint instead, over connections that are kept, and proves who we are.
#[derive(Debug)]
pub(super) struct Wire {
    client: reqwest::Client,
    timeout: Duration,
    base: Url,
    proof: Proof,
}

/// How we prove who we are.
#[derive(Debug)]
pub(super) enum Proof {
    Key(SharedKey),
    /// It needs the role `Azure Service Bus Data Sender`.
    Identity(Identity),
}

impl Proof {
    /// The `Authorization` header for a resource.
    async fn authorization(&self, resource: &str) -> azure_core21::Result<String> {
        match self {
            Self::Key(key) => key.authorization(resource),
            Self::Identity(identity) => match identity.token(SCOPE).await {
                Ok(token) => Ok(format!("Bearer {}", token.secret())),
                Err(why) => Err(Error::new(ErrorKind::Credential, why)),
            },
        }
    }
}

/// The service answered, and not with success.
#[derive(Debug, thiserror::Error)]
#[error("{host} answered {status}: {detail}")]
pub(super) struct Refused {
    host: String,
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) detail: String,
}

impl Wire {
    pub(super) fn new(base: Url, proof: Proof, http: &Http) -> Self {
        let timeout = http.service_timeout(TIMEOUT);
        Self { client: http.of(base.as_str()).clone(), timeout, base, proof }
    }

    /// Whether the endpoint answers HTTP; whatever it answers below 500 will do.
    pub(super) async fn reach(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let answer = self.client.get(self.base.clone()).timeout(self.timeout).send().await?;
        let status = answer.status();
        if status.is_server_error() {
            return Err(Box::new(self.refused(
                status.as_u16(),
                None,
                status.canonical_reason().unwrap_or(""),
            )));
        }
        Ok(())
    }

    /// The description of an entity, as the management side writes it. `None` where it is not given to us.
    pub(super) async fn describe(&self, path: &str) -> Option<String> {
        let mut url = self.base.clone();
        url.set_path(path);
        let proof = self.proof.authorization(url.as_str()).await.ok()?;
        url.set_query(Some("api-version=2021-05"));
        let asked = self.client.get(url).header(AUTHORIZATION.as_str(), proof).timeout(self.timeout);
        asked.send().await.ok()?.error_for_status().ok()?.text().await.ok()
    }

    fn refused(&self, status: u16, retry_after: Option<Duration>, text: &str) -> Refused {
        let detail = text.chars().filter(|c| !c.is_control()).take(DETAIL_CHARS).collect();
        Refused { host: self.base.authority().to_owned(), status, retry_after, detail }
    }

    async fn rewritten(&self, request: &Request) -> azure_core21::Result<reqwest::Request> {
        let mut url = self.base.clone();
        url.set_path(request.url().path());
        // The right to the entity covers what is below it.
        let resource = url.as_str().strip_suffix("/messages").unwrap_or(url.as_str()).to_owned();
        let mut rewritten = self.client.post(url).timeout(self.timeout);
        for (name, value) in request.headers().iter().filter(|(name, _)| **name != AUTHORIZATION) {
            rewritten = rewritten.header(name.as_str(), ascii_json(value.as_str()));
        }
        let Body::Bytes(body) = request.body() else {
            return Err(Error::message(ErrorKind::Other, "a send has its body in memory"));
        };
        rewritten = rewritten.header(AUTHORIZATION.as_str(), self.proof.authorization(&resource).await?);
        rewritten.body(body.clone()).build().map_err(io)
    }
}

#[async_trait]
impl HttpClient for Wire {
    /// Sends are all we have, so every request is a POST.
    async fn execute_request(&self, request: &Request) -> azure_core21::Result<Response> {
        let answer = self.client.execute(self.rewritten(request).await?).await.map_err(io)?;
        let status = StatusCode::try_from(answer.status().as_u16())
            .map_err(|_| Error::message(ErrorKind::DataConversion, "the status is not one of HTTP's"))?;
        let mut headers = Headers::new();
        if let Some(wait) = retry_after(answer.headers()) {
            headers.insert("retry-after", wait.as_secs().to_string());
        }
        let body = answer.bytes().await.map_err(io);
        Ok(Response::new(status, headers, Box::pin(futures_util::stream::iter([body]))))
    }

    async fn execute_request_check_status(
        &self,
        request: &Request,
    ) -> azure_core21::Result<CollectedResponse> {
        let (status, headers, body) = self.execute_request(request).await?.deconstruct();
        let body = body.collect().await?;
        if status.is_success() {
            return Ok(CollectedResponse::new(status, headers, body));
        }
        let retry_after = headers.get_optional_str(&"retry-after".into()).and_then(|text| text.parse().ok());
        let text = String::from_utf8_lossy(&body);
        let refused = self.refused(status.into(), retry_after.map(Duration::from_secs), &text);
        Err(Error::new(ErrorKind::Other, refused))
    }
}

fn io(error: reqwest::Error) -> Error {
    Error::new(ErrorKind::Io, error)
}

/// Header values are ASCII, the JSON in ours need not be. Outside ASCII all of it is within strings, where an escape
/// says the same.
fn ascii_json(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    let mut units = [0; 2];
    for character in json.chars() {
        if character.is_ascii() && character != '\u{7f}' {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut units) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}
