//! The program under a host with its data in tables, under the name that the stories of rooms know.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::real_product;
pub use crate::real_product::{Answer, call, listening};
use crate::world::App;

pub struct Product {
    pub http: SocketAddr,
    /// The same: the host passes sockets on.
    pub hub: Option<SocketAddr>,
    end: Option<oneshot::Sender<()>>,
    /// The stories wait without a runtime of their own.
    host: Option<JoinHandle<()>>,
}

impl Product {
    /// As the settings say, but for the storage.
    pub fn alone(settings: &[(&str, &str)]) -> Self {
        let app = App::new();
        let mut options = app.options();
        for (name, value) in settings.iter().filter(|(name, _)| !["STORAGE_MODE", "DATA_DIR"].contains(name))
        {
            options.settings.set(*name, *value);
        }
        let ((tell, told), (end, ended)) = (mpsc::channel(), oneshot::channel());
        let host = std::thread::spawn(move || {
            tokio::runtime::Runtime::new().unwrap().block_on(async {
                let world = app.start_with(options).await;
                tell.send(world.host.address()).unwrap();
                let _ = ended.await;
                world.ends_well(0).await;
            });
        });
        let http = told.recv().unwrap();
        Self { http, hub: Some(http), end: Some(end), host: Some(host) }
    }

    pub fn get(&self, path: &str) -> Answer {
        real_product::call(self.http, "GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, json: &str) -> Answer {
        let headers = [("content-type", "application/json")];
        real_product::call(self.http, "POST", path, &headers, json.as_bytes())
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        drop(self.end.take());
        let ended = self.host.take().map(JoinHandle::join);
        assert!(
            std::thread::panicking() || ended.is_none_or(|ended| ended.is_ok()),
            "the host did not end well"
        );
    }
}
