//! A host on a copy of the app, and what people do with it.

use std::path::Path;
use std::time::Duration;

use funchost::{FuncHost, HttpMode, Message, Options, Settings, Status};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;

/// How long anything may take before its test fails. Two busy cores need far less.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const ADMIN: &str = "root";

/// An app folder: the repository's files, with this build's program where `host.json` looks for it.
pub(crate) struct App {
    folder: TempDir,
}

impl App {
    pub(crate) fn new() -> Self {
        let app = Self { folder: tempfile::tempdir().unwrap() };
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        std::fs::copy(repository.join("host.json"), app.path("host.json")).unwrap();
        for entry in std::fs::read_dir(&repository).unwrap() {
            let folder = entry.unwrap();
            let function = folder.path().join("function.json");
            if function.is_file() {
                let here = app.path(folder.file_name().to_str().unwrap());
                std::fs::create_dir(&here).unwrap();
                std::fs::copy(function, here.join("function.json")).unwrap();
            }
        }
        std::fs::create_dir(app.path("bin")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_handler"), app.path("bin/handler")).unwrap();
        app
    }

    /// With triggers that are called with batches.
    pub(crate) fn with_batches() -> Self {
        let app = Self::new();
        for name in ["processQueue", "processTopic"] {
            app.edit(&format!("{name}/function.json"), |function| {
                function["bindings"][0]["cardinality"] = json!("many");
            });
        }
        app
    }

    /// Changes a JSON file of this copy.
    pub(crate) fn edit(&self, file: &str, change: impl FnOnce(&mut Value)) {
        let path = self.path(file);
        let mut json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut json);
        std::fs::write(path, json.to_string()).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// All that the program is told: nothing of this process's environment.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::new(self.folder.path());
        options.settings = Settings::default();
        for (name, value) in [
            ("TRANSPORT_MODE", "self"),
            ("QUEUE_MODE", "servicebus"),
            ("AUTH_MODE", "anonymous"),
            ("ADMIN_USERS", ADMIN),
            ("HANDLER_TEST_CONTROLS", "true"),
            ("RUST_LOG", "warn"),
        ] {
            options.settings.set(name, value);
        }
        options.settings.set("DATA_DIR", self.path("data").display().to_string());
        // Where the apps of this binary keep their data.
        crate::store(&mut options.settings);
        options
    }

    pub(crate) async fn start(self) -> World {
        let options = self.options();
        self.start_with(options).await
    }

    pub(crate) async fn start_in(self, mode: HttpMode) -> World {
        let mut options = self.options();
        options.mode = Some(mode);
        self.start_with(options).await
    }

    pub(crate) async fn start_with(self, options: Options) -> World {
        let host = FuncHost::start(options).await.unwrap();
        host.ready().await.unwrap();
        let client = Client::new(host.url());
        World { host, client, app: self }
    }
}

pub(crate) struct World {
    pub(crate) host: FuncHost,
    pub(crate) client: Client,
    /// Removed from the disk with the world.
    #[expect(dead_code, reason = "kept for as long as the host runs")]
    app: App,
}

