//! The servers that are measured: the handler, and what it is compared with. Each runs as a process of its own.

pub(crate) mod bare_axum;
pub(crate) mod floor;
mod process;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) use process::Server;

use crate::Outcome;
use crate::scratch::Scratch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The whole backend, messages through room, log and hub.
    Handler {
        storage: &'static str,
    },
    /// The embedded hub alone, a group without history.
    Hub,
    Floor,
    Ws,
    Nats,
    BareAxum,
}

pub(crate) const ACCESS_KEY: &str = "a-benchmark-access-key-of-32-bytes-and-more";

impl Peer {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Handler { storage } => format!("handler ({storage})"),
            Self::Hub => "handler hub".to_owned(),
            Self::Floor => "floor".to_owned(),
            Self::Ws => "ws 8.18 (npm)".to_owned(),
            Self::Nats => "nats-server".to_owned(),
            Self::BareAxum => "bare axum".to_owned(),
        }
    }

    fn command(self, port: u16, data: &Path) -> Outcome<Command> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        Ok(match self {
            Self::Handler { storage } => {
                let mut command = Command::new(handler_binary());
                command.env("PORT", port.to_string()).env("WS_PORT", (port + 1).to_string());
                // The hub's own: connections that are only opened and held answer no pings.
                command.env("HUB_KEEP_ALIVE_MS", "20000");
                command.env("STORAGE_MODE", storage).env("DATA_DIR", data).env("RUST_LOG", "warn");
                command
            }
            Self::Hub => {
                let mut command = Command::new(handler_binary());
                command.args(["hub", "--access-key", ACCESS_KEY, "--port"]).arg(port.to_string());
                command.env("RUST_LOG", "warn");
                command
            }
            Self::Floor => own("floor-server", port)?,
            Self::BareAxum => own("axum-server", port)?,
            Self::Ws => {
                let mut command = Command::new("node");
                command.arg(here.join("peers/ws.mjs")).arg(port.to_string());
                command
            }
            Self::Nats => {
                let config = data.join("nats.conf");
                std::fs::create_dir_all(data)?;
                std::fs::write(&config, nats_config(port))?;
                let mut command = Command::new("nats-server");
                command.arg("-c").arg(config);
                command
            }
        })
    }

    /// Starts the server on a free port of 127.0.0.1 and waits until it accepts connections.
    pub(crate) async fn start(self) -> Outcome<Server> {
        let data = Scratch::new()?;
        let (port, command) = self.prepare(data.path())?;
        let server = Server::spawn(self, port, command, data)?;
        server.accepts().await?;
        Ok(server)
    }

    /// A free port, and the command that serves on it.
    pub(crate) fn prepare(self, data: &Path) -> Outcome<(u16, Command)> {
        let port = process::free_port_pair()?;
        let mut command = self.command(port, data)?;
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok((port, command))
    }
}

fn own(subcommand: &str, port: u16) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(subcommand).arg(port.to_string());
    Ok(command)
}

/// The release build beside this program.
pub(crate) fn handler_binary() -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("handler")));
    beside.unwrap_or_else(|| PathBuf::from("handler"))
}

fn nats_config(port: u16) -> String {
    format!(
        "listen: \"127.0.0.1:{}\"\nmax_connections: 64000\nwrite_deadline: \"30s\"\n\
         websocket {{ listen: \"127.0.0.1:{port}\", no_tls: true, compression: false }}\n",
        port + 1
    )
}
