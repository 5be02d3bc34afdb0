use serde_json::{Value, json};

use super::world::*;
use crate::contract::data::{conversation, user};

async fn frame(world: &World, who: &str, text: &str) -> Value {
    serde_json::from_slice(&world.chat.text_frame(&socket(who, "c1"), text.as_bytes()).await).unwrap()
}

async fn event(world: &World, who: &str, name: &str, payload: Value) -> Value {
    let payload = payload.to_string();
    let answer = world.chat.event(&socket(who, "c1"), name, payload.as_bytes()).await.unwrap();
    serde_json::from_slice(&answer.unwrap()).unwrap()
}

#[tokio::test]
async fn a_connection_starts_in_its_rooms_with_their_rights_alone() {
    let world = World::open().await;
    world.chat.join_room(&caller("ann"), "general").await.unwrap();
    let welcome = world.chat.connecting(&user("ann"), "c1").await.unwrap();
    assert_eq!(welcome.groups, ["user_ann", "sys_rooms", "room_general"]);
    assert_eq!(welcome.roles, ["webpubsub.joinLeaveGroup.room_general"]);
    assert_eq!(world.chat.connecting(&user("bob"), "c2").await.unwrap().roles, [""; 0]);
}

#[tokio::test]
async fn a_send_is_answered_and_not_copied_back() {
    let world = World::open().await;
    let message = json!({"room_id": "general", "id": "m1", "content": "hi"});
    let answer = event(&world, "ann", "send", message.clone()).await;
    let wanted = json!({"type": "sent", "id": "m1", "seq": 1, "number": 1, "room_id": "general",
        "timestamp": "2027-01-15T08:00:00.000Z"});
    assert_eq!(answer, wanted);
    assert_eq!(world.excluded("room_general", "m1"), ["c1"]);
    world.ticker.advance(std::time::Duration::from_secs(1));
    assert_eq!(event(&world, "ann", "send", message).await, wanted, "a repeat gets the first answer");
    assert_eq!(world.heard_ids("room_general"), ["m1"]);
    assert!(world.outbox.take().is_empty(), "without the queue");

    let direct = event(&world, "ann", "send", json!({"to": "bob", "content": "psst"})).await;
    assert_eq!((&direct["seq"], &direct["conversation"]), (&json!(1), &json!(pair("ann", "bob").as_str())));
    assert_eq!(world.truth.inbox.list(&user("bob"), None, None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_send_passes_every_check() {
    let world = World::members_only().await;
    let send = async |payload: Value| {
        let payload = payload.to_string();
        world.chat.event(&socket("ann", "c1"), "send", payload.as_bytes()).await.unwrap_err()
    };
    assert_eq!(send(json!({"room_id": "general", "content": "hi"})).await.code, "not_a_member");
    assert_eq!(send(json!({"room_id": "nowhere", "content": "hi"})).await.code, "room_not_found");
    assert_eq!(send(json!({"room_id": "general"})).await.field, Some("content"));
    assert_eq!(
        send(json!({"room_id": "general", "content": "x", "sender": "bob"})).await.code,
        "sender_mismatch"
    );
    assert!(world.contents(&conversation("general")).await.is_empty());
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_though_the_sender_left() {
    let world = World::members_only().await;
    world.chat.join_room(&caller("ann"), "general").await.unwrap();
    let message = json!({"room_id": "general", "id": "m1", "content": "hi"});
    let first = event(&world, "ann", "send", message.clone()).await;
    world.chat.leave_room(&caller("ann"), "general").await.unwrap();
    assert_eq!(event(&world, "ann", "send", message).await, first);
}

#[tokio::test]
async fn plain_sockets_speak_in_actions() {
    let world = World::open().await;
    let joined = frame(&world, "ann", r#"{"action":"join","room_id":"general"}"#).await;
    assert_eq!(
        (&joined["type"], &joined["room_id"], &joined["member_count"], &joined["room"]["name"]),
        (&json!("room_joined"), &json!("general"), &json!(1), &json!("General"))
    );
    assert!(joined["message"].is_string());
    assert_eq!(
        frame(&world, "ann", r#"{"action":"get_rooms"}"#).await,
        json!({"type": "rooms_info", "rooms": {"general": 1}})
    );
    let list = frame(&world, "ann", r#"{"action":"list_rooms"}"#).await;
    assert_eq!((&list["type"], &list["rooms"][0]["id"]), (&json!("rooms_list"), &json!("general")));
    let sent =
        frame(&world, "ann", r#"{"action":"send","room_id":"general","content":"hi","id":"m1"}"#).await;
    assert_eq!((&sent["type"], &sent["number"]), (&json!("sent"), &json!(1)));
    let history = frame(&world, "ann", r#"{"action":"history","room_id":"general","limit":5}"#).await;
    assert_eq!((&history["type"], &history["messages"][0]["id"]), (&json!("history"), &json!("m1")));
    let left = frame(&world, "ann", r#"{"action":"leave","room_id":"general"}"#).await;
    assert_eq!((&left["type"], &left["member_count"]), (&json!("room_left"), &json!(0)));

    let direct = world.accept_direct("bob", "ann", "d1", "psst").await;
    world.deliver(&[direct]).await;
    let inbox = frame(&world, "ann", r#"{"action":"inbox"}"#).await;
    assert_eq!((&inbox["type"], &inbox["messages"][0]["id"]), (&json!("inbox"), &json!("d1")));
    assert_eq!(
        frame(&world, "ann", r#"{"action":"ack","ids":["d1"]}"#).await,
        json!({"type": "acked", "count": 1})
    );
}

#[tokio::test]
async fn mistakes_are_answered_and_lose_nothing() {
    let world = World::open().await;
    let cases = [
        ("", "invalid_json", None),
        ("hello", "invalid_json", None),
        ("[]", "not_an_object", None),
        ("{}", "missing_field", Some("action")),
        (r#"{"action":7}"#, "wrong_type", Some("action")),
        (r#"{"action":"dance"}"#, "unknown_action", Some("action")),
        (r#"{"action":"join"}"#, "missing_field", Some("room_id")),
        (r#"{"action":"join","room_id":"../x"}"#, "invalid_id", Some("room_id")),
        (r#"{"action":"join","room_id":"nowhere"}"#, "room_not_found", None),
        (r#"{"action":"send","room_id":"general","content":""}"#, "empty_content", Some("content")),
        (r#"{"action":"ack"}"#, "missing_field", Some("ids")),
        (r#"{"action":"ack","ids":[1]}"#, "wrong_type", Some("ids")),
        (r#"{"action":"history","room_id":"general","limit":"x"}"#, "wrong_type", Some("limit")),
    ];
    for (text, code, field) in cases {
        let answer = frame(&world, "ann", text).await;
        assert_eq!(answer["type"], "error", "{text}");
        assert_eq!((answer["code"].as_str(), answer["field"].as_str()), (Some(code), field), "{text}");
        assert!(
            answer["message"].as_str().is_some_and(|sentence| sentence.ends_with('.')),
            "{text}: {answer}"
        );
    }
    let sent = frame(&world, "ann", r#"{"action":"send","room_id":"general","content":"still here"}"#).await;
    assert_eq!(sent["type"], "sent");
}

#[tokio::test]
async fn an_empty_id_names_no_command() {
    let world = World::open().await;
    for action in
        [json!({"action": "create_room", "name": "Tea"}), json!({"action": "delete_room", "room_id": "tea"})]
    {
        let mut frame_of = action;
        frame_of["id"] = "".into();
        let refused = frame(&world, "ann", &frame_of.to_string()).await;
        assert_eq!(
            (&refused["code"], &refused["field"]),
            (&"missing_field".into(), &"id".into()),
            "{refused}"
        );
    }
}
