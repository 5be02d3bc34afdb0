//! A stand-in for fuzzing that runs with every test run: the checks of the fuzz targets, over real inputs that are cut
//! up and put together again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets share it")]
mod checks;

use proptest::prelude::*;

const MESSAGES: [&str; 6] = [
    r#"{"SenderID":"ann","RoomID":"general","MessageText":"hello","MessageID":"m-1","Timestamp":"2026-11-21T10:00:00Z"}"#,
    r#"{"sender_id":"ann","receiver_id":"bob","content":"hello","accepted_at":"2026-11-21T10:00:00.000Z"}"#,
    r#"{"SenderID":"ann","MessageText":"\ud83d\ude00","AttachmentURL":"https://h/p","ReplyTo":7,"unknown":[{}]}"#,
    r#"{"MessageText":"\ud800","SenderID":null,"RoomID":"all"}"#,
    r#"{"cursors":{"general":3,"d_00112233445566778899aabbccddeeff":0},"limit":5}"#,
    r#"{"MessageText":"a","MessageText":"b","messagetext":"c","SenderID":"ann"}"#,
];

const WORDS: [&str; 7] = [
    "ann",
    "room-1_A",
    "2026-11-21T10:00:00.000Z",
    "2026-02-29T24:00:60+14:30",
    "2026-11-21T10-00-00.000Z_00112233445566778899aabbccddeeff",
    "d_00112233445566778899aabbccddeeff",
    "\u{202e}\u{0}☕/../%2F'",
];

const SETTINGS: [&str; 12] = [
    "PORT=70000\n",
    "BIND=::1\n",
    "WEBPUBSUB_CONNECTION_STRING=Endpoint=https://h;AccessKey=a2V5;Version=1.0;\n",
    "AZURE_STORAGE_CONNECTION_STRING=UseDevelopmentStorage=true;\n",
    "ServiceBusConnection=Endpoint=sb://n.servicebus.windows.net/;SharedAccessKeyName=k;SharedAccessKey=a2V5\n",
    "STORAGE_MODE=table\n",
    "TRANSPORT_MODE=webpubsub\n",
    "QUEUE_MODE=servicebus\n",
    "CORS_ORIGINS=*,https://h\n",
    "PUBLIC_WS_ENDPOINT=wss://h:8/\n",
    "ADMIN_USERS=a,,b\n",
    "FUNCTIONS_CUSTOMHANDLER_PORT=1\n",
];

const REQUESTS: [&str; 11] = [
    "POST /api/sendMessage\ncontent-type: application/json\n\n{\"SenderID\":\"ann\",\"RoomID\":\"general\",\"MessageText\":\"a\"}",
    "GET /api/rooms/general/messages?after=1&limit=2\nx-user-id: ann\n",
    "GET /rooms?prefix=g&after=%00&limit=0\n",
    "POST /api/rooms\nx-user-id: ann\nidempotency-key: k\ncontent-type: application/json\n\n{\"name\":\"r\",\"is_private\":true}",
    "PATCH /api/rooms/general/members?user_id=ann\ncontent-type: application/json; charset=utf-8\n\n{\"user\":\"bob\",\"role\":\"owner\"}",
    "PUT /api/rooms/general/messages/1/reactions\nx-user-id: \u{e9}\n\n{\"emoji\":\"\u{1f600}\"}",
    "POST /api/sync\nx-user-id: ann\n\n{\"cursors\":{\"general\":0}}",
    "GET /api/negotiate?id=ann\nhost: h\nx-forwarded-host: %\nx-forwarded-proto: wss\n",
    "OPTIONS /api/eventhandler\nwebhook-request-origin: *\n",
    "POST /api/eventhandler\nce-type: azure.webpubsub.user.message\nce-connectionid: c\nce-id: 1\nce-signature: sha256=00\n\n{}",
    "DELETE //api/%2e%2e/rooms/%ff/bans\norigin: http://localhost\nx-user-id: ann\n",
];

