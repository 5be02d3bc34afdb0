//! `make host`: the example of local settings as it is, everything embedded, the triggers switched off.

use std::time::Duration;

use funchost::{FuncHost, Options, Settings, Status};
use serde_json::json;

use crate::client::Client;
use crate::world::{App, PATIENCE};

const DISABLED: [&str; 5] = ["deadLetters", "deadLettersTopic", "processQueue", "processTopic", "retention"];

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_local_settings_runs_as_it_is() {
    let app = App::new();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../local.settings.json.example");
    let mut settings = Settings::default();
    settings.add_file(example.as_ref()).unwrap();
    let host = start(&app, settings).await;
    assert_eq!(host.disabled_functions(), DISABLED);
    assert_eq!(host.connection_string(), None);
    a_message_arrives(&host).await;
    assert!(app.path("data/chat.redb").is_file(), "the data is in the app's folder");
    host.stop().await;
}

/// A clean clone has no settings file: in memory, with the double's Service Bus.
#[tokio::test(flavor = "multi_thread")]
async fn without_any_setting_the_doubles_bus_is_used() {
    let app = App::new();
    let host = start(&app, Settings::default()).await;
    a_message_arrives(&host).await;
    let status = host.wait_for(PATIENCE, Status::queues_are_empty).await.unwrap();
    assert_eq!(status.functions["processTopic"].successes, 1);
    host.stop().await;
}

async fn start(app: &App, settings: Settings) -> FuncHost {
    let mut options = Options::new(app.path(""));
    options.settings = settings;
    let host = FuncHost::start(options).await.unwrap();
    host.ready().await.unwrap();
    host
}

async fn a_message_arrives(host: &FuncHost) {
    let client = Client::new(host.url());
    let mut ann = client.connect("ann").await;
    for (target, value) in [("RoomID", "general"), ("ReceiverID", "ann")] {
        let message = json!({ "SenderID": "bob", target: value, "MessageText": "hello" });
        assert_eq!(client.post("/api/sendMessage", "bob", &message).await.status, 200);
    }
    assert_eq!(ann.message().await["content"], "hello");
    let stored = async {
        let history = async || client.get("/api/rooms/general/messages", "ann").await.json["messages"].take();
        while history().await.as_array().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, stored).await.expect("it is in history");
    assert_eq!(host.hangs(), 0);
}
