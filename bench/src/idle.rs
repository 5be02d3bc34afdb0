use std::time::Duration;

use tokio::time::sleep;

use crate::fanout::Room;
use crate::load::Socket;
use crate::peers::Peer;
use crate::report::{Table, thousands};
use crate::{Options, Outcome};

const CONNECTING_AT_ONCE: usize = 64;

pub(crate) async fn measure(options: &Options) -> Outcome<Table> {
    let sizes: &[usize] = if options.quick { &[500] } else { &[5_000, 19_000] };
    let mut rows = Vec::new();
    for peer in [Peer::Floor, Peer::Handler { storage: "memory" }, Peer::Hub, Peer::Ws, Peer::Nats] {
        if !options.wants(peer) {
            continue;
        }
        let server = peer.start().await?;
        let room = Room::of(&server).await?;
        // The first connection pays for what is made once.
        let mut sockets: Vec<Socket> = vec![room.receiver().await?];
        sleep(Duration::from_millis(500)).await;
        let empty = server.rss_kib()?;
        for &size in sizes {
            while sockets.len() <= size {
                let batch = CONNECTING_AT_ONCE.min(size + 1 - sockets.len());
                sockets
                    .extend(futures_util::future::try_join_all((0..batch).map(|_| room.receiver())).await?);
            }
            sleep(Duration::from_secs(2)).await;
            let rss = server.rss_kib()?;
            rows.push(vec![
                size.to_string(),
                peer.name(),
                thousands(empty),
                thousands(rss),
                format!("{:.2}", (rss - empty) / size as f64),
            ]);
        }
    }
    Ok(Table {
        title: "Idle connections",
        note: "Resident memory of the server's process with N connections in one room that neither send nor receive, \
               two seconds after the last was opened, and what each of them costs."
            .to_owned(),
        columns: vec!["N", "server", "RSS empty KiB", "RSS KiB", "KiB per connection"],
        rows,
    })
}
