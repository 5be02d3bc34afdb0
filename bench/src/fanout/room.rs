use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use webpubsub::key::AccessKey;
use webpubsub::names::HubName;
use webpubsub::token::ClientToken;

use crate::Outcome;
use crate::load::frames::{BINARY, TEXT, client_frame};
use crate::load::{Socket, http};
use crate::peers::{ACCESS_KEY, Peer, Server};

/// How one enters a server's room, and how one speaks there.
pub(crate) struct Room {
    peer: Peer,
    port: u16,
    receiver_path: String,
    sender_path: String,
}

const JSON: &str = "json.webpubsub.azure.v1";

impl Room {
    pub(crate) async fn of(server: &Server) -> Outcome<Self> {
        let port = server.port;
        let (receiver_path, sender_path) = match server.peer {
            Peer::Handler { .. } => {
                for user in ["receiver", "sender"] {
                    http(port, "POST", "/api/rooms/general/join", user, "{}").await?;
                }
                (negotiate(port, "receiver").await?, negotiate(port, "sender").await?)
            }
            Peer::Hub => (hub_path("receiver", &["room"])?, hub_path("sender", &[])?),
            Peer::Floor => ("/".to_owned(), "/publish".to_owned()),
            Peer::Ws | Peer::Nats | Peer::BareAxum => ("/".to_owned(), "/".to_owned()),
        };
        Ok(Self { peer: server.peer, port, receiver_path, sender_path })
    }

    pub(crate) async fn receiver(&self) -> Outcome<Socket> {
        let socket = Socket::open(self.port, &self.receiver_path, self.subprotocol()).await?;
        if self.peer == Peer::Nats {
            say(&socket, BINARY, b"CONNECT {\"verbose\":false}\r\nSUB room 1\r\nPING\r\n").await?;
        }
        Ok(socket)
    }

    pub(crate) async fn sender(&self) -> Outcome<Socket> {
        let socket = Socket::open(self.port, &self.sender_path, self.subprotocol()).await?;
        if self.peer == Peer::Nats {
            say(&socket, BINARY, b"CONNECT {\"verbose\":false,\"echo\":false}\r\n").await?;
        }
        Ok(socket)
    }

    /// The frame that makes the server deliver `text` to every receiver.
    pub(crate) fn publish_frame(&self, text: &str, out: &mut Vec<u8>) {
        match self.peer {
            Peer::Handler { .. } => {
                let data = json!({ "room_id": "general", "content": text });
                let event = json!({ "type": "event", "event": "send", "dataType": "json", "data": data });
                client_frame(TEXT, event.to_string().as_bytes(), out);
            }
            Peer::Hub => {
                let send = json!({ "type": "sendToGroup", "group": "room", "dataType": "text", "data": text, "noEcho": true });
                client_frame(TEXT, send.to_string().as_bytes(), out);
            }
            Peer::Nats => {
                client_frame(BINARY, format!("PUB room {}\r\n{text}\r\n", text.len()).as_bytes(), out);
            }
            _ => client_frame(TEXT, text.as_bytes(), out),
        }
    }

    /// Whether one WebSocket frame may hold several messages, so that bytes must be counted instead.
    pub(crate) fn counts_bytes(&self, text_bytes: usize) -> Option<u64> {
        let head = format!("MSG room 1 {text_bytes}\r\n").len() + text_bytes + 2;
        (self.peer == Peer::Nats).then_some(head as u64)
    }

    fn subprotocol(&self) -> Option<&'static str> {
        matches!(self.peer, Peer::Handler { .. } | Peer::Hub).then_some(JSON)
    }
}

async fn negotiate(port: u16, user: &str) -> Outcome<String> {
    let answer: Value = serde_json::from_str(&http(port, "POST", "/api/negotiate", user, "{}").await?)?;
    let url = answer["url"].as_str().ok_or("negotiate gave no url")?;
    Ok(url[url.find("/client").ok_or("no client path")?..].to_owned())
}

fn hub_path(user: &str, groups: &[&str]) -> Outcome<String> {
    #[expect(clippy::disallowed_methods, reason = "a token for right now")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let hub = HubName::new("bench")?;
    let mut token = ClientToken::new("http://127.0.0.1", &hub, now, 3_600);
    token.user_id = Some(user.to_owned());
    token.roles = vec!["webpubsub.sendToGroup".to_owned()];
    token.groups = groups.iter().map(|&g| g.to_owned()).collect();
    let token = token.sign(&AccessKey::new(ACCESS_KEY)?)?;
    Ok(format!("/client/hubs/bench?access_token={token}"))
}

async fn say(socket: &Socket, opcode: u8, text: &[u8]) -> Outcome {
    let mut frame = Vec::new();
    client_frame(opcode, text, &mut frame);
    write_all(socket, &frame).await
}

/// Writes everything, waiting for room where there is none.
pub(crate) async fn write_all(socket: &Socket, mut bytes: &[u8]) -> Outcome {
    while !bytes.is_empty() {
        socket.stream.writable().await?;
        match socket.stream.try_write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
