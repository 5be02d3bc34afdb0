//! The least a server can do: blocking sockets, one frame encoded once, one `write` per receiver. What waits for a
//! receiver when its turn comes goes out in the same write.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::Outcome;
use crate::load::frames::{ACCEPT, FrameReader, server_frame};

pub(crate) fn serve(port: u16) -> Outcome {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let receivers: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    for stream in listener.incoming() {
        let mut stream = stream?;
        let Ok(publisher) = shake_hands(&mut stream) else { continue };
        if publisher {
            let receivers = receivers.clone();
            std::thread::spawn(move || relay(stream, &receivers));
        } else if let Ok(mut receivers) = receivers.lock() {
            receivers.push(stream);
        }
    }
    Ok(())
}

/// Answers the upgrade; says whether this is the publisher, who is the only one that is read.
fn shake_hands(stream: &mut TcpStream) -> Outcome<bool> {
    stream.set_nodelay(true)?;
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut chunk)? {
            0 => return Err("closed".into()),
            n => request.extend_from_slice(&chunk[..n]),
        }
    }
    let request = String::from_utf8_lossy(&request);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes())?;
    Ok(request.starts_with("GET /publish"))
}

fn relay(mut publisher: TcpStream, receivers: &Mutex<Vec<TcpStream>>) -> Outcome {
    let mut reader = FrameReader::default();
    let mut chunk = vec![0; 256 * 1024];
    loop {
        let n = publisher.read(&mut chunk)?;
        if n == 0 {
            return Ok(());
        }
        let mut out = Vec::with_capacity(n);
        reader.feed_masked(&mut chunk[..n], |payload| server_frame(payload, &mut out));
        if let Ok(mut receivers) = receivers.lock() {
            receivers.retain_mut(|receiver| receiver.write_all(&out).is_ok());
        }
    }
}
