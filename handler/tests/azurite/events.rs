//! Events of a service, whose copies may come to another process.

use serde_json::Value;
use webpubsub::cloud_events::signature;
use webpubsub::key::AccessKey;

use crate::azurite::{azurite, prefix};
use crate::real_product::{Answer, Product, call};

const KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH";

fn say(at: &Product, kind: &str, id: &str, body: &str) -> Answer {
    let (kind, signature) =
        (format!("azure.webpubsub.{kind}"), signature(&[AccessKey::new(KEY).unwrap()], "c1"));
    let headers = [
        ("ce-type", kind.as_str()),
        ("ce-hub", "demo_ai_chat"),
        ("ce-connectionId", "c1"),
        ("ce-signature", &signature),
        ("ce-id", id),
        ("ce-userId", "ann"),
        ("content-type", "application/json"),
    ];
    call(at.http, "POST", "/api/eventhandler", &headers, body.as_bytes())
}

#[test]
fn a_copy_has_no_effect_at_another_process() {
    let prefix = prefix();
    let processes = [(); 2].map(|()| {
        let data = tempfile::tempdir().unwrap();
        let product = Product::alone(&[
            ("STORAGE_MODE", "table"),
            ("DATA_DIR", data.path().to_str().unwrap()),
            ("AZURE_STORAGE_CONNECTION_STRING", &azurite().connection),
            ("CHAT_TABLE_NAME", &prefix),
            ("HUB_ACCESS_KEY", KEY),
        ]);
        product.eventually("/api/readyz", |answer| answer.status == 200);
        (product, data)
    });
    let [(one, _), (two, _)] = &processes;
    let connected = say(one, "sys.connect", "0", r#"{"claims":{},"query":{}}"#);
    assert_eq!(connected.status, 200, "{}", connected.text());
    let join = r#"{"room_id":"general"}"#;
    assert_eq!(say(one, "user.join", "2", join).json()["type"], "room_joined");
    assert_eq!(say(two, "user.leave", "3", join).json()["type"], "room_left");
    for process in [one, two] {
        assert_eq!(say(process, "user.join", "2", join).status, 204);
        let members = process.get("/api/rooms/general/members").text();
        assert!(!members.contains("ann"), "{members}");
    }
    // A message that has no id but the event's.
    let hi = r#"{"room_id":"general","content":"hi"}"#;
    let sent: Vec<Value> = [one, two, two, one].map(|at| say(at, "user.send", "4", hi).json()).into();
    assert!(sent.iter().all(|answer| *answer == sent[0] && answer["number"] == 1), "{sent:?}");
    let history = two.get("/api/rooms/general/messages").json();
    assert_eq!(history["messages"].as_array().unwrap().len(), 1);
}
