//! Azure Blob Storage, or Azurite, behind the port of files. Clients talk to it by themselves, with links that we sign.

mod delegation;
mod sas;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core21::auth::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::sync::OnceCell;

use self::delegation::Delegation;
use self::sas::{Right, Terms};
use super::{Http, Identity};
use crate::adapters::azure::table::StorageAccount;
use crate::model::{AttachmentId, Timestamp};
use crate::ports::{Attachments, Clock, LOOKED_AT, StoreError, Stored};

/// Its name in errors.
const STORE: &str = "Blob Storage";
/// The version of the service that answers our own calls.
const VERSION: &str = "2022-11-02";
/// For one request of our own, and the links that prove it.
const TIMEOUT: Duration = Duration::from_secs(10);
const OWN_LINK_MILLIS: u64 = 60_000;
/// What `filename*` holds as it is (RFC 5987).
const FILE_NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The container of a storage account, made on first use.
pub struct BlobAttachments {
    account: String,
    endpoint: Url,
    container: String,
    proof: Proof,
    http: Http,
    clock: Arc<dyn Clock>,
    is_made: OnceCell<()>,
}

/// How links are signed, and how we prove who we are.
enum Proof {
    Key(Secret),
    /// It needs the roles `Storage Blob Data Contributor` and `Storage Blob Delegator`.
    Identity(Delegation),
}

/// The service answered, and not as it should.
#[derive(Debug, thiserror::Error)]
#[error("{host} answered {status} to {what}")]
struct Unexpected {
    host: String,
    what: &'static str,
    status: StatusCode,
}

#[derive(Debug, thiserror::Error)]
#[error("the account has neither key nor identity")]
struct NoProof;

impl BlobAttachments {
    /// Opens no connection yet. An account without a key needs the identity.
    pub fn new(
        account: &StorageAccount,
        identity: Option<Identity>,
        container: &str,
        http: &Http,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let endpoint = account.blobs().clone();
        let proof = match (account.key(), identity) {
            (Some(key), _) => Proof::Key(Secret::new(key.to_owned())),
            (None, Some(identity)) => {
                Proof::Identity(Delegation::new(identity, endpoint.clone(), http.clone(), Arc::clone(&clock)))
            }
            (None, None) => return Err(unavailable(NoProof)),
        };
        let (account, container) = (account.name().to_owned(), container.to_owned());
        Ok(Self { account, endpoint, container, proof, http: http.clone(), clock, is_made: OnceCell::new() })
    }

    fn url(&self, path: &str, query: &str) -> String {
        format!("{}/{path}?{query}", self.endpoint.as_str().trim_end_matches('/'))
    }

    async fn link(
        &self,
        id: &AttachmentId,
        right: Right,
        until: Timestamp,
        served: Option<(String, &str)>,
    ) -> Result<String, StoreError> {
        let terms = Terms {
            account: &self.account,
            container: &self.container,
            blob: id.as_str(),
            right,
            until,
            is_secure: self.endpoint.scheme() == "https",
            served,
        };
        let query = match &self.proof {
            Proof::Key(key) => terms.with_account_key(key).map_err(unavailable)?,
            Proof::Identity(delegation) => {
                terms.with_delegated_key(&*delegation.key().await?).map_err(unavailable)?
            }
        };
        Ok(self.url(&format!("{}/{id}", self.container), &query))
    }

    /// A call of our own about one file, proven by a link that permits just that.
    async fn call(&self, method: Method, id: &AttachmentId, right: Right) -> Result<Response, StoreError> {
        let until = Timestamp::from_millis(self.clock.now().millis() + OWN_LINK_MILLIS);
        let link = self.link(id, right, until, None).await?;
        let mut request =
            self.http.of(&link).request(method, &link).timeout(TIMEOUT).header("x-ms-version", VERSION);
        request = match right {
            Right::Create => request,
            Right::Read => request.header(RANGE, format!("bytes=0-{}", LOOKED_AT - 1)),
            // A link for storing permits snapshots too, and a file that has some is removed with them or not at all.
            Right::Delete => request.header("x-ms-delete-snapshots", "include"),
        };
        // Without the URL, which is a proof.
        request.send().await.map_err(|error| unavailable(error.without_url()))
    }

    fn unexpected(&self, what: &'static str, status: StatusCode) -> StoreError {
        unavailable(Unexpected { host: self.endpoint.authority().to_owned(), what, status })
    }

    /// Two may make it at once; one that is there may be older than us.
    async fn make_container(&self) -> Result<(), StoreError> {
        let made = async || {
            let (url, token) = match &self.proof {
                Proof::Key(key) => {
                    let until = Timestamp::from_millis(self.clock.now().millis() + OWN_LINK_MILLIS);
                    let query = sas::container_link(&self.account, key, until).map_err(unavailable)?;
                    (self.url(&self.container, &format!("restype=container&{query}")), None)
                }
                Proof::Identity(delegation) => {
                    (self.url(&self.container, "restype=container"), Some(delegation.token().await?))
                }
            };
            let mut request =
                self.http.of(&url).put(&url).timeout(TIMEOUT).header("x-ms-version", VERSION).body("");
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = request.send().await.map_err(|error| unavailable(error.without_url()))?;
            match answer.status() {
                StatusCode::CREATED => tracing::info!(container = self.container, "made the container"),
                StatusCode::CONFLICT => {}
                status => return Err(self.unexpected("making the container", status)),
            }
            Ok(())
        };
        self.is_made.get_or_try_init(made).await.copied()
    }
}

#[async_trait]
impl Attachments for BlobAttachments {
    /// The service holds to no number of bytes.
    async fn upload_link(&self, id: &AttachmentId, _: u64, until: Timestamp) -> Result<String, StoreError> {
        self.make_container().await?;
        self.link(id, Right::Create, until, None).await
    }

    async fn look(&self, id: &AttachmentId) -> Result<Option<Stored>, StoreError> {
        let answer = self.call(Method::GET, id, Right::Read).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => return Ok(None),
            // Nothing of an empty file can be ranged over.
            StatusCode::RANGE_NOT_SATISFIABLE => return Ok(Some(Stored { bytes: 0, beginning: Vec::new() })),
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => {}
            status => return Err(self.unexpected("a look at a file", status)),
        }
        let range = answer.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
        let whole = range.and_then(|range| range.rsplit('/').next()).and_then(|bytes| bytes.parse().ok());
        let announced = whole.or(answer.content_length());
        let mut beginning = answer.bytes().await.map_err(|error| unavailable(error.without_url()))?.to_vec();
        let bytes = announced.unwrap_or(beginning.len() as u64);
        beginning.truncate(LOOKED_AT);
        Ok(Some(Stored { bytes, beginning }))
    }

    async fn read_link(
        &self,
        id: &AttachmentId,
        name: &str,
        content_type: &str,
        until: Timestamp,
    ) -> Result<String, StoreError> {
        let disposition = format!("attachment; filename*=UTF-8''{}", utf8_percent_encode(name, FILE_NAME));
        self.link(id, Right::Read, until, Some((disposition, content_type))).await
    }

    async fn remove(&self, id: &AttachmentId) -> Result<(), StoreError> {
        let answer = self.call(Method::DELETE, id, Right::Delete).await?;
        match answer.status() {
            StatusCode::ACCEPTED | StatusCode::NOT_FOUND => Ok(()),
            status => Err(self.unexpected("the removal of a file", status)),
        }
    }
}

fn unavailable(error: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::unavailable(STORE, error)
}
