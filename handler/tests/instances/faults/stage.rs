//! A room with people in it, in which one use case is played again and again, each time with another fault.

use std::rc::Rc;
use std::sync::Mutex;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::ear::Ear;
use crate::deployed::Deployed;
use crate::proxy::Fault;

/// Between two tries of one request.
const AGAIN: Duration = Duration::from_millis(20);

/// Which calls are to fail, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The index of the proxy.
    pub(crate) behind: usize,
    pub(crate) kind: String,
    pub(crate) fault: Fault,
    pub(crate) times: usize,
}

pub(crate) struct Stage {
    pub(crate) at: Rc<Deployed>,
    /// What its people's names end in.
    tag: String,
    pub(crate) turn: usize,
    /// Its owner is `ann`, its other member `bob`.
    pub(crate) room: String,
    /// Bob's.
    pub(crate) ear: Ear,
    /// Of `eve`, who is in no room.
    pub(crate) guest: Ear,
    pub(crate) plan: Option<Plan>,
    /// The last entry of the room that a turn has looked at.
    seen: u64,
    /// The last request, for whoever wants to know where a turn got stuck.
    asked: Mutex<String>,
}

impl Stage {
    pub(crate) async fn set(at: Rc<Deployed>, tag: String) -> Self {
        let ann = format!("ann-{tag}");
        let room = at.world.room(&ann, &format!("Room {tag}")).await;
        at.world.join(&room, &format!("bob-{tag}")).await;
        let ear = Ear::new(at.connect(&format!("bob-{tag}")).await);
        let guest = Ear::new(at.connect(&format!("eve-{tag}")).await);
        let mut stage =
            Self { at, tag, turn: 0, room, ear, guest, plan: None, seen: 0, asked: Mutex::default() };
        stage.new_entries().await;
        stage
    }

    /// The next turn, in which these calls will fail once it is ready.
    pub(crate) fn next(&mut self, plan: Option<Plan>) {
        self.turn += 1;
        self.plan = plan;
        self.ear.forget();
        self.guest.forget();
    }

    /// All is prepared: from here on calls fail as planned.
    pub(crate) fn arm(&self) {
        for (index, (_, proxy)) in self.at.proxies().into_iter().enumerate() {
            proxy.take_seen();
            if let Some(plan) = self.plan.as_ref().filter(|plan| plan.behind == index) {
                proxy.arm(&plan.kind, plan.fault, plan.times);
            }
        }
    }

    /// Somebody who is there in all turns.
    pub(crate) fn user(&self, name: &str) -> String {
        format!("{name}-{}", self.tag)
    }

    /// A user, id, key or name of this turn alone.
    pub(crate) fn fresh(&self, name: &str) -> String {
        format!("{name}-{}-{}", self.tag, self.turn)
    }

    /// A text without what is different in each turn.
    pub(crate) fn plain(&self, text: &str) -> String {
        text.replace(&self.fresh(""), "").replace(&self.user(""), "")
    }

    /// Repeats a request until it is accepted. Nothing but "come again" may be answered before.
    pub(crate) async fn ask(&self, method: Method, path: &str, user: &str, body: &Value) -> Value {
        self.ask_with(method, path, user, None, body).await
    }

    /// The same with a key that makes repeats one command.
    pub(crate) async fn ask_with(
        &self,
        method: Method,
        path: &str,
        user: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut headers = vec![("x-user-id", user)];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        *self.asked.lock().unwrap() = format!("{method} {path} by {user}");
        loop {
            let answer = self.at.world.client.call(method.clone(), path, &headers, &body).await;
            match answer.status {
                200..300 => return answer.json,
                503 if answer.says_when => tokio::time::sleep(AGAIN).await,
                _ => panic!("{method} {path}: {answer:?}"),
            }
        }
    }

    /// What reading is answered with, once there is an answer.
    pub(crate) async fn status(&self, path: &str, user: &str) -> u16 {
        loop {
            let answer = self.at.world.client.call(Method::GET, path, &[("x-user-id", user)], "").await;
            match answer.status {
                503 if answer.says_when => tokio::time::sleep(AGAIN).await,
                status => return status,
            }
        }
    }

    pub(crate) async fn get(&self, path: &str, user: &str) -> Value {
        self.ask(Method::GET, path, user, &Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, user: &str, body: &Value) -> Value {
        self.ask(Method::POST, path, user, body).await
    }

    /// Accepts a message twice, as a client does that did not hear the first answer.
    pub(crate) async fn send(&self, from: &str, place: (&str, &str), id: &str) {
        let mut message = json!({ "SenderID": from, "MessageText": "x", "MessageID": id });
        message[place.0] = place.1.into();
        for _ in 0..2 {
            let answer = self.post("/api/sendMessage", from, &message).await;
            assert_eq!((&answer["status"], &answer["MessageID"]), (&json!("accepted"), &json!(id)));
        }
    }

    /// How far the turn has come.
    pub(crate) fn progress(&self) -> String {
        let asked = self.asked.lock().unwrap();
        format!("last request {asked}; bob heard {}; eve heard {}", self.ear.summary(), self.guest.summary())
    }

    pub(crate) async fn settled(&self) {
        self.at.world.settled().await;
    }

    /// What came into the room since the last time, once everything is delivered; its members have heard it in order.
    pub(crate) async fn new_entries(&mut self) -> Vec<Value> {
        self.settled().await;
        let entries = self.entries_behind(&self.room, self.seen).await;
        self.seen += entries.len() as u64;
        if self.turn > 0 {
            let seqs: Vec<u64> = entries.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
            self.ear.has_heard(&self.room, &seqs).await;
        }
        entries
    }

    /// Whether something came into the room since [`Self::new_entries`].
    pub(crate) async fn has_new_entries(&self) -> bool {
        !self.entries_behind(&self.room, self.seen).await.is_empty()
    }

    /// Without a gap.
    pub(crate) async fn entries_behind(&self, room: &str, seen: u64) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = seen + all.len() as u64;
            let answer = self.post("/api/sync", "root", &json!({ "cursors": { room: after } })).await;
            let page = answer["conversations"][room]["entries"].as_array().cloned().unwrap_or_default();
            if page.is_empty() {
                return all;
            }
            all.extend(page);
            assert!(all.iter().zip(seen + 1..).all(|(entry, seq)| entry["seq"] == seq), "a gap: {all:?}");
        }
    }

    /// What the entries tell, in words that are the same in each turn.
    pub(crate) fn told(&self, entries: &[Value]) -> Vec<String> {
        let base = entries.first().map_or(0, |entry| entry["seq"].as_u64().unwrap());
        let words =
            ["id", "user", "by", "kind", "on", "role", "emoji", "content", "reason", "name", "description"];
        let tell = |entry: &Value| {
            let mut told = entry["type"].as_str().unwrap().to_owned();
            for word in words.iter().filter(|word| !entry[**word].is_null()) {
                told += &format!(" {word}={}", entry[*word]);
            }
            if let Some(target) = entry["target"].as_u64() {
                told += &format!(" target={}", target as i64 - base as i64);
            }
            self.plain(&told)
        };
        entries.iter().map(tell).collect()
    }
}
