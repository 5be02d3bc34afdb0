//! The command line. Settings are environment variables; see [`crate::config`].

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config;

/// A complete chat backend: alone with an embedded hub, queue and store, or as an Azure Functions custom handler.
#[derive(Debug, Parser)]
#[command(name = "handler", version, after_help = config::help())]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the settings in effect, secrets hidden.
    Config,
    /// Run the hub alone, as a local Web PubSub for any application.
    Hub(HubArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "")]
pub struct HubArgs {
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub bind: IpAddr,
    /// Signs client and REST tokens and events. The default is the published key of Microsoft's emulator.
    #[arg(long, value_name = "KEY", default_value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH")]
    pub access_key: String,
    /// Where the events of a hub go; the URL may hold {hub} and {event}. May be given once per hub.
    #[arg(long, value_name = "HUB=URL", value_parser = upstream)]
    pub upstream: Vec<(String, String)>,
    /// Holds acknowledgements back, in milliseconds: one official client misses those that come within 2 ms.
    #[arg(long, value_name = "N", default_value = "0", value_parser = millis)]
    pub ack_delay_ms: Duration,
    /// Let clients without a token in, with all rights.
    #[arg(long)]
    pub anonymous: bool,
}

fn upstream(text: &str) -> Result<(String, String), String> {
    let (hub, url) = text.split_once('=').ok_or("write HUB=URL")?;
    Ok((hub.to_owned(), url.to_owned()))
}

fn millis(text: &str) -> Result<Duration, String> {
    let millis: u64 = text.parse().map_err(|_| "must be a number of milliseconds".to_owned())?;
    if millis > 1_000 { Err("must be at most 1000".to_owned()) } else { Ok(Duration::from_millis(millis)) }
}
