use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::frames::KEY;
use crate::Outcome;

/// An upgraded connection, and what came right behind the upgrade.
pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    pub(crate) first: Vec<u8>,
}

impl Socket {
    pub(crate) async fn open(port: u16, path: &str, subprotocol: Option<&str>) -> Outcome<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let protocol = subprotocol.map(|p| format!("Sec-WebSocket-Protocol: {p}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{protocol}\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        loop {
            let mut chunk = [0; 512];
            let n = stream.read(&mut chunk).await?;
            answer.extend_from_slice(&chunk[..n]);
            if let Some(end) = find(&answer, b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&answer[..end]).into_owned();
                if !head.starts_with("HTTP/1.1 101") {
                    return Err(format!("no upgrade: {}", head.lines().next().unwrap_or_default()).into());
                }
                return Ok(Self { stream, first: answer.split_off(end + 4) });
            }
            if n == 0 {
                return Err("closed during the upgrade".into());
            }
        }
    }

    /// Whatever is there to read, without waiting; `None` when nothing is.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.stream.try_read(buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => Ok(Some(n)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// One JSON call on a connection of its own; the answer's body.
pub(crate) async fn http(port: u16, method: &str, path: &str, user: &str, body: &str) -> Outcome<String> {
    let request = reqwest::Client::builder()
        .build()?
        .request(method.parse()?, format!("http://127.0.0.1:{port}{path}"));
    let request = request.header("x-user-id", user).header("content-type", "application/json");
    let response = request.body(body.to_owned()).send().await?;
    let status = response.status();
    let text = response.text().await?;
    if status.is_success() { Ok(text) } else { Err(format!("{method} {path}: {status} {text}").into()) }
}
