use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, interval, timeout};

use super::TEXT_BYTES;
use super::room::{Room, write_all};
use crate::Outcome;
use crate::load::Socket;
use crate::load::frames::{FrameReader, PONG, client_frame};
use crate::load::socket::find;
use crate::peers::Peer;

/// Messages under way in saturated mode.
pub(super) const WINDOW: u64 = 128;
pub(super) const PACED_DELIVERIES_PER_SECOND: f64 = 50_000.0;
const SAMPLED: usize = 20;
const CONNECTING_AT_ONCE: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Lockstep,
    Saturated,
    Paced,
}

impl Mode {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lockstep => "lockstep",
            Self::Saturated => "saturated",
            Self::Paced => "paced",
        }
    }

    pub(super) fn deliveries(self) -> u64 {
        match self {
            Self::Lockstep => 300_000,
            Self::Saturated => 1_000_000,
            Self::Paced => 100_000,
        }
    }
}

pub(super) struct Run {
    peer: Peer,
    receivers: usize,
    mode: Mode,
    messages: u64,
}

pub(super) struct Figures {
    pub peer: Peer,
    pub receivers: usize,
    pub mode: Mode,
    pub deliveries: u64,
    pub bytes: u64,
    pub seconds: f64,
    pub cpu_seconds: f64,
    /// Sorted, in seconds.
    pub latencies: Vec<f64>,
}

/// What all receivers have seen together.
struct Tally {
    begin: Instant,
    delivered: Cell<u64>,
    bytes: Cell<u64>,
    /// The count that wakes the sender.
    awaited: Cell<u64>,
    reached: Notify,
    latencies: RefCell<Vec<f64>>,
    failed: RefCell<Option<String>>,
}

impl Run {
    pub(super) fn new(peer: Peer, receivers: usize, mode: Mode, deliveries: u64) -> Self {
        Self { peer, receivers, mode, messages: (deliveries / receivers as u64).max(20) }
    }

    pub(super) async fn measure(&self) -> Outcome<Figures> {
        eprintln!("{} receivers, {}, {}", self.receivers, self.peer.name(), self.mode.name());
        LocalSet::new().run_until(self.measure_locally()).await
    }

    async fn measure_locally(&self) -> Outcome<Figures> {
        let server = self.peer.start().await?;
        let room = Rc::new(Room::of(&server).await?);
        let tally = Rc::new(Tally {
            begin: Instant::now(),
            delivered: Cell::new(0),
            bytes: Cell::new(0),
            awaited: Cell::new(u64::MAX),
            reached: Notify::new(),
            latencies: RefCell::default(),
            failed: RefCell::default(),
        });
        let mut tasks = self.connect_receivers(&room, &tally).await?;
        let sender = Rc::new(room.sender().await?);
        tasks.spawn_local(drain(sender.clone()));
        self.warm_up(&room, &sender, &tally).await?;

        let (cpu, bytes, begin) = (server.cpu_seconds()?, tally.bytes.get(), Instant::now());
        let before = tally.delivered.get();
        tally.latencies.borrow_mut().clear();
        self.send_all(&room, &sender, &tally, before).await?;
        let seconds = begin.elapsed().as_secs_f64();
        let mut latencies = tally.latencies.take();
        latencies.sort_by(f64::total_cmp);
        Ok(Figures {
            peer: self.peer,
            receivers: self.receivers,
            mode: self.mode,
            deliveries: tally.delivered.get() - before,
            bytes: tally.bytes.get() - bytes,
            seconds,
            cpu_seconds: server.cpu_seconds()? - cpu,
            latencies,
        })
    }

    async fn connect_receivers(&self, room: &Rc<Room>, tally: &Rc<Tally>) -> Outcome<JoinSet<()>> {
        let mut tasks = JoinSet::new();
        let mut made = 0;
        while made < self.receivers {
            let batch = CONNECTING_AT_ONCE.min(self.receivers - made);
            let sockets = futures_util::future::try_join_all((0..batch).map(|_| room.receiver())).await?;
            for socket in sockets {
                let per_message = room.counts_bytes(TEXT_BYTES);
                let receiver = Receiver {
                    socket,
                    reader: FrameReader::default(),
                    per_message,
                    sampled: made < SAMPLED,
                    greeted: false,
                };
                tasks.spawn_local(receiver.run(tally.clone()));
                made += 1;
            }
        }
        Ok(tasks)
    }

