//! Client frames are decided as the emulator decided them.

use std::borrow::Cow;

use crate::transcripts::{SCENARIOS, clients, scenario, speaks_json};
use proptest::prelude::*;
use serde_json::Value;
use webpubsub::client_frame::{ClientFrame, Malformed};
use webpubsub::close::Close;
use webpubsub::metadata::Metadata;
use webpubsub::payload::{JsonText, Payload};

/// The transcripts cut long frames; these are the frames that were sent.
fn whole(client: &str, text: &str) -> String {
    let (head, length) = match text.split_once("… (") {
        Some((head, length)) => (head, length.trim_end_matches(')').parse::<usize>().unwrap()),
        None => return text.to_owned(),
    };
    let padding = |tail: &str, with: &str| {
        let letters = length - head.len() - tail.len();
        format!("{head}{}{tail}", with.repeat(letters))
    };
    match client {
        "join 1024" | "join 1025" => padding("\",\"ackId\":1}", "g"),
        "frame of 1048376" | "frame of 1048586" => {
            let tail = "\",\"data\":\"";
            let head = format!("{head}{tail}");
            format!("{head}{}\"}}", "x".repeat(length - head.len() - 2))
        }
        "metadata 9 KiB" => {
            let pairs: Vec<_> = (0..9).map(|n| format!("\"k{n}\":\"{}\"", "v".repeat(1024))).collect();
            format!(
                "{{\"type\":\"sendToGroup\",\"group\":\"g\",\"data\":1,\"metadata\":{{{}}},\"ackId\":1}}",
                pairs.join(",")
            )
        }
        other => panic!("no rule for the cut frame of `{other}`"),
    }
}

/// The close that followed a frame, if any.
fn close_after(trail: &[Value], at: usize) -> Option<u64> {
    trail.get(at + 1)?["closed"].as_u64()
}

#[test]
fn every_frame_of_the_transcripts_is_decided_as_there() {
    let mut decided = 0;
    for name in SCENARIOS {
        let scenario = scenario(name);
        for (client, trail) in clients(&scenario).filter(|(_, trail)| speaks_json(trail)) {
            for (at, step) in trail.iter().enumerate() {
                let Some(text) = step["sent"].as_str() else { continue };
                let text = whole(client, text);
                let close = close_after(trail, at);
                if close == Some(Close::FrameTooLarge.code().into()) {
                    continue; // Refused by its size before anyone reads it.
                }
                // Ours answers invocations, which the emulator does not know.
                let ours = matches!(client, "invoke" | "cancelInvocation");
                let refused = close == Some(Close::MalformedFrame.code().into()) && !ours;
                assert_eq!(ClientFrame::parse(&text).is_err(), refused, "{name}, {client}: {text:.200}");
                decided += 1;
                if close.is_some() {
                    break; // What was sent after a close was never read.
                }
            }
        }
    }
    assert!(decided > 130, "only {decided} frames");
}

