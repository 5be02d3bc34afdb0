//! What a room costs as it grows. Rooms are filled through the handler's own stores before the handler starts on them.

mod client;
pub(crate) mod members;
pub(crate) mod resume;
mod seed;
pub(crate) mod size;

use crate::Outcome;
use crate::peers::{Peer, Server};
use crate::scratch::Scratch;

const PEER: Peer = Peer::Handler { storage: "file" };

/// The handler on files that are there already.
async fn start(data: Scratch) -> Outcome<Server> {
    let (port, command) = PEER.prepare(data.path())?;
    let server = Server::spawn(PEER, port, command, data)?;
    server.accepts().await?;
    Ok(server)
}
