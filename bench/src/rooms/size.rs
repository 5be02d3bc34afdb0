use serde_json::json;
use tokio::time::Instant;

use super::client::{Http, Live, Times};
use super::seed::{Seed, name};
use super::start;
use crate::report::{Table, thousands};
use crate::scratch::Scratch;
use crate::{Options, Outcome};

const SMALL: (&str, usize) = ("small", 10);
const LARGE: &str = "large";

/// What is asked, over and over.
const QUESTIONS: [&str; 6] = [
    "newest page of history (100)",
    "page from the middle of history (100)",
    "`GET me/rooms` (unread)",
    "page of members (100)",
    "room",
    "send over a socket",
];

pub(crate) async fn measure(options: &Options) -> Outcome<Table> {
    let (runs, members, messages) = if options.quick { (50, 1_000, 10_000) } else { (500, 10_000, 200_000) };
    let data = Scratch::new()?;
    let begin = Instant::now();
    let seed = Seed::open(data.path()).await?;
    seed.room(SMALL.0, SMALL.1).await?;
    seed.messages(SMALL.0, SMALL.1, 200).await?;
    seed.room(LARGE, members).await?;
    seed.messages(LARGE, members, messages).await?;
    seed.close().await;
    eprintln!("rooms: filled in {:.1} s", begin.elapsed().as_secs_f64());
    let server = start(data).await?;
    let mut rows = Vec::new();
    for question in QUESTIONS {
        let mut row = vec![question.to_owned()];
        for (room, members, messages) in [(SMALL.0, SMALL.1, 200), (LARGE, members, messages)] {
            let mut times = ask(server.port, question, room, members, messages, runs).await?;
            row.extend([times.ms(0.5), times.ms(0.99)]);
        }
        rows.push(row);
    }
    Ok(Table {
        title: "Small and large rooms",
        note: format!(
            "A room of {} with 200 messages beside a room of {} with {} messages, both of one handler (file). One client, one \
             request after the other, {runs} of each kind; milliseconds. `GET me/rooms` is asked by somebody who is in \
             that one room only.",
            SMALL.1,
            thousands(members as f64),
            thousands(messages as f64)
        ),
        columns: vec!["request", "small p50", "small p99", "large p50", "large p99"],
        rows,
    })
}

async fn ask(
    port: u16,
    question: &str,
    room: &str,
    members: usize,
    messages: usize,
    runs: usize,
) -> Outcome<Times> {
    // In the small room alone nobody is: `user-00009` is in both, so the rooms' users part at the end.
    let caller = if room == LARGE { name(members - 1) } else { SOMEBODY.to_owned() };
    let http = Http::new(port, caller.clone());
    let mut live = Live::connect(port, &caller).await?;
    if room != LARGE {
        live.asks(&json!({"action": "join", "room_id": room}), "room_joined").await?;
    }
    let middle = members + messages / 2;
    let mut times = Times::default();
    // The first ones warm caches up and are not counted.
    for run in 0..runs + WARM {
        let begin = Instant::now();
        match question {
            q if q == QUESTIONS[0] => http.get(&format!("rooms/{room}/messages")).await?,
            q if q == QUESTIONS[1] => http.get(&format!("rooms/{room}/messages?before={middle}")).await?,
            q if q == QUESTIONS[2] => http.get("me/rooms").await?,
            q if q == QUESTIONS[3] => http.get(&format!("rooms/{room}/members")).await?,
            q if q == QUESTIONS[4] => http.get(&format!("rooms/{room}")).await?,
            _ => live.says(room, "how long does this take").await?,
        };
        if run >= WARM {
            times.add(begin);
        }
    }
    Ok(times)
}

/// Who is in the small room only.
const SOMEBODY: &str = "somebody";
const WARM: usize = 20;
