//! Server frames are written as the emulator wrote them, and read back.

use crate::transcripts::{clients, frames, scenario};
use proptest::prelude::*;
use serde_json::Value;
use webpubsub::client_frame::ClientFrame;
use webpubsub::metadata::Metadata;
use webpubsub::payload::{JsonText, Payload};
use webpubsub::server_frame::{
    MessageFrame, PONG, RequestError, ServerFrame, ack, closed_by_application, connected, disconnected,
    invoke_response,
};

/// The emulator escapes more than JSON asks for. Where it did, bytes differ on purpose and values must not.
fn has_escapes(text: &str) -> bool {
    text.contains("\\u")
}

#[test]
fn every_frame_of_the_transcripts_is_written_byte_for_byte() {
    let frames = frames("got");
    let mut identical = 0;
    for text in &frames {
        let frame = ServerFrame::parse(text).unwrap_or_else(|_| panic!("{text}"));
        let written = frame.encode();
        if has_escapes(text) {
            let (ours, theirs): (Value, Value) =
                (serde_json::from_str(&written).unwrap(), serde_json::from_str(text).unwrap());
            assert_eq!(ours, theirs);
        } else {
            assert_eq!(&written, text);
            identical += 1;
        }
    }
    assert!(identical > 200, "only {identical} of {}", frames.len());
}

#[test]
fn what_a_client_sends_to_a_group_comes_back_as_recorded() {
    let scenario = scenario("groups-join-leave-send");
    let (_, trail) = clients(&scenario).find(|(name, _)| *name == "a").unwrap();
    let mut echoes = 0;
    for pair in trail.windows(2) {
        let (Some(sent), Some(got)) = (pair[0]["sent"].as_str(), pair[1]["got"].as_str()) else { continue };
        let Ok(ClientFrame::SendToGroup { group, payload, metadata, .. }) = ClientFrame::parse(sent) else {
            continue;
        };
        if !got.contains("\"type\":\"message\"") {
            continue;
        }
        let ours = MessageFrame::from_group(&group, Some("user-a"), &payload, &metadata).plain();
        let ours = std::str::from_utf8(&ours).unwrap();
        if has_escapes(got) {
            assert_eq!(
                ours,
                "{\"type\":\"message\",\"from\":\"group\",\"group\":\"g\",\"fromUserId\":\"user-a\",\"dataType\":\"text\",\
                 \"data\":\"hello ☕ \\\"q\\\" <&> \u{2028} /\"}",
                "plain UTF-8"
            );
        } else {
            assert_eq!(ours, got);
        }
        echoes += 1;
    }
    assert_eq!(echoes, 12);
}

