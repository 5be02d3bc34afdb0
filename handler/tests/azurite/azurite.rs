//! One Azurite for all tests of this binary, on a free port, with its data in a folder that goes with it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use handler::adapters::azure::Http;
use handler::adapters::azure::table::{StorageAccount, Tables};

/// An account's key, planted: it must be nowhere to be read.
pub const KEY: &str = "cGxhbnRlZCBrZXkgb2YgdGhlIHRhYmxlIHRlc3RzIHRoYXQgbm9ib2R5IG1heSBzZWU=";

pub struct Azurite {
    /// It ends when this closes: with the process that runs the tests.
    _stdin: ChildStdin,
    _child: Child,
    _data: tempfile::TempDir,
    pub connection: String,
}

/// The one of this binary; the first test that asks starts it.
pub fn azurite() -> &'static Azurite {
    static AZURITE: OnceLock<Azurite> = OnceLock::new();
    AZURITE.get_or_init(Azurite::start)
}

impl Azurite {
    fn start() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/azurite");
        assert!(folder.join("node_modules/azurite").is_dir(), "Azurite is not installed; run: make azurite");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = tempfile::tempdir().unwrap();
        let mut child = Command::new("node")
            .arg("table.cjs")
            .args(["--tableHost", "127.0.0.1", "--tablePort", &port.to_string()])
            .args(["--disableTelemetry", "--silent", "--skipApiVersionCheck", "--location"])
            .arg(data.path())
            .env("AZURITE_ACCOUNTS", format!("chat:{KEY}"))
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("Node is needed for Azurite: {error}"));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let started = lines.by_ref().map_while(Result::ok).any(|line| line.contains("successfully started"));
        assert!(started, "Azurite ended before it listened");
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let connection =
            format!("AccountName=chat;AccountKey={KEY};TableEndpoint=http://127.0.0.1:{port}/chat");
        Self { _stdin: child.stdin.take().unwrap(), _child: child, _data: data, connection }
    }

    /// The tables with this prefix.
    pub fn tables(&self, prefix: &str) -> Tables {
        let account = StorageAccount::parse(&self.connection).unwrap();
        Tables::new(&account, None, prefix, &Http::new().unwrap()).unwrap()
    }
}

/// A prefix that no other test of this binary has.
pub fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("t{}x", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// For a contract's case: the tables that belong to its folder, the same for each adapter it opens there.
pub fn tables_in(dir: &Path) -> Tables {
    let file = dir.join("prefix");
    let prefix = std::fs::read_to_string(&file).unwrap_or_else(|_| {
        let fresh = prefix();
        std::fs::write(&file, &fresh).unwrap();
        fresh
    });
    azurite().tables(&prefix)
}
