//! One room, one sender, N receivers.

mod room;
mod run;

use crate::peers::Peer;
use crate::report::{Table, percentile, thousands};
use crate::{Options, Outcome};

pub(crate) use room::Room;
use run::{Mode, Run};

/// Bytes of text in every message; what a server wraps around it is its own affair.
const TEXT_BYTES: usize = 200;

pub(crate) async fn measure(options: &Options) -> Outcome<Table> {
    let sizes: &[usize] = if options.quick { &[100] } else { &[100, 1_000, 5_000] };
    let peers = [Peer::Floor, Peer::Handler { storage: "memory" }, Peer::Hub, Peer::Nats, Peer::Ws];
    let mut rows = Vec::new();
    for &receivers in sizes {
        for peer in peers.into_iter().filter(|&peer| options.wants(peer)) {
            for mode in [Mode::Lockstep, Mode::Saturated, Mode::Paced] {
                let deliveries = if options.quick { 50_000 } else { mode.deliveries() };
                let figures = row(&Run::new(peer, receivers, mode, deliveries).measure().await?);
                eprintln!("{}", figures.join(" | "));
                rows.push(figures);
            }
        }
    }
    Ok(Table {
        title: "Fan-out in one room",
        note: format!(
            "Messages of {TEXT_BYTES} bytes of text from one sender to N receivers. Lockstep: the next message is sent \
             when every receiver has the last. Saturated: up to {} messages under way. Paced: {} deliveries a second \
             are asked for. CPU is user + system time of the server's process. Latency, of 20 receivers, is from \
             before the sender's write to after the receiver's read. The handler's messages pass room and log (memory) \
             and carry their JSON (about 400 bytes a frame); the others relay the text.",
            run::WINDOW,
            thousands(run::PACED_DELIVERIES_PER_SECOND),
        ),
        columns: vec![
            "N",
            "server",
            "mode",
            "deliveries/s",
            "CPU-s per million",
            "bytes/delivery",
            "p50 ms",
            "p99 ms",
            "max ms",
        ],
        rows,
    })
}

fn row(run: &run::Figures) -> Vec<String> {
    let ms = |share| format!("{:.2}", percentile(&run.latencies, share) * 1e3);
    vec![
        run.receivers.to_string(),
        run.peer.name(),
        run.mode.name().to_owned(),
        thousands(run.deliveries as f64 / run.seconds),
        format!("{:.2}", run.cpu_seconds / (run.deliveries as f64 / 1e6)),
        format!("{:.0}", run.bytes as f64 / run.deliveries as f64),
        ms(0.5),
        ms(0.99),
        ms(1.0),
    ]
}
