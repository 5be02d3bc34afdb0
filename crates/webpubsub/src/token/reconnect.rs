//! Reconnection tokens: the proof with which a reliable client takes its connection up again.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::Mac;

use crate::key::AccessKey;
use crate::names::HubName;

/// Keeps these signatures apart from everything else that is signed with an access key.
const PURPOSE: &[u8] = b"web pubsub reconnection 1\0";

/// The token of a connection; opaque to clients. It is good for as long as the hub keeps the connection, so it needs
/// no time of its own.
#[must_use]
pub fn reconnection_token(key: &AccessKey, hub: &HubName, connection_id: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(key.hmac(&message(hub, connection_id)).finalize().into_bytes())
}

/// Whether `token` was made for this connection of this hub by one of `keys`. Compares in constant time.
#[must_use]
pub fn verify_reconnection_token(
    keys: &[AccessKey],
    token: &str,
    hub: &HubName,
    connection_id: &str,
) -> bool {
    let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(token) else { return false };
    let message = message(hub, connection_id);
    keys.iter().any(|key| key.hmac(&message).verify_slice(&signature).is_ok())
}

fn message(hub: &HubName, connection_id: &str) -> Vec<u8> {
    // A hub name holds no slash, so the two cannot run into each other.
    [PURPOSE, hub.as_str().as_bytes(), b"/", connection_id.as_bytes()].concat()
}