impl World {
    pub(crate) async fn room(&self, owner: &str, name: &str) -> String {
        let answer = self.client.post("/api/rooms", owner, &json!({ "name": name })).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn join(&self, room: &str, user: &str) {
        let answer = self.client.post(&format!("/api/rooms/{room}/join"), user, &json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Sends and answers the message's id.
    pub(crate) async fn send(&self, message: &Value) -> String {
        let sender = message["SenderID"].as_str().unwrap();
        let answer = self.client.post("/api/sendMessage", sender, message).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json["MessageID"].as_str().unwrap().to_owned()
    }

    /// All messages of a room, read page by page.
    pub(crate) async fn room_history(&self, room: &str) -> Vec<Value> {
        self.all(&format!("/api/rooms/{room}/messages?limit=500"), ADMIN).await
    }

    pub(crate) async fn direct_history(&self, user: &str, with: &str) -> Vec<Value> {
        self.all(&format!("/api/messages?with={with}&limit=500"), user).await
    }

    async fn all(&self, path: &str, user: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = all.last().map_or(0, |message| message["seq"].as_u64().unwrap());
            let answer = self.client.get(&format!("{path}&after={after}"), user).await;
            assert!(answer.json.get("gap").is_none(), "{answer:?}");
            // A conversation begins with its first message.
            let page = answer.json["messages"].as_array().cloned().unwrap_or_default();
            assert!(answer.status == 200 || (answer.status == 404 && page.is_empty()), "{answer:?}");
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    /// The whole inbox, read page by page.
    pub(crate) async fn inbox(&self, user: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut path = "/api/inbox".to_owned();
        loop {
            let answer = self.client.get(&path, user).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            all.extend(answer.json["messages"].as_array().unwrap().iter().cloned());
            let Some(next) = answer.json["next"].as_str() else { return all };
            path = format!("/api/inbox?after={next}");
        }
    }

    /// Parked messages.
    pub(crate) async fn dead(&self) -> Vec<Value> {
        self.letters("dead").await
    }

    pub(crate) async fn rejected(&self) -> Vec<Value> {
        self.letters("rejected").await
    }

    pub(crate) async fn letters(&self, kind: &str) -> Vec<Value> {
        let answer = self.client.get(&format!("/api/admin/letters?kind={kind}"), ADMIN).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json["letters"].as_array().unwrap().clone()
    }

    /// Puts a message into `chat-queue` or `chat-topic`, as a foreign producer does.
    pub(crate) async fn produce(&self, entity: &str, message: Message) {
        self.host.send(entity, message).await.unwrap();
    }

    /// Waits until no message waits or is in hand.
    pub(crate) async fn settled(&self) -> Status {
        let settled = self.host.wait_for(PATIENCE, Status::queues_are_empty).await;
        settled.unwrap_or_else(|status| panic!("{status:#?}\n{:#?}", self.host.handler_log()))
    }

    /// Waits until the room has so many messages.
    pub(crate) async fn settled_with(&self, room: &str, count: usize) {
        self.until(async || self.room_history(room).await.len() == count).await;
    }

    /// Asks until it is so.
    pub(crate) async fn until(&self, is_so: impl AsyncFn() -> bool) {
        let asking = async {
            while !is_so().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let asked = tokio::time::timeout(PATIENCE, asking).await;
        assert!(asked.is_ok(), "{:#?}\n{:#?}", self.host.status(), self.host.handler_log());
    }

    pub(crate) async fn pid(&self) -> String {
        self.client.call(Method::GET, "/api/test/pid", &[], "").await.text
    }

    /// Takes the stores away, or gives them back.
    pub(crate) async fn stores(&self, place: &str) {
        let answer = self.client.call(Method::POST, &format!("/api/test/store/{place}"), &[], "").await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    /// What holds at the end of every story: all delivered, nothing given up by the bus, no invocation left hanging.
    pub(crate) async fn ends_well(self, restarts: u64) {
        let status = self.settled().await;
        assert!(status.dead_letters.is_empty(), "{:#?}", status.dead_letters);
        assert_eq!((status.hangs(), status.restarts), (0, restarts), "{status:#?}");
        assert_eq!(status.handler, "ready");
        self.host.stop().await;
    }
}

/// The texts under a name, in order.
pub(crate) fn texts(messages: &[Value], name: &str) -> Vec<String> {
    messages.iter().map(|message| message[name].as_str().unwrap_or_default().to_owned()).collect()
}

/// As [`texts`], for lists whose order within a millisecond is nobody's promise.
pub(crate) fn sorted_texts(messages: &[Value], name: &str) -> Vec<String> {
    let mut texts = texts(messages, name);
    texts.sort();
    texts
}

/// Message numbers without a hole, from 1.
pub(crate) fn are_numbered(messages: &[Value]) -> bool {
    messages.iter().zip(1..).all(|(message, number)| message["number"] == number)
}
