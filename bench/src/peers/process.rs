use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::Peer;
use crate::Outcome;
use crate::scratch::Scratch;

/// A running server; ended when dropped.
pub(crate) struct Server {
    pub(crate) peer: Peer,
    pub(crate) port: u16,
    child: Child,
    _data: Scratch,
}

impl Server {
    pub(crate) fn spawn(peer: Peer, port: u16, mut command: Command, data: Scratch) -> Outcome<Self> {
        let child = command.spawn().map_err(|e| format!("cannot start {}: {e}", peer.name()))?;
        Ok(Self { peer, port, child, _data: data })
    }

    pub(crate) async fn accepts(&self) -> Outcome {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(5)).await;
        }
        Err(format!("{} does not accept connections on port {}", self.peer.name(), self.port).into())
    }

    /// User and system time of all threads so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Outcome<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks: Vec<&str> = after_name.split_whitespace().skip(11).take(2).collect();
        let total: f64 = ticks.iter().filter_map(|t| t.parse::<f64>().ok()).sum();
        // The kernel reports in USER_HZ, which is 100 on every Linux.
        Ok(total / 100.0)
    }

    /// Resident memory, in KiB.
    pub(crate) fn rss_kib(&self) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.split_whitespace().nth(1).ok_or("no VmRSS")?.parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port whose successor is free as well, below those the system gives to clients: after thousands of connections these
/// linger for a minute.
pub(crate) fn free_port_pair() -> Outcome<u16> {
    let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let first = 20_000 + (std::process::id() % 5_000) as u16 * 2;
    let mut pairs = (first..32_000).step_by(2).chain((20_000..first).step_by(2));
    pairs
        .find(|&port| is_free(port) && is_free(port + 1))
        .ok_or_else(|| "no two neighbouring ports are free".into())
}
