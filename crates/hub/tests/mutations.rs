//! A stand-in for fuzzing that runs with every test run: the checks of the fuzz targets, over real inputs that are cut
//! up and put together again.

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets share it")]
mod checks;

use proptest::prelude::*;

const FILTERS: [&str; 8] = [
    "userId eq 'a' or ('g' in groups and not contains(connectionId,'7'))",
    "length(groups) ge 1 and -1 lt indexof(userId,'n')",
    "substring(concat(tolower(userId),toupper('ß')),0,3) eq 'ann' eq true",
    "userId in ('a','it''s',null,5,true)",
    "not not not (protocol ne null)",
    "((((((((((true))))))))))",
    "trim(' x ') eq 'x' and startswith(userId,'☕') or endswith(userId,'😀')",
    "1 eq 1 eq 1 eq 1 and null eq null",
];

/// Client frames, masked with zeros so that their payload is what is written here.
const FRAMES: [&[u8]; 9] = [
    b"\x81\x85\0\0\0\0Hello",
    b"\x01\x83\0\0\0\0\xE2\x98\x95",
    b"\x00\x80\0\0\0\0",
    b"\x80\x82\0\0\0\0lo",
    b"\x82\xFE\0\x7E\0\0\0\0",
    b"\x82\xFF\0\0\0\0\0\x01\0\0\0\0\0\0",
    b"\x89\x84\0\0\0\0ping",
    b"\x8A\x80\0\0\0\0",
    b"\x88\x86\0\0\0\0\x03\xE8late",
];

const REQUESTS: [&str; 12] = [
    "POST /api/hubs/chat/:send?excluded=a&filter=userId%20eq%20'a'&messageTtlSeconds=9\ncontent-type: application/json\nx-webpubsub-metadata-a: b\n\n{\"a\":1}",
    "POST /api/hubs/chat/groups/g%2Fh/:send?api-version=2024-12-01\ncontent-type: text/plain; charset=latin1\n\n\u{e9}",
    "POST /api/hubs/chat/:addToGroups\ncontent-type: application/json\n\n{\"groups\":[\"a\",\"b\"],\"filter\":\"true\"}",
    "GET /api/hubs/chat/groups/g/connections?maxpagesize=2&top=5&continuationToken=0f\n",
    "PUT /api/hubs/chat/permissions/sendToGroup/connections/0f?targetName=g\n",
    "POST /api/hubs/chat/:generateToken?userId=u&role=r&group=g&minutesToExpire=5&clientType=Default\n",
    "DELETE /API/Hubs/chat/users/u/groups/g/?reason=x\n",
    "POST /api/hubs/chat/users/%ff/:closeConnections?reason=%zz\n",
    "HEAD /api/health\n",
    "GET /client/hubs/chat?a=1&webpubsub_mode=sendToGroup&group=g&noEcho\nconnection: upgrade\nupgrade: websocket\nsec-websocket-version: 13\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\nsec-websocket-protocol: two, json.webpubsub.azure.v1\nauthorization:",
    "GET /client/?hub=chat&access_token=x.y.z&awps_connection_id=0f&awps_reconnection_token=t\nconnection: upgrade\nupgrade: websocket\nsec-websocket-version: 13\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    "GET /ws?user_id=%F0%9F%98%80\nauthorization: Basic x",
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

fn pieces(seeds: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(piece(seeds.into_iter().map(Into::into).collect()), 1..6)
}

/// Whole frames among pieces of them, so that a message gets on after a fault would have ended it.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop::sample::select(FRAMES.map(<[u8]>::to_vec).to_vec());
    let frames =
        prop::collection::vec(prop_oneof![6 => whole, 1 => piece(FRAMES.map(<[u8]>::to_vec).to_vec())], 1..9);
    (any::<u8>(), frames).prop_map(|(cut, frames)| [vec![cut], frames.concat()].concat())
}

/// A whole request with pieces of others put into it.
fn request() -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(REQUESTS.to_vec()), any::<prop::sample::Index>(), pieces(REQUESTS)).prop_map(
        |(request, at, pieces)| {
            let mut request = request.as_bytes().to_vec();
            let at = at.index(request.len() + 1);
            request.splice(at..at, pieces.concat());
            request
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn filters_cut_up_and_put_together(pieces in pieces(FILTERS)) {
        checks::filter(&pieces.concat());
    }

    #[test]
    fn frames_cut_up_and_put_together(stream in stream()) {
        checks::decoder(&stream);
    }

    #[test]
    fn requests_cut_up_and_put_together(request in request()) {
        checks::http(&request);
    }
}

#[test]
fn whole_inputs() {
    for seed in FILTERS {
        checks::filter(seed.as_bytes());
        checks::filter(seed.repeat(20).as_bytes());
    }
    checks::filter("(".repeat(120).as_bytes());
    checks::filter("not ".repeat(60).as_bytes());
    let statuses = REQUESTS.map(|request| checks::http(request.as_bytes()).expect("a request"));
    assert_eq!(statuses, [202, 202, 200, 200, 404, 200, 204, 404, 200, 101, 101, 400]);
    for cut in 0..7 {
        checks::decoder(&[vec![cut], FRAMES.concat()].concat());
    }
}