#[test]
fn golden() {
    let text = Payload::Text("hi\n".into());
    let json = Payload::Json(JsonText::new("{ \"n\" : 1 }").unwrap());
    let none = Metadata::default();
    let trace = Metadata::from_pairs([("trace", "7"), ("b", "")]).unwrap();
    let cases = [
        (
            connected(Some("a\"ü"), "0f9c", None),
            r#"{"type":"system","event":"connected","userId":"a\"ü","connectionId":"0f9c"}"#,
        ),
        (
            connected(None, "0f9c", Some("tok")),
            r#"{"type":"system","event":"connected","userId":null,"connectionId":"0f9c","reconnectionToken":"tok"}"#,
        ),
        (
            disconnected(&closed_by_application(Some("maintenance"))),
            r#"{"type":"system","event":"disconnected","message":"Application server closed the connection. Reason: maintenance"}"#,
        ),
        (
            disconnected(&closed_by_application(Some(""))),
            r#"{"type":"system","event":"disconnected","message":"Application server closed the connection."}"#,
        ),
        (PONG.to_owned(), r#"{"type":"pong"}"#),
        (ack(u64::MAX, Ok(())), r#"{"type":"ack","ackId":18446744073709551615,"success":true}"#),
        (
            ack(3, Err(&RequestError::forbidden_send("room'1"))),
            r#"{"type":"ack","ackId":3,"success":false,"error":{"name":"Forbidden","message":"The client does not have permission to send to group 'room'1'."}}"#,
        ),
        (
            ack(1, Err(&RequestError::duplicate(1))),
            r#"{"type":"ack","ackId":1,"success":false,"error":{"name":"Duplicate","message":"Message with ack-id: 1 has been processed"}}"#,
        ),
        (
            invoke_response("1", Ok(Some(&json))),
            r#"{"type":"invokeResponse","invocationId":"1","success":true,"dataType":"json","data":{ "n" : 1 }}"#,
        ),
        (invoke_response("1", Ok(None)), r#"{"type":"invokeResponse","invocationId":"1","success":true}"#),
        (
            invoke_response("1", Err(&RequestError::internal())),
            r#"{"type":"invokeResponse","invocationId":"1","success":false,"error":{"name":"InternalServerError","message":"Internal server error"}}"#,
        ),
        (
            String::from_utf8(MessageFrame::from_server(&json, &none).plain().to_vec()).unwrap(),
            r#"{"type":"message","from":"server","dataType":"json","data":{ "n" : 1 }}"#,
        ),
        (
            String::from_utf8(MessageFrame::from_group("g", None, &text, &trace).numbered(5).to_vec())
                .unwrap(),
            r#"{"type":"message","from":"group","group":"g","fromUserId":null,"dataType":"text","data":"hi\n","metadata":{"trace":"7","b":""},"sequenceId":5}"#,
        ),
    ];
    for (ours, expected) in cases {
        assert_eq!(ours, expected);
        assert_eq!(ServerFrame::parse(expected).map(|frame| frame.encode()).as_deref(), Ok(expected));
    }
}

#[test]
fn receivers_share_the_bytes() {
    let frame = MessageFrame::from_server(&Payload::Text("x".repeat(1000)), &Metadata::default());
    assert_eq!(frame.plain().as_ptr(), frame.clone().prefix().as_ptr());
    let mut joined = frame.prefix().to_vec();
    joined.extend_from_slice(MessageFrame::sequence_suffix(7).as_bytes());
    assert_eq!(joined, frame.numbered(7));
}

#[test]
fn what_no_hub_sends_is_not_read() {
    for text in [
        "",
        "[]",
        "{}",
        r#"{"type":"ping"}"#,
        r#"{"type":"system","event":"paused"}"#,
        r#"{"type":"system","event":"connected","userId":"u"}"#,
        r#"{"type":"ack","success":true}"#,
        r#"{"type":"ack","ackId":1,"success":false}"#,
        r#"{"type":"message","from":"nobody","dataType":"text","data":"x"}"#,
        r#"{"type":"message","from":"server","dataType":"text","data":5}"#,
        r#"{"type":"message","from":"server","dataType":"xml","data":"x"}"#,
        r#"{"type":"message","from":"server","dataType":"json"}"#,
    ] {
        assert!(ServerFrame::parse(text).is_err(), "{text}");
    }
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        Just(Payload::Json(JsonText::new("null").unwrap())),
        any::<(String, Option<i64>)>().prop_map(|value| Payload::Json(JsonText::of(&value).unwrap())),
        any::<String>().prop_map(Payload::Text),
        any::<Vec<u8>>().prop_map(|bytes| Payload::Binary(bytes.into())),
    ]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    proptest::collection::btree_map("[a-z0-9-]{1,9}", "[ -~]{0,20}", 0..4)
        .prop_map(|pairs| Metadata::from_pairs(pairs).unwrap())
}

fn error() -> impl Strategy<Value = RequestError> {
    any::<(String, String)>()
        .prop_map(|(name, message)| RequestError { name: name.into(), message: message.into() })
}

fn frame() -> impl Strategy<Value = ServerFrame> {
    let text = any::<String>;
    let maybe = any::<Option<String>>;
    prop_oneof![
        (maybe(), text(), maybe()).prop_map(|(user_id, connection_id, reconnection_token)| {
            ServerFrame::Connected { user_id, connection_id, reconnection_token }
        }),
        text().prop_map(|message| ServerFrame::Disconnected { message }),
        (any::<u64>(), proptest::result::maybe_ok(Just(()), error()))
            .prop_map(|(ack_id, outcome)| ServerFrame::Ack { ack_id, outcome }),
        Just(ServerFrame::Pong),
        (text(), proptest::result::maybe_ok(proptest::option::of(payload()), error()))
            .prop_map(|(invocation_id, outcome)| ServerFrame::InvokeResponse { invocation_id, outcome }),
        (text(), maybe(), payload(), metadata(), any::<Option<u64>>()).prop_map(
            |(group, from_user_id, payload, metadata, sequence_id)| ServerFrame::GroupMessage {
                group,
                from_user_id,
                payload,
                metadata,
                sequence_id
            }
        ),
        (payload(), metadata(), any::<Option<u64>>()).prop_map(|(payload, metadata, sequence_id)| {
            ServerFrame::ServerMessage { payload, metadata, sequence_id }
        }),
    ]
}

proptest! {
    #[test]
    fn a_frame_is_read_as_it_was_written(frame in frame()) {
        let text = frame.encode();
        prop_assert_eq!(ServerFrame::parse(&text), Ok(frame), "{}", text);
    }
}
