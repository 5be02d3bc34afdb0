//! The way to one client: what waits for it, its socket's writing half, and who may write now.
//!
//! Everything here happens under the connection's `delivery` lock and only moves memory. Writing itself is
//! `flusher::flush`, outside the lock; [`Writer`] makes sure that one writer is at work at a time.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::Instant;
use webpubsub::close::Close;

use crate::outbox::{Frame, Outbox};
use crate::recovery::Unacknowledged;
use crate::ws;

/// The most bytes that go to a socket in one write.
const WRITE_BYTES: usize = 64 * 1024;

pub(crate) struct Delivery {
    outbox: Outbox,
    outbox_limit: usize,
    transport: Transport,
    writer: Writer,
    /// Tells a writer that its socket was replaced while it wrote.
    generation: u32,
    closing: Option<Closing>,
    /// Present on reliable connections.
    unacknowledged: Option<Box<Unacknowledged>>,
}

enum Transport {
    /// The upgrade is under way; what is pushed waits for it.
    Coming,
    /// `arrived` is what the connection's task has not fetched yet: the reading half, and what was read already.
    Attached { write: Arc<OwnedWriteHalf>, arrived: Option<Box<(OwnedReadHalf, Bytes)>> },
    /// No socket: a reliable connection's client may come back, another's is gone.
    Lost,
}

/// An upgraded connection of a client.
pub(crate) struct Socket {
    pub(crate) read: OwnedReadHalf,
    /// Shared by whoever writes; the last one to drop it sends the TCP end of stream.
    pub(crate) write: Arc<OwnedWriteHalf>,
    /// Bytes of the client that came together with its request.
    pub(crate) early: Bytes,
}

/// Who writes to the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    Nobody,
    /// The connection is on a flusher's list.
    Scheduled,
    Writing,
    /// The socket is full; the connection's task waits until it is not.
    Blocked,
    Broken,
}

struct Closing {
    /// Why, for the `disconnected` event.
    reason: String,
    /// Otherwise only the socket is closed, and a reliable client may come back.
    session_ends: bool,
}

/// Who wants to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A flusher that found the connection on its list.
    Flusher,
    /// The connection's own task, which looks at the delivery afterwards and needs no wake.
    Task,
    /// The task again, when a full socket has room.
    TaskUnblocked,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits; somebody will write it.
    Waiting,
    /// It waits, and the caller has to put the connection on a flusher's list.
    Schedule,
    /// The connection is closing or has no client.
    Refused,
    /// There was no room; the connection is being closed for it. The caller has to put it on a flusher's list.
    Overflow,
}

/// What a connection's task has to see to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Attention {
    None,
    /// Wait until the socket can be written to, then flush.
    Blocked,
    /// The socket cannot be written to any more.
    Broken,
    /// Another socket took over.
    Replaced,
    /// A close frame is waiting or written.
    Closing,
}

/// What follows a write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Done,
    /// There is more; put the connection on a flusher's list.
    More,
    /// The connection's task has to act.
    Wake,
}

impl Delivery {
    pub(crate) fn new(outbox_limit: usize, unacknowledged: Option<Unacknowledged>) -> Self {
        Self {
            outbox: Outbox::default(),
            outbox_limit,
            transport: Transport::Coming,
            writer: Writer::Nobody,
            generation: 0,
            closing: None,
            unacknowledged: unacknowledged.map(Box::new),
        }
    }

    /// Adds a frame and, if nobody is about to write, makes the caller see to it.
    pub(crate) fn push(&mut self, frame: Frame) -> Pushed {
        if self.closing.is_some() || matches!(self.transport, Transport::Lost) {
            return Pushed::Refused;
        }
        if self.outbox.cost() + frame.cost() > self.outbox_limit {
            self.close_socket(Close::SlowConsumer);
            return Pushed::Overflow;
        }
        self.outbox.push(frame);
        self.schedule()
    }

