//! Plays one recorded scenario against a hub on a real port and compares, line by line.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::{Client, Knock, Opened, open};
use crate::normalise;
use crate::rest::Rest;
use crate::server::Server;
use crate::tokens::{self, sign};

/// One step of a scenario. The transcripts keep a trail per client; the steps say what happened before what.
pub(crate) enum Step {
    /// The client knocks; one of a JSON subprotocol reads its `connected`.
    Open(&'static str),
    /// The client does the next so many things of its trail (`sent`, `close`, `cut`), each after it got what its
    /// trail has before it.
    Act(&'static str, usize),
    /// The client does all that is left in its trail.
    ActAll(&'static str),
    /// The client gets the next so many things of its trail (`got`, `closed`).
    Sees(&'static str, usize),
    /// The next so many recorded REST calls.
    Rest(usize),
}

/// What a scenario's transcript does not say.
pub(crate) trait Scenario {
    const NAME: &'static str;
    fn knock(&self, client: &str, ids: &Ids) -> Knock;
    fn steps(&self) -> Vec<Step>;

    /// The token, type, body and headers of the REST call number `index`, as the caller really sent them.
    fn rest(&self, _index: usize, call: &mut Rest) {
        let audience = call.url_without_query();
        call.token = Some(sign(&json!({"aud": audience, "exp": tokens::now() + 60})));
    }

    /// The reason of the client's close.
    fn close_reason(&self, _client: &str) -> &'static str {
        ""
    }

    /// How the transcript calls the id of the client's connection.
    fn id_name(&self, client: &str) -> String {
        format!("<id of {client}>")
    }
}

/// Connection ids and reconnection tokens, by their name in the transcript.
#[derive(Default)]
pub(crate) struct Ids(BTreeMap<String, String>);

impl Ids {
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("{name} is known by now"))
    }

    fn learn(&mut self, name: String, value: &str) {
        self.0.insert(name, value.to_owned());
    }

    /// Values to names.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(value.as_str(), name))
    }

    /// Names to values.
    pub(crate) fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name.as_str(), value))
    }
}

struct Seat {
    expected: Vec<Value>,
    trail: Vec<Value>,
    client: Option<Client>,
}

pub(crate) struct Play<'a, S> {
    scenario: &'a S,
    server: &'a Server,
    recorded: Value,
    pub(crate) ids: Ids,
    seats: BTreeMap<String, Seat>,
    rest_done: usize,
    differences: Vec<String>,
}

