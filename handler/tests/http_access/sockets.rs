//! Sockets: the token that negotiate makes names the user, and nothing else does.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{Error, Message};
use webpubsub::key::AccessKey;
use webpubsub::names::HubName;
use webpubsub::token::{ClientToken, client_url};

use crate::people::{ask_as, now, product};
use crate::product::{PATIENCE, Product};

pub const KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH";
pub const HUB: &str = "demo_ai_chat";

pub async fn refused(url: &str) -> u16 {
    match timeout(PATIENCE, connect_async(url)).await.unwrap() {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("{url}: {other:?}"),
    }
}

pub fn negotiated(product: &Product, user: &str) -> String {
    ask_as(product, user, "POST", "/api/negotiate", "").json()["url"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_is_its_tokens_users_whatever_the_url_says() {
    let product = product(&[("HUB_ACCESS_KEY", KEY)]);
    let (mut socket, _) =
        connect_async(format!("{}&user_id=eve", negotiated(&product, "ann"))).await.unwrap();
    let asked = json!({ "action": "create_room", "name": "mine" }).to_string();
    socket.send(Message::text(asked)).await.unwrap();
    let created = timeout(PATIENCE, async {
        loop {
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame["type"] == "room" || frame["type"] == "error" {
                return frame;
            }
        }
    });
    let created = created.await.unwrap();
    assert!(created.to_string().contains("\"ann\"") && !created.to_string().contains("eve"), "{created}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_connects_without_a_token_that_names_them() {
    let product = product(&[("HUB_ACCESS_KEY", KEY)]);
    let base = format!("ws://{}", product.http);
    for path in [format!("/client/hubs/{HUB}"), format!("/client/hubs/{HUB}?user_id=root")] {
        assert_eq!(refused(&format!("{base}{path}")).await, 401, "{path}");
    }
    assert_eq!(refused(&format!("{base}/ws?user_id=root")).await, 404);
    // Signed by the hub's key, for nobody.
    let (http, hub) = (format!("http://{}", product.http), HubName::new(HUB).unwrap());
    let nobodys = ClientToken::new(&http, &hub, now(), 600).sign(&AccessKey::new(KEY).unwrap()).unwrap();
    let url = client_url(&http, &hub, &nobodys);
    assert_eq!(refused(&url).await, 401);
    assert_eq!(refused(&format!("{url}&user_id=root")).await, 401);
}