    /// Numbers, keeps and sends a message of a reliable connection.
    pub(crate) fn push_message(&mut self, body: Bytes, expires: Option<Instant>) -> Pushed {
        let Some(unacknowledged) = &mut self.unacknowledged else { return Pushed::Refused };
        if self.closing.as_ref().is_some_and(|closing| closing.session_ends) {
            return Pushed::Refused;
        }
        let Ok(frame) = unacknowledged.store(body, expires) else {
            let close = Close::ReliableBufferFull;
            self.close(close, close.reason().to_owned(), None);
            return Pushed::Overflow;
        };
        match self.push(frame) {
            // It is kept for the client's return.
            Pushed::Refused => Pushed::Waiting,
            pushed => pushed,
        }
    }

    /// Adds a frame without scheduling a write: the connection's own task flushes before it waits.
    pub(crate) fn push_unscheduled(&mut self, frame: Frame) {
        if self.push(frame) == Pushed::Schedule {
            self.writer = Writer::Nobody;
        }
    }

    /// Ends the connection for good: what waits is still sent, then the farewell and the close frame, then nothing.
    /// Only the first end counts.
    pub(crate) fn close(&mut self, close: Close, reason: String, farewell: Option<Frame>) -> Pushed {
        self.start_closing(close, reason, farewell, true)
    }

    /// Closes the socket; a reliable connection stays and may come back.
    pub(crate) fn close_socket(&mut self, close: Close) -> Pushed {
        if close == Close::SlowConsumer {
            self.outbox.clear_unsent();
        }
        let session_ends = self.unacknowledged.is_none();
        self.start_closing(close, close.reason().to_owned(), None, session_ends)
    }

    /// Answers the client's own close with the same code and reason. Does nothing if a close is under way.
    pub(crate) fn answer_close(&mut self, answer: Bytes, reason: String, session_ends: bool) {
        if self.closing.is_none() {
            self.outbox.push(Frame::Whole(answer));
            self.closing = Some(Closing { reason, session_ends });
        }
    }

    fn start_closing(
        &mut self,
        close: Close,
        reason: String,
        farewell: Option<Frame>,
        session_ends: bool,
    ) -> Pushed {
        match &mut self.closing {
            Some(closing) if closing.session_ends || !session_ends => return Pushed::Refused,
            // The socket is closing already; now the session ends too.
            Some(closing) => {
                *closing = Closing { reason, session_ends };
                return Pushed::Waiting;
            }
            None => self.closing = Some(Closing { reason, session_ends }),
        }
        if matches!(self.transport, Transport::Lost) {
            return Pushed::Waiting;
        }
        farewell.into_iter().for_each(|frame| self.outbox.push(frame));
        self.outbox.push(Frame::Whole(ws::close_frame(Some(close.code()), close.reason())));
        self.schedule()
    }

    fn schedule(&mut self) -> Pushed {
        if self.writer == Writer::Nobody && matches!(self.transport, Transport::Attached { .. }) {
            self.writer = Writer::Scheduled;
            return Pushed::Schedule;
        }
        Pushed::Waiting
    }

    pub(crate) fn acknowledge(&mut self, sequence_id: u64) {
        if let Some(unacknowledged) = &mut self.unacknowledged {
            unacknowledged.acknowledge(sequence_id);
        }
    }

    /// Takes a socket. A former one is given up; what it did not get, and what its client did not acknowledge, goes
    /// to the new one. The caller flushes and wakes the connection's task.
    ///
    /// # Errors
    /// The connection is over; the socket is given back.
    pub(crate) fn attach(&mut self, socket: Socket) -> Result<(), Socket> {
        if self.session_end().is_some() && !matches!(self.transport, Transport::Coming) {
            return Err(socket);
        }
        if !matches!(self.transport, Transport::Coming) {
            self.closing = None;
            self.outbox.reset();
            if let Some(unacknowledged) = &mut self.unacknowledged {
                unacknowledged.replay().for_each(|frame| self.outbox.push(frame));
            }
        }
        let Socket { read, write, early } = socket;
        self.transport = Transport::Attached { write, arrived: Some(Box::new((read, early))) };
        self.generation += 1;
        self.writer = Writer::Nobody;
        Ok(())
    }

