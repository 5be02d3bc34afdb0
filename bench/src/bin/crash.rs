//! Kills the handler with SIGKILL at random moments while messages are sent, and then counts: everything accepted is in
//! history exactly once, numbers have no gap, each sender's order is kept, inboxes are complete and without doubles.
#![expect(clippy::print_stdout, reason = "a command-line report")]

#[path = "../scratch.rs"]
mod scratch;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use scratch::Scratch;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
struct Cli {
    /// How often the process is killed.
    #[arg(long, default_value_t = 50)]
    kills: u32,
    /// Senders at work; half write to rooms, half to people.
    #[arg(long, default_value_t = 16)]
    senders: u32,
    /// The time between start and kill is random, up to this many milliseconds.
    #[arg(long, default_value_t = 300)]
    longest_life_ms: u64,
    /// The handler to run; without it, the one built beside this program.
    #[arg(long)]
    handler: Option<PathBuf>,
}

const ROOMS: u32 = 3;
const RECEIVERS: u32 = 2;

#[tokio::main]
async fn main() -> Outcome {
    let cli = Cli::parse();
    let data = Scratch::new()?;
    let beside = std::env::current_exe()?.with_file_name("handler");
    let mut world = World {
        binary: cli.handler.clone().unwrap_or(beside),
        data: data.path().to_owned(),
        port: free_port()?,
        client: reqwest::Client::builder().timeout(Duration::from_secs(20)).build()?,
    };
    let mut handler = world.start()?;
    let rooms = world.make_rooms().await?;

    let stop = Arc::new(AtomicBool::new(false));
    let repeats = Arc::new(AtomicU64::new(0));
    let senders: Vec<_> = (0..cli.senders)
        .map(|n| {
            let sender = Sender {
                n,
                world: world.clone(),
                to: target(n, &rooms),
                stop: stop.clone(),
                repeats: repeats.clone(),
            };
            tokio::spawn(sender.run())
        })
        .collect();

    let mut slowest = Duration::ZERO;
    for kill in 1..=cli.kills {
        sleep(Duration::from_millis(random(cli.longest_life_ms)?)).await;
        handler.kill()?;
        handler.wait()?;
        handler = world.start()?;
        slowest = slowest.max(world.ready().await?);
        if kill % 50 == 0 {
            println!("{kill} kills");
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut accepted: BTreeMap<String, Vec<Sent>> = BTreeMap::new();
    for sender in senders {
        let (to, sent) = sender.await??;
        accepted.entry(to).or_default().extend(sent);
    }
    let total: usize = accepted.values().map(Vec::len).sum();
    let result = check(&world, &accepted).await;
    handler.kill()?;
    handler.wait()?;
    result?;
    println!(
        "ok: {} kills, {total} messages accepted, {} repeats after a broken answer, every message there exactly once and in \
         order; slowest restart to a healthy answer {} ms",
        cli.kills,
        repeats.load(Ordering::Relaxed),
        slowest.as_millis()
    );
    Ok(())
}

/// A message that was answered with 200.
struct Sent {
    sender: String,
    id: String,
    n: u64,
}

#[derive(Clone)]
struct World {
    binary: PathBuf,
    data: PathBuf,
    port: u16,
    client: reqwest::Client,
}

impl World {
    fn start(&self) -> Outcome<Child> {
        spawn(&self.binary, &self.data, self.port)
    }

    /// Waits until the handler is healthy; answers how long that took.
    async fn ready(&mut self) -> Outcome<Duration> {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(30) {
            if self.get("/api/health", "crash").await.is_ok() {
                return Ok(begin.elapsed());
            }
            sleep(Duration::from_millis(2)).await;
        }
        Err("the handler did not come back within 30 s".into())
    }

    async fn make_rooms(&mut self) -> Outcome<Vec<String>> {
        self.ready().await?;
        let mut ids = Vec::new();
        for n in 0..ROOMS {
            let body = json!({ "name": format!("Room {n}") });
            ids.push(text(&self.post("/api/rooms", "crash", &body).await?, "id")?);
        }
        Ok(ids)
    }

    async fn get(&self, path: &str, user: &str) -> Outcome<Value> {
        let request =
            self.client.get(format!("http://127.0.0.1:{}{path}", self.port)).header("x-user-id", user);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    async fn post(&self, path: &str, user: &str, body: &Value) -> Outcome<Value> {
        let request =
            self.client.post(format!("http://127.0.0.1:{}{path}", self.port)).header("x-user-id", user);
        let response = request.json(body).send().await?;
        let status = response.status();
        let answer: Value = response.json().await?;
        if status.is_success() { Ok(answer) } else { Err(format!("{status}: {answer}").into()) }
    }
}

fn spawn(binary: &Path, data: &Path, port: u16) -> Outcome<Child> {
    let mut command = Command::new(binary);
    command
        .env("PORT", port.to_string())
        .env("WS_PORT", "0")
        .env("STORAGE_MODE", "file")
        .env("DATA_DIR", data);
    command.env("RUST_LOG", "error").stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().map_err(|e| format!("cannot start {}: {e}", binary.display()).into())
}

/// Whom a sender writes to: `RoomID=…` or `ReceiverID=…`.
fn target(n: u32, rooms: &[String]) -> (String, String) {
    if n.is_multiple_of(2) {
        ("RoomID".to_owned(), rooms[(n / 2) as usize % rooms.len()].clone())
    } else {
        ("ReceiverID".to_owned(), format!("receiver-{}", n % (2 * RECEIVERS) / 2))
    }
}

struct Sender {
    n: u32,
    world: World,
    to: (String, String),
    stop: Arc<AtomicBool>,
    repeats: Arc<AtomicU64>,
}

impl Sender {
    /// Sends one message after the other; one without an answer is repeated with the same id until it has one.
    async fn run(self) -> Outcome<(String, Vec<Sent>)> {
        let name = format!("sender-{}", self.n);
        let mut sent = Vec::new();
        for n in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let id = format!("{name}-{n}");
            let body = json!({ "SenderID": name, self.to.0.as_str(): self.to.1, "MessageText": format!("{n}"), "MessageID": id });
            let begin = Instant::now();
            while let Err(error) = self.world.post("/api/sendMessage", &name, &body).await {
                self.repeats.fetch_add(1, Ordering::Relaxed);
                if begin.elapsed() > Duration::from_secs(60) {
                    return Err(format!("{id} was never accepted: {error}").into());
                }
                sleep(Duration::from_millis(5)).await;
            }
            sent.push(Sent { sender: name.clone(), id, n });
        }
        let key = format!("{}={}", self.to.0, self.to.1);
        Ok((key, sent))
    }
}

async fn check(world: &World, accepted: &BTreeMap<String, Vec<Sent>>) -> Outcome {
    for (to, sent) in accepted {
        let (kind, target) = to.split_once('=').ok_or("a target has two parts")?;
        if kind == "RoomID" {
            let ids =
                settled(world, &format!("/api/rooms/{target}/messages"), "sender-0", sent.len()).await?;
            check_log(to, &ids, sent)?;
        } else {
            let mut by_sender: HashMap<&str, Vec<&Sent>> = HashMap::new();
            for message in sent {
                by_sender.entry(&message.sender).or_default().push(message);
            }
            for (sender, sent) in by_sender {
                let log = settled(world, &format!("/api/messages?with={sender}"), target, sent.len()).await?;
                check_log(&format!("{sender} to {target}"), &log, sent)?;
            }
            check_inbox(world, target, sent).await?;
        }
    }
    Ok(())
}

/// All messages of a conversation, once there are at least as many as expected.
async fn settled(world: &World, path: &str, user: &str, expected: usize) -> Outcome<Vec<Value>> {
    let begin = Instant::now();
    loop {
        let messages = pages(world, path, user).await?;
        if messages.len() >= expected {
            return Ok(messages);
        }
        if begin.elapsed() > Duration::from_secs(60) {
            return Err(format!("{path}: {} of {expected} messages after a minute", messages.len()).into());
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn pages(world: &World, path: &str, user: &str) -> Outcome<Vec<Value>> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let after = all.last().map_or(0, |m| m["seq"].as_u64().unwrap_or_default());
        let joint = if path.contains('?') { '&' } else { '?' };
        let page = world.get(&format!("{path}{joint}after={after}&limit=500"), user).await?;
        let messages = page["messages"].as_array().ok_or("no messages in the page")?;
        if messages.is_empty() {
            return Ok(all);
        }
        all.extend_from_slice(messages);
    }
}

fn check_log<'a>(what: &str, log: &[Value], sent: impl IntoIterator<Item = &'a Sent>) -> Outcome {
    let mut place = HashMap::new();
    for (at, message) in log.iter().enumerate() {
        if message["number"].as_u64() != Some(at as u64 + 1) {
            return Err(format!("{what}: number {} at place {}", message["number"], at + 1).into());
        }
        let id = text(message, "id")?;
        if place.insert(id.clone(), at).is_some() {
            return Err(format!("{what}: {id} is there twice").into());
        }
    }
    let mut last: HashMap<&str, (u64, usize)> = HashMap::new();
    for message in sent {
        let Some(&at) = place.get(&message.id) else {
            return Err(format!("{what}: {} is lost", message.id).into());
        };
        if let Some(&(n, before)) = last.get(message.sender.as_str())
            && n < message.n
            && before > at
        {
            return Err(format!("{what}: {} is before its sender's {n}", message.id).into());
        }
        last.insert(&message.sender, (message.n, at));
    }
    Ok(())
}

/// The inbox row of a message is stored right after its log entry: the last ones are waited for.
async fn check_inbox(world: &World, user: &str, sent: &[Sent]) -> Outcome {
    let begin = Instant::now();
    loop {
        let ids = inbox(world, user).await?;
        let Some(missing) = sent.iter().find(|message| !ids.contains(&message.id)) else { return Ok(()) };
        if begin.elapsed() > Duration::from_secs(60) {
            return Err(format!("inbox of {user}: {} is missing", missing.id).into());
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// The ids of everything in an inbox. One that is there twice is a mistake.
async fn inbox(world: &World, user: &str) -> Outcome<HashSet<String>> {
    let mut ids = HashSet::new();
    let mut cursor = String::new();
    loop {
        let page = world.get(&format!("/api/inbox{cursor}"), user).await?;
        let messages = page["messages"].as_array().ok_or("no messages in the inbox")?;
        for message in messages {
            let id = text(message, "id")?;
            if !ids.insert(id.clone()) {
                return Err(format!("inbox of {user}: {id} is there twice").into());
            }
        }
        match page["next"].as_str() {
            Some(next) if !messages.is_empty() => cursor = format!("?after={next}"),
            _ => return Ok(ids),
        }
    }
}

fn text(value: &Value, field: &str) -> Outcome<String> {
    Ok(value[field].as_str().ok_or_else(|| format!("no {field} in {value}"))?.to_owned())
}

fn random(below: u64) -> Outcome<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|e| format!("no randomness: {e}"))?;
    Ok(u64::from_le_bytes(bytes) % below.max(1))
}

fn free_port() -> Outcome<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