    /// Sends until one message has reached everybody: every subscription is in place then.
    async fn warm_up(&self, room: &Room, sender: &Socket, tally: &Tally) -> Outcome {
        for _ in 0..200 {
            let target = tally.delivered.get() + self.receivers as u64;
            write_all(sender, &self.message(room, tally)).await?;
            if timeout(Duration::from_millis(500), tally.reach(target)).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(300)).await;
                return tally.check();
            }
        }
        Err(format!("{}: a message never reached all receivers", self.peer.name()).into())
    }

    async fn send_all(&self, room: &Room, sender: &Socket, tally: &Tally, before: u64) -> Outcome {
        let n = self.receivers as u64;
        let per_second = PACED_DELIVERIES_PER_SECOND / self.receivers as f64;
        let mut pace = interval(Duration::from_secs_f64(1.0 / per_second));
        for sent in 1..=self.messages {
            write_all(sender, &self.message(room, tally)).await?;
            match self.mode {
                Mode::Lockstep => tally.wait_for(before + sent * n).await?,
                Mode::Saturated => tally.wait_for(before + sent.saturating_sub(WINDOW) * n).await?,
                Mode::Paced => {
                    pace.tick().await;
                }
            }
        }
        tally.wait_for(before + self.messages * n).await
    }

    /// A message that begins with the moment it was made.
    fn message(&self, room: &Room, tally: &Tally) -> Vec<u8> {
        let mut text = format!("@{:012}@", tally.begin.elapsed().as_nanos() / 1_000);
        text.extend(std::iter::repeat_n('x', TEXT_BYTES - text.len()));
        let mut frame = Vec::new();
        room.publish_frame(&text, &mut frame);
        frame
    }
}

impl Tally {
    async fn wait_for(&self, target: u64) -> Outcome {
        if timeout(Duration::from_secs(30), self.reach(target)).await.is_err() {
            self.check()?;
            return Err(format!("{} of {target} deliveries came", self.delivered.get()).into());
        }
        self.check()
    }

    async fn reach(&self, target: u64) {
        while self.delivered.get() < target && self.failed.borrow().is_none() {
            self.awaited.set(target);
            self.reached.notified().await;
        }
    }

    fn check(&self) -> Outcome {
        self.failed.borrow().as_ref().map_or(Ok(()), |e| Err(e.clone().into()))
    }

    fn add(&self, deliveries: u64, bytes: u64) {
        let delivered = self.delivered.get() + deliveries;
        self.delivered.set(delivered);
        self.bytes.set(self.bytes.get() + bytes);
        if delivered >= self.awaited.get() {
            self.awaited.set(u64::MAX);
            self.reached.notify_one();
        }
    }
}

struct Receiver {
    socket: Socket,
    reader: FrameReader,
    /// Bytes of a delivery, where frames do not tell.
    per_message: Option<u64>,
    sampled: bool,
    /// Whether messages have begun. Later a read may hold the end of one without its mark.
    greeted: bool,
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 * 1024]);
}

impl Receiver {
    async fn run(mut self, tally: Rc<Tally>) {
        let (mut pending, mut payload) = (std::mem::take(&mut self.socket.first), 0);
        // `connected`, `INFO` and `PONG` are no deliveries; they are told apart by the mark of a message.
        self.take(&mut pending, &tally, &mut payload);
        loop {
            if let Err(error) = self.socket.stream.readable().await {
                return tally.fail(&error);
            }
            let result = BUFFER.with_borrow_mut(|buffer| {
                let read = self.socket.try_read(buffer)?;
                Ok(read.map(|n| self.take(&mut buffer[..n], &tally, &mut payload)))
            });
            match result {
                Ok(Some(seen)) if seen > 0 => self.answer_ping().await,
                Ok(_) => {}
                Err(error) => return tally.fail(&error),
            }
        }
    }

    /// Counts; answers how many pings want an answer.
    fn take(&mut self, bytes: &mut [u8], tally: &Tally, payload: &mut u64) -> u64 {
        let seen = self.reader.count(bytes);
        self.greeted = self.greeted || find(bytes, b"@").is_some();
        if !self.greeted {
            return seen.pings;
        }
        let deliveries = match self.per_message {
            None => seen.frames,
            Some(size) => {
                let before = *payload / size;
                *payload += seen.payload;
                *payload / size - before
            }
        };
        if self.sampled {
            sample(bytes, tally);
        }
        tally.add(deliveries, bytes.len() as u64);
        seen.pings
    }

    async fn answer_ping(&self) {
        let mut frame = Vec::new();
        client_frame(PONG, b"", &mut frame);
        let _ = write_all(&self.socket, &frame).await;
    }
}

impl Tally {
    fn fail(&self, error: &std::io::Error) {
        *self.failed.borrow_mut() = Some(format!("a receiver was cut off: {error}"));
        self.reached.notify_one();
    }
}

/// Notes how old the messages in these bytes are.
fn sample(bytes: &[u8], tally: &Tally) {
    let now = tally.begin.elapsed().as_secs_f64();
    let mut rest = bytes;
    while let Some(at) = find(rest, b"@") {
        rest = &rest[at + 1..];
        let Some(digits) = rest.get(..12).and_then(|d| std::str::from_utf8(d).ok()) else { return };
        if let Ok(sent) = digits.parse::<u64>() {
            tally.latencies.borrow_mut().push(now - sent as f64 / 1e6);
            rest = &rest[12..];
        }
    }
}

/// Reads and forgets what comes back to the sender.
async fn drain(sender: Rc<Socket>) {
    let mut buffer = vec![0; 64 * 1024];
    while sender.stream.readable().await.is_ok() {
        if sender.try_read(&mut buffer).is_err() {
            return;
        }
    }
}