fn is_connected(item: &Value) -> bool {
    item["got"].as_str().is_some_and(|text| text.contains(r#""event":"connected""#))
}

pub(crate) fn recording(name: &str) -> Value {
    let path = format!("{}/../../tests/fixtures/webpubsub/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(&path).expect(&path)).expect("a transcript is JSON")
}

/// Plays a scenario to its end; every client left has seen a last message by then, so nothing is under way.
pub(crate) async fn play<'a, S: Scenario>(scenario: &'a S, server: &'a Server) -> Play<'a, S> {
    let mut play = Play {
        scenario,
        server,
        recorded: recording(S::NAME),
        ids: Ids::default(),
        seats: BTreeMap::new(),
        rest_done: 0,
        differences: Vec::new(),
    };
    for step in scenario.steps() {
        match step {
            Step::Open(client) => play.open(client).await,
            Step::Act(client, count) => {
                for _ in 0..count {
                    assert!(play.act(client).await, "{client} goes on after {:#?}", play.seats[client].trail);
                }
            }
            Step::ActAll(client) => while play.act(client).await {},
            Step::Sees(client, count) => {
                for _ in 0..count {
                    play.see(client).await;
                }
            }
            Step::Rest(count) => {
                for _ in 0..count {
                    play.call().await;
                }
            }
        }
    }
    play.finish().await;
    play
}

impl<S: Scenario> Play<'_, S> {
    async fn open(&mut self, name: &str) {
        let recorded =
            self.recorded["clients"][name].as_array().unwrap_or_else(|| panic!("{name} was recorded"));
        let expected = normalise::expected_trail(S::NAME, name, recorded);
        let knock = self.scenario.knock(name, &self.ids);
        let mut seat = Seat { expected, trail: Vec::new(), client: None };
        match open(self.server.address, &knock).await {
            Opened::In(client) => {
                seat.trail.push(json!({"open": client.subprotocol}));
                seat.client = Some(client);
            }
            Opened::Refused { status, body } => seat.trail.push(json!({"refused": status, "body": body})),
            Opened::Broken(error) => {
                seat.trail.extend([json!({"error": error}), json!({"closed": 1006, "reason": ""})]);
            }
        }
        let is_greeted = seat.expected.get(1).is_some_and(is_connected);
        self.seats.insert(name.to_owned(), seat);
        if is_greeted {
            self.see(name).await;
        }
    }

    /// Waits for what the trail has before the client's next act.
    async fn catch_up(&mut self, name: &str) {
        loop {
            let seat = &self.seats[name];
            let next = seat.expected.get(seat.trail.len());
            let waits = next.is_some_and(|next| next.get("got").is_some() || next.get("closed").is_some());
            if !waits || !self.see(name).await {
                return;
            }
        }
    }

    /// Adds the next frame or the end to the trail. False if the client is gone.
    async fn see(&mut self, name: &str) -> bool {
        let Some(event) = self.next_event(name).await else {
            return false;
        };
        self.seats.get_mut(name).expect("it was opened").trail.push(event);
        true
    }

    /// The client's next frame or its end, in the transcript's words. `None` if it is gone.
    async fn next_event(&mut self, name: &str) -> Option<Value> {
        let client = self.seats.get_mut(name).expect("it was opened").client.as_mut()?;
        let event = client.next().await?;
        if event.get("nothing came").is_some() {
            // The difference will be seen; nobody waits twice.
            self.seats.get_mut(name).expect("it was opened").client = None;
        }
        Some(self.named(name, event))
    }

    /// Learns the ids of a `connected` frame and puts names for all known ids.
    fn named(&mut self, name: &str, event: Value) -> Value {
        let Some(text) = event.get("got").and_then(Value::as_str) else {
            return event;
        };
        if let Ok(frame) = serde_json::from_str::<Value>(text)
            && frame["event"] == "connected"
        {
            if let Some(id) = frame["connectionId"].as_str() {
                self.ids.learn(self.scenario.id_name(name), id);
            }
            if let Some(token) = frame["reconnectionToken"].as_str() {
                self.ids.learn(format!("<reconnection token of {name}>"), token);
            }
        }
        json!({"got": self.ids.hide(text)})
    }

    /// Does the next act of the trail. False if there is none.
    async fn act(&mut self, name: &str) -> bool {
        self.catch_up(name).await;
        let reason = self.scenario.close_reason(name);
        let seat = self.seats.get_mut(name).expect("it was opened");
        let Some(act) = seat.expected.get(seat.trail.len()).cloned() else {
            return false;
        };
        let Some(client) = &mut seat.client else {
            return false;
        };
        if let Some(text) = act.get("sent").and_then(Value::as_str) {
            client.text(&crate::long_frames::whole(name, text)).await;
        } else if act.pointer("/sent/not text").is_some() {
            client.raw_text(b"{\"type\":\"ping\xff\"}").await;
        } else if let Some(binary) = act.pointer("/sent/base64").and_then(Value::as_str) {
            client.binary(crate::client::bytes_of(binary)).await;
        } else if let Some(code) = act.get("close").and_then(Value::as_u64) {
            client.close(u16::try_from(code).expect("a code"), reason).await;
        } else if act.get("cut").is_some() {
            client.cut().await;
            seat.client = None;
            seat.trail.push(act);
            seat.trail.push(json!({"closed": 1006, "reason": ""}));
            return true;
        } else {
            return false;
        }
        seat.trail.push(act);
        true
    }

    async fn call(&mut self) {
        let recorded = self.recorded["rest"][self.rest_done].clone();
        let call = recorded["call"].as_str().expect("a call");
        let mut rest = Rest::new(self.server.address, &self.ids.fill(call));
        rest.content_type = recorded["type"].as_str().map(str::to_owned);
        rest.body = recorded["body"].as_str().unwrap_or_default().into();
        self.scenario.rest(self.rest_done, &mut rest);
        let answer = rest.send().await;
        let headers: BTreeMap<&str, &str> = ["api-supported-versions", "content-type", "allow"]
            .into_iter()
            .filter_map(|name| Some((name, answer.headers.get(name)?.to_str().ok()?)))
            .collect();
        let seen = json!({"status": answer.status, "headers": headers, "answer": normalise::rest_answer(&answer.body)});
        let wanted = json!({"status": recorded["status"], "headers": recorded["headers"], "answer": recorded["answer"]});
        if seen != wanted {
            self.differences
                .push(format!("REST {}: {call}\n  recorded {wanted}\n  seen     {seen}", self.rest_done));
        }
        self.rest_done += 1;
    }

    /// Sends a last message to everybody who is still there and lets each read up to it; then compares.
    async fn finish(&mut self) {
        let names: Vec<String> = self.seats.keys().cloned().collect();
        for name in &names {
            self.catch_up(name).await;
        }
        self.server.send_last_message();
        for name in &names {
            while let Some(event) = self.next_event(name).await {
                if event["got"].as_str().is_some_and(|text| text.contains(Server::LAST_MESSAGE)) {
                    break;
                }
                self.seats.get_mut(name).expect("it was opened").trail.push(event);
            }
            self.compare(name);
        }
        let played: Vec<&String> = self.seats.keys().collect();
        let recorded: Vec<&String> = self.recorded["clients"].as_object().expect("clients").keys().collect();
        assert_eq!(played, recorded, "every recorded client was played");
        assert_eq!(
            self.rest_done,
            self.recorded["rest"].as_array().map_or(0, Vec::len),
            "every recorded call was made"
        );
    }

    fn compare(&mut self, name: &str) {
        let seat = &self.seats[name];
        for index in 0..seat.expected.len().max(seat.trail.len()) {
            let (wanted, seen) = (seat.expected.get(index), seat.trail.get(index));
            if wanted != seen {
                let show = |item: Option<&Value>| item.map_or("nothing".to_owned(), Value::to_string);
                self.differences.push(format!(
                    "client '{name}', line {index}:\n  recorded {}\n  seen     {}",
                    show(wanted),
                    show(seen)
                ));
                return;
            }
        }
    }

    /// Ends every connection that is left, without a word.
    pub(crate) async fn drop_clients(&mut self) {
        for seat in self.seats.values_mut() {
            if let Some(mut client) = seat.client.take() {
                client.cut().await;
            }
        }
    }

    pub(crate) fn recorded(&self) -> &Value {
        &self.recorded
    }

    pub(crate) fn differ(&mut self, difference: String) {
        self.differences.push(difference);
    }

    /// Fails with every difference at once.
    pub(crate) fn judge(self) {
        let count = self.differences.len();
        assert!(count == 0, "{}: {count} differences\n{}", S::NAME, self.differences.join("\n"));
    }
}
