//! Why a hub closes a WebSocket.

/// A close that the hub starts. The table in `docs/PROTOCOL.md` is tested against [`Close::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Close {
    /// The application server closed the connection, or the client did and this is the answer. A client of a JSON
    /// subprotocol reads the server's reason in the `disconnected` frame before it.
    Normal,
    /// The hub stops or restarts.
    GoingAway,
    /// The client answered no WebSocket ping for the keep-alive time.
    PingTimeout,
    /// A broken WebSocket frame.
    BrokenFrame,
    /// A binary frame on a JSON connection.
    BinaryOnJson,
    /// A frame that [`ClientFrame::parse`](crate::client_frame::ClientFrame::parse) refuses, or text that is not UTF-8.
    MalformedFrame,
    /// The connection that a client wants to recover is unknown, over, of another hub, or the token is wrong.
    NotRecovered,
    /// A reliable connection left too many messages unacknowledged.
    ReliableBufferFull,
    /// A simple client in `sendToGroup` mode has no right to send to its group.
    RawSendForbidden,
    /// A frame over the size limit.
    FrameTooLarge,
    /// The event handler failed, or there is none, for a frame of a simple client.
    EventFailed,
    /// The client reads more slowly than its messages come.
    SlowConsumer,
}

impl Close {
    /// Every close, in the order of the codes.
    pub const ALL: [Self; 12] = [
        Self::Normal,
        Self::GoingAway,
        Self::PingTimeout,
        Self::BrokenFrame,
        Self::BinaryOnJson,
        Self::MalformedFrame,
        Self::NotRecovered,
        Self::ReliableBufferFull,
        Self::RawSendForbidden,
        Self::FrameTooLarge,
        Self::EventFailed,
        Self::SlowConsumer,
    ];

    /// The status code of the close frame.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway | Self::PingTimeout => 1001,
            Self::BrokenFrame => 1002,
            Self::BinaryOnJson => 1003,
            Self::MalformedFrame => 1007,
            Self::NotRecovered | Self::ReliableBufferFull | Self::RawSendForbidden => 1008,
            Self::FrameTooLarge => 1009,
            Self::EventFailed => 1011,
            Self::SlowConsumer => 1013,
        }
    }

    /// The reason in the close frame, at most 123 bytes.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Normal => "",
            Self::GoingAway => "The service is going away.",
            Self::PingTimeout => "The client did not answer in time.",
            Self::BrokenFrame => "The client frame is invalid.",
            Self::BinaryOnJson => "The JSON subprotocol requires text messages.",
            Self::MalformedFrame => "The client message is not a valid JSON protocol message.",
            Self::NotRecovered => "The connection could not be recovered.",
            Self::ReliableBufferFull => "The reliable message buffer is full.",
            Self::RawSendForbidden => "The connection is not authorized for raw sendToGroup mode.",
            Self::FrameTooLarge => "The client message is too large.",
            Self::EventFailed => "Internal server error",
            Self::SlowConsumer => "The client reads too slowly.",
        }
    }

    /// Whether a client does well to connect again by itself. After the others the same would happen again, or the
    /// server wants it gone.
    #[must_use]
    pub fn reconnect(self) -> bool {
        match self {
            Self::GoingAway
            | Self::PingTimeout
            | Self::NotRecovered
            | Self::ReliableBufferFull
            | Self::EventFailed
            | Self::SlowConsumer => true,
            Self::Normal
            | Self::BrokenFrame
            | Self::BinaryOnJson
            | Self::MalformedFrame
            | Self::RawSendForbidden
            | Self::FrameTooLarge => false,
        }
    }

    /// Whether a reliable connection outlives this close and can be recovered within its window. After every other
    /// close the session is over.
    #[must_use]
    pub fn recoverable(self) -> bool {
        matches!(self, Self::GoingAway | Self::PingTimeout | Self::SlowConsumer)
    }
}

/// The close code with which a client ends its connection for good. After any other end a reliable connection can be
/// recovered.
pub const CLIENT_FINAL_CODE: u16 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_close_fits_its_frame() {
        for close in Close::ALL {
            assert!(close.reason().len() <= 123, "{close:?}");
            assert!((1000..1014).contains(&close.code()), "{close:?}");
            assert!(close.reconnect() || !close.recoverable(), "{close:?}");
        }
        assert!(
            Close::ALL.windows(2).all(|pair| pair[0].code() <= pair[1].code()),
            "in the order of the codes"
        );
    }
}
