//! The blob service of Azurite: the contract of files, with links that it checks itself, and what it lets nobody do.

use std::net::TcpListener;
use std::process::Child;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use handler::adapters::azure::table::StorageAccount;
use handler::adapters::azure::{BlobAttachments, Http};
use handler::adapters::clock::SystemClock;
use handler::contract::attachments::Reached;
use handler::contract::data::user;
use handler::model::{AttachmentId, Timestamp};
use handler::ports::{Attachments, Clock};

use crate::azurite::{KEY, azurite, launched, prefix};
use crate::real_product::{Answer, call};

pub struct Blobs {
    child: Child,
    _data: tempfile::TempDir,
    endpoint: String,
}

impl Drop for Blobs {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The one of this binary; the first test that asks starts it.
pub fn blobs() -> &'static Blobs {
    static BLOBS: OnceLock<Blobs> = OnceLock::new();
    BLOBS.get_or_init(|| {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = tempfile::tempdir().unwrap();
        let child = launched("blob", port, data.path());
        Blobs { child, _data: data, endpoint: format!("http://127.0.0.1:{port}/chat") }
    })
}

/// Tables and blobs of the one account.
pub fn connection() -> String {
    format!("{};BlobEndpoint={}", azurite().connection, blobs().endpoint)
}

/// What a client does with a link, over a connection of its own.
fn use_link(method: &str, link: &str, headers: &[(&str, &str)], content: &[u8]) -> Answer {
    let (authority, path) = link.strip_prefix("http://").unwrap().split_once('/').unwrap();
    call(authority.parse().unwrap(), method, &format!("/{path}"), headers, content)
}

struct Azurite(BlobAttachments);

fn open() -> Azurite {
    let connection = format!(
        "AccountName=chat;AccountKey={KEY};TableEndpoint=http://127.0.0.1:1/chat;BlobEndpoint={}",
        blobs().endpoint
    );
    let account = StorageAccount::parse(&connection).unwrap();
    let clock = Arc::new(SystemClock);
    let container = format!("files-{}", prefix());
    Azurite(BlobAttachments::new(&account, None, &container, &Http::new().unwrap(), clock).unwrap())
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[async_trait]
impl Reached for Azurite {
    fn files(&self) -> &dyn Attachments {
        &self.0
    }

    async fn put(&self, link: &str, content: Vec<u8>) -> u16 {
        let link = link.to_owned();
        off_thread(move || use_link("PUT", &link, &[("x-ms-blob-type", "BlockBlob")], &content).status).await
    }

    async fn get(&self, link: &str) -> (u16, String, Vec<u8>) {
        let link = link.to_owned();
        let answer = off_thread(move || use_link("GET", &link, &[], b"")).await;
        let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        let disposition = header("content-disposition");
        let name = disposition.strip_prefix("attachment; filename*=UTF-8''").unwrap_or_default();
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned();
        (answer.status, format!("{name} {}", header("content-type")), answer.body)
    }

    async fn delete(&self, link: &str) -> u16 {
        let link = link.to_owned();
        off_thread(move || use_link("DELETE", &link, &[], b"").status).await
    }
}

handler::contract_suite!(attachments, |dir| {
    let _ = dir;
    open()
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_opens_neither_list_nor_container_nor_account() {
    let azurite = open();
    let id = AttachmentId::new(&user("ann"), b"scope");
    let until = Timestamp::from_millis(SystemClock.now().millis() + 60_000);
    let write = azurite.0.upload_link(&id, 9, until).await.unwrap();
    let read = azurite.0.read_link(&id, "a", "text/plain", until).await.unwrap();
    assert_eq!(azurite.put(&write, b"content".to_vec()).await, 201);
    off_thread(move || {
        for link in [&write, &read] {
            let (blob, query) = link.split_once('?').unwrap();
            let (container, _) = blob.rsplit_once('/').unwrap();
            let (account, _) = container.rsplit_once('/').unwrap();
            let none: &[(&str, &str)] = &[];
            for (method, url, headers) in [
                ("GET", format!("{container}?restype=container&comp=list&{query}"), none),
                ("GET", format!("{container}?restype=container&{query}"), none),
                ("PUT", format!("{container}2?restype=container&{query}"), none),
                ("DELETE", format!("{container}?restype=container&{query}"), none),
                ("GET", format!("{account}/?comp=list&{query}"), none),
                ("DELETE", link.clone(), none),
                ("PUT", format!("{blob}?comp=metadata&{query}"), &[("x-ms-meta-a", "b")]),
                (
                    "PUT",
                    format!("{blob}?comp=properties&{query}"),
                    &[("x-ms-blob-content-type", "text/html")],
                ),
                ("PUT", format!("{blob}?comp=snapshot&{query}"), none),
            ] {
                let status = use_link(method, &url, headers, b"").status;
                let is_snapshot = url.contains("comp=snapshot") && link == &write;
                assert!(status == 403 || is_snapshot, "{method} {url}: {status}");
            }
        }
        let block = write.replace('?', "?comp=block&blockid=YQ%3D%3D&");
        let list = write.replace('?', "?comp=blocklist&");
        use_link("PUT", &block, &[], b"other");
        use_link("PUT", &list, &[], b"<BlockList><Latest>YQ==</Latest></BlockList>");
        assert_eq!(use_link("GET", &read, &[], b"").body, b"content", "not replaced in parts either");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_removed_with_the_snapshots_that_its_link_permits() {
    let azurite = open();
    let id = AttachmentId::new(&user("ann"), b"snapshots");
    let until = Timestamp::from_millis(SystemClock.now().millis() + 60_000);
    let write = azurite.0.upload_link(&id, 9, until).await.unwrap();
    assert_eq!(azurite.put(&write, b"content".to_vec()).await, 201);
    let snapshot = write.replace('?', "?comp=snapshot&");
    let taken = off_thread(move || use_link("PUT", &snapshot, &[], b"")).await;
    assert_eq!(taken.status, 201, "{}", taken.text());
    // The service removes such a file with all its snapshots, or not at all.
    azurite.0.remove(&id).await.unwrap();
    assert_eq!(azurite.0.look(&id).await.unwrap(), None);
}
