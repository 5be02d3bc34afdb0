use serde_json::{Value, json};
use tokio::time::Instant;

use super::client::{Http, Live, Times};
use super::seed::{Seed, name};
use super::{PEER, start};
use crate::report::{Table, thousands};
use crate::scratch::Scratch;
use crate::{Options, Outcome};

const ROOM: &str = "resume";
const MEMBERS: usize = 10;
const MISSED: usize = 10_000;

/// How the client comes back.
#[derive(Clone, Copy)]
enum Way {
    Http,
    /// A new socket, up to its first answer, and then the same.
    Socket,
}

pub(crate) async fn measure(options: &Options) -> Outcome<Table> {
    let (runs, missed) = if options.quick { (3, MISSED / 10) } else { (30, MISSED) };
    let data = Scratch::new()?;
    let seed = Seed::open(data.path()).await?;
    seed.room(ROOM, MEMBERS).await?;
    seed.messages(ROOM, MEMBERS, 1_000).await?;
    let cursor = (MEMBERS + 1_000) as u64;
    seed.changes(ROOM, MEMBERS, missed).await?;
    seed.close().await;
    let server = start(data).await?;
    let mut rows = Vec::new();
    for (way, label, limit) in [
        (Way::Http, "`POST sync`, pages of 500 (the default)", None),
        (Way::Http, "`POST sync`, pages of 2,000", Some(2_000)),
        (Way::Socket, "new socket, then `POST sync` in pages of 2,000", Some(2_000)),
    ] {
        eprintln!("resume: {label}");
        let (mut times, mut pages) = (Times::default(), 0);
        for _ in 0..runs {
            // A client of its own every time: connections are part of coming back.
            let http = Http::new(server.port, name(1));
            let begin = Instant::now();
            if let Way::Socket = way {
                let mut live = Live::connect(server.port, &name(1)).await?;
                live.asks(&json!({"action": "get_rooms"}), "rooms_info").await?;
            }
            pages = catch_up(&http, cursor, limit, missed).await?;
            times.add(begin);
        }
        rows.push(vec![PEER.name(), label.to_owned(), pages.to_string(), times.ms(0.5), times.ms(1.0)]);
    }
    Ok(Table {
        title: "Coming back",
        note: format!(
            "A client that missed {} changes of a room (of ten: seven messages, an edit, a reaction, a deletion) until it has \
             them all, {runs} runs, milliseconds; parsing the answers is included.",
            thousands(missed as f64)
        ),
        columns: vec!["server", "way", "calls", "median ms", "max ms"],
        rows,
    })
}

/// Asks until there is no more; how often that was. What came must be what was missed.
async fn catch_up(http: &Http, from: u64, limit: Option<usize>, missed: usize) -> Outcome<usize> {
    let (mut cursor, mut calls) = (from, 0);
    loop {
        let mut request = json!({"cursors": {ROOM: cursor}});
        if let Some(limit) = limit {
            request["limit"] = limit.into();
        }
        let answer = http.post("sync", &request).await?;
        calls += 1;
        let part = &answer["conversations"][ROOM];
        let entries = part["entries"].as_array().ok_or_else(|| format!("no entries: {answer}"))?;
        for entry in entries {
            if entry["seq"] != cursor + 1 {
                return Err(format!("after {cursor} comes {entry}").into());
            }
            cursor += 1;
        }
        if answer["more"] != Value::Bool(true) {
            break;
        }
        cursor = part["next"].as_u64().unwrap_or(cursor);
    }
    let got = cursor - from;
    if got != missed as u64 { Err(format!("{got} of {missed} changes came").into()) } else { Ok(calls) }
}
