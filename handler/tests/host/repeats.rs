//! The host repeats a proxied request whose connection broke. The effect of the first try stays the only one.

use funchost::HttpMode;
use http::Method;
use serde_json::{Value, json};

use crate::world::{App, World, texts};

/// The program dies after the queue took the message and before the caller is answered; its successor answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxied_request_that_the_host_repeats_is_one_message() {
    let world = App::new().start().await;
    let room = world.room("ann", "Once").await;
    let message = json!({ "SenderID": "ann", "RoomID": room, "MessageText": "once" });
    let answer = answer_of_the_successor(&world, "/api/sendMessage", &message, async {
        // One message behind it says that the first try had all its effect.
        world.settled_with(&room, 1).await;
    });
    let answer = answer.await;
    assert_eq!(answer.status, 200, "{answer:?}");
    world.settled().await;
    assert_eq!(texts(&world.room_history(&room).await, "id"), [answer.json["MessageID"].as_str().unwrap()]);
    world.ends_well(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_whose_making_is_repeated_is_one_room() {
    let world = App::new().start().await;
    let rooms = async || world.client.get("/api/rooms", "ann").await.json.as_array().unwrap().len();
    let before = rooms().await;
    let new_room = json!({ "name": "Once" });
    let answer = answer_of_the_successor(&world, "/api/rooms", &new_room, async {
        world.until(async || rooms().await > before).await;
    });
    let answer = answer.await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(rooms().await, before + 1);
    world.ends_well(1).await;
}

/// A forwarded one is not repeated: the caller is told, and repeats it with its own id.
#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_request_that_broke_is_the_callers_to_repeat() {
    let world = App::new().start_in(HttpMode::Forwarded).await;
    let room = world.room("ann", "Once").await;
    let message = json!({ "SenderID": "ann", "RoomID": room, "MessageText": "once", "MessageID": "mine" });
    let answer = answer_of_the_successor(&world, "/api/sendMessage", &message, async {
        world.settled_with(&room, 1).await;
    });
    assert_eq!(answer.await.status, 500);
    assert_eq!(world.send(&message).await, "mine");
    world.settled().await;
    assert_eq!(texts(&world.room_history(&room).await, "id"), ["mine"]);
    world.ends_well(1).await;
}

/// Sends a request that the present process never answers, and kills the process once the effect is there.
async fn answer_of_the_successor(
    world: &World,
    path: &str,
    body: &Value,
    effect: impl Future<Output = ()>,
) -> crate::client::Answer {
    let pid = world.pid().await;
    let headers = [("x-user-id", "ann"), ("x-test-hold", pid.as_str())];
    let body = body.to_string();
    let kill = async {
        effect.await;
        world.host.kill_handler().await;
    };
    let (answer, ()) = tokio::join!(world.client.call(Method::POST, path, &headers, &body), kill);
    assert_ne!(world.pid().await, pid);
    answer
}
