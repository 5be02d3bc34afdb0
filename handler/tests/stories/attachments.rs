//! Files of messages: the client stores them by itself with the link it is given, those who read the conversation read
//! them, and nobody else. The same client for stores of the process and for a storage account.

use serde_json::{Value, json};

use crate::people::Person;
use crate::product::{Answer, Product, call};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
const MAX: usize = 5_000;

fn product(more: &[(&str, &str)]) -> Product {
    let max = MAX.to_string();
    let mut settings = vec![("ATTACHMENTS", "on"), ("ATTACHMENTS_MAX_BYTES", &max)];
    settings.extend_from_slice(more);
    Product::alone(&settings)
}

fn follow(method: &str, link: &str, headers: &[(&str, &str)], content: &[u8]) -> Answer {
    let (authority, path) = link.strip_prefix("http://").unwrap().split_once('/').unwrap();
    call(authority.parse().unwrap(), method, &format!("/{path}"), headers, content)
}

fn upload(link: &str, content: &[u8]) -> u16 {
    follow("PUT", link, &[("x-ms-blob-type", "BlockBlob"), ("content-type", "text/html")], content).status
}

fn send(product: &Product, message: &Value) -> Answer {
    product.post("/api/sendMessage", &message.to_string())
}

fn ask(product: &Product, body: &Value) -> Value {
    let answer = product.post("/api/attachments", &body.to_string());
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn file(product: &Product, id: &str, user: &str) -> Answer {
    product.get(&format!("/api/attachments/{id}?user_id={user}"))
}

/// The link of the first message of an answer, once it has one.
fn link_in(product: &Product, path: &str) -> String {
    let answer =
        product.eventually(path, |answer| answer.json()["messages"][0]["attachment_url"].is_string());
    text(&answer.json()["messages"][0], "attachment_url").to_owned()
}

#[tokio::test]
async fn a_file_whose_name_stands_in_the_message_is_stored_and_read() {
    let product = product(&[]);
    let message = json!({"SenderID": "ann", "ReceiverID": "bob", "AttachmentURL": "a photo \u{202e}.png", "MessageID": "1"});
    let answer = send(&product, &message);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let receipt = answer.json();
    let (id, link) = (text(&receipt, "AttachmentID"), text(&receipt, "UploadURL"));
    assert_eq!(text(&send(&product, &message).json(), "AttachmentID"), id, "a repeat has the same");
    assert_eq!(file(&product, id, "bob").error().0, "not_uploaded");

    assert_eq!(follow("PUT", link, &[], PNG).status, 400, "the header is missing");
    assert_eq!(upload(link, PNG), 201);
    assert!([403, 409].contains(&upload(link, b"other")), "what is stored is not replaced");
    let history = link_in(&product, "/api/messages?user_id=ann&with=bob");
    for link in [history, link_in(&product, "/api/inbox?user_id=bob")] {
        let read = follow("GET", &link, &[], b"");
        assert_eq!((read.status, read.body.as_slice()), (200, PNG));
        assert_eq!(read.header("content-disposition"), Some("attachment; filename*=UTF-8''a%20photo%20.png"));
        assert_eq!(read.header("content-type"), Some("image/png"), "not what its uploader said");
        if link.contains("/api/attachments/") {
            assert_eq!(read.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(read.header("content-security-policy"), Some("default-src 'none'; sandbox"));
        }
    }
    let view = file(&product, id, "bob").json();
    assert_eq!((text(&view, "name"), view["bytes"].as_u64()), ("a photo .png", Some(PNG.len() as u64)));
    let redirect = product.get(&format!("/api/attachments/{id}?user_id=bob&redirect=true"));
    assert_eq!(redirect.status, 307);
    assert_eq!(follow("GET", redirect.header("location").unwrap(), &[], b"").body, PNG);
    for stranger in ["cid", ""] {
        assert_eq!(file(&product, id, stranger).error().0, "attachment_not_found", "{stranger}");
    }
}

#[tokio::test]
async fn a_file_is_its_owners_for_one_message_of_one_conversation() {
    let product = product(&[]);
    let mut bob = Person::connect(&product, "bob").await;
    bob.joins("general").await;
    let place = ask(
        &product,
        &json!({"user_id": "ann", "room_id": "general", "file_name": "a.png",
        "content_type": "image/png", "size": PNG.len()}),
    );
    let id = text(&place, "id");
    let message = |sender: &str, room: &str, message: &str| json!({"SenderID": sender, "RoomID": room, "MessageText": "look", "AttachmentID": id, "MessageID": message});
    assert_eq!(send(&product, &message("ann", "general", "1")).error().0, "not_uploaded");
    assert_eq!(upload(text(&place, "upload_url"), PNG), 201);
    assert_eq!(send(&product, &message("eve", "general", "1")).error().0, "attachment_not_found", "not hers");
    let elsewhere = json!({"SenderID": "ann", "ReceiverID": "bob", "AttachmentID": id});
    assert_eq!(send(&product, &elsewhere).error().0, "attachment_not_found", "of another conversation");
    assert_eq!(file(&product, id, "bob").status, 404, "no message has it yet");
    assert_eq!(file(&product, id, "ann").status, 200);

    for _ in 0..2 {
        assert_eq!(send(&product, &message("ann", "general", "1")).status, 200);
    }
    assert_eq!(send(&product, &message("ann", "general", "2")).error().0, "attachment_used");
    assert_eq!(file(&product, id, "bob").status, 200);
    let frame = bob.hears("look").await;
    assert_eq!(
        follow("GET", text(&frame, "attachment_url"), &[], b"").body,
        PNG,
        "the live frame has a link"
    );

    // Over the socket too, and with the message goes its file.
    let place = ask(&product, &json!({"user_id": "bob", "to": "ann", "file_name": "b.png"}));
    assert_eq!(upload(text(&place, "upload_url"), PNG), 201);
    let of_bob = json!({"SenderID": "bob", "ReceiverID": "ann", "AttachmentID": text(&place, "id")});
    assert_eq!(send(&product, &of_bob).status, 200);
    let link = link_in(&product, "/api/messages?user_id=bob&with=ann");
    let deleted = call(product.http, "DELETE", "/api/messages/1?user_id=bob&with=ann", &[], b"");
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    assert_eq!(follow("GET", &link, &[], b"").status, 404);
    assert_eq!(file(&product, text(&place, "id"), "bob").status, 404);
}

#[tokio::test]
async fn what_is_not_as_it_was_said_to_be_goes() {
    let product = product(&[]);
    let place = || ask(&product, &json!({"user_id": "ann", "room_id": "general", "file_name": "a.png"}));
    let send_with = |id: &str| {
        send(
            &product,
            &json!({"SenderID": "ann", "RoomID": "general", "AttachmentID": id, "MessageText": "x"}),
        )
    };
    for (content, code) in [
        (&b"<html><script>"[..], "content_mismatch"),
        (b"MZ\x90\0\x03\0\0\0", "content_mismatch"),
        (b"", "content_mismatch"),
    ] {
        let place = place();
        assert_eq!(upload(text(&place, "upload_url"), content), 201);
        assert_eq!(send_with(text(&place, "id")).error().0, code, "{content:?}");
        assert_eq!(send_with(text(&place, "id")).error().0, "attachment_not_found", "it is removed");
    }
    let (place, mut large) = (place(), PNG.to_vec());
    large.resize(MAX + 1, 0);
    // A storage account cannot hold to a size: there it is seen when it is looked at, and removed.
    match upload(text(&place, "upload_url"), &large) {
        413 => assert_eq!(send_with(text(&place, "id")).error().0, "not_uploaded"),
        status => {
            assert_eq!(status, 201);
            assert_eq!(send_with(text(&place, "id")).error().0, "attachment_too_large");
            assert_eq!(file(&product, text(&place, "id"), "ann").status, 404);
        }
    }
}

#[tokio::test]
async fn what_may_not_be_stored_is_refused() {
    let product = product(&[("ATTACHMENTS_QUOTA_BYTES", "6000")]);
    let message =
        |url: &str| json!({"SenderID": "ann", "RoomID": "general", "MessageText": "x", "AttachmentURL": url});
    for (url, code) in [
        ("https://a.blob.core.windows.net/c/b?sv=1&sig=abc", "signed_url"),
        ("https://files.example/a?x=1&%53ig=abc", "signed_url"),
        ("ftp://files.example/a.png", "invalid_url"),
        ("../a.png", "invalid_url"),
        ("javascript:alert(1)", "invalid_url"),
        ("run.exe", "content_type_not_allowed"),
        ("page.html", "content_type_not_allowed"),
        ("...", "invalid_file_name"),
    ] {
        let answer = send(&product, &message(url));
        let (found, field) = answer.error();
        assert_eq!((answer.status, found.as_str()), (400, code), "{url}");
        assert!(["AttachmentURL"].contains(&field.as_str()), "{url}: {field}");
    }
    let kept = send(&product, &message("https://files.example/a.png?design=1"));
    assert!(kept.json().get("UploadURL").is_none(), "other links stay as they are");

    let ask = |body: Value| product.post("/api/attachments", &body.to_string());
    let good = json!({"user_id": "ann", "room_id": "general", "file_name": "a.png", "size": 3_000});
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (body, status, code, field) in [
        (with("size", json!(0)), 413, "attachment_too_large", "bytes"),
        (with("size", json!(MAX + 1)), 413, "attachment_too_large", "bytes"),
        (with("size", json!("1")), 400, "wrong_type", "size"),
        (with("content_type", json!("text/html")), 400, "content_type_not_allowed", "content_type"),
        (with("file_name", json!("\u{202e}/..")), 400, "invalid_file_name", "file_name"),
        (with("file_name", Value::Null), 400, "missing_field", "file_name"),
        (with("room_id", Value::Null), 400, "missing_field", "room_id"),
        (with("room_id", json!("none")), 404, "room_not_found", ""),
        (with("to", json!("bob")), 400, "two_targets", "receiver_id"),
    ] {
        let answer = ask(body.clone());
        assert_eq!((answer.status, answer.error()), (status, (code.to_owned(), field.to_owned())), "{body}");
    }
    assert_eq!(ask(good.clone()).status, 201);
    assert_eq!(ask(good.clone()).status, 201);
    assert_eq!(ask(good.clone()).error().0, "quota_exceeded");
    assert_eq!(ask(with("user_id", json!("bob"))).status, 201, "each has their own");
    for id in ["x", "%2e%2e%2fchat.redb", &"0".repeat(64)] {
        assert_eq!(file(&product, id, "ann").status, 404, "{id}");
        let put = call(
            product.http,
            "PUT",
            &format!("/api/attachments/{id}/blob?sig=00"),
            &[("x-ms-blob-type", "BlockBlob")],
            b"x",
        );
        assert!([403, 404].contains(&put.status), "{id}: {}", put.status);
    }
}
