//! Nothing that a request or a message carries ends the process: the host would repeat it until it stops itself.

use std::time::Duration;

use funchost::{HttpMode, Message};
use http::Method;
use serde_json::json;
use tokio::time::Instant;

use crate::world::{App, texts};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_panics_is_a_500_and_the_process_lives() {
    for mode in [HttpMode::Proxied, HttpMode::Forwarded, HttpMode::Json] {
        let world = App::new().start_in(mode).await;
        let pid = world.pid().await;
        for (method, path) in [(Method::GET, "/api/health"), (Method::POST, "/api/sendMessage")] {
            let answer = world.client.call(method, path, &[("x-test-panic", "1")], "").await;
            assert_eq!(answer.status, 500, "{mode:?}: {answer:?}");
            // Of an enveloped answer that is no 200 the host passes on nothing.
            assert!(mode == HttpMode::Json || answer.json["code"] == "internal", "{mode:?}: {answer:?}");
        }
        assert_eq!(world.client.get("/api/health", "ann").await.status, 200);
        assert_eq!(world.pid().await, pid);
        world.ends_well(0).await;
    }
}

/// Two deliveries panic, each answered late enough not to use up the message's deliveries; the third delivers it.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_panics_comes_again_until_it_does_not() {
    let world = App::new().start().await;
    let pid = world.pid().await;
    let message = |id: &str, session: &str| {
        let body = json!({ "SenderID": "ann", "RoomID": "general", "MessageText": "x", "MessageID": id });
        Message::new(body.to_string()).with_session(session)
    };
    let began = Instant::now();
    world.produce("chat-topic", message("bad", "one").with_property("test_panics", 2)).await;
    world.produce("chat-topic", message("behind", "one")).await;
    world.produce("chat-topic", message("beside", "two")).await;
    let status = world.settled().await;
    assert!(began.elapsed() >= Duration::from_secs(2), "a failure takes a second: {:?}", began.elapsed());
    assert_eq!(status.functions["processTopic"].failures, 2);
    assert_eq!(texts(&world.room_history("general").await, "id"), ["beside", "bad", "behind"]);
    assert_eq!(world.pid().await, pid);
    world.ends_well(0).await;
}