const EVENTS: [&str; 8] = [
    "message\n{\"action\":\"send\",\"room_id\":\"general\",\"content\":\"a\"}",
    "join\n{\"room_id\":\"general\"}",
    "send\n{\"room_id\":\"general\",\"content\":\"a\",\"message_id\":\"m\"}",
    "react\n{\"room_id\":\"general\",\"seq\":1,\"emoji\":\"\u{1f44d}\",\"on\":true}",
    "sync\n{\"cursors\":{\"general\":0}}",
    "ban\n{\"room_id\":\"general\",\"user\":\"bob\",\"duration\":60}",
    "typing\n{\"room_id\":\"general\"}",
    "history\n{\"with\":\"bob\",\"before\":9}",
];

/// Of callers who have signed in.
const SIGNED_IN_REQUESTS: [&str; 8] = [
    "POST /api/sendMessage\ncontent-type: application/json\n\n{\"ReceiverID\":\"bob\",\"MessageText\":\"a http://h.co/x\"}",
    "POST /api/rooms\nidempotency-key: k\ncontent-type: application/json\n\n{\"name\":\"r\",\"blocked_words\":[\"b\"],\"links\":\"none\"}",
    "GET /api/me/export?user=bob&after=InByb2ZpbGUi\n",
    "POST /api/attachments\ncontent-type: application/json\n\n{\"file_name\":\"a.png\",\"receiver_id\":\"bob\",\"content_type\":\"image/png\",\"size\":9}",
    "PUT /api/attachments/0000000000000000000000000000000000000000000000000000000000000000/blob?sp=c&se=4102444800&max=9&sig=00\nx-ms-blob-type: BlockBlob\ncontent-type: image/png\n\n\u{1}",
    "POST /api/eventhandler\nce-type: azure.webpubsub.sys.connect\nce-connectionid: c\nce-id: 1\nce-hub: demo_ai_chat\nce-signature: sha256=00\n\n{}",
    "GET /api/admin/audit?action=room.delete&after=x\n",
    "GET /api/me\nauthorization: Bearer a.b.c\n",
];

const TOKENS: [&str; 2] = [checks::TOKEN, "eyJhbGciOiJub25lIiwia2lkIjoiYSIsImNyaXQiOlsiYiJdfQ.e30."];

const PRINCIPALS: [&str; 2] = [
    r#"{"auth_typ":"aad","name_typ":"name","role_typ":"roles","claims":[{"typ":"roles","val":"chat-admin"},{"typ":"name","val":"Ann"}]}"#,
    r#"{"claims":[{"typ":null}],"role_typ":{}}"#,
];

const JUDGED: [&str; 4] = [
    "tea,b\nt e a at www.h.co, t\u{435}a \u{ff54}ea t\u{301}ea",
    "\nfuck f*u*c*k fu\u{200b}ck f\u{fffd}ck \u{1f1eb}\u{1f1fa} FUUUUCK",
    "\u{1f600},\u{301}\n\u{1f600}\u{301}\u{202e}\u{0}",
    ",,\nHTTP://A.B HTTP://A.B hxxp://a[.]b AAAAAAAAAAAAAAAAAAAAAAAA!!!!",
];

const INVOCATIONS: [&[u8]; 4] = [
    b"\x00{\"Data\":{\"message\":\"eyJTZW5kZXJJRCI6ImFubiIsIlJvb21JRCI6ImdlbmVyYWwiLCJNZXNzYWdlVGV4dCI6ImEifQ==\"},\"Metadata\":{\"MessageId\":\"\\\"m\\\"\",\"DeliveryCount\":\"1\",\"SequenceNumber\":\"3\",\"EnqueuedTimeUtc\":\"\\\"2026-11-21T10:00:00Z\\\"\"}}",
    b"\x01{\"Data\":{\"message\":\"[{\\\"SenderID\\\":\\\"a\\\",\\\"MessageText\\\":\\\"b\\\"}]\"},\"Metadata\":{\"MessageIdArray\":\"[\\\"m\\\"]\",\"ApplicationPropertiesArray\":\"[{}]\"}}",
    b"\x02{\"Data\":{\"req\":{\"Url\":\"http://h/api/sendMessage?a=b\",\"Method\":\"POST\",\"Query\":\"{}\",\"Headers\":{\"Content-Type\":[\"application/json\"]},\"Params\":{},\"Identities\":[],\"Body\":\"{\\\"SenderID\\\":\\\"a\\\"}\"}},\"Metadata\":{}}",
    b"\x05{\"Data\":{\"req\":{\"Url\":\"http://h/api/rooms\",\"Method\":\"GET\",\"Headers\":{}}},\"Metadata\":{\"path\":\"\\\"rooms\\\"\"}}",
];

