use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::client::{Http, Live, Times};
use super::seed::{Seed, name};
use super::{PEER, start};
use crate::report::{Table, thousands};
use crate::scratch::Scratch;
use crate::{Options, Outcome};

const ROOM: &str = "crowd";
/// What its pages are compared with.
const SMALL: &str = "table";
const SMALL_MEMBERS: usize = 100;

pub(crate) async fn measure(options: &Options) -> Outcome<Table> {
    let (runs, members, online) = if options.quick { (3, 1_000, 100) } else { (20, 10_000, 1_000) };
    let data = Scratch::new()?;
    let seed = Seed::open(data.path()).await?;
    seed.room(ROOM, members).await?;
    seed.room(SMALL, SMALL_MEMBERS).await?;
    seed.close().await;
    let server = start(data).await?;
    // Spread over the whole list.
    let users = (0..online).map(|n| name(n * members / online));
    let connections =
        try_join_all(users.map(|user| async move { Live::connect(server.port, &user).await })).await?;
    // Clients that read nothing would be taken for lost.
    let staying: Vec<_> = connections.into_iter().map(|live| tokio::spawn(live.stays())).collect();
    let some_online = SMALL_MEMBERS * online / members;
    let mut rows = Vec::new();
    for (label, path, expected) in [
        ("a room of 100, pages of 100", format!("{SMALL}/members?limit=100"), (SMALL_MEMBERS, some_online)),
        ("all, pages of 100", format!("{ROOM}/members?limit=100"), (members, online)),
        ("all, pages of 500", format!("{ROOM}/members?limit=500"), (members, online)),
        ("who is online, pages of 500", format!("{ROOM}/members?limit=500&online=true"), (online, online)),
        ("their ids alone, pages of 500", format!("{ROOM}/online?limit=500"), (online, online)),
    ] {
        eprintln!("members: {label}");
        let http = Http::new(server.port, name(1));
        let (mut page, mut all) = (Times::default(), Times::default());
        // As many pages of the small room as of the big one.
        let runs = if expected.0 == SMALL_MEMBERS { runs * members / SMALL_MEMBERS } else { runs };
        for _ in 0..runs {
            let begin = Instant::now();
            let seen = read_all(&http, &path, &mut page).await?;
            all.add(begin);
            if seen != expected {
                return Err(format!("{label}: {seen:?} members and online, not {expected:?}").into());
            }
        }
        rows.push(vec![PEER.name(), label.to_owned(), page.ms(0.5), page.ms(0.99), all.ms(0.5), all.ms(1.0)]);
    }
    staying.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(Table {
        title: "Members",
        note: format!(
            "The members of a room of {} with who is online, {} of them, beside a room of 100; the whole list {runs} times, \
             milliseconds.",
            thousands(members as f64),
            thousands(online as f64)
        ),
        columns: vec!["server", "list", "page p50", "page p99", "list median", "list max"],
        rows,
    })
}

/// How many members came, and how many of them online.
async fn read_all(http: &Http, path: &str, times: &mut Times) -> Outcome<(usize, usize)> {
    let (mut members, mut online, mut after) = (0, 0, String::new());
    loop {
        let begin = Instant::now();
        let page = http.get(&format!("rooms/{path}{after}")).await?;
        times.add(begin);
        if let Some(users) = page["users"].as_array() {
            members += users.len();
            online += users.len();
        } else {
            let some = page["members"].as_array().ok_or("no members")?;
            members += some.len();
            online += some.iter().filter(|member| member["online"] == true).count();
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return Ok((members, online)),
        }
    }
}
