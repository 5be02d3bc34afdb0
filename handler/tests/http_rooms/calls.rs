//! Calls as somebody, and what is read from their answers.

use serde_json::{Value, json};

use crate::product::{Answer, Product, call};

/// A call as this user, with a JSON body unless that is null.
pub fn ask(product: &Product, user: &str, method: &str, path: &str, body: &Value) -> Answer {
    let headers = [("x-user-id", user), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    call(product.http, method, path, &headers, body.as_bytes())
}

/// The same, which must succeed; the answer's JSON.
pub fn done(product: &Product, user: &str, method: &str, path: &str, body: &Value) -> Value {
    let answer = ask(product, user, method, path, body);
    assert!(answer.status < 300, "{user}: {method} {path} is answered {} {}", answer.status, answer.text());
    answer.json()
}

/// The same, which must be refused; status and code.
pub fn refused(product: &Product, user: &str, method: &str, path: &str, body: &Value) -> (u16, String) {
    let answer = ask(product, user, method, path, body);
    assert!(answer.status >= 400, "{user}: {method} {path} is answered {} {}", answer.status, answer.text());
    (answer.status, answer.error().0)
}

pub fn no(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// Makes a room of this body; its id.
pub fn room_of(product: &Product, owner: &str, body: &Value) -> String {
    done(product, owner, "POST", "/api/rooms", body)["id"].as_str().unwrap().to_owned()
}

pub fn private_room(product: &Product, owner: &str, name: &str) -> String {
    room_of(product, owner, &json!({"name": name, "is_private": true}))
}

/// Texts of one field of every element.
pub fn all(list: &Value, field: &str) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    list.iter().map(|one| one[field].as_str().unwrap().to_owned()).collect()
}

/// Users and roles as `GET members` tells them.
pub fn members(product: &Product, user: &str, room: &str) -> Vec<(String, String)> {
    let page = done(product, user, "GET", &format!("/api/rooms/{room}/members"), &Value::Null);
    all(&page["members"], "user").into_iter().zip(all(&page["members"], "role")).collect()
}

/// The types of a room's entries as a sync from nothing tells them.
pub fn entries(product: &Product, user: &str, room: &str) -> Vec<Value> {
    let body = json!({"cursors": {room: 0}});
    let answer = done(product, user, "POST", "/api/sync", &body);
    let followed = &answer["conversations"][room]["entries"];
    followed.as_array().unwrap_or_else(|| panic!("no entries: {answer}")).clone()
}

/// A POST by each of the users at the same moment; the answers in their order.
pub fn all_post(product: &Product, users: &[String], path: &str, body: &Value) -> Vec<Answer> {
    at_once(product, "POST", path, users.iter().map(|user| (user.as_str(), body.clone())))
}

/// A call by each of these users with their body at the same moment; the answers in their order.
pub fn at_once<'a>(
    product: &Product,
    method: &str,
    path: &str,
    calls: impl Iterator<Item = (&'a str, Value)>,
) -> Vec<Answer> {
    let to = product.http;
    let ask = |user: &str, body: &Value| {
        let headers = [("x-user-id", user), ("content-type", "application/json")];
        call(to, method, path, &headers, body.to_string().as_bytes())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = calls.map(|(user, body)| scope.spawn(move || ask(user, &body))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// `user-0`, `user-1` …
pub fn users(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("user-{n}")).collect()
}
