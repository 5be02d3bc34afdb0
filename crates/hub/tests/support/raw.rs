//! A client that writes whatever bytes it is told to.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::{PATIENCE, Server};

/// The client's mask in every frame of [`frame`].
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A client frame; `first` is FIN, reserved bits and opcode.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..126 => bytes.push(0x80 | length as u8),
        length @ ..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ MASK[at % 4]));
    bytes
}

/// A server frame as it was on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

pub(crate) struct RawClient {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl RawClient {
    pub(crate) async fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(&server.address).await.expect("connected");
        stream.set_nodelay(true).expect("an option");
        Self { stream, read: Vec::new() }
    }

    /// Sends an upgrade request, and in the same segment `early`.
    pub(crate) async fn request(&mut self, target: &str, headers: &str, early: &[u8]) {
        let head = format!(
            "GET {target} HTTP/1.1\r\nhost: hub\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        self.send(&[head.as_bytes(), early].concat()).await;
    }

    /// An upgraded client for which the network holds little: what it does not read soon waits in the hub.
    pub(crate) async fn open_narrow(server: &Server, target: &str) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("an option");
        let address = server.address.parse().expect("an address");
        let stream = socket.connect(address).await.expect("connected");
        let mut client = Self { stream, read: Vec::new() };
        client.request(target, "", &[]).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    }

    /// An upgraded client. It has not read anything of what follows the 101.
    pub(crate) async fn open(server: &Server, target: &str, headers: &str) -> Self {
        let mut client = Self::connect(server).await;
        client.request(target, headers, &[]).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        client
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("sent");
    }

    /// What the server answers with, in lower case but for its first line.
    pub(crate) async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.read.drain(..end + 4).collect();
                let head = String::from_utf8(head).expect("text");
                let (first, rest) = head.split_once("\r\n").expect("lines");
                return format!(
                    "{first}\r\n{}",
                    rest.to_ascii_lowercase()
                        .replace("s3pplmbitxaq9kygzzhzrbk+xoo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
                );
            }
            assert!(self.more().await, "an end before the answer's head: {:?}", self.read);
        }
    }

    /// The next frame, whose form is checked; `None` is the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Got> {
        while self.read.len() < 2 {
            if !self.more().await {
                assert!(self.read.is_empty(), "half a header");
                return None;
            }
        }
        let (first, second) = (self.read[0], self.read[1]);
        assert_eq!(first & 0xF0, 0x80, "final and without reserved bits");
        assert_eq!(second & 0x80, 0, "not masked");
        let extended = match second {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        while self.read.len() < 2 + extended {
            assert!(self.more().await, "half a header");
        }
        let number =
            self.read[2..2 + extended].iter().fold(0_usize, |all, byte| all << 8 | usize::from(*byte));
        let length = match second {
            126 => {
                assert!(number > 125, "the shortest form");
                number
            }
            127 => {
                assert!(number > 0xFFFF, "the shortest form");
                number
            }
            short => usize::from(short),
        };
        while self.read.len() < 2 + extended + length {
            assert!(self.more().await, "half a frame");
        }
        let payload = self.read[2 + extended..2 + extended + length].to_vec();
        self.read.drain(..2 + extended + length);
        Some(Got { opcode: first & 0x0F, payload })
    }

    /// Reads and forgets up to the end of the stream.
    pub(crate) async fn until_end(&mut self) {
        while self.more().await {
            self.read.clear();
        }
    }

    /// Whether something came; a reset counts as the end.
    async fn more(&mut self) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        let patience = PATIENCE + Duration::from_secs(5);
        let read = tokio::time::timeout(patience, self.stream.read(&mut buffer)).await.expect("in time");
        let length = read.unwrap_or(0);
        self.read.extend_from_slice(&buffer[..length]);
        length > 0
    }
}
