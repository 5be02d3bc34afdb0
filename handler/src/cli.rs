//! The command line. Settings are environment variables; see [`crate::config`].

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use hub::upstream::UrlTemplate;
use webpubsub::key::{AccessKey, EmptyAccessKey};
use webpubsub::names::HubName;

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

/// The key that Microsoft publishes for its own emulator.
pub const PUBLISHED_KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH";

#[derive(Debug, Args)]
#[command(after_help = HUB_HELP)]
pub struct HubArgs {
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub bind: IpAddr,
    /// Signs client and REST tokens and events. The default is the published key of Microsoft's emulator.
    #[arg(long, value_name = "KEY", default_value = PUBLISHED_KEY, value_parser = access_key)]
    pub access_key: AccessKey,
    /// Where all events of a hub go; the URL may hold {hub} and {event}. Once per hub; a hub without has no handler.
    #[arg(long, value_name = "HUB=URL", value_parser = upstream)]
    pub upstream: Vec<Upstream>,
    /// Holds each ack back until N milliseconds after its request: one official client misses acks within 2 ms.
    #[arg(long, value_name = "N", default_value = "0", value_parser = millis)]
    pub ack_delay_ms: Duration,
    /// Let clients without a token in, with all rights.
    #[arg(long)]
    pub anonymous: bool,
}

const HUB_HELP: &str = "\
Any number of hubs are served; one comes into being with its first client. Give your application the connection string
that is printed, in the place of the one of the Azure resource. REST calls over plain http need
allowInsecureConnection in the JavaScript server SDK.

Examples:
  handler hub
      clients at ws://127.0.0.1:8080/client/hubs/HUB?access_token=…, REST at http://127.0.0.1:8080/api/hubs/HUB/…
  handler hub --upstream chat=http://127.0.0.1:3000/eventhandler
      connect, connected, disconnected and every event of the clients of hub chat are posted there as CloudEvents
  handler hub --upstream 'chat=http://127.0.0.1:7071/{hub}/{event}?code=secret' --ack-delay-ms 2
      the same with names in the path, and acks that the synchronous Python client does not miss
  handler hub --anonymous
      npx wscat -c ws://127.0.0.1:8080/client/hubs/chat -s json.webpubsub.azure.v1

Protocol, limits and what differs from Microsoft's emulator: docs/PROTOCOL.md.";

/// One `--upstream`.
#[derive(Debug, Clone)]
pub struct Upstream {
    pub hub: HubName,
    pub template: UrlTemplate,
    /// As it was given, without its query, where secrets are.
    pub shown: String,
}

fn access_key(text: &str) -> Result<AccessKey, EmptyAccessKey> {
    AccessKey::new(text)
}

fn upstream(text: &str) -> Result<Upstream, String> {
    let (hub, url) =
        text.split_once('=').ok_or("write HUB=URL, such as chat=http://127.0.0.1:3000/eventhandler")?;
    let hub = HubName::new(hub).map_err(|_| {
        format!("'{hub}' is no hub name: a letter, then up to 127 letters, digits or characters of _`,.[]")
    })?;
    let template = UrlTemplate::parse(url).map_err(|why| why.to_string())?;
    let shown = url.split('?').next().unwrap_or_default().to_owned();
    Ok(Upstream { hub, template, shown })
}

fn millis(text: &str) -> Result<Duration, String> {
    let millis: u64 = text.parse().map_err(|_| "must be a number of milliseconds".to_owned())?;
    if millis > 1_000 { Err("must be at most 1000".to_owned()) } else { Ok(Duration::from_millis(millis)) }
}
