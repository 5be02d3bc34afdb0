//! `bench`: what the handler costs, beside a floor and two peers, in the same run on the same machine.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line report")]

mod fanout;
mod idle;
mod ingest;
mod limits;
mod load;
mod moderation;
mod peers;
mod report;
mod rooms;
mod scratch;
mod spawn;
mod tables;

use clap::{Parser, Subcommand};

use report::Report;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Load generator of chat-functions. Without a command: everything, as `make bench` does.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
    /// Write the report to this file as well.
    #[arg(long, global = true)]
    out: Option<std::path::PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Shorter runs and smaller numbers, to see that everything works.
    #[arg(long, global = true)]
    quick: bool,
    /// Only servers whose name holds this text, such as `handler`.
    #[arg(long, global = true, default_value = "")]
    only: String,
}

impl Options {
    fn wants(&self, peer: peers::Peer) -> bool {
        peer.name().contains(&self.only)
    }
}

#[derive(Subcommand, Clone, Copy, PartialEq, Eq)]
enum Command {
    /// Deliveries per second, CPU per delivery and latency, one room.
    Fanout,
    /// Accepted messages per second over HTTP.
    Ingest,
    /// Memory of connections that do nothing.
    Idle,
    /// From spawn to the first 200.
    Spawn,
    /// How long a client that missed 10,000 changes takes to be current again.
    Resume,
    /// A room of 10,000 with 200,000 messages beside a room of 10.
    Rooms,
    /// The member list of 10,000, with who is online, page by page.
    Members,
    /// What a look at a rate limit's bucket costs.
    Limits,
    /// Appends per second through the table log, on Azurite. Not part of everything: it measures Azurite more than us.
    Table,
    /// How long the local moderator takes for a message, whatever it holds.
    Moderation,
    /// Serve as the floor: pre-encoded frames over raw sockets.
    #[command(hide = true)]
    FloorServer { port: u16 },
    /// Serve as bare axum: parse JSON, answer JSON.
    #[command(hide = true)]
    AxumServer { port: u16 },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let cli = Cli::parse();
    match cli.command {
        Some(Command::FloorServer { port }) => return peers::floor::serve(port),
        Some(Command::AxumServer { port }) => return peers::bare_axum::serve(port),
        _ => {}
    }
    let wanted = |command| cli.command.is_none_or(|only| only == command);
    let mut report = Report::new(cli.options.quick);
    if wanted(Command::Spawn) {
        report.add(spawn::measure(&cli.options)?);
    }
    if wanted(Command::Ingest) {
        report.add(ingest::measure(&cli.options).await?);
    }
    if wanted(Command::Fanout) {
        report.add(fanout::measure(&cli.options).await?);
    }
    if wanted(Command::Idle) {
        report.add(idle::measure(&cli.options).await?);
    }
    if wanted(Command::Resume) {
        report.add(rooms::resume::measure(&cli.options).await?);
    }
    if wanted(Command::Rooms) {
        report.add(rooms::size::measure(&cli.options).await?);
    }
    if wanted(Command::Members) {
        report.add(rooms::members::measure(&cli.options).await?);
    }
    if wanted(Command::Limits) {
        report.add(limits::measure(&cli.options)?);
    }
    if cli.command == Some(Command::Table) {
        report.add(tables::measure(&cli.options).await?);
    }
    if wanted(Command::Moderation) {
        report.add(moderation::measure(&cli.options).await?);
    }
    println!("{}", report.text());
    if let Some(path) = cli.out {
        std::fs::write(path, report.text())?;
    }
    Ok(())
}
