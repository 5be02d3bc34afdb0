//! `make host`: the example of local settings as it is, everything embedded, the triggers switched off.

use funchost::{FuncHost, Options, Settings};
use serde_json::json;

use crate::client::Client;
use crate::world::{App, PATIENCE};

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_local_settings_runs_as_it_is() {
    let app = App::new();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../local.settings.json.example");
    let mut options = Options::new(app.path(""));
    options.settings = Settings::default();
    options.settings.add_file(example.as_ref()).unwrap();
    let host = FuncHost::start(options).await.unwrap();
    host.ready().await.unwrap();
    assert_eq!(host.disabled_functions(), ["processQueue", "processTopic"]);
    assert_eq!(host.connection_string(), None);

    let client = Client::new(host.url());
    let mut ann = client.connect("ann").await;
    for (target, value) in [("RoomID", "general"), ("ReceiverID", "ann")] {
        let message = json!({ "SenderID": "bob", target: value, "MessageText": "hello" });
        assert_eq!(client.post("/api/sendMessage", "bob", &message).await.status, 200);
    }
    assert_eq!(ann.message().await["content"], "hello");
    let stored = async {
        while client.get("/api/rooms/general/messages", "ann").await.json["messages"]
            .as_array()
            .unwrap()
            .is_empty()
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, stored).await.expect("it is in history");
    assert!(app.path("data/chat.redb").is_file(), "the data is in the app's folder");
    assert_eq!(host.hangs(), 0);
    host.stop().await;
}
