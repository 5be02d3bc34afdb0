//! Appends through the table log on Azurite, beside inserts of single rows by the same HTTP client.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use azure_core21::auth::Secret;
use azure_core21::hmac::hmac_sha256;
use handler::adapters::azure::Http;
use handler::adapters::azure::table::{StorageAccount, TableLog, Tables};
use handler::model::{Change, ConversationId, Marker, MessageId, NewMessage, Timestamp, UserId};
use handler::ports::{Log, NewEntry};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::report::{Table, percentile, thousands};
use crate::scratch::Scratch;
use crate::{Options, Outcome};

const ACCOUNT: &str = "chat";
const KEY: &str = "YSBrZXkgZm9yIGEgYmVuY2htYXJr";
const CONCURRENCY: [usize; 3] = [1, 16, 64];
const TEXT: usize = 200;
/// So long may Azurite take to listen.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// What each worker does again and again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// One row, one request, nothing else.
    Insert,
    OneRoom,
    /// A room of its own for each worker.
    ManyRooms,
}

pub(crate) async fn measure(options: &Options) -> Outcome<Table> {
    let seconds = if options.quick { 1 } else { 5 };
    let mut rows = Vec::new();
    for way in [Way::Insert, Way::OneRoom, Way::ManyRooms] {
        for workers in CONCURRENCY {
            if workers == 1 && way == Way::ManyRooms {
                continue;
            }
            // Each on an empty one: Azurite grows slower with what it holds.
            let azurite = Azurite::start().await?;
            let bench = Bench::new(&azurite).await?;
            let rooms = bench.open_rooms(way, workers).await?;
            let requests = bench.requests(way);
            let begin = Instant::now();
            let mut latencies = bench.run(way, rooms, Duration::from_secs(seconds)).await?;
            let elapsed = begin.elapsed().as_secs_f64();
            let requests = bench.requests(way) - requests;
            latencies.sort_by(f64::total_cmp);
            let count = latencies.len() as f64;
            rows.push(vec![
                match way {
                    Way::Insert => "bare insert of a row",
                    Way::OneRoom => "append, one room",
                    Way::ManyRooms => "append, a room for each",
                }
                .to_owned(),
                workers.to_string(),
                thousands(count / elapsed),
                if way == Way::Insert {
                    "1.00".to_owned()
                } else {
                    format!("{:.2}", requests as f64 / count)
                },
                format!("{:.1}", percentile(&latencies, 0.5) * 1e3),
                format!("{:.1}", percentile(&latencies, 0.99) * 1e3),
                format!("{:.1}", latencies.iter().sum::<f64>() / elapsed),
            ]);
        }
    }
    Ok(Table {
        title: "Table Storage",
        note: format!(
            "Messages of {TEXT} bytes for {seconds} s on a fresh Azurite (one core's worth of Node), each worker waiting for its \
             own. An append is a transaction of four rows (head, entry, state, marker); those that wait for the same room share \
             one. The bare insert writes a row of the same size and nothing else, over the same HTTP client. The last column is \
             rate times mean time, which by Little's law is how many were really under way."
        ),
        columns: vec!["way", "at once", "messages/s", "requests each", "p50 ms", "p99 ms", "under way"],
        rows,
    })
}

struct Bench {
    log: Arc<TableLog>,
    tables: Tables,
    bare: Bare,
}

impl Bench {
    async fn new(azurite: &Azurite) -> Outcome<Self> {
        let text = format!("AccountName={ACCOUNT};AccountKey={KEY};TableEndpoint={}", azurite.endpoint());
        let http = Http::new()?;
        let tables = Tables::new(&StorageAccount::parse(&text)?, None, "bench", &http)?;
        let bare = Bare::new(&http, azurite).await?;
        Ok(Self { log: Arc::new(TableLog::new(&tables)), tables, bare })
    }

    fn requests(&self, way: Way) -> u64 {
        if way == Way::Insert { 0 } else { self.tables.requests() }
    }

    /// The room of each worker, open before anything is measured.
    async fn open_rooms(&self, way: Way, workers: usize) -> Outcome<Vec<ConversationId>> {
        let mut rooms = Vec::with_capacity(workers);
        for worker in 0..workers {
            let room = if way == Way::ManyRooms { worker } else { 0 };
            let room = ConversationId::new(&format!("room-{room}"))?;
            self.log.open(&room).await?;
            rooms.push(room);
        }
        Ok(rooms)
    }

