//! The transcripts in `tests/fixtures/webpubsub` of the repository.

use serde_json::Value;

pub(crate) const SCENARIOS: [&str; 9] = [
    "connect-kinds",
    "connect-refusals",
    "frames-bad-and-odd-webpubsub",
    "groups-join-leave-send",
    "handler-connect",
    "reliable-sequence-and-recovery",
    "rest-authentication-and-odd-calls",
    "rest-send",
    "server-close",
];

pub(crate) fn scenario(name: &str) -> Value {
    let path = format!("{}/../../tests/fixtures/webpubsub/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(&path).expect(&path)).expect(&path)
}

/// A client's name and its trail.
pub(crate) fn clients(scenario: &Value) -> impl Iterator<Item = (&str, &[Value])> {
    let clients = scenario["clients"].as_object().expect("clients");
    clients.iter().map(|(name, trail)| (name.as_str(), trail.as_array().expect("a trail").as_slice()))
}

/// Whether the client speaks a JSON subprotocol.
pub(crate) fn speaks_json(trail: &[Value]) -> bool {
    let subprotocol = trail.iter().find_map(|step| step["open"].as_str());
    subprotocol.is_some_and(|name| name.ends_with(".webpubsub.azure.v1"))
}

/// Text frames of JSON clients in all scenarios: `direction` is `sent` or `got`.
pub(crate) fn frames(direction: &str) -> Vec<String> {
    let mut all = Vec::new();
    for name in SCENARIOS {
        let scenario = scenario(name);
        for (_, trail) in clients(&scenario).filter(|(_, trail)| speaks_json(trail)) {
            let texts = trail.iter().filter_map(|step| step[direction].as_str());
            all.extend(texts.map(str::to_owned));
        }
    }
    all
}

/// Every request that the event handler got.
pub(crate) fn handler_requests() -> Vec<Value> {
    let scenario = scenario("handler-connect");
    let by_connection = scenario["handler"].as_object().expect("handler").values();
    by_connection.flat_map(|requests| requests.as_array().expect("requests").clone()).collect()
}
