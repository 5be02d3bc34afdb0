//! The contract of [`Attachments`], with a client that uses the links as anybody would.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::data::user;
use crate::adapters::LocalLinks;
use crate::adapters::clock::{RandomIds, SystemClock};
use crate::model::{AttachmentId, Timestamp};
use crate::ports::{Attachments, Clock, LOOKED_AT, LinkError, LocalFiles};

/// An adapter, and how its links are used.
#[async_trait]
pub trait Reached: Send + Sync {
    fn files(&self) -> &dyn Attachments;
    /// Answers the status.
    async fn put(&self, link: &str, content: Vec<u8>) -> u16;
    /// Answers the status, the name and type it is served under, and the content.
    async fn get(&self, link: &str) -> (u16, String, Vec<u8>);
    /// Answers the status.
    async fn delete(&self, link: &str) -> u16;
}

/// Signed links of a test.
#[must_use]
pub fn links() -> LocalLinks {
    LocalLinks::new(&RandomIds, "http://here".to_owned(), Arc::new(SystemClock))
}

/// A store of this process, whose links are taken apart as its routes do.
pub struct Local<A>(A);

impl<A> Local<A> {
    pub const fn new(adapter: A) -> Self {
        Self(adapter)
    }
}

fn parts(link: &str) -> (&str, &str) {
    let (path, query) = link.split_once('?').unwrap();
    (path.strip_prefix("http://here/api/attachments/").unwrap().strip_suffix("/blob").unwrap(), query)
}

const fn status(error: &LinkError) -> u16 {
    match error {
        LinkError::Refused => 403,
        LinkError::NotFound => 404,
        LinkError::Exists => 409,
        _ => 400,
    }
}

#[async_trait]
impl<A: Attachments + LocalFiles> Reached for Local<A> {
    fn files(&self) -> &dyn Attachments {
        &self.0
    }

