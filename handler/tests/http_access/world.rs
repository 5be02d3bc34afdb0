//! A room with somebody of each standing in it, and what they left there.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::people::{ROOT, ask_as};
use crate::product::{PATIENCE, Product, call};

/// Whose request it is, ascending in what they may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    NonMember,
    /// The same, asking for a private room.
    Stranger,
    Member,
    Moderator,
    Owner,
    Admin,
}

impl Standing {
    pub const ALL: [Self; 6] =
        [Self::NonMember, Self::Stranger, Self::Member, Self::Moderator, Self::Owner, Self::Admin];
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";

pub struct World {
    number: usize,
    room: String,
    private: String,
    invitation: Value,
    /// In the member's message.
    file: String,
    /// Of the member's message and of another's.
    mine: u64,
    theirs: u64,
}

impl World {
    /// Nobody in it was in another.
    pub fn new(product: &Product) -> Self {
        static WORLDS: AtomicUsize = AtomicUsize::new(0);
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let name = |name: &str| format!("{name}-{number}");
        let done = |user: &str, method: &str, path: &str, body: Value| {
            let answer = ask_as(product, user, method, path, &body.to_string());
            assert!(answer.status < 300, "{user} {method} {path}: {}", answer.text());
            answer.json()
        };
        let owner = name("owner");
        let make = |private: bool| {
            let room = json!({ "name": format!("{private} {number}"), "is_private": private });
            done(&owner, "POST", "/api/rooms", room)["id"].as_str().unwrap().to_owned()
        };
        let (room, private) = (make(false), make(true));
        let members = format!("/api/rooms/{room}/members");
        for (user, role) in [("moderator", "moderator"), ("member", "member"), ("other", "member")] {
            done(&owner, "POST", &members, json!({ "user": name(user), "role": role }));
        }
        let invitation = done(&owner, "POST", &format!("/api/rooms/{room}/invitations"), json!({}));
        let asked = json!({ "room_id": room, "file_name": "a.png" });
        let place = done(&name("member"), "POST", "/api/attachments", asked);
        let (file, link) = (place["id"].as_str().unwrap().to_owned(), place["upload_url"].as_str().unwrap());
        let path = &link[link.find("/api/").unwrap()..];
        let stored = call(product.http, "PUT", path, &[("x-ms-blob-type", "BlockBlob")], PNG);
        assert_eq!(stored.status, 201, "{}", stored.text());
        let message = json!({ "RoomID": room, "MessageText": "look", "AttachmentID": file });
        done(&name("member"), "POST", "/api/sendMessage", message);
        let send = |user: &str, to: &str, whom: &str| {
            let message = json!({ to: whom, "MessageText": user });
            done(&name(user), "POST", "/api/sendMessage", message);
        };
        send("member", "RoomID", &room);
        send("other", "RoomID", &room);
        send("member", "ReceiverID", &name("other"));
        let seq_of = |reader: &str, path: &str, text: &str| {
            let deadline = Instant::now() + PATIENCE;
            loop {
                let page = ask_as(product, reader, "GET", path, "").json();
                let found = page["messages"].as_array().unwrap().iter().find(|m| m["content"] == text);
                if let Some(message) = found {
                    return message["seq"].as_u64().unwrap();
                }
                assert!(Instant::now() < deadline, "{text} does not come: {page}");
                std::thread::yield_now();
            }
        };
        let history = format!("/api/rooms/{room}/messages");
        let (mine, theirs) = (seq_of(&owner, &history, "member"), seq_of(&owner, &history, "other"));
        seq_of(&owner, &history, "look");
        let direct = format!("/api/messages?with={}", name("other"));
        assert_eq!(seq_of(&name("member"), &direct, "member"), 1);
        Self { number, room, private, invitation, file, mine, theirs }
    }

    /// The user id of somebody of this standing.
    pub fn user(&self, standing: Standing) -> String {
        match standing {
            Standing::NonMember | Standing::Stranger => format!("outsider-{}", self.number),
            Standing::Member => format!("member-{}", self.number),
            Standing::Moderator => format!("moderator-{}", self.number),
            Standing::Owner => format!("owner-{}", self.number),
            Standing::Admin => ROOT.to_owned(),
        }
    }

    /// Puts what is here for the words in capitals.
    pub fn fill(&self, standing: Standing, text: &str) -> String {
        let room = if standing == Standing::Stranger { &self.private } else { &self.room };
        let word = |name: &str| self.invitation[name].as_str().unwrap().to_owned();
        text.replace("ROOM", room)
            .replace("INVITATION", &word("id"))
            .replace("TOKEN", &word("token"))
            .replace("FILE", &self.file)
            .replace("MINE", &self.mine.to_string())
            .replace("THEIRS", &self.theirs.to_string())
            .replace("OTHER", &format!("other-{}", self.number))
            .replace("SOMEBODY", &format!("somebody-{}", self.number))
    }
}
