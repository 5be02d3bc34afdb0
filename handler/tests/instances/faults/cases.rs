//! What people do, each with a trace of what came of it. Whatever fails on the way, the trace is the one of a day on which
//! nothing does.

use std::time::Duration;

use funchost::Message;
use http::Method;
use serde_json::{Value, json};

use super::ear::Ear;
use super::stage::Stage;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UseCase {
    Chores,
    Direct,
    Room,
    Live,
    NewRoom,
    JoinAndLeave,
    Ban,
    Mute,
    Message,
    Marks,
    Inbox,
    Settings,
    Members,
    Invitation,
    Connect,
    DeleteRoom,
    Rejected,
    Poison,
    Review,
    Attachment,
    Erasure,
}

type Trace = Vec<String>;

impl UseCase {
    /// The chores first: they look at all that there is.
    pub(crate) const ALL: [Self; 21] = [
        Self::Chores,
        Self::Direct,
        Self::Room,
        Self::Live,
        Self::NewRoom,
        Self::JoinAndLeave,
        Self::Ban,
        Self::Mute,
        Self::Message,
        Self::Marks,
        Self::Inbox,
        Self::Settings,
        Self::Members,
        Self::Invitation,
        Self::Connect,
        Self::DeleteRoom,
        Self::Rejected,
        Self::Poison,
        Self::Review,
        Self::Attachment,
        Self::Erasure,
    ];

    pub(crate) async fn play(self, stage: &mut Stage) -> Trace {
        match self {
            Self::Chores => chores(stage).await,
            Self::Direct => direct(stage).await,
            Self::Room => room(stage).await,
            Self::Live => live(stage).await,
            Self::NewRoom => new_room(stage).await,
            Self::JoinAndLeave => join_and_leave(stage).await,
            Self::Ban => ban(stage).await,
            Self::Mute => mute(stage).await,
            Self::Message => message(stage).await,
            Self::Marks => marks(stage).await,
            Self::Inbox => inbox(stage).await,
            Self::Settings => settings(stage).await,
            Self::Members => members(stage).await,
            Self::Invitation => invitation(stage).await,
            Self::Connect => connect(stage).await,
            Self::DeleteRoom => delete_room(stage).await,
            Self::Rejected => rejected(stage).await,
            Self::Poison => poison(stage).await,
            Self::Review => review(stage).await,
            Self::Attachment => attachment(stage).await,
            Self::Erasure => erasure(stage).await,
        }
    }
}

async fn direct(s: &mut Stage) -> Trace {
    let (from, bob) = (s.fresh("carl"), s.user("bob"));
    let ids = [s.fresh("a"), s.fresh("b")];
    s.arm();
    for id in &ids {
        s.send(&from, ("ReceiverID", &bob), id).await;
    }
    s.settled().await;
    s.ear.has_heard_messages(&ids).await;
    let history = s.get(&format!("/api/messages?with={from}"), &bob).await;
    let history = history["messages"].as_array().unwrap();
    let mut trace: Trace =
        history.iter().map(|one| s.plain(&format!("{} {}", one["number"], one["id"]))).collect();
    trace.extend(waiting(s, &bob, &from).await);
    trace
}

/// What the user's inbox has of somebody.
async fn waiting(s: &Stage, user: &str, from: &str) -> Trace {
    let mut waiting: Trace = Vec::new();
    let mut path = "/api/inbox".to_owned();
    loop {
        let page = s.get(&path, user).await;
        let of_sender = page["messages"].as_array().unwrap().iter().filter(|one| one["sender"] == from);
        waiting.extend(of_sender.map(|one| s.plain(&format!("waits: {}", one["id"]))));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/inbox?after={next}");
    }
    waiting.sort();
    waiting
}

async fn room(s: &mut Stage) -> Trace {
    let from = s.fresh("carl");
    let room = s.room.clone();
    s.arm();
    for id in [s.fresh("a"), s.fresh("b")] {
        s.send(&from, ("RoomID", &room), &id).await;
    }
    let entries = s.new_entries().await;
    s.told(&entries)
}

async fn live(s: &mut Stage) -> Trace {
    let room = s.room.clone();
    s.arm();
    let mut seqs = Vec::new();
    for id in [s.fresh("a"), s.fresh("b")] {
        let data = json!({ "room_id": room, "content": "x", "id": id });
        let answer = s.guest.invoke("send", &data).await;
        let again = s.guest.invoke("send", &data).await;
        assert_eq!(
            (&answer["seq"], &answer["number"]),
            (&again["seq"], &again["number"]),
            "the first answer"
        );
        seqs.push(answer["seq"].clone());
    }
    let entries = s.new_entries().await;
    let stored: Vec<Value> = entries.iter().map(|entry| entry["seq"].clone()).collect();
    assert_eq!(stored, seqs);
    s.told(&entries)
}

