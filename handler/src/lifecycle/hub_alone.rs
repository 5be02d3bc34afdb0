use std::collections::HashSet;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use hub::upstream::HttpUpstream;
use hub::{Hub, HubOptions};
use tokio_util::sync::CancellationToken;
use webpubsub::connection_string::ConnectionString;
use webpubsub::names::HubName;
use webpubsub::roles::Action;
use webpubsub::subprotocol::Subprotocol;
use webpubsub::token::{ClientToken, client_url, mint_rest_token};

use super::signals::Signals;
use super::{GRACE, failed, listen, raise_open_files, usage};
use crate::cli::{HubArgs, PUBLISHED_KEY, Upstream};

const HOUR_SECS: u64 = 3600;

/// `handler hub`: the hub alone, as a local Web PubSub.
pub async fn serve(args: HubArgs) -> ExitCode {
    raise_open_files();
    let hub = match build(&args) {
        Ok(built) => built,
        Err(sentence) => return usage(&sentence),
    };
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return failed(&format!("signals cannot be heard: {error}")),
    };
    let bound = match listen(SocketAddr::new(args.bind, args.port), "--port").await {
        Ok(bound) => bound,
        Err(sentence) => return failed(&sentence),
    };
    tell(&args, &hub, bound.address);
    let stop = CancellationToken::new();
    let server = super::spawn(bound.listener, hub.router(), &stop);
    signals.next().await;
    stop.cancel();
    let end = async {
        hub.shutdown(GRACE / 2).await;
        let _ = server.await;
    };
    tokio::select! {
        _ = tokio::time::timeout(GRACE, end) => ExitCode::SUCCESS,
        () = signals.next() => ExitCode::from(super::ABORTED),
    }
}

fn build(args: &HubArgs) -> Result<Hub, String> {
    let options = HubOptions {
        anonymous: args.anonymous,
        ack_delay: args.ack_delay_ms,
        ..HubOptions::new(vec![args.access_key.clone()])
    };
    let hub = Hub::new(options.clone());
    let mut named = HashSet::new();
    for Upstream { hub: name, template, .. } in &args.upstream {
        if !named.insert(name) {
            return Err(format!("--upstream: hub {name} is given twice; a hub has one event handler"));
        }
        let upstream = HttpUpstream::new(template.clone(), &options);
        let upstream = upstream.map_err(|why| format!("--upstream {name}: {why}"))?;
        hub.set_handler(Some(name), Arc::new(upstream));
    }
    Ok(hub)
}

/// Where everything is, the connection string that an application is given instead of the service's own, and what to
/// try.
#[expect(clippy::print_stdout, reason = "it is meant for the person who started the program")]
fn tell(args: &HubArgs, hub: &Hub, address: SocketAddr) {
    let reachable = super::welcome::reachable(address);
    let endpoint = format!("http://{reachable}");
    println!("\n  Clients  ws://{reachable}/client/hubs/HUB");
    println!("  REST     {endpoint}/api/hubs/HUB/…");
    for Upstream { hub, shown, .. } in &args.upstream {
        println!("  Events   of {hub} to {shown}");
    }
    if args.upstream.is_empty() {
        println!("  Events   have no handler; --upstream HUB=URL gives a hub one");
    }
    let connection = ConnectionString { endpoint, access_key: args.access_key.clone() };
    println!("\n  Connection string for your application:\n    {}", connection.reveal());
    if let Some((client, send)) = first_steps(args, &connection, (hub.options().clock)()) {
        println!("\n  Try it, in two terminals, within the hour:\n    {client}\n    {send}");
    }
    let is_public = args.access_key.reveal() == PUBLISHED_KEY || args.anonymous;
    if is_public && !address.ip().is_loopback() {
        println!(
            "\n  Whoever reaches {address} may do everything here: set --access-key, leave --anonymous out."
        );
    }
    println!();
}

/// A client that connects, and a call that sends to it. `now` in seconds since the epoch.
fn first_steps(args: &HubArgs, to: &ConnectionString, now: u64) -> Option<(String, String)> {
    let hub = match args.upstream.first() {
        Some(upstream) => upstream.hub.clone(),
        None => HubName::new("chat").ok()?,
    };
    let mut token = ClientToken::new(&to.endpoint, &hub, now, HOUR_SECS);
    token.user_id = Some("me".to_owned());
    token.roles = [Action::JoinLeaveGroup, Action::SendToGroup].map(|action| action.role(None)).into();
    let client = client_url(&to.endpoint, &hub, &token.sign(&to.access_key).ok()?);
    let calls = format!("{}/api/hubs/{hub}", to.endpoint);
    let bearer = mint_rest_token(&to.access_key, &calls, now, HOUR_SECS).ok()?;
    Some((
        format!("npx wscat -c '{client}' -s {}", Subprotocol::Json.name()),
        format!(
            "curl -X POST '{calls}/:send' -H 'authorization: Bearer {bearer}' -H 'content-type: text/plain' -d hello"
        ),
    ))
}