    async fn put(&self, link: &str, content: Vec<u8>) -> u16 {
        let (id, query) = parts(link);
        let chunks: Vec<_> = content.chunks(1_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        match self.0.receive(id, query, stream::iter(chunks).boxed()).await {
            Ok(()) => 201,
            Err(error) => status(&error),
        }
    }

    async fn get(&self, link: &str) -> (u16, String, Vec<u8>) {
        let (id, query) = parts(link);
        match self.0.serve(id, query).await {
            Ok(served) => {
                let content: Vec<Bytes> = served.content.try_collect().await.unwrap();
                (200, format!("{} {}", served.name, served.content_type), content.concat())
            }
            Err(error) => (status(&error), String::new(), Vec::new()),
        }
    }

    async fn delete(&self, _: &str) -> u16 {
        405
    }
}

fn id(key: &str) -> AttachmentId {
    AttachmentId::new(&user("ann"), key.as_bytes())
}

fn in_time() -> Timestamp {
    Timestamp::from_millis(SystemClock.now().millis() + 120_000)
}

async fn stored(reached: &impl Reached, key: &str, content: &[u8]) {
    let link = reached.files().upload_link(&id(key), 100_000, in_time()).await.unwrap();
    assert_eq!(reached.put(&link, content.to_vec()).await, 201);
}

async fn read_link(reached: &impl Reached, key: &str) -> String {
    reached.files().read_link(&id(key), "a é.txt", "text/plain", in_time()).await.unwrap()
}

pub async fn what_is_stored_is_read_again<R: Reached>(make: impl AsyncFn() -> R) {
    let reached = make().await;
    let content: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
    assert_eq!(reached.files().look(&id("what_is_stored")).await.unwrap(), None);
    assert_eq!(reached.get(&read_link(&reached, "what_is_stored").await).await.0, 404);
    stored(&reached, "what_is_stored", &content).await;
    let (status, served, read) = reached.get(&read_link(&reached, "what_is_stored").await).await;
    assert_eq!((status, served.as_str()), (200, "a é.txt text/plain"));
    assert!(read == content);
    let seen = reached.files().look(&id("what_is_stored")).await.unwrap().unwrap();
    assert_eq!(seen.bytes, content.len() as u64);
    assert!(seen.beginning == content[..LOOKED_AT]);
}

pub async fn small_and_empty_files_are_looked_at<R: Reached>(make: impl AsyncFn() -> R) {
    let reached = make().await;
    for (key, content) in [("small", &b"abc"[..]), ("empty", b"")] {
        stored(&reached, key, content).await;
        let seen = reached.files().look(&id(key)).await.unwrap().unwrap();
        assert_eq!((seen.bytes, seen.beginning.as_slice()), (content.len() as u64, content));
    }
}

pub async fn what_is_stored_is_never_replaced<R: Reached>(make: impl AsyncFn() -> R) {
    let reached = make().await;
    stored(&reached, "never_replaced", b"first").await;
    let link = reached.files().upload_link(&id("never_replaced"), 100, in_time()).await.unwrap();
    let status = reached.put(&link, b"second".to_vec()).await;
    assert!([403, 409].contains(&status), "{status}");
    assert_eq!(reached.get(&read_link(&reached, "never_replaced").await).await.2, b"first");
}

pub async fn a_link_is_for_one_thing<R: Reached>(make: impl AsyncFn() -> R) {
    let reached = make().await;
    stored(&reached, "mine", b"mine").await;
    stored(&reached, "other", b"other").await;
    let (mine, other, free) = (id("mine").to_string(), id("other").to_string(), id("free").to_string());
    let read = read_link(&reached, "mine").await;
    let write = reached.files().upload_link(&id("free"), 100, in_time()).await.unwrap();
    assert_eq!(reached.get(&read.replace(&mine, &other)).await.0, 403, "another file");
    assert_eq!(reached.put(&write.replace(&free, &id("free2").to_string()), b"x".to_vec()).await, 403);
    assert_eq!(reached.put(&read, b"x".to_vec()).await, 403, "a link for reading stores nothing");
    assert_ne!(reached.get(&write.replace(&free, &mine)).await.0, 200);
    assert_eq!(reached.put(&write, b"free".to_vec()).await, 201);
    assert_eq!(reached.get(&write).await.0, 403, "a link for storing reads nothing");
    for link in [&read, &write] {
        assert_ne!(reached.delete(link).await / 100, 2, "no link removes");
    }
    assert_eq!(reached.get(&read).await.2, b"mine");
}

pub async fn a_link_that_was_changed_is_of_no_use<R: Reached>(make: impl AsyncFn() -> R) {
    let reached = make().await;
    stored(&reached, "changed", b"mine").await;
    let read = read_link(&reached, "changed").await;
    assert_eq!(reached.get(&read).await.0, 200);
    let write = reached.files().upload_link(&id("changed2"), 100, in_time()).await.unwrap();
    let (path, query) = read.split_once('?').unwrap();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap();
        let last = value.chars().last().unwrap();
        let changed = format!("{}{}", &value[..value.len() - 1], if last == '0' { '1' } else { '0' });
        // What ends a base64 text may say the same in two ways.
        let changed = if name == "sig" {
            format!("{}{value}", if value.starts_with('a') { 'b' } else { 'a' })
        } else {
            changed
        };
        let query = query.replace(pair, &format!("{name}={changed}"));
        let status = reached.get(&format!("{path}?{query}")).await.0;
        assert!((400..500).contains(&status), "{name}: {status}");
    }
    for (from, to) in [("sp=c", "sp=rcwd"), ("sp=c", "sp=w"), ("&sig=", "&x=1&sig="), ("&sig=", "&gis=")] {
        let status = reached.put(&write.replace(from, to), b"x".to_vec()).await;
        let is_harmless = to == "&x=1&sig=" && status == 201;
        assert!((400..500).contains(&status) || is_harmless, "{to}: {status}");
    }
}

pub async fn a_link_ends<R: Reached>(make: impl AsyncFn() -> R) {
    let reached = make().await;
    stored(&reached, "ends", b"mine").await;
    let past = Timestamp::from_millis(SystemClock.now().millis() - 1_000);
    let files = reached.files();
    let read = files.read_link(&id("ends"), "a", "text/plain", past).await.unwrap();
    assert_eq!(reached.get(&read).await.0, 403);
    let write = files.upload_link(&id("ends2"), 100, past).await.unwrap();
    assert_eq!(reached.put(&write, b"x".to_vec()).await, 403);
    let soon = Timestamp::from_millis(SystemClock.now().millis() + 2_000);
    let read = files.read_link(&id("ends"), "a", "text/plain", soon).await.unwrap();
    let ended = async {
        while reached.get(&read).await.0 == 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
    assert_eq!(reached.get(&read).await.0, 403);
}

pub async fn what_is_removed_is_gone<R: Reached>(make: impl AsyncFn() -> R) {
    let reached = make().await;
    stored(&reached, "removed", b"mine").await;
    let read = read_link(&reached, "removed").await;
    for _ in 0..2 {
        reached.files().remove(&id("removed")).await.unwrap();
        assert_eq!(reached.files().look(&id("removed")).await.unwrap(), None);
    }
    assert_eq!(reached.get(&read).await.0, 404);
}