async fn new_room(s: &mut Stage) -> Trace {
    let (owner, key) = (s.fresh("dora"), s.fresh("key"));
    let wanted = json!({ "name": s.fresh("Room"), "is_private": true });
    s.arm();
    let room = s.ask_with(Method::POST, "/api/rooms", &owner, Some(&key), &wanted).await;
    let again = s.ask_with(Method::POST, "/api/rooms", &owner, Some(&key), &wanted).await;
    assert_eq!(room, again, "the first answer");
    let id = room["id"].as_str().unwrap();
    s.send(&owner, ("RoomID", id), &s.fresh("a")).await;
    s.settled().await;
    let mut trace = s.told(&s.entries_behind(id, 0).await);
    trace.push(format!("members: {}", s.get(&format!("/api/rooms/{id}"), &owner).await["member_count"]));
    trace
}

/// A message to the room, and whether the guest hears it. By the time they hear what is theirs alone, they would have.
async fn is_heard(s: &mut Stage, name: &str) -> String {
    let (ann, eve, room) = (s.user("ann"), s.user("eve"), s.room.clone());
    let (to_room, to_eve) = (s.fresh(name), s.fresh(&format!("{name}-direct")));
    s.send(&ann, ("RoomID", &room), &to_room).await;
    s.settled().await;
    s.send(&ann, ("ReceiverID", &eve), &to_eve).await;
    s.guest.has_heard_messages(&[to_eve]).await;
    let word = if s.guest.knows(&to_room) { "hears" } else { "does not hear" };
    format!("the guest {word} {name}")
}

async fn join_and_leave(s: &mut Stage) -> Trace {
    let (eve, path) = (s.user("eve"), format!("/api/rooms/{}", s.room));
    s.arm();
    s.post(&format!("{path}/join"), &eve, &json!({})).await;
    s.post(&format!("{path}/join"), &eve, &json!({})).await;
    let mut trace = vec![is_heard(s, "a").await];
    s.post(&format!("{path}/leave"), &eve, &json!({})).await;
    s.post(&format!("{path}/leave"), &eve, &json!({})).await;
    trace.push(is_heard(s, "b").await);
    let entries = s.new_entries().await;
    trace.extend(s.told(&entries));
    trace
}

async fn ban(s: &mut Stage) -> Trace {
    let (ann, eve) = (s.user("ann"), s.user("eve"));
    let path = format!("/api/rooms/{}", s.room);
    s.post(&format!("{path}/join"), &eve, &json!({})).await;
    let mut trace = vec![is_heard(s, "a").await];
    s.arm();
    s.post(&format!("{path}/bans"), &ann, &json!({ "user": eve, "reason": "loud" })).await;
    s.post(&format!("{path}/bans"), &ann, &json!({ "user": eve, "reason": "loud" })).await;
    trace.push(is_heard(s, "b").await);
    for _ in 0..2 {
        s.ask(Method::DELETE, &format!("{path}/bans?user={eve}"), &ann, &Value::Null).await;
    }
    let entries = s.new_entries().await;
    trace.extend(s.told(&entries));
    trace
}

async fn mute(s: &mut Stage) -> Trace {
    let (ann, bob) = (s.user("ann"), s.user("bob"));
    let path = format!("/api/rooms/{}/mutes", s.room);
    s.arm();
    for _ in 0..2 {
        s.post(&path, &ann, &json!({ "user": bob })).await;
    }
    let mutes = s.get(&path, &ann).await["mutes"].as_array().unwrap().len();
    for _ in 0..2 {
        s.ask(Method::DELETE, &format!("{path}?user={bob}"), &ann, &Value::Null).await;
    }
    let entries = s.new_entries().await;
    let mut trace = s.told(&entries);
    trace.push(format!("mutes: {mutes}"));
    trace
}

