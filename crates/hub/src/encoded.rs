//! One message in the forms its receivers need, each made at most once.

use std::cell::OnceCell;

use bytes::Bytes;
use webpubsub::server_frame::MessageFrame;

use crate::target::OutMessage;
use crate::ws::{self, Opcode};

/// Where a message comes from, for clients that are told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'a> {
    Server,
    Group { group: &'a str, from_user_id: Option<&'a str> },
}

/// A message on its way to any number of connections. All forms are shared bytes.
pub(crate) struct Encoded<'a> {
    message: &'a OutMessage,
    origin: Origin<'a>,
    /// The frame, and where its payload begins.
    json: OnceCell<(Bytes, usize)>,
    simple: OnceCell<Bytes>,
}

impl<'a> Encoded<'a> {
    pub(crate) fn new(message: &'a OutMessage, origin: Origin<'a>) -> Self {
        Self { message, origin, json: OnceCell::new(), simple: OnceCell::new() }
    }

    /// The whole frame for a plain JSON connection.
    pub(crate) fn json(&self) -> Bytes {
        self.json_frame().0.clone()
    }

    /// The JSON without its closing brace, for a reliable connection.
    pub(crate) fn reliable(&self) -> Bytes {
        let (frame, start) = self.json_frame();
        frame.slice(*start..frame.len() - 1)
    }

    /// The whole frame for a simple client: the payload alone.
    pub(crate) fn simple(&self) -> Bytes {
        self.simple
            .get_or_init(|| {
                let payload = &self.message.payload;
                let opcode = if payload.as_text().is_some() { Opcode::Text } else { Opcode::Binary };
                ws::frame(opcode, payload.as_bytes())
            })
            .clone()
    }

    fn json_frame(&self) -> &(Bytes, usize) {
        self.json.get_or_init(|| {
            let OutMessage { payload, metadata } = self.message;
            let json = match self.origin {
                Origin::Server => MessageFrame::from_server(payload, metadata),
                Origin::Group { group, from_user_id } => {
                    MessageFrame::from_group(group, from_user_id, payload, metadata)
                }
            }
            .plain();
            let frame = ws::frame(Opcode::Text, &json);
            let start = frame.len() - json.len();
            (frame, start)
        })
    }
}

#[cfg(test)]
mod tests {
    use webpubsub::payload::Payload;

    use super::*;

    #[test]
    fn each_kind_gets_its_form_and_they_share_bytes() {
        let message = OutMessage::new(Payload::Text("hi".into()));
        let encoded = Encoded::new(&message, Origin::Group { group: "g", from_user_id: Some("ann") });
        let json = br#"{"type":"message","from":"group","group":"g","fromUserId":"ann","dataType":"text","data":"hi"}"#;
        assert_eq!(encoded.json()[2..], json[..]);
        assert_eq!(encoded.reliable(), json[..json.len() - 1]);
        assert_eq!(encoded.simple()[..], *b"\x81\x02hi");
        assert_eq!(encoded.reliable().as_ptr(), encoded.json()[2..].as_ptr());
    }
}