/// Something of one of the seeds, or a few bytes of nothing.
fn piece(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let slice = (prop::sample::select(seeds), any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let slice = slice.prop_map(|(seed, from, to)| {
        let (from, to) = (from.index(seed.len() + 1), to.index(seed.len() + 1));
        seed[from.min(to)..from.max(to)].to_vec()
    });
    prop_oneof![4 => slice, 1 => prop::collection::vec(any::<u8>(), 0..4)]
}

fn pieces(seeds: &[&[u8]]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let seeds = seeds.iter().map(|seed| seed.to_vec()).collect();
    prop::collection::vec(piece(seeds), 1..6).prop_map(|pieces| pieces.concat())
}

/// A whole seed with a few bytes of others in place of some of its own.
fn mended(seeds: &[&[u8]]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let whole = prop::sample::select(seeds.iter().map(|seed| seed.to_vec()).collect::<Vec<_>>());
    let at = (any::<prop::sample::Index>(), 0..8_usize);
    let seeds = seeds.iter().map(|seed| seed.to_vec()).collect();
    (whole, at, piece(seeds)).prop_map(|(mut whole, (at, cut), piece)| {
        let from = at.index(whole.len());
        let to = (from + cut).min(whole.len());
        whole.splice(from..to, piece);
        whole
    })
}

fn bytes<const N: usize>(seeds: [&'static str; N]) -> [&'static [u8]; N] {
    seeds.map(str::as_bytes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_and_bodies(data in prop_oneof![pieces(&bytes(MESSAGES)), mended(&bytes(MESSAGES))]) {
        checks::queued_message(&data);
        checks::bodies(&data);
    }

    #[test]
    fn words(data in pieces(&bytes(WORDS))) {
        checks::words(&data);
    }

    #[test]
    fn settings(data in prop_oneof![pieces(&bytes(SETTINGS)), mended(&bytes(SETTINGS))]) {
        checks::settings(&data);
    }

    #[test]
    fn requests(data in prop_oneof![pieces(&bytes(REQUESTS)), mended(&bytes(REQUESTS))]) {
        checks::request(&data);
    }

    #[test]
    fn requests_of_who_has_signed_in(
        data in prop_oneof![pieces(&bytes(SIGNED_IN_REQUESTS)), mended(&bytes(SIGNED_IN_REQUESTS))],
    ) {
        checks::signed_in_request(&data);
    }

    #[test]
    fn proofs(
        token in prop_oneof![pieces(&bytes(TOKENS)), mended(&bytes(TOKENS))],
        principal in prop_oneof![pieces(&bytes(PRINCIPALS)), mended(&bytes(PRINCIPALS))],
    ) {
        checks::token(&token);
        checks::principal(&principal);
    }

    #[test]
    fn judged_texts(data in prop_oneof![pieces(&bytes(JUDGED)), mended(&bytes(JUDGED))]) {
        checks::judged(&data);
    }

    #[test]
    fn events(data in prop_oneof![pieces(&bytes(EVENTS)), mended(&bytes(EVENTS))]) {
        checks::live_event(&data);
    }

    #[test]
    fn invocations(data in prop_oneof![pieces(&INVOCATIONS), mended(&INVOCATIONS)]) {
        checks::invocation(&data);
    }
}

#[test]
fn whole_inputs() {
    let statuses = REQUESTS.map(|request| checks::request(request.as_bytes()));
    let expected = [200, 200, 400, 201, 403, 200, 200, 200, 403, 400, 404].map(Some);
    assert_eq!(statuses, expected);
    assert_eq!(INVOCATIONS.map(checks::invocation), [200; 4].map(Some));
    let statuses = SIGNED_IN_REQUESTS.map(|request| checks::signed_in_request(request.as_bytes()));
    assert_eq!(statuses, [200, 201, 403, 201, 403, 401, 403, 401].map(Some));
    assert_eq!(TOKENS.map(|token| checks::token(token.as_bytes())), [200, 401].map(Some));
    assert_eq!(PRINCIPALS.map(|principal| checks::principal(principal.as_bytes())), [200, 401].map(Some));
}