async fn message(s: &mut Stage) -> Trace {
    let (ann, bob, room) = (s.user("ann"), s.user("bob"), s.room.clone());
    s.send(&ann, ("RoomID", &room), &s.fresh("a")).await;
    let before = s.new_entries().await;
    let seq = &before[0]["seq"];
    let (path, pin) = (format!("/api/rooms/{room}/messages/{seq}"), format!("/api/rooms/{room}/pins/{seq}"));
    let key = s.fresh("key");
    s.arm();
    for _ in 0..2 {
        s.ask_with(Method::PATCH, &path, &ann, Some(&key), &json!({ "content": "y" })).await;
    }
    for on in [Method::PUT, Method::DELETE, Method::PUT] {
        s.ask(on, &format!("{path}/reactions?emoji=:tea:"), &bob, &Value::Null).await;
    }
    for on in [Method::PUT, Method::DELETE] {
        s.ask(on, &pin, &ann, &Value::Null).await;
    }
    let shown = s.get(&path, &bob).await;
    let mut trace = vec![format!("shown: {} {}", shown["content"], shown["reactions"])];
    for _ in 0..2 {
        s.ask(Method::DELETE, &path, &ann, &Value::Null).await;
    }
    let entries = s.new_entries().await;
    trace.extend(s.told(&entries));
    trace
}

async fn marks(s: &mut Stage) -> Trace {
    let (ann, bob, room) = (s.user("ann"), s.user("bob"), s.room.clone());
    s.send(&ann, ("RoomID", &room), &s.fresh("a")).await;
    let seq = s.new_entries().await[0]["seq"].clone();
    s.arm();
    for _ in 0..2 {
        let read = s.ask(Method::PUT, &format!("/api/rooms/{room}/read"), &bob, &json!({ "seq": seq })).await;
        assert_eq!((&read["read_seq"], &read["unread"]), (&seq, &json!(0)));
    }
    let members = s.get(&format!("/api/rooms/{room}/members"), &ann).await;
    // Ann's own is written behind her message.
    let reader = members["members"].as_array().unwrap().iter().find(|one| one["user"] == bob);
    vec![format!("bob has read all: {}", reader.unwrap()["read_seq"] == seq)]
}

async fn inbox(s: &mut Stage) -> Trace {
    let (from, bob) = (s.fresh("carl"), s.user("bob"));
    let ids = [s.fresh("a"), s.fresh("b"), s.fresh("c")];
    for id in &ids {
        s.send(&from, ("ReceiverID", &bob), id).await;
    }
    s.settled().await;
    s.arm();
    s.post("/api/inbox/ack", &bob, &json!({ "ids": [ids[0]] })).await;
    let mut trace = waiting(s, &bob, &from).await;
    s.ask(Method::PUT, &format!("/api/messages/read?with={from}"), &bob, &json!({ "seq": 2 })).await;
    trace.extend(waiting(s, &bob, &from).await);
    s.post("/api/inbox/ack", &bob, &json!({ "ids": ids })).await;
    trace.extend(waiting(s, &bob, &from).await);
    trace
}

async fn settings(s: &mut Stage) -> Trace {
    let (ann, path) = (s.user("ann"), format!("/api/rooms/{}", s.room));
    s.arm();
    for n in 0..2 {
        // The second one is its own repeat.
        let change = json!({ "name": s.fresh("Room"), "description": s.fresh("About") });
        let room = s.ask(Method::PATCH, &path, &ann, &change).await;
        assert_eq!(room["description"], s.fresh("About"), "{n}: {room}");
    }
    let profile = json!({ "display_name": s.fresh("Ann") });
    s.ask(Method::PUT, "/api/me", &ann, &profile).await;
    let me = s.get("/api/me", &ann).await;
    let listed = s.get(&format!("/api/rooms?prefix={}", s.fresh("Room")), &ann).await;
    let listed = listed.as_array().unwrap().iter().filter(|room| room["name"] == s.fresh("Room")).count();
    let entries = s.new_entries().await;
    let mut trace = s.told(&entries);
    trace.push(s.plain(&format!("{} {listed}", me["display_name"])));
    trace
}

async fn members(s: &mut Stage) -> Trace {
    let (ann, zoe, path) = (s.user("ann"), s.fresh("zoe"), format!("/api/rooms/{}/members", s.room));
    s.arm();
    for _ in 0..2 {
        s.post(&path, &ann, &json!({ "user": zoe })).await;
    }
    let changed = s.ask(Method::PATCH, &path, &ann, &json!({ "user": zoe, "role": "moderator" })).await;
    assert_eq!(changed["role"], "moderator");
    for _ in 0..2 {
        s.ask(Method::DELETE, &format!("{path}?user={zoe}"), &ann, &Value::Null).await;
    }
    let left = s.get(&path, &ann).await["members"].as_array().unwrap().len();
    let entries = s.new_entries().await;
    let mut trace = s.told(&entries);
    // A role that was told and not stored is told once more.
    trace.dedup();
    trace.push(format!("members: {left}"));
    trace
}