    /// Hands the connection's task the socket that was attached last, once.
    pub(crate) fn take_arrived(&mut self) -> Option<Socket> {
        match &mut self.transport {
            Transport::Attached { write, arrived } => {
                let (read, early) = *arrived.take()?;
                Some(Socket { read, write: write.clone(), early })
            }
            Transport::Coming | Transport::Lost => None,
        }
    }

    /// Gives the socket up, unless another has taken over meanwhile.
    pub(crate) fn detach(&mut self) {
        if matches!(self.transport, Transport::Attached { arrived: Some(_), .. }) {
            return;
        }
        self.transport = Transport::Lost;
        self.generation += 1;
        self.writer = Writer::Nobody;
        self.outbox.reset();
        if self.closing.as_ref().is_some_and(|closing| !closing.session_ends) {
            self.closing = None;
        }
    }

    /// Whether the session is over, and why.
    pub(crate) fn session_end(&self) -> Option<&str> {
        self.closing.as_ref().filter(|closing| closing.session_ends).map(|closing| &*closing.reason)
    }

    pub(crate) fn is_attached(&self) -> bool {
        matches!(self.transport, Transport::Attached { .. })
    }

    /// Whether everything, the close frame included, has gone to the socket.
    pub(crate) fn is_flushed(&self) -> bool {
        self.outbox.is_empty()
    }

    pub(crate) fn attention(&self) -> Attention {
        match (&self.transport, self.writer) {
            (Transport::Attached { arrived: Some(_), .. }, _) => Attention::Replaced,
            _ if self.closing.is_some() => Attention::Closing,
            (_, Writer::Broken) => Attention::Broken,
            (_, Writer::Blocked) => Attention::Blocked,
            _ => Attention::None,
        }
    }

    /// The socket that has to become writable before anything else can be sent.
    pub(crate) fn blocked_on(&self) -> Option<Arc<OwnedWriteHalf>> {
        match &self.transport {
            Transport::Attached { write, .. } if self.writer == Writer::Blocked => Some(write.clone()),
            _ => None,
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.writer == Writer::Broken
    }

    /// Starts a write: takes the right to it and gathers what waits.
    pub(crate) fn begin_write(
        &mut self,
        caller: Caller,
        scratch: &mut Vec<u8>,
    ) -> Option<(Arc<OwnedWriteHalf>, u32)> {
        let may = match self.writer {
            Writer::Scheduled => caller == Caller::Flusher,
            Writer::Nobody => caller == Caller::Task,
            Writer::Blocked => caller == Caller::TaskUnblocked,
            Writer::Writing | Writer::Broken => false,
        };
        let Transport::Attached { write, .. } = &self.transport else { return None };
        if !may {
            return None;
        }
        if self.outbox.is_empty() {
            self.writer = Writer::Nobody;
            return None;
        }
        self.writer = Writer::Writing;
        self.outbox.gather(scratch, WRITE_BYTES);
        Some((write.clone(), self.generation))
    }

    /// Ends a write that [`Delivery::begin_write`] started.
    pub(crate) fn end_write(
        &mut self,
        generation: u32,
        offered: usize,
        result: io::Result<usize>,
    ) -> Written {
        if generation != self.generation {
            return Written::Done;
        }
        let taken = match result {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => {
                self.writer = Writer::Broken;
                return Written::Wake;
            }
        };
        self.outbox.advance(taken);
        if taken < offered {
            self.writer = Writer::Blocked;
            Written::Wake
        } else if self.outbox.is_empty() {
            self.writer = Writer::Nobody;
            if self.closing.is_some() { Written::Wake } else { Written::Done }
        } else {
            self.writer = Writer::Scheduled;
            Written::More
        }
    }

    /// Gives back memory that a quiet connection does not need.
    pub(crate) fn shrink(&mut self) {
        self.outbox.shrink();
    }
}
