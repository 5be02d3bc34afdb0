//! What is remembered of a connection between its events: cookies, and whether `connected` was delivered.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use tokio::sync::watch;

use super::cookies::Cookies;

/// Grows with the connections that an event handler has let in, and shrinks with their `disconnected`.
#[derive(Default)]
pub(super) struct Connections(Mutex<HashMap<String, Connection>>);

struct Connection {
    cookies: Cookies,
    /// True once the handler was told `connected`, or could not be.
    connected: watch::Sender<bool>,
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, id: &str) {
        let connected = watch::Sender::new(false);
        self.lock().insert(id.to_owned(), Connection { cookies: Cookies::default(), connected });
    }

    pub(super) fn end(&self, id: &str) {
        self.lock().remove(id);
    }

    pub(super) fn told_connected(&self, id: &str) {
        if let Some(connection) = self.lock().get(id) {
            connection.connected.send_replace(true);
        }
    }

    /// Waits until `connected` was delivered. At once for a connection that is not known.
    pub(super) async fn until_connected(&self, id: &str) {
        let receiver = self.lock().get(id).map(|connection| connection.connected.subscribe());
        if let Some(mut receiver) = receiver {
            // An error means that the connection is over: nothing to wait for.
            receiver.wait_for(|connected| *connected).await.ok();
        }
    }

    pub(super) fn add_cookies(&self, id: &str, headers: &mut HeaderMap) {
        if let Some(connection) = self.lock().get(id) {
            connection.cookies.give(headers);
        }
    }

    pub(super) fn keep_cookies(&self, id: &str, headers: &HeaderMap, now: u64) {
        if let Some(connection) = self.lock().get_mut(id) {
            connection.cookies.take(headers, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn user_events_wait_for_connected() {
        let connections = Connections::default();
        let waits =
            async |id| timeout(Duration::from_secs(1), connections.until_connected(id)).await.is_err();
        connections.begin("a");
        assert!(waits("a").await);
        assert!(!waits("unknown").await);
        connections.told_connected("a");
        assert!(!waits("a").await);

        connections.begin("b");
        let (ended, ()) = tokio::join!(waits("b"), async { connections.end("b") });
        assert!(!ended, "the end of a connection ends the wait");
        assert_eq!(connections.lock().len(), 1);
    }
}
