//! The keep-alive: pings to all connections, spread evenly over the keep-alive time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use webpubsub::close::Close;

use crate::connection::{Beat, Connection};
use crate::delivery::Pushed;
use crate::hub::{Hub, Inner};
use crate::outbox::Frame;
use crate::target::Target;
use crate::ws::{self, Opcode};

/// Each tick serves this part of the connections.
const PARTS: u32 = 16;

/// Starts the sweep; it ends with the hub.
pub(crate) fn start(hub: &Hub) {
    let keep_alive = hub.options().keep_alive;
    if !keep_alive.is_zero() {
        tokio::spawn(run(Arc::downgrade(&hub.inner), keep_alive));
    }
}

async fn run(hub: Weak<Inner>, keep_alive: Duration) {
    let mut ticks = tokio::time::interval(keep_alive / PARTS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ping = ws::frame(Opcode::Ping, &[]);
    let parts = PARTS as usize;
    for part in (0..parts).cycle() {
        ticks.tick().await;
        let Some(inner) = hub.upgrade() else { return };
        let hub = Hub { inner };
        let mut batch = hub.inner.flusher.batch();
        for state in hub.all_hubs() {
            for connection in state.members(Target::All).iter().filter(|c| c.id.place(parts) == part) {
                if beat(connection, &ping) {
                    batch.add(connection);
                }
            }
        }
    }
}

/// `true` if the connection has to be scheduled.
fn beat(connection: &Connection, ping: &bytes::Bytes) -> bool {
    let mut delivery = connection.delivery();
    if !delivery.is_attached() {
        return false;
    }
    delivery.shrink();
    let pushed = match connection.pulse().beat() {
        Beat::Ping => delivery.push(Frame::Whole(ping.clone())),
        Beat::Lost => {
            connection.wake.notify_one();
            delivery.close_socket(Close::PingTimeout)
        }
    };
    matches!(pushed, Pushed::Schedule | Pushed::Overflow)
}
