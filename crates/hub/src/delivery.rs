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
    /// The attempt made last, and the one whose socket was attached last.
    attempts: Attempt,
    attached: Attempt,
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

/// One of a client's sockets, in the order in which it asked for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Attempt(u32);

impl Attempt {
    pub(crate) const FIRST: Self = Self(0);
}

/// What became of a socket.
pub(crate) enum Attached {
    Taken,
    /// The connection is over; here is the socket, for a close frame.
    Over(Socket),
    /// The client has come back in a later attempt already.
    Outdated,
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
            attempts: Attempt::FIRST,
            attached: Attempt::FIRST,
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
        let scheduled = self.writer == Writer::Scheduled;
        self.push(frame);
        if !scheduled && self.writer == Writer::Scheduled {
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

    /// Answers the client's own close with the same code and reason. Does nothing if a close is under way, or if the
    /// client has come back on another socket meanwhile.
    pub(crate) fn answer_close(&mut self, answer: Bytes, reason: String, session_ends: bool) {
        if self.closing.is_none() && !self.is_replaced() {
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
    pub(crate) fn attach(&mut self, socket: Socket, attempt: Attempt) -> Attached {
        if self.session_end().is_some() && !matches!(self.transport, Transport::Coming) {
            return Attached::Over(socket);
        }
        if attempt < self.attached {
            return Attached::Outdated;
        }
        self.attached = attempt;
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
        Attached::Taken
    }

    /// Numbers the client's attempts to come back, in the order in which it made them: upgrades that are under way
    /// together may finish in another.
    pub(crate) fn new_attempt(&mut self) -> Attempt {
        self.attempts.0 += 1;
        self.attempts
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
        if self.is_replaced() {
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

    /// Whether another socket took over that the connection's task has not fetched yet. What the task still reads from
    /// the former one must not close this one.
    pub(crate) fn is_replaced(&self) -> bool {
        matches!(self.transport, Transport::Attached { arrived: Some(_), .. })
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
        match self.writer {
            _ if self.is_replaced() => Attention::Replaced,
            _ if self.closing.is_some() => Attention::Closing,
            Writer::Broken => Attention::Broken,
            Writer::Blocked => Attention::Blocked,
            Writer::Nobody | Writer::Scheduled | Writer::Writing => Attention::None,
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
        if let Some(unacknowledged) = &mut self.unacknowledged {
            unacknowledged.shrink();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A client's end and the hub's end of one connection.
    async fn socket() -> (TcpStream, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connected");
        let (server, _) = listener.accept().await.expect("accepted");
        let (read, write) = server.into_split();
        (client, Socket { read, write: Arc::new(write), early: Bytes::new() })
    }

    fn attach(delivery: &mut Delivery, socket: Socket) {
        let attempt = delivery.new_attempt();
        assert!(matches!(delivery.attach(socket, attempt), Attached::Taken));
    }

    fn reliable() -> Delivery {
        Delivery::new(10_000, Some(Unacknowledged::new(10, 10_000)))
    }

    fn waiting(delivery: &Delivery) -> String {
        let mut bytes = Vec::new();
        delivery.outbox.gather(&mut bytes, usize::MAX);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[tokio::test]
    async fn the_end_of_a_former_socket_does_not_touch_its_successor() {
        let mut delivery = reliable();
        let ((_a, first), (_b, second)) = (socket().await, socket().await);
        attach(&mut delivery, first);
        assert!(delivery.take_arrived().is_some());
        attach(&mut delivery, second);
        delivery.answer_close(ws::close_frame(Some(1001), ""), String::new(), false);
        delivery.detach();
        assert_eq!(delivery.attention(), Attention::Replaced);
        assert!(delivery.take_arrived().is_some());
        assert_eq!((delivery.attention(), waiting(&delivery)), (Attention::None, String::new()));
    }

    #[tokio::test]
    async fn the_attempt_made_last_wins() {
        let mut delivery = reliable();
        let ((_a, first), (_b, second)) = (socket().await, socket().await);
        let (earlier, later) = (delivery.new_attempt(), delivery.new_attempt());
        assert!(matches!(delivery.attach(second, later), Attached::Taken));
        assert!(matches!(delivery.attach(first, earlier), Attached::Outdated));
    }

    #[tokio::test]
    async fn what_a_lost_client_missed_waits_for_its_return() {
        let mut delivery = reliable();
        let ((_a, first), (_b, second)) = (socket().await, socket().await);
        attach(&mut delivery, first);
        delivery.take_arrived();
        assert_eq!(delivery.push_message(Bytes::from_static(b"{one"), None), Pushed::Schedule);
        delivery.push_unscheduled(Frame::text("an ack"));
        delivery.detach();
        assert_eq!(delivery.push(Frame::text("an ack")), Pushed::Refused);
        assert_eq!(delivery.push_message(Bytes::from_static(b"{two"), None), Pushed::Waiting);
        attach(&mut delivery, second);
        let waiting = waiting(&delivery);
        let (one, two) = (waiting.find(r#"{one,"sequenceId":1}"#), waiting.find(r#"{two,"sequenceId":2}"#));
        assert!(one.is_some() && one < two && !waiting.contains("ack"), "{waiting}");
    }

    #[tokio::test]
    async fn one_writer_at_a_time_and_a_replaced_one_changes_nothing() {
        let mut delivery = reliable();
        let ((_a, first), (_b, second)) = (socket().await, socket().await);
        let mut scratch = Vec::new();
        attach(&mut delivery, first);
        delivery.take_arrived();
        delivery.push_message(Bytes::from_static(b"{one"), None);
        assert!(delivery.begin_write(Caller::Task, &mut scratch).is_none(), "it is the flusher's");
        let (_, generation) = delivery.begin_write(Caller::Flusher, &mut scratch).expect("a write");
        assert!(delivery.begin_write(Caller::Flusher, &mut scratch).is_none(), "it is being written");
        attach(&mut delivery, second);
        assert_eq!(delivery.end_write(generation, scratch.len(), Ok(scratch.len())), Written::Done);
        assert!(waiting(&delivery).contains("one"), "the new socket has got nothing yet");
        assert!(delivery.begin_write(Caller::Task, &mut scratch).is_some());
    }

    #[tokio::test]
    async fn an_answer_of_its_own_that_does_not_fit_still_lets_the_task_write_the_close() {
        let mut delivery = Delivery::new(200, None);
        let (_a, first) = socket().await;
        attach(&mut delivery, first);
        delivery.take_arrived();
        delivery.push_unscheduled(Frame::text("one"));
        delivery.push_unscheduled(Frame::text(&"x".repeat(200)));
        let mut scratch = Vec::new();
        delivery.begin_write(Caller::Task, &mut scratch).expect("no flusher knows of it");
        assert_eq!(scratch[..], ws::close_frame(Some(1013), Close::SlowConsumer.reason())[..]);
    }

    #[tokio::test]
    async fn nothing_follows_a_close_and_the_first_one_counts() {
        let mut delivery = Delivery::new(10_000, None);
        let (_a, first) = socket().await;
        attach(&mut delivery, first);
        delivery.take_arrived();
        assert_eq!(delivery.close(Close::Normal, "first".into(), None), Pushed::Schedule);
        assert_eq!(delivery.close(Close::GoingAway, "second".into(), None), Pushed::Refused);
        assert_eq!(delivery.push(Frame::text("late")), Pushed::Refused);
        assert_eq!(delivery.session_end(), Some("first"));
        let mut scratch = Vec::new();
        delivery.begin_write(Caller::Flusher, &mut scratch).expect("a write");
        assert_eq!(scratch[..], ws::close_frame(Some(1000), "")[..]);
    }
}
