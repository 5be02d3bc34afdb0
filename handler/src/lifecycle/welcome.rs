use std::net::SocketAddr;

use crate::app::wiring;
use crate::config::{AuthConfig, Config, ServiceAccess, StorageConfig, TransportConfig};

/// The first log line of every start: which adapter serves which port.
pub(super) fn log(config: &Config) {
    let [(_, transport), (_, storage), (_, queue), (_, moderator)] = wiring(config);
    tracing::info!(
        transport,
        storage,
        queue,
        moderator,
        on_azure = config.on_azure,
        "chat-functions {} starts",
        env!("CARGO_PKG_VERSION")
    );
    if matches!(config.auth, AuthConfig::EasyAuth { .. }) {
        warn_of_headers(config.on_azure);
    }
}

/// These headers are as good as what stands in front of the program.
fn warn_of_headers(on_azure: bool) {
    if on_azure {
        tracing::info!(
            "AUTH_MODE=easyauth: authentication must be switched on for this app, or callers forge its headers"
        );
    } else {
        tracing::warn!(
            "AUTH_MODE=easyauth believes X-MS-CLIENT-PRINCIPAL headers, and this is not Azure: whoever reaches this program \
             can be anybody, unless something in front of it removes them and sets its own"
        );
    }
}

/// Alone, a person is looking: where everything is, and what to try.
#[expect(clippy::print_stdout, reason = "it is meant for the person who started the program")]
pub(super) fn tell(config: &Config, http: SocketAddr, hub: Option<SocketAddr>) {
    if config.under_host() {
        return;
    }
    let base = format!("http://{}", reachable(http));
    println!("\n  API      {base}/");
    match (&config.transport, hub) {
        (TransportConfig::Embedded { hub: name, .. }, Some(hub)) => {
            println!("  Hub      ws://{}/client/hubs/{name} (also on the API's port)", reachable(hub));
        }
        (TransportConfig::Embedded { .. }, None) => {}
        (TransportConfig::WebPubSub { hub: name, access }, _) => {
            println!(
                "  Hub      {name} at {}; its events have to come to /api/eventhandler",
                endpoint(access)
            );
        }
    }
    match &config.storage {
        StorageConfig::Memory => println!("  Storage  memory: gone at the end; STORAGE_MODE=file keeps it"),
        StorageConfig::File { data_dir } => println!("  Storage  files in {}", data_dir.display()),
        StorageConfig::Table { account, prefix, .. } => {
            println!("  Storage  tables {prefix}… of {}", account.host());
        }
    }
    println!(
        "\n  Try it:\n    curl -X POST {base}/api/sendMessage -H 'content-type: application/json' \\\n      \
         -d '{{\"SenderID\":\"ann\",\"RoomID\":\"general\",\"MessageText\":\"hello\"}}'\n    \
         curl {base}/api/rooms/general/messages\n"
    );
}

fn endpoint(access: &ServiceAccess) -> &str {
    match access {
        ServiceAccess::Key(connection) => &connection.endpoint,
        ServiceAccess::Identity { endpoint, .. } => endpoint,
    }
}

/// An address that a program on this machine can call.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], v6.port()))
        }
        _ => address,
    }
}