async fn invitation(s: &mut Stage) -> Trace {
    let (ann, zoe, room) = (s.user("ann"), s.fresh("zoe"), s.room.clone());
    let path = format!("/api/rooms/{room}/invitations");
    s.arm();
    let link = s.post(&path, &ann, &json!({ "max_uses": 1 })).await;
    for _ in 0..2 {
        let accepted = s.post("/api/invitations/accept", &zoe, &json!({ "token": link["token"] })).await;
        assert_eq!(accepted["id"], room);
    }
    s.post(&path, &ann, &json!({ "user": s.fresh("yan") })).await;
    let revoked = format!("{path}/{}", link["id"].as_str().unwrap());
    for _ in 0..2 {
        s.ask(Method::DELETE, &revoked, &ann, &Value::Null).await;
    }
    let entries = s.new_entries().await;
    s.told(&entries)
}

async fn connect(s: &mut Stage) -> Trace {
    let (zoe, room) = (s.fresh("zoe"), s.room.clone());
    s.post(&format!("/api/rooms/{room}/join"), &zoe, &json!({})).await;
    s.send(&s.user("ann"), ("ReceiverID", &zoe), &s.fresh("waiting")).await;
    s.settled().await;
    s.arm();
    let mut tries = 0;
    loop {
        // One whose rooms could not be looked at again is closed, and comes anew.
        let mut ear = Ear::new(s.at.connect(&zoe).await);
        tries += 1;
        let id = s.fresh(&format!("a{tries}"));
        s.send(&s.user("ann"), ("RoomID", &room), &id).await;
        if ear.hears_before_its_end(&id).await {
            break;
        }
    }
    s.post(&format!("/api/rooms/{room}/leave"), &zoe, &json!({})).await;
    let mut entries = s.new_entries().await;
    entries.retain(|entry| entry["type"] != "message" || !entry["id"].as_str().unwrap().starts_with('a'));
    s.told(&entries)
}

async fn delete_room(s: &mut Stage) -> Trace {
    let (owner, zoe, key) = (s.fresh("dora"), s.fresh("zoe"), s.fresh("key"));
    let room = s.post("/api/rooms", &owner, &json!({ "name": s.fresh("Room") })).await;
    let (id, path) = (room["id"].as_str().unwrap(), format!("/api/rooms/{}", room["id"].as_str().unwrap()));
    s.post(&format!("{path}/join"), &zoe, &json!({})).await;
    s.arm();
    for _ in 0..2 {
        s.ask_with(Method::DELETE, &path, &owner, Some(&key), &Value::Null).await;
    }
    let mine = s.get("/api/me/rooms", &zoe).await;
    assert_eq!(mine["rooms"], json!([]), "{mine}");
    let listed = s.get(&format!("/api/rooms?prefix={}", s.fresh("Room")), &owner).await;
    let mut trace = s.told(&s.entries_behind(id, 0).await);
    trace.push(format!("listed: {listed}"));
    trace
}

/// What the sender may not say any more when it is delivered.
async fn rejected(s: &mut Stage) -> Trace {
    let (ann, eve, room, id) = (s.user("ann"), s.user("eve"), s.room.clone(), s.fresh("a"));
    let mutes = format!("/api/rooms/{room}/mutes");
    s.at.world.host.pause();
    s.send(&eve, ("RoomID", &room), &id).await;
    s.post(&mutes, &ann, &json!({ "user": eve })).await;
    s.arm();
    s.at.world.host.resume();
    let entries = s.new_entries().await;
    s.guest.has_heard_rejection(&id).await;
    let mut trace = s.told(&entries);
    trace.push(format!("rejected: {}", letters(s, "rejected", &id).await));
    s.ask(Method::DELETE, &format!("{mutes}?user={eve}"), &ann, &Value::Null).await;
    s.new_entries().await;
    trace
}

async fn poison(s: &mut Stage) -> Trace {
    let id = s.fresh("a");
    s.arm();
    let message = Message::new("poison").with_session(&s.room).with_id(&id);
    s.at.world.produce("chat-topic", message).await;
    s.settled().await;
    vec![format!("dead: {}", letters(s, "dead", &id).await)]
}

/// What the bus gave up comes back with the timer, all of whose chores are done.
async fn chores(s: &mut Stage) -> Trace {
    let (from, room, id) = (s.fresh("carl"), s.room.clone(), s.fresh("a"));
    let body = json!({ "SenderID": from, "RoomID": room, "MessageText": "x", "MessageID": id });
    s.arm();
    let late = Message::new(body.to_string()).with_session(&room).with_id(&id);
    s.at.world.produce("chat-topic", late.with_time_to_live(Duration::ZERO)).await;
    while !s.has_new_entries().await || letters(s, "waiting", &id).await > 0 {
        s.post("/api/test/chores", "root", &json!({})).await;
    }
    let entries = s.new_entries().await;
    let mut trace = s.told(&entries);
    trace.push(format!("dead: {}", letters(s, "dead", &id).await));
    trace
}