    /// How long each took, in seconds. A worker for each of the rooms, all of them from the start.
    async fn run(&self, way: Way, rooms: Vec<ConversationId>, lasts: Duration) -> Outcome<Vec<f64>> {
        let mut tasks = JoinSet::new();
        let end = Instant::now() + lasts;
        for (worker, room) in rooms.into_iter().enumerate() {
            let (log, bare) = (Arc::clone(&self.log), self.bare.clone());
            tasks.spawn(async move {
                let mut latencies = Vec::new();
                for n in 0_u64.. {
                    let begin = Instant::now();
                    if begin >= end {
                        break;
                    }
                    match way {
                        Way::Insert => bare.insert(&format!("e{worker:03}-{n:020}")).await?,
                        _ => {
                            log.append(&room, vec![message(&room, worker, n)?]).await?;
                        }
                    }
                    latencies.push(begin.elapsed().as_secs_f64());
                }
                Outcome::Ok(latencies)
            });
        }
        let mut all = Vec::new();
        while let Some(latencies) = tasks.join_next().await {
            all.extend(latencies??);
        }
        Ok(all)
    }
}

fn message(room: &ConversationId, worker: usize, n: u64) -> Outcome<NewEntry> {
    let (sender, id) = (UserId::new(&format!("user{worker}"))?, MessageId::new(&format!("{worker}-{n}"))?);
    let marker = Some(Marker::new(room, &sender, &id));
    let message = NewMessage {
        id,
        sender,
        sender_name: None,
        content: "x".repeat(TEXT),
        sent_at: None,
        attachment_url: None,
        attachment_id: None,
        to: None,
        reply_to: None,
    };
    Ok(NewEntry {
        marker,
        at: Timestamp::from_millis(1_800_000_000_000 + n),
        change: Change::Message(message),
        only_behind: None,
    })
}

/// Inserts with no client library: the request is made, signed and its status looked at.
#[derive(Clone)]
struct Bare {
    http: reqwest::Client,
    url: String,
    date: String,
    authorization: String,
}

impl Bare {
    async fn new(http: &Http, azurite: &Azurite) -> Outcome<Self> {
        let http = http.of(&azurite.endpoint()).clone();
        // The service's own clock dates the requests; for a run this short one date does.
        let answer = http.get(azurite.endpoint()).send().await?;
        let date = answer.headers().get("date").ok_or("Azurite tells no date")?.to_str()?.to_owned();
        let sign = |path: &str| {
            let resource = format!("{date}\n/{ACCOUNT}/{ACCOUNT}/{path}");
            let signature = hmac_sha256(&resource, &Secret::new(KEY))?;
            Ok::<_, azure_core21::Error>(format!("SharedKeyLite {ACCOUNT}:{signature}"))
        };
        let (tables, authorization) = (sign("Tables")?, sign("bare")?);
        let mut bare =
            Self { http, url: format!("{}/Tables", azurite.endpoint()), date, authorization: tables };
        bare.post(&serde_json::json!({"TableName": "bare"})).await?;
        (bare.url, bare.authorization) = (format!("{}/bare", azurite.endpoint()), authorization);
        Ok(bare)
    }

    async fn insert(&self, key: &str) -> Outcome {
        let row = serde_json::json!({"PartitionKey": "p", "RowKey": key, "text": "x".repeat(TEXT)});
        self.post(&row).await
    }

    async fn post(&self, row: &serde_json::Value) -> Outcome {
        let request = self.http.post(&self.url).json(row);
        let request = request.header("authorization", &self.authorization).header("x-ms-date", &self.date);
        let request = request.header("x-ms-version", "2019-02-02").header("prefer", "return-no-content");
        let answer = request.header("accept", "application/json;odata=nometadata").send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if status.is_success() { Ok(()) } else { Err(format!("{status}: {text}").into()) }
    }
}

/// Ends with this value, and its data with it.
struct Azurite {
    child: Child,
    port: u16,
    _data: Scratch,
}

impl Azurite {
    async fn start() -> Outcome<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        eprintln!("tables: Azurite {}", NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/azurite");
        if !folder.join("node_modules/azurite").is_dir() {
            return Err("Azurite is not installed; run: make azurite".into());
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let data = Scratch::new()?;
        let child = Command::new("node")
            .arg("table.cjs")
            .args(["--tableHost", "127.0.0.1", "--tablePort", &port.to_string()])
            .args(["--disableTelemetry", "--silent", "--skipApiVersionCheck", "--location"])
            .arg(data.path())
            .env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{KEY}"))
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let azurite = Self { child, port, _data: data };
        let begin = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if begin.elapsed() > STARTS_WITHIN {
                return Err("Azurite does not listen".into());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(azurite)
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}", self.port)
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
