use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use hub::upstream::{HttpUpstream, UrlTemplate};
use hub::{Hub, HubOptions};
use tokio_util::sync::CancellationToken;
use webpubsub::connection_string::ConnectionString;
use webpubsub::key::AccessKey;
use webpubsub::names::HubName;

use super::signals::Signals;
use super::{GRACE, failed, listen, raise_open_files, usage};
use crate::cli::HubArgs;

/// `handler hub`: the hub alone, as a local Web PubSub.
pub async fn serve(args: HubArgs) -> ExitCode {
    raise_open_files();
    let (hub, key) = match build(&args) {
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
    tell(bound.address, key, &args.upstream);
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

fn build(args: &HubArgs) -> Result<(Hub, AccessKey), String> {
    let key = AccessKey::new(args.access_key.as_str()).map_err(|why| format!("--access-key: {why}"))?;
    let options = HubOptions {
        anonymous: args.anonymous,
        ack_delay: args.ack_delay_ms,
        ..HubOptions::new(vec![key.clone()])
    };
    let hub = Hub::new(options.clone());
    for (name, url) in &args.upstream {
        let wrong = |why: String| format!("--upstream {name}: {why}");
        let name = HubName::new(name).map_err(|why| wrong(why.to_string()))?;
        let template = UrlTemplate::parse(url).map_err(|why| wrong(why.to_string()))?;
        let upstream = HttpUpstream::new(template, &options).map_err(|why| wrong(why.to_string()))?;
        hub.set_handler(Some(&name), Arc::new(upstream));
    }
    Ok((hub, key))
}

/// The connection string is what an application is given instead of the service's own.
#[expect(clippy::print_stdout, reason = "it is meant for the person who started the program")]
fn tell(address: SocketAddr, access_key: AccessKey, upstream: &[(String, String)]) {
    let endpoint = format!("http://{}", super::welcome::reachable(address));
    println!("Web PubSub hub on {endpoint}");
    for (hub, url) in upstream {
        println!("  events of {hub} go to {url}");
    }
    println!("\n{}", ConnectionString { endpoint, access_key }.reveal());
}