async fn review(s: &mut Stage) -> Trace {
    let (ann, bob, eve, room) = (s.user("ann"), s.user("bob"), s.user("eve"), s.room.clone());
    s.send(&eve, ("RoomID", &room), &s.fresh("a")).await;
    let seq = s.new_entries().await[0]["seq"].clone();
    let reviews = format!("/api/rooms/{room}/reviews");
    s.arm();
    for _ in 0..2 {
        let report = format!("/api/rooms/{room}/messages/{seq}/report");
        s.post(&report, &bob, &json!({ "reason": "loud" })).await;
    }
    let open = s.get(&reviews, &ann).await;
    let review = &open["reviews"][0];
    assert_eq!(review["seq"], seq, "{open}");
    let mut trace = vec![format!("reports: {}", review["reports"].as_array().unwrap().len())];
    let decide = format!("{reviews}/{}", review["id"].as_str().unwrap());
    for _ in 0..2 {
        let decided = s.post(&decide, &ann, &json!({ "decision": "remove", "reason": "loud" })).await;
        assert_eq!(decided["decision"]["ruling"], "remove", "{decided}");
    }
    trace.push(format!("open: {}", s.get(&reviews, &ann).await["reviews"]));
    let entries = s.new_entries().await;
    trace.extend(s.told(&entries));
    trace
}

async fn attachment(s: &mut Stage) -> Trace {
    let (ann, bob, room, id) = (s.user("ann"), s.user("bob"), s.room.clone(), s.fresh("a"));
    s.arm();
    let wanted = json!({ "room_id": room, "file_name": "tea.txt", "content_type": "text/plain", "size": 3 });
    let place = s.post("/api/attachments", &ann, &wanted).await;
    let stored = s.at.follows(&place["upload_url"], "PUT", b"tea");
    assert_eq!(stored.status, 201, "{}", stored.text());
    let message = json!({ "SenderID": ann, "RoomID": room, "MessageText": "x", "MessageID": id,
        "AttachmentID": place["id"] });
    for _ in 0..2 {
        s.post("/api/sendMessage", &ann, &message).await;
    }
    let entries = s.new_entries().await;
    let mut trace = s.told(&entries);
    let path = format!("/api/rooms/{room}/messages/{}", entries[0]["seq"]);
    let link = s.get(&path, &bob).await["attachment_url"].take();
    trace.push(format!("bob reads {}", s.at.follows(&link, "GET", b"").text()));
    for _ in 0..2 {
        s.ask(Method::DELETE, &path, &ann, &Value::Null).await;
    }
    let entries = s.new_entries().await;
    trace.extend(s.told(&entries));
    // The file itself may go later, when the timer looks after it.
    let file = format!("/api/attachments/{}", place["id"].as_str().unwrap());
    trace.push(format!("then {}", s.status(&file, &bob).await));
    trace
}

/// The request is on record, and its repeat is the same one.
async fn erasure(s: &mut Stage) -> Trace {
    let (ann, zoe) = (s.user("ann"), s.fresh("zoe"));
    s.ask(Method::PUT, "/api/me", &zoe, &json!({ "display_name": "Zoe" })).await;
    s.send(&ann, ("ReceiverID", &zoe), &s.fresh("a")).await;
    s.settled().await;
    s.arm();
    let asked = s.post("/api/me/erasure", &zoe, &json!({})).await;
    let again = s.post("/api/me/erasure", &zoe, &json!({})).await;
    let noted = s.get("/api/me/erasure", &zoe).await;
    assert!(asked == again && again == noted, "{asked} {again} {noted}");
    vec![s.plain(&format!("{} {}", noted["user"], noted["status"]))]
}

/// How many letters of a kind are about a message.
async fn letters(s: &Stage, kind: &str, id: &str) -> usize {
    let (mut count, mut after) = (0, String::new());
    loop {
        let page = s.get(&format!("/api/admin/letters?kind={kind}{after}"), "root").await;
        let letters = page["letters"].as_array().unwrap();
        count += letters.iter().filter(|letter| letter.to_string().contains(id)).count();
        let Some(next) = page["next"].as_str() else { return count };
        after = format!("&after={next}");
    }
}
