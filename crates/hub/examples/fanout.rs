//! What fan-out costs: CPU seconds per million deliveries, of the hub and of a floor that only writes.
//!
//! `cargo run --release -p hub --example fanout -- [subscribers] [messages]` starts each server as a process of its own,
//! connects raw sockets to it, and reads the server's CPU time from `/proc`. Lockstep has one message under way,
//! saturated has 64.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    reason = "a measuring tool for a terminal"
)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hub::ws::{Opcode, frame, header};
use hub::{Hub, HubOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;
use webpubsub::key::AccessKey;

const DATA_BYTES: usize = 200;
const WINDOW: u64 = 64;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("serve-hub") => serve_hub(),
        Some("serve-floor") => serve_floor(),
        _ => {
            let number = |at: usize, default| {
                arguments.get(at).map_or(default, |text| text.parse().expect("a number"))
            };
            let (subscribers, messages) = (number(0, 1000), number(1, 2000));
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            for server in ["serve-floor", "serve-hub"] {
                runtime.block_on(measure(server, subscribers as usize, messages));
            }
        }
    }
}

#[tokio::main]
async fn serve_hub() {
    let key = AccessKey::new("measuring").expect("not empty");
    let mut options = HubOptions::new(vec![key]);
    options.anonymous = true;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    axum::serve(listener, Hub::new(options).router()).await.expect("serves");
}

/// Writes one frame to every subscriber for each byte of the publisher, who connects last and says so.
fn serve_floor() {
    let listener = StdListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let bytes = frame(Opcode::Text, &delivered());
    let mut subscribers: Vec<StdStream> = Vec::new();
    loop {
        let (mut socket, _) = listener.accept().expect("a client");
        let mut role = [0];
        socket.read_exact(&mut role).expect("a role");
        if role == *b"s" {
            subscribers.push(socket);
            continue;
        }
        let mut asked = [0; 1024];
        while let Ok(count @ 1..) = socket.read(&mut asked) {
            for _ in 0..count {
                for subscriber in &mut subscribers {
                    subscriber.write_all(&bytes).expect("written");
                }
            }
        }
        return;
    }
}

/// What a subscriber gets for each message.
fn delivered() -> Vec<u8> {
    let data = "x".repeat(DATA_BYTES);
    format!(r#"{{"type":"message","from":"group","group":"g","fromUserId":null,"dataType":"text","data":"{data}"}}"#)
        .into_bytes()
}

async fn measure(server: &str, subscribers: usize, messages: u64) {
    let (mut child, address) = start(server);
    let before = rss_kib(&child);
    let count = Arc::new(Arrivals::default());
    for _ in 0..subscribers {
        let mut socket = enter(server, &address, r#"{"type":"joinGroup","group":"g","ackId":1}"#).await;
        let count = count.clone();
        tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = socket.read(&mut buffer).await {
                count.bytes.fetch_add(read as u64, Ordering::Relaxed);
                count.changed.notify_one();
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let idle = (rss_kib(&child) - before) as f64 / subscribers as f64;
    println!("{server}: {idle:.1} KiB per idle connection, {subscribers} connections");
    let mut publisher = enter(server, &address, r#"{"type":"ping"}"#).await;
    let message = if server == "serve-floor" { b"!".to_vec() } else { publish() };
    let per_message = (frame(Opcode::Text, &delivered()).len() * subscribers) as u64;
    for (mode, window, messages) in [("lockstep", 1, messages), ("saturated", WINDOW, messages * 4)] {
        // Other bytes, such as acks of joins, are not counted.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let start_bytes = count.bytes.load(Ordering::Relaxed);
        let (cpu, start) = (cpu_secs(&child), Instant::now());
        for sent in 0..messages {
            publisher.write_all(&message).await.expect("written");
            let needed = start_bytes + (sent + 1).saturating_sub(window - 1) * per_message;
            count.reaches(needed).await;
        }
        count.reaches(start_bytes + messages * per_message).await;
        let (cpu, wall) = (cpu_secs(&child) - cpu, start.elapsed().as_secs_f64());
        let millions = (messages * subscribers as u64) as f64 / 1e6;
        println!(
            "{server}: {mode}: {:.2} CPU-s per million, {:.0} k deliveries/s",
            cpu / millions,
            millions * 1000.0 / wall
        );
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
}

#[derive(Default)]
struct Arrivals {
    bytes: AtomicU64,
    changed: Notify,
}

impl Arrivals {
    async fn reaches(&self, bytes: u64) {
        while self.bytes.load(Ordering::Relaxed) < bytes {
            self.changed.notified().await;
        }
    }
}

fn start(server: &str) -> (Child, String) {
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program).arg(server).stdout(Stdio::piped()).spawn().expect("started");
    let mut output = std::io::BufReader::new(child.stdout.take().expect("its output"));
    let mut address = String::new();
    std::io::BufRead::read_line(&mut output, &mut address).expect("an address");
    (child, address.trim().to_owned())
}

/// A client that has sent `first` and read the answer.
async fn enter(server: &str, address: &str, first: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.expect("connected");
    if server == "serve-floor" {
        let role = if first.contains("joinGroup") { b"s" } else { b"p" };
        socket.write_all(role).await.expect("written");
        return socket;
    }
    let request = "GET /client/hubs/h HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: json.webpubsub.azure.v1\r\n\r\n";
    socket.write_all(request.as_bytes()).await.expect("written");
    read_until(&mut socket, "connectionId").await;
    socket.write_all(&client_frame(first.as_bytes())).await.expect("written");
    read_until(&mut socket, if first.contains("ping") { "pong" } else { "success" }).await;
    socket
}

async fn read_until(socket: &mut TcpStream, text: &str) {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(text) {
        assert!(socket.read_buf(&mut all).await.expect("read") > 0, "closed before {text}");
    }
}

fn publish() -> Vec<u8> {
    let data = "x".repeat(DATA_BYTES);
    client_frame(
        format!(r#"{{"type":"sendToGroup","group":"g","dataType":"text","data":"{data}"}}"#).as_bytes(),
    )
}

/// Masked with zeros, which changes nothing.
fn client_frame(payload: &[u8]) -> Vec<u8> {
    let (mut head, used) = header(Opcode::Text, payload.len());
    head[1] |= 0x80;
    [&head[..used], &[0; 4], payload].concat()
}

fn cpu_secs(child: &Child) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("its statistics");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("ticks")).sum();
    ticks as f64 / 100.0
}

fn rss_kib(child: &Child) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("its status");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("a size");
    line.split_whitespace().nth(1).expect("a number").parse().expect("KiB")
}
