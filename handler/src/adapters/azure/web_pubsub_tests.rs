//! The contract over a hub on a port, which stands for the service; and what is the service's alone.

use hub::{Hub, HubOptions};
use tokio::net::TcpListener;
use webpubsub::key::AccessKey;

use super::*;
use crate::contract::transport::Reachable;

const KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH";

async fn service() -> ConnectionString {
    let hub = Hub::new(HubOptions::new(vec![AccessKey::new(KEY).unwrap()]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, hub.router()).await });
    format!("Endpoint=http://{address};AccessKey={KEY};Version=1.0;").parse().unwrap()
}

fn name() -> HubName {
    HubName::new("chat").unwrap()
}

async fn reachable() -> Reachable<WebPubSub> {
    let transport = WebPubSub::with_key(&service().await, name(), &Http::new().unwrap());
    Reachable { transport, base: "http://not.asked.example".to_owned() }
}

mod with_a_key {
    crate::contract_suite!(transport, |_dir| super::reachable().await);
}

mod with_faults {
    use super::super::*;
    use crate::adapters::faulty::{Faults, Faulty};
    use crate::contract::transport::Reachable;

    async fn reachable() -> Reachable<Faulty<WebPubSub>> {
        let Reachable { transport, base } = super::reachable().await;
        Reachable { transport: Faulty::new(Arc::new(transport), Faults::default()), base }
    }

    crate::contract_suite!(transport, |_dir| reachable().await);
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

#[tokio::test]
async fn a_service_that_is_away_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = format!("Endpoint=http://{};AccessKey={KEY}", listener.local_addr().unwrap());
    drop(listener);
    let transport = WebPubSub::with_key(&text.parse().unwrap(), name(), &Http::new().unwrap());
    let TransportError::Unavailable { source: why, .. } = transport.check().await.unwrap_err();
    assert!(why.to_string().contains("Look at the endpoint"), "{why}");
    let TransportError::Unavailable { source: why, .. } =
        transport.publish("g", "{}".into(), &[]).await.unwrap_err();
    assert!(!why.to_string().contains("eyJ"), "{why}");
    assert!(transport.connections().is_none());
}

#[tokio::test]
async fn a_wrong_key_is_told_by_the_check() {
    let mut connection = service().await;
    connection.access_key = AccessKey::new("another key, which is as long as it must be").unwrap();
    let transport = WebPubSub::with_key(&connection, name(), &Http::new().unwrap());
    let TransportError::Unavailable { source: why, .. } = transport.check().await.unwrap_err();
    assert!(why.to_string().contains("The access key"), "{why}");
}

#[tokio::test]
async fn clients_are_sent_to_the_proxy_before_the_service() {
    let connection = service().await;
    let transport = WebPubSub::with_key(&connection, name(), &Http::new().unwrap());
    let at_home = transport.client_access(&user("ann"), &[], "http://x").await.unwrap().url;
    let start = format!("{}/client/hubs/chat?access_token=ey", connection.endpoint.replace("http", "ws"));
    assert!(at_home.starts_with(&start), "{at_home}");
    let transport = transport.behind(Some("https://chat.example".to_owned()));
    let behind = transport.client_access(&user("ann"), &[], "http://x").await.unwrap().url;
    assert!(behind.starts_with("wss://chat.example/client/hubs/chat?access_token=ey"), "{behind}");
}

#[tokio::test]
async fn a_token_ends_soon_and_sooner_than_set_where_it_carries_rights() {
    use base64::Engine as _;
    let connection = service().await;
    let lives = async |minutes: Option<u32>, roles: &[String]| {
        let transport = WebPubSub::with_key(&connection, name(), &Http::new().unwrap());
        let transport = match minutes {
            Some(minutes) => transport.with_tokens_of(minutes),
            None => transport,
        };
        let url = transport.client_access(&user("ann"), roles, "").await.unwrap().url;
        let claims = url.split('.').nth_back(1).unwrap();
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap()
    };
    let rights = ["webpubsub.joinLeaveGroup.room_1".to_owned()];
    assert_eq!(lives(None, &[]).await, 300);
    assert_eq!(lives(Some(60), &[]).await, 3600);
    assert_eq!((lives(Some(60), &rights).await, lives(Some(1), &rights).await), (300, 60));
}
