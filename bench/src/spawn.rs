use std::io::{Read, Write};
use std::net::TcpStream;

use tokio::time::Instant;

use crate::peers::Peer;
use crate::report::{Table, percentile};
use crate::scratch::Scratch;
use crate::{Options, Outcome};

pub(crate) fn measure(options: &Options) -> Outcome<Table> {
    let runs = if options.quick { 5 } else { 30 };
    let mut rows = Vec::new();
    for peer in [Peer::Handler { storage: "memory" }, Peer::Handler { storage: "file" }, Peer::BareAxum] {
        for path in ["/", "/api/health"] {
            if !options.wants(peer) {
                continue;
            }
            if peer == Peer::BareAxum && path != "/" {
                continue;
            }
            let mut times = Vec::new();
            for _ in 0..runs {
                times.push(once(peer, path)?);
            }
            times.sort_by(f64::total_cmp);
            let ms = |share| format!("{:.1}", percentile(&times, share) * 1e3);
            rows.push(vec![peer.name(), path.to_owned(), ms(0.5), ms(0.9), ms(1.0)]);
        }
    }
    Ok(Table {
        title: "Spawn to the first 200",
        note: format!(
            "From the start of the process (empty data directory) until `GET` answers 200, {runs} runs, milliseconds. \
             `/` is what the Functions host polls; `/api/health` waits until the stores are open."
        ),
        columns: vec!["server", "path", "median", "p90", "max"],
        rows,
    })
}

fn once(peer: Peer, path: &str) -> Outcome<f64> {
    let data = Scratch::new()?;
    let (port, command) = peer.prepare(data.path())?;
    let begin = Instant::now();
    let _server = crate::peers::Server::spawn(peer, port, command, data)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    while begin.elapsed().as_secs() < 10 {
        // Busy on purpose: a sleep would be longer than what is measured.
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
            std::thread::yield_now();
            continue;
        };
        stream.write_all(request.as_bytes())?;
        let mut answer = [0; 12];
        if stream.read_exact(&mut answer).is_ok() && &answer == b"HTTP/1.1 200" {
            return Ok(begin.elapsed().as_secs_f64());
        }
    }
    Err(format!("{} did not answer within 10 s", peer.name()).into())
}
