use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use crate::load::http;
use crate::load::socket::find;
use crate::peers::{Peer, Server};
use crate::report::{Table, percentile, thousands};
use crate::{Options, Outcome};

const CONNECTIONS: usize = 64;

/// Where the messages go: it decides how much can be done side by side.
#[derive(Clone, Copy)]
enum Spread {
    OneRoom,
    Pairs,
}

pub(crate) async fn measure(options: &Options) -> Outcome<Table> {
    let seconds = if options.quick { 1 } else { 5 };
    let mut rows = Vec::new();
    for (peer, spread) in [
        (Peer::BareAxum, Spread::OneRoom),
        (Peer::Handler { storage: "memory" }, Spread::OneRoom),
        (Peer::Handler { storage: "memory" }, Spread::Pairs),
        (Peer::Handler { storage: "file" }, Spread::OneRoom),
        (Peer::Handler { storage: "file" }, Spread::Pairs),
    ] {
        if !options.wants(peer) {
            continue;
        }
        eprintln!("ingest: {}", peer.name());
        let server = peer.start().await?;
        let cpu = server.cpu_seconds()?;
        let begin = Instant::now();
        let mut latencies =
            LocalSet::new().run_until(load(server.port, spread, Duration::from_secs(seconds))).await?;
        let (accepted, elapsed) = (latencies.len() as f64, begin.elapsed().as_secs_f64());
        latencies.sort_by(f64::total_cmp);
        let drained = drained_after(&server, accepted, begin).await?;
        let cpu = server.cpu_seconds()? - cpu;
        rows.push(vec![
            peer.name(),
            match spread {
                Spread::OneRoom => "one room".to_owned(),
                Spread::Pairs => format!("{CONNECTIONS} pairs"),
            },
            thousands(accepted / elapsed),
            drained.map_or_else(|| "–".to_owned(), |d| thousands(accepted / d)),
            format!("{:.1}", cpu / (accepted / 1e6)),
            format!("{:.2}", percentile(&latencies, 0.5) * 1e3),
            format!("{:.2}", percentile(&latencies, 0.99) * 1e3),
        ]);
    }
    Ok(Table {
        title: "Ingest",
        note: format!(
            "`POST /api/sendMessage` over {CONNECTIONS} kept-alive connections for {seconds} s. Accepted: answered with \
             200, which for `file` means on disk. Stored: accepted divided by the time until the worker had appended and \
             published all of them. CPU is the server's, for both."
        ),
        columns: vec!["server", "to", "accepted/s", "stored/s", "CPU-s per million", "p50 ms", "p99 ms"],
        rows,
    })
}

/// How long after `begin` everything accepted was appended; none where nothing is stored.
async fn drained_after(server: &Server, accepted: f64, begin: Instant) -> Outcome<Option<f64>> {
    if server.peer == Peer::BareAxum {
        return Ok(None);
    }
    while begin.elapsed() < Duration::from_secs(120) {
        let metrics: serde_json::Value =
            serde_json::from_str(&http(server.port, "GET", "/api/metrics", "bench", "").await?)?;
        if metrics["messages_sent"].as_f64().unwrap_or_default() >= accepted {
            return Ok(Some(begin.elapsed().as_secs_f64()));
        }
        sleep(Duration::from_millis(20)).await;
    }
    Err("the queue did not drain within two minutes".into())
}

async fn load(port: u16, spread: Spread, time: Duration) -> Outcome<Vec<f64>> {
    let latencies = Rc::new(RefCell::new(Vec::new()));
    let end = Instant::now() + time;
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|n| tokio::task::spawn_local(connection(port, n, spread, end, latencies.clone())))
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(latencies.take())
}

async fn connection(
    port: u16,
    n: usize,
    spread: Spread,
    end: Instant,
    latencies: Rc<RefCell<Vec<f64>>>,
) -> Outcome {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let to = match spread {
        Spread::OneRoom => r#""RoomID":"general""#.to_owned(),
        Spread::Pairs => format!(r#""ReceiverID":"receiver-{n}""#),
    };
    let text = "x".repeat(200);
    let mut buffer = Vec::with_capacity(1024);
    let mut count = 0;
    while Instant::now() < end {
        count += 1;
        let body =
            format!(r#"{{"SenderID":"sender-{n}",{to},"MessageText":"{text}","MessageID":"{n}-{count}"}}"#);
        let request = format!(
            "POST /api/sendMessage HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let begin = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        read_answer(&mut stream, &mut buffer).await?;
        latencies.borrow_mut().push(begin.elapsed().as_secs_f64());
    }
    Ok(())
}

async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Outcome {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
        let Some(end) = find(buffer, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        if !head.starts_with("http/1.1 200") {
            return Err(format!("not accepted: {}", String::from_utf8_lossy(buffer)).into());
        }
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).ok_or("no length")?;
        if buffer.len() >= end + 4 + length.trim().parse::<usize>()? {
            return Ok(());
        }
    }
}
