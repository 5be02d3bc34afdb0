//! An app as it is deployed on Azure: under a host, its data in tables, its files in blobs, its messages in a bus, its
//! clients at a hub elsewhere; and between it and each of the four a proxy.

use std::process::Child;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::azurite::{Azurite, KEY as STORAGE_KEY, launched};
use crate::client::Socket;
use crate::kinds;
use crate::proxy::Proxy;
use crate::real_product::{Answer, Product, call};
use crate::service::{KEY as HUB_KEY, free_port, hub, hub_at};
use crate::world::{App, World};

/// Between two tries to connect.
const AGAIN: Duration = Duration::from_millis(20);

pub(crate) struct Deployed {
    pub(crate) world: World,
    pub(crate) tables: Proxy,
    pub(crate) blobs: Proxy,
    pub(crate) bus: Proxy,
    pub(crate) live: Proxy,
    pub(crate) hub: Product,
}

impl Deployed {
    /// `settings` come on top of what makes it so.
    pub(crate) async fn start(azurite: &Azurite, prefix: &str, settings: &[(&str, &str)]) -> Self {
        let (front, broker) = (free_port(), free_port());
        let hub = tokio::task::block_in_place(|| hub(front, ""));
        let tables = Proxy::start(&[azurite.port], kinds::of_tables).await;
        let blobs = Proxy::start(&[blob_port()], kinds::of_blobs).await;
        let bus = Proxy::start(&[broker], kinds::of_bus).await;
        let live = Proxy::start(&[hub.http.port()], kinds::of_hub).await;
        let app = App::new();
        let mut options = app.options();
        (options.port, options.broker_port, options.told_broker_port) = (front, broker, Some(bus.port));
        let (tables_at, blobs_at, live_at) = (tables.port, blobs.port, live.port);
        for (name, value) in [
            ("TRANSPORT_MODE", "webpubsub"),
            ("WEBPUBSUB_CONNECTION_STRING", &format!("Endpoint=http://127.0.0.1:{live_at};AccessKey={HUB_KEY};Version=1.0;")),
            ("PUBLIC_WS_ENDPOINT", &format!("ws://{}", hub.http)),
            ("AZURE_STORAGE_CONNECTION_STRING", &format!("AccountName=chat;AccountKey={STORAGE_KEY};TableEndpoint=http://127.0.0.1:{tables_at}/chat;BlobEndpoint=http://127.0.0.1:{blobs_at}/chat")),
            ("CHAT_TABLE_NAME", prefix),
        ]
        .iter()
        .chain(settings)
        {
            options.settings.set(*name, *value);
        }
        Self { world: app.start_with(options).await, tables, blobs, bus, live, hub }
    }

    /// The hub dies, and with it all that it knew.
    pub(crate) fn kill_hub(&mut self) {
        self.hub.signal("KILL");
        self.hub.ended();
    }

    /// Another one in its place.
    pub(crate) fn start_hub_again(&mut self) {
        self.hub = hub_at(&self.hub.http.port().to_string(), self.world.host.address().port(), "");
    }

    /// The proxies, by what is behind them.
    pub(crate) fn proxies(&self) -> [(&'static str, &Proxy); 4] {
        [("tables", &self.tables), ("blobs", &self.blobs), ("bus", &self.bus), ("hub", &self.live)]
    }

    /// What somebody does with a link to a file, past the proxy.
    pub(crate) fn follows(&self, link: &Value, method: &str, content: &[u8]) -> Answer {
        let (_, path) = link.as_str().unwrap().strip_prefix("http://").unwrap().split_once('/').unwrap();
        let headers = [("x-ms-blob-type", "BlockBlob")];
        let to = ([127, 0, 0, 1], blob_port()).into();
        tokio::task::block_in_place(|| call(to, method, &format!("/{path}"), &headers, content))
    }

    /// Negotiates and connects, until both succeed.
    pub(crate) async fn connect(&self, user: &str) -> Socket {
        loop {
            let answer = self.world.client.post("/api/negotiate", user, &json!({})).await;
            assert!(answer.status == 200 || answer.status == 503 && answer.says_when, "{answer:?}");
            if let Some(url) = answer.json["url"].as_str()
                && let Some(socket) = Socket::open(url, user).await
            {
                return socket;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Of the one blob service of this binary, which ends with it.
fn blob_port() -> u16 {
    static BLOBS: OnceLock<(u16, TempDir, Child)> = OnceLock::new();
    let started = || {
        let (port, data) = (free_port(), tempfile::tempdir().unwrap());
        let child = launched("blob", port, data.path());
        (port, data, child)
    };
    BLOBS.get_or_init(started).0
}
