//! A hub on a real port.

use std::net::SocketAddr;

use hub::{Hub, HubOptions, OutMessage, Selection, Target};
use tokio::net::TcpListener;
use webpubsub::key::AccessKey;
use webpubsub::names::HubName;
use webpubsub::payload::Payload;

use crate::tokens::ACCESS_KEY;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) hub: Hub,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The hubs that the scenarios use.
const HUBS: [&str; 7] = ["plain", "up", "r1", "allsimple", "allwebpubsub", "allreliable", "ex"];

impl Server {
    pub(crate) const LAST_MESSAGE: &'static str = "nothing comes after this";

    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(choose: impl FnOnce(&mut HubOptions)) -> Self {
        let mut options = HubOptions::new(vec![AccessKey::new(ACCESS_KEY).expect("a key")]);
        choose(&mut options);
        let hub = Hub::new(options);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = hub.router();
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, hub, serving }
    }

    /// To every connection of every hub.
    pub(crate) fn send_last_message(&self) {
        let message = OutMessage::new(Payload::Text(Self::LAST_MESSAGE.to_owned()));
        for hub in HUBS {
            self.hub.send(&hub_name(hub), Target::All, &message, &Selection::default());
        }
    }
}

pub(crate) fn hub_name(name: &str) -> HubName {
    HubName::new(name).expect("a hub name")
}
