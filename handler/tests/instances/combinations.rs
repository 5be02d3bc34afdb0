//! Every transport with every storage and every queue: each starts, and a message goes in, out to a socket, and into history.

use serde_json::{Value, json};

use crate::azurite::{azurite, prefix};
use crate::client::{Client, Socket};
use crate::real_product::Product;
use crate::service::{free_port, hub, program, with_key};
use crate::world::{App, texts};

const STORAGES: [&str; 3] = ["memory", "file", "table"];

fn stored(storage: &'static str, data: &std::path::Path) -> Vec<(&'static str, String)> {
    vec![
        ("STORAGE_MODE", storage.to_owned()),
        ("DATA_DIR", data.display().to_string()),
        ("AZURE_STORAGE_CONNECTION_STRING", azurite().connection.clone()),
        ("CHAT_TABLE_NAME", prefix()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn alone_with_the_embedded_queue() {
    for storage in STORAGES {
        let data = tempfile::tempdir().unwrap();
        let settings = stored(storage, data.path());
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let product = tokio::task::block_in_place(|| Product::alone(&settings));
        a_message_arrives(&Client::new(format!("http://{}", product.http))).await;

        let (port, data) = (free_port(), tempfile::tempdir().unwrap());
        let hub = tokio::task::block_in_place(|| hub(port, ""));
        let mut settings = stored(storage, data.path());
        settings.push(("WEBPUBSUB_CONNECTION_STRING", with_key(&hub)));
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let product = tokio::task::block_in_place(|| program(port, &settings));
        a_message_arrives(&Client::new(format!("http://{}", product.http))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_host_with_each_queue() {
    for storage in STORAGES {
        for transport in ["self", "webpubsub"] {
            for queue in ["servicebus", "embedded"] {
                let app = App::new();
                let mut options = app.options();
                options.port = free_port();
                let hub =
                    (transport == "webpubsub").then(|| tokio::task::block_in_place(|| hub(options.port, "")));
                for (name, value) in stored(storage, &app.path("data")) {
                    options.settings.set(name, value);
                }
                options.settings.set("TRANSPORT_MODE", transport);
                options.settings.set("QUEUE_MODE", queue);
                if let Some(hub) = &hub {
                    options.settings.set("WEBPUBSUB_CONNECTION_STRING", with_key(hub));
                }
                let world = app.start_with(options).await;
                a_message_arrives(&world.client).await;
                world.ends_well(0).await;
            }
        }
    }
}

async fn a_message_arrives(client: &Client) {
    let room = client.post("/api/rooms", "ann", &json!({ "name": "Tea" })).await;
    let room = room.json["id"].as_str().unwrap_or_else(|| panic!("{room:?}")).to_owned();
    let joined = client.post(&format!("/api/rooms/{room}/join"), "bob", &json!({})).await;
    assert_eq!(joined.status, 200, "{joined:?}");
    let access = client.post("/api/negotiate", "bob", &json!({})).await.json;
    let mut bob = Socket::open(access["url"].as_str().unwrap(), "bob").await.unwrap();
    accepted(
        client,
        &json!({ "SenderID": "ann", "RoomID": room, "MessageText": "to all", "MessageID": "m-1" }),
    )
    .await;
    assert_eq!(bob.message().await["content"], "to all");
    accepted(client, &json!({ "SenderID": "ann", "ReceiverID": "bob", "MessageText": "to you" })).await;
    assert_eq!(bob.message().await["content"], "to you");
    let event = json!({ "type": "event", "event": "send", "ackId": 1, "dataType": "json",
        "data": { "room_id": room, "content": "and back", "id": "m-2" } });
    bob.send(&event).await;
    assert_eq!(bob.acknowledged(1).await["success"], true);
    let history = client.get(&format!("/api/rooms/{room}/messages"), "ann").await.json;
    assert_eq!(texts(history["messages"].as_array().unwrap(), "id"), ["m-1", "m-2"]);
    let inbox = client.get("/api/inbox", "bob").await.json;
    assert_eq!(texts(inbox["messages"].as_array().unwrap(), "content"), ["to you"]);
}

async fn accepted(client: &Client, message: &Value) {
    let answer = client.post("/api/sendMessage", "ann", message).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