#[test]
fn frames_mean_what_their_answers_say() {
    let json = |text: &str| Payload::Json(JsonText::new(text).unwrap());
    let send = |payload, metadata: &[(&str, &str)]| ClientFrame::SendToGroup {
        group: "g".into(),
        ack_id: None,
        no_echo: false,
        ttl_secs: 0,
        payload,
        metadata: Metadata::from_pairs(metadata.iter().copied()).unwrap(),
    };
    let cases = [
        (r#"{"type":"sendToGroup","group":"g","data":{"d" : 1}}"#, send(json(r#"{"d" : 1}"#), &[])),
        (r#"{"type":"sendToGroup","group":"g","data": 1.0E+2 ,"ackId":null}"#, send(json("1.0E+2"), &[])),
        (
            r#"{"type":"sendToGroup","group":"g","dataType":"TEXT","data":"\u2615"}"#,
            send(Payload::Text("☕".into()), &[]),
        ),
        (
            r#"{"type":"sendToGroup","group":"g","dataType":"binary","data":"AQID"}"#,
            send(Payload::Binary(vec![1, 2, 3].into()), &[]),
        ),
        (
            r#"{"type":"sendToGroup","group":"g","metadata":{"only":"meta"}}"#,
            send(Payload::Text(String::new()), &[("only", "meta")]),
        ),
        (r#"{"type":"ping","type":"pong","\u0074ype":"Ping"}"#, ClientFrame::Ping),
        (
            r#"{"group":"x","type":"joinGroup","group":"a\"b","ackId":18446744073709551615}"#,
            ClientFrame::JoinGroup { group: "a\"b".into(), ack_id: Some(u64::MAX) },
        ),
        (r#"{"type":"sequenceAck","sequenceId":0}"#, ClientFrame::SequenceAck { sequence_id: 0 }),
        (
            r#"{"type":"invoke","invocationId":"1","target":"event","event":"sum","data":[1,2]}"#,
            ClientFrame::Invoke {
                invocation_id: "1".into(),
                event: "sum".into(),
                payload: json("[1,2]"),
                metadata: Metadata::default(),
            },
        ),
        (
            r#"{"type":"cancelInvocation","invocationId":"1"}"#,
            ClientFrame::CancelInvocation { invocation_id: "1".into() },
        ),
    ];
    for (text, frame) in cases {
        assert_eq!(ClientFrame::parse(text), Ok(frame), "{text}");
    }
}

#[test]
fn what_the_transcripts_leave_open_is_refused_too() {
    for text in [
        // Streams and group state are not known yet.
        r#"{"type":"sendToGroup","group":"g","data":1,"stream":{"streamId":"s"}}"#,
        r#"{"type":"streamEnd","streamId":"s"}"#,
        r#"{"type":"subscribeGroupState","group":"g","ackId":1}"#,
        // Data.
        r#"{"type":"sendToGroup","group":"g","data":null,"metadata":{"a":"1"}}"#,
        r#"{"type":"sendToGroup","group":"g","metadata":{}}"#,
        r#"{"type":"sendToGroup","group":"g","dataType":"text","data":"\ud800"}"#,
        r#"{"type":"sendToGroup","group":"g","dataType":5,"data":1}"#,
        // Numbers.
        r#"{"type":"joinGroup","group":"g","ackId":1.0}"#,
        r#"{"type":"joinGroup","group":"g","ackId":1e0}"#,
        r#"{"type":"joinGroup","group":"g","ackId":-0}"#,
        r#"{"type":"joinGroup","group":"g","ackId":true}"#,
        r#"{"type":"sequenceAck"}"#,
        r#"{"type":"sequenceAck","sequenceId":null}"#,
        // Invocations.
        r#"{"type":"invoke","invocationId":"1","event":"sum","data":1}"#,
        r#"{"type":"invoke","invocationId":"1","target":"upstream","event":"sum","data":1}"#,
        r#"{"type":"invoke","invocationId":1,"target":"event","event":"sum","data":1}"#,
        r#"{"type":"invoke","invocationId":"","target":"event","event":"sum","data":1}"#,
        r#"{"type":"invoke","invocationId":"1","target":"event","data":1}"#,
        r#"{"type":"cancelInvocation"}"#,
    ] {
        assert_eq!(ClientFrame::parse(text), Err(Malformed), "{text}");
    }
}

#[test]
fn names_are_borrowed_from_the_frame() {
    let frame = ClientFrame::parse(r#"{"type":"joinGroup","group":"room","ackId":1}"#).unwrap();
    assert!(matches!(frame, ClientFrame::JoinGroup { group: Cow::Borrowed("room"), .. }));
}

#[test]
fn nesting_is_bounded_where_the_library_would_not_bound_it() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!("{{\"type\":\"sendToGroup\",\"group\":\"g\",\"data\":{open}{close}}}")
    };
    assert!(ClientFrame::parse(&nested(63)).is_ok());
    for depth in [64, 70, 127, 128, 1000, 500_000] {
        assert_eq!(ClientFrame::parse(&nested(depth)), Err(Malformed), "{depth}");
    }
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        any::<String>().prop_map(|text| Payload::Json(JsonText::of(&text).unwrap())),
        any::<i64>().prop_map(|number| Payload::Json(JsonText::of(&number).unwrap())),
        any::<String>().prop_map(Payload::Text),
        any::<Vec<u8>>().prop_map(|bytes| Payload::Binary(bytes.into())),
    ]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    proptest::collection::btree_map("[a-z!#$%&'*+.^_`|~0-9-]{1,9}", "[ -~]{0,20}", 0..4)
        .prop_map(|pairs| Metadata::from_pairs(pairs).unwrap())
}

fn frame() -> impl Strategy<Value = ClientFrame<'static>> {
    let group = || "\\PC{1,20}".prop_filter("blank", |name| !name.trim().is_empty());
    let event = || "[a-zA-Z][a-zA-Z0-9_.-]{0,20}";
    let ack_id = any::<Option<u64>>;
    prop_oneof![
        (group(), ack_id())
            .prop_map(|(group, ack_id)| ClientFrame::JoinGroup { group: group.into(), ack_id }),
        (group(), ack_id())
            .prop_map(|(group, ack_id)| ClientFrame::LeaveGroup { group: group.into(), ack_id }),
        (group(), ack_id(), any::<bool>(), 0..=300_u16, payload(), metadata()).prop_map(
            |(group, ack_id, no_echo, ttl_secs, payload, metadata)| ClientFrame::SendToGroup {
                group: group.into(),
                ack_id,
                no_echo,
                ttl_secs,
                payload,
                metadata
            }
        ),
        (event(), ack_id(), payload(), metadata()).prop_map(|(event, ack_id, payload, metadata)| {
            ClientFrame::Event { event: event.into(), ack_id, payload, metadata }
        }),
        any::<u64>().prop_map(|sequence_id| ClientFrame::SequenceAck { sequence_id }),
        Just(ClientFrame::Ping),
        ("\\PC{1,20}", event(), payload(), metadata()).prop_map(|(id, event, payload, metadata)| {
            ClientFrame::Invoke { invocation_id: id.into(), event: event.into(), payload, metadata }
        }),
        "\\PC{1,20}".prop_map(|id| ClientFrame::CancelInvocation { invocation_id: id.into() }),
    ]
}

proptest! {
    #[test]
    fn a_frame_is_read_as_it_was_written(frame in frame()) {
        let text = frame.encode();
        prop_assert_eq!(ClientFrame::parse(&text), Ok(frame), "{}", text);
    }
}
