use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::client::{Http, Live, Times};
use super::seed::{Seed, name};
use super::{PEER, start};
use crate::report::{Table, thousands};
use crate::{Options, Outcome};

const ROOM: &str = "crowd";

pub(crate) async fn measure(options: &Options) -> Outcome<Table> {
    let (runs, members, online) = if options.quick { (3, 1_000, 100) } else { (20, 10_000, 1_000) };
    let data = tempfile::tempdir()?;
    let seed = Seed::open(data.path()).await?;
    seed.room(ROOM, members).await?;
    seed.close().await;
    let server = start(data).await?;
    // Spread over the whole list.
    let users = (0..online).map(|n| name(n * members / online));
    let connections =
        try_join_all(users.map(|user| async move { Live::connect(server.port, &user).await })).await?;
    let mut rows = Vec::new();
    for (label, query, expected) in [
        ("all, pages of 100", "limit=100", members),
        ("all, pages of 500", "limit=500", members),
        ("who is online, pages of 500", "limit=500&online=true", online),
    ] {
        eprintln!("members: {label}");
        let http = Http::new(server.port, name(1));
        let (mut page, mut all) = (Times::default(), Times::default());
        for _ in 0..runs {
            let begin = Instant::now();
            let seen = read_all(&http, query, &mut page).await?;
            all.add(begin);
            if seen != (expected, online) {
                return Err(
                    format!("{label}: {seen:?} members and online, not {expected} and {online}").into()
                );
            }
        }
        rows.push(vec![PEER.name(), label.to_owned(), page.ms(0.5), page.ms(0.99), all.ms(0.5), all.ms(1.0)]);
    }
    drop(connections);
    Ok(Table {
        title: "Members",
        note: format!(
            "The members of a room of {} with who is online, {} of them; the whole list {runs} times, milliseconds.",
            thousands(members as f64),
            thousands(online as f64)
        ),
        columns: vec!["server", "list", "page p50", "page p99", "list median", "list max"],
        rows,
    })
}

/// How many members came, and how many of them online.
async fn read_all(http: &Http, query: &str, times: &mut Times) -> Outcome<(usize, usize)> {
    let (mut members, mut online, mut after) = (0, 0, String::new());
    loop {
        let begin = Instant::now();
        let page = http.get(&format!("rooms/{ROOM}/members?{query}{after}")).await?;
        times.add(begin);
        let some = page["members"].as_array().ok_or("no members")?;
        members += some.len();
        online += some.iter().filter(|member| member["online"] == true).count();
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return Ok((members, online)),
        }
    }
}
