//! One Azurite for all tests of this binary, on a free port, with its data in a folder that goes with it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// An account's key, planted: it must be nowhere to be read.
pub const KEY: &str = "cGxhbnRlZCBrZXkgb2YgdGhlIHRhYmxlIHRlc3RzIHRoYXQgbm9ib2R5IG1heSBzZWU=";

/// What its table service says, and its blob service.
const LISTENS: [&str; 2] = ["successfully started", "successfully listen"];

/// It finishes what it is answering, and writes a file.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

pub struct Azurite {
    /// It ends when its stdin closes: with the process that runs the tests.
    child: Child,
    pub port: u16,
    data: tempfile::TempDir,
    pub connection: String,
}

/// The one of this binary; the first test that asks starts it.
pub fn azurite() -> &'static Azurite {
    static AZURITE: OnceLock<Azurite> = OnceLock::new();
    AZURITE.get_or_init(Azurite::start)
}

impl Azurite {
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = tempfile::tempdir().unwrap();
        let child = launched("table", port, data.path());
        let connection =
            format!("AccountName=chat;AccountKey={KEY};TableEndpoint=http://127.0.0.1:{port}/chat");
        Self { child, port, data, connection }
    }

    /// `STOP` and `CONT` pause it; see `stop` for an end.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Ends it with all that it has acknowledged on the disk, which no other signal does.
    pub async fn stop(&mut self) {
        // Its end would be a second signal, which does not wait for the disk.
        let stdin = self.child.stdin.take();
        self.signal("INT");
        let ending = async {
            while self.child.try_wait().unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(ENDS_WITHIN, ending).await.is_ok(), "Azurite does not end");
        drop(stdin);
    }

    /// On the same port and folder.
    pub fn start_again(&mut self) {
        self.child = launched("table", self.port, self.data.path());
    }
}

impl Drop for Azurite {
    /// Before its folder goes. Paused it would never see its stdin close.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One of its services, `table` or `blob`, once it listens.
pub fn launched(service: &str, port: u16, data: &Path) -> Child {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/azurite");
    assert!(folder.join("node_modules/azurite").is_dir(), "Azurite is not installed; run: make azurite");
    let mut child = Command::new("node")
        .arg(format!("{service}.cjs"))
        .args([format!("--{service}Host"), "127.0.0.1".to_owned()])
        .args([format!("--{service}Port"), port.to_string()])
        .args(["--disableTelemetry", "--silent", "--skipApiVersionCheck", "--location"])
        .arg(data)
        .env("AZURITE_ACCOUNTS", format!("chat:{KEY}"))
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("Node is needed for Azurite: {error}"));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let started =
        lines.by_ref().map_while(Result::ok).any(|line| LISTENS.iter().any(|words| line.contains(words)));
    assert!(started, "Azurite ended before it listened");
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    child
}

/// A prefix that no other test of this binary has.
pub fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("t{}x", NEXT.fetch_add(1, Ordering::Relaxed))
}
