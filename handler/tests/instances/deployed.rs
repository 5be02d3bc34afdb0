//! An app as it is deployed on Azure: under a host, its data in tables, its messages in a bus, its clients at a hub
//! elsewhere; and between it and each of the three a proxy.

use std::time::Duration;

use serde_json::json;

use crate::azurite::{Azurite, KEY as STORAGE_KEY};
use crate::client::Socket;
use crate::kinds;
use crate::proxy::Proxy;
use crate::real_product::Product;
use crate::service::{KEY as HUB_KEY, free_port, hub, hub_at};
use crate::world::{App, World};

/// Between two tries to connect.
const AGAIN: Duration = Duration::from_millis(20);

pub(crate) struct Deployed {
    pub(crate) world: World,
    pub(crate) tables: Proxy,
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
        let bus = Proxy::start(&[broker], kinds::of_bus).await;
        let live = Proxy::start(&[hub.http.port()], kinds::of_hub).await;
        let app = App::new();
        let mut options = app.options();
        (options.port, options.broker_port, options.told_broker_port) = (front, broker, Some(bus.port));
        let (tables_at, live_at) = (tables.port, live.port);
        for (name, value) in [
            ("TRANSPORT_MODE", "webpubsub"),
            ("WEBPUBSUB_CONNECTION_STRING", &format!("Endpoint=http://127.0.0.1:{live_at};AccessKey={HUB_KEY};Version=1.0;")),
            ("PUBLIC_WS_ENDPOINT", &format!("ws://{}", hub.http)),
            ("AZURE_STORAGE_CONNECTION_STRING", &format!("AccountName=chat;AccountKey={STORAGE_KEY};TableEndpoint=http://127.0.0.1:{tables_at}/chat")),
            ("CHAT_TABLE_NAME", prefix),
        ]
        .iter()
        .chain(settings)
        {
            options.settings.set(*name, *value);
        }
        Self { world: app.start_with(options).await, tables, bus, live, hub }
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
    pub(crate) fn proxies(&self) -> [(&'static str, &Proxy); 3] {
        [("tables", &self.tables), ("bus", &self.bus), ("hub", &self.live)]
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
