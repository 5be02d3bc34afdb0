//! What one socket hears.

use futures_util::StreamExt;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::PATIENCE;

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Reads on until a frame is as wished, and writes all of them down.
pub async fn until(
    who: &str,
    socket: &mut Socket,
    heard: &mut Vec<Value>,
    wish: impl Fn(&Value) -> bool,
) -> Value {
    let waiting = async {
        loop {
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            heard.push(frame.clone());
            if wish(&frame) {
                return frame;
            }
        }
    };
    let frame = timeout(PATIENCE, waiting).await;
    frame.unwrap_or_else(|_| panic!("{who} waits in vain; heard {heard:#?}"))
}
