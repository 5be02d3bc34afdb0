//! A reliable client that comes back for its connection.

use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use webpubsub::close::Close;
use webpubsub::names::HubName;
use webpubsub::token::verify_reconnection_token;

use crate::connection::Connection;
use crate::delivery::{Attached, Attempt, Socket};
use crate::hub::Hub;
use crate::{session, upgrade, ws};

/// The connection that a reconnection token is for, if it is still there.
pub(crate) fn find(hub: &Hub, name: &HubName, connection_id: &str, token: &str) -> Option<Return> {
    let keys = std::slice::from_ref(&hub.inner.recovery_key);
    if !verify_reconnection_token(keys, token, name, connection_id) {
        return None;
    }
    let connection = hub.find(name)?.get(connection_id).filter(|connection| connection.is_reliable())?;
    let attempt = connection.delivery().new_attempt();
    Some(Return { connection, attempt })
}

/// A client's attempt to come back.
pub(crate) struct Return {
    connection: Arc<Connection>,
    attempt: Attempt,
}

/// Gives the connection its new socket; a former one is given up. Without a connection the client is told, by a close
/// after the upgrade, because any other answer would make it try again.
pub(crate) async fn run(hub: &Hub, returning: Option<Return>, upgrade: OnUpgrade) {
    let Some(socket) = upgrade::socket(upgrade).await else { return };
    let Some(Return { connection, attempt }) = returning else { return refuse(hub, socket).await };
    connection.pulse().heard();
    let attached = connection.delivery().attach(socket, attempt);
    match attached {
        Attached::Taken => {
            session::flush_own(hub, &connection);
            connection.wake.notify_one();
        }
        Attached::Over(socket) => refuse(hub, socket).await,
        // Its client gave it up.
        Attached::Outdated => {}
    }
}

async fn refuse(hub: &Hub, socket: Socket) {
    let Socket { read, write, .. } = socket;
    let close = ws::close_frame(Some(Close::NotRecovered.code()), Close::NotRecovered.reason());
    // So little fits into a new socket at once.
    if write.try_write(&close).is_ok() {
        drop(write);
        session::drain(read, hub.options().linger).await;
    }
}
