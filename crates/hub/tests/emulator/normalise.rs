//! What may differ between the emulator's transcripts and this hub, each point once. Everything else is compared as it is.

use serde_json::{Value, json};

/// Brings a recorded trail to what this hub is to show.
pub(crate) fn expected_trail(scenario: &str, client: &str, recorded: &[Value]) -> Vec<Value> {
    let mut trail: Vec<Value> = until_closed(recorded);
    for item in &mut trail {
        if let Some(text) = item.get("got").and_then(Value::as_str) {
            *item = json!({"got": plain_escapes(text)});
        }
    }
    match (scenario, client) {
        // The documented form `/client/?hub=` is accepted; the emulator answers 404.
        ("connect-kinds", "hub as query") => vec![
            json!({"open": "json.webpubsub.azure.v1"}),
            json!({"got": connected("user-hub as query", client)}),
        ],
        // `invoke` is implemented. Nobody handles the events of this hub, so it fails like an `event` does.
        ("frames-bad-and-odd-webpubsub", "invoke") => alive_after(
            &trail,
            Some(
                r#"{"type":"invokeResponse","invocationId":"1","success":false,"error":{"name":"InternalServerError","message":"Internal server error"}}"#,
            ),
        ),
        // Its cancellation is best effort and has no answer.
        ("frames-bad-and-odd-webpubsub", "cancelInvocation") => alive_after(&trail, None),
        // A close that the hub starts always arrives; the emulator drops this one without a word. (The transcript does
        // not show what was sent, since it is not text.)
        ("frames-bad-and-odd-webpubsub", "invalid utf-8") => {
            trail.pop();
            trail.push(json!({"sent": {"not text": true}}));
            trail.push(json!({
                "closed": 1007,
                "reason": "The client message is not a valid JSON protocol message.",
            }));
            trail
        }
        _ => trail,
    }
}

/// The recording client went on "sending" into closed sockets; nothing of that went over the wire.
fn until_closed(recorded: &[Value]) -> Vec<Value> {
    let end =
        recorded.iter().position(|item| item.get("closed").is_some()).map_or(recorded.len(), |at| at + 1);
    recorded[..end].to_vec()
}

fn connected(user: &str, client: &str) -> String {
    format!(r#"{{"type":"system","event":"connected","userId":"{user}","connectionId":"<id of {client}>"}}"#)
}

/// A frame that the emulator closes for, but this hub knows: the answer, if there is one, then the `ping` that the
/// recording client sent after every frame, and its close.
fn alive_after(recorded: &[Value], answer: Option<&str>) -> Vec<Value> {
    let mut trail = recorded[..recorded.len() - 1].to_vec();
    trail.extend(answer.map(|answer| json!({"got": answer})));
    trail.extend([
        json!({"sent": r#"{"type":"ping"}"#}),
        json!({"got": r#"{"type":"pong"}"#}),
        json!({"close": 1000}),
        json!({"closed": 1000, "reason": ""}),
    ]);
    trail
}

/// Strings are plain UTF-8 here; the emulator writes `\u2615`, `\u0022`, `\u003C`. Only string literals are rewritten:
/// order, white space and numbers stay as recorded.
fn plain_escapes(text: &str) -> String {
    if !text.starts_with('{') {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('"') {
        out += &rest[..start];
        let mut strings = serde_json::Deserializer::from_str(&rest[start..]).into_iter::<String>();
        let string = strings.next().expect("a literal").expect("a recorded string");
        out += &Value::String(string).to_string();
        rest = &rest[start + strings.byte_offset()..];
    }
    out + rest
}

/// The answer of a REST call: only the id of the trace differs.
pub(crate) fn rest_answer(answer: &str) -> String {
    const FIELD: &str = r#""traceId":""#;
    let Some((before, after)) = answer.split_once(FIELD) else {
        return answer.to_owned();
    };
    let (_, after) = after.split_once('"').expect("a closed string");
    format!("{before}{FIELD}<id>\"{after}")
}

const LONG_NAMES: [(&str, &str); 2] = [
    ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier", "sub"),
    ("http://schemas.microsoft.com/ws/2008/06/identity/claims/role", "role"),
];

/// The body of a `connect` event, parsed: times, host and key differ; beside .NET's long claim names stand the short ones.
pub(crate) fn connect_body(body: &str) -> Value {
    let Ok(mut body) = serde_json::from_str::<Value>(body) else {
        return Value::String(body.to_owned());
    };
    if let Some(claims) = body.get_mut("claims").and_then(Value::as_object_mut) {
        for name in ["nbf", "iat", "exp"] {
            if let Some(values) = claims.get_mut(name) {
                *values = json!(["<n>"]);
            }
        }
        let audience =
            claims["aud"][0].as_str().expect("an audience").replacen("http://127.0.0.1/", "<base>/", 1);
        claims.insert("aud".to_owned(), json!([audience]));
        for (long, short) in LONG_NAMES {
            if claims.contains_key(short) {
                assert_eq!(
                    claims.remove(short),
                    claims.get(long).cloned(),
                    "the short name says the same as {long}"
                );
            }
        }
    }
    if let Some(headers) = body.get_mut("headers").and_then(Value::as_object_mut) {
        headers.insert("Host".to_owned(), json!(["<host>"]));
        headers.insert("Sec-WebSocket-Key".to_owned(), json!(["<key>"]));
    }
    body
}
