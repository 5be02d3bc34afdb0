//! The handler's process: started, polled until it answers, restarted when it dies, killed at the end.
//!
//! | exit | effect |
//! |---|---|
//! | 0 | a zombie: not restarted, every later call finds nobody |
//! | 200 | restarted, not counted |
//! | other, or a signal | counted and restarted at once; the third within half an hour stops the host |

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::control::Board;
use crate::http::client::HandlerClient;
use crate::world;

const POLL_EVERY: Duration = Duration::from_millis(25);
const ERRORS_ARE_OLD_AFTER: Duration = Duration::from_secs(30 * 60);
/// Under load the death of a process is told later than its connections break.
const DEATH_IS_KNOWN_WITHIN: Duration = Duration::from_millis(200);
const LOG_LINES: usize = 200;

/// How to start the handler.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) executable: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) working_directory: PathBuf,
    /// All of it: the handler inherits nothing else.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) port: u16,
    pub(crate) initialization_timeout: Duration,
    /// At this many counted errors the host stops.
    pub(crate) max_errors: u32,
}

/// Where the process is in its life. `generation` counts starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phase {
    pub(crate) generation: u64,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Starting,
    Ready,
    /// Exited with 0; the host takes it for alive.
    Zombie,
    /// The host has stopped, and why.
    Stopped(Arc<str>),
}

enum Request {
    Kill,
    Recycle { generation: u64 },
    Stop { reason: Arc<str>, done: Option<oneshot::Sender<()>> },
}

/// A handle to the supervised process; clones share it.
#[derive(Clone)]
pub(crate) struct Process {
    phase: watch::Receiver<Phase>,
    requests: mpsc::Sender<Request>,
    log: Log,
    wait_for_ready: Duration,
}

/// The last lines that the handler wrote.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<VecDeque<String>>>);

impl Process {
    /// Starts the process and the task that watches it; the task ends with the host's stop.
    pub(crate) fn start(
        plan: Plan,
        client: HandlerClient,
        board: Arc<Board>,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (phase_sender, phase) = watch::channel(Phase { generation: 0, kind: Kind::Starting });
        let (requests, inbox) = mpsc::channel(16);
        let log = Log::default();
        // The host waits three initialisation timeouts and one more for a dispatcher that is not there yet.
        let wait_for_ready = plan.initialization_timeout * 4;
        let supervisor = Supervisor {
            plan,
            client,
            board,
            phase: phase_sender,
            inbox,
            log: log.clone(),
            errors: Vec::new(),
        };
        (Self { phase, requests, log, wait_for_ready }, tokio::spawn(supervisor.run()))
    }

    /// Waits until calls can be made and answers the generation that will take them. When that takes too long, the host
    /// stops itself.
    ///
    /// # Errors
    /// Why the host has stopped.
    pub(crate) async fn ready(&self) -> Result<u64, Arc<str>> {
        let mut phase = self.phase.clone();
        let settled =
            async { phase.wait_for(|phase| phase.kind != Kind::Starting).await.ok().map(|it| it.clone()) };
        match tokio::time::timeout(self.wait_for_ready, settled).await {
            Ok(Some(Phase { kind: Kind::Stopped(reason), .. })) => Err(reason),
            Ok(Some(phase)) => Ok(phase.generation),
            Ok(None) => Err("the host is gone".into()),
            Err(_) => {
                let reason: Arc<str> = "the handler was not ready in time for an invocation".into();
                self.ask(Request::Stop { reason: Arc::clone(&reason), done: None }).await;
                Err(reason)
            }
        }
    }

    /// After a broken connection: gives the death of the process a moment to become known, so that the next call waits
    /// for its successor.
    pub(crate) async fn settle(&self, generation: u64) {
        let mut phase = self.phase.clone();
        let known = phase.wait_for(|phase| phase.generation != generation || phase.kind != Kind::Ready);
        drop(tokio::time::timeout(DEATH_IS_KNOWN_WITHIN, known).await);
    }

    /// SIGKILL, as from outside: it counts as an error.
    pub(crate) async fn kill(&self) {
        self.ask(Request::Kill).await;
    }

    /// Kills and restarts the process of this generation, uncounted: what the host does after a function's timeout.
    /// Returns when its successor is the one that calls wait for.
    pub(crate) async fn recycle(&self, generation: u64) {
        self.ask(Request::Recycle { generation }).await;
        let mut phase = self.phase.clone();
        drop(phase.wait_for(|it| it.generation != generation || matches!(it.kind, Kind::Stopped(_))).await);
    }

    /// SIGKILLs the process and ends its supervision.
    pub(crate) async fn stop(&self, reason: &str) {
        let (done, stopped) = oneshot::channel();
        self.ask(Request::Stop { reason: reason.into(), done: Some(done) }).await;
        drop(stopped.await);
    }

    /// Waits for the host's end and tells why.
    pub(crate) async fn stopped(&self) -> Arc<str> {
        let mut phase = self.phase.clone();
        match phase.wait_for(|phase| matches!(phase.kind, Kind::Stopped(_))).await.as_deref() {
            Ok(Phase { kind: Kind::Stopped(reason), .. }) => Arc::clone(reason),
            _ => "the host is gone".into(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.borrow().clone()
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    async fn ask(&self, request: Request) {
        // A supervisor that is gone has stopped the process already.
        drop(self.requests.send(request).await);
    }
}

struct Supervisor {
    plan: Plan,
    client: HandlerClient,
    board: Arc<Board>,
    phase: watch::Sender<Phase>,
    inbox: mpsc::Receiver<Request>,
    log: Log,
    errors: Vec<Instant>,
}

/// How a process ended.
enum End {
    Exited(ExitStatus),
    NotReady,
    Recycled,
    Stop { reason: Arc<str>, done: Option<oneshot::Sender<()>> },
}

impl Supervisor {
    async fn run(mut self) {
        let mut generation = 0;
        loop {
            generation += 1;
            self.set(generation, Kind::Starting);
            let mut child = match self.spawn() {
                Ok(child) => child,
                Err(error) => {
                    let executable = self.plan.executable.display();
                    let reason = format!("{executable} could not be started: {error}");
                    return self.set(generation, Kind::Stopped(reason.into()));
                }
            };
            let end = self.watch(&mut child, generation).await;
            drop(child.kill().await);
            let counted = match end {
                End::Exited(status) if status.code() == Some(0) => match self.be_zombie(generation).await {
                    None => None,
                    Some(stop) => return self.finish(generation, stop),
                },
                End::Exited(status) if status.code() == Some(200) => None,
                End::Exited(status) => Some(status.to_string()),
                End::NotReady => Some("it was not ready in time".into()),
                End::Recycled => None,
                end @ End::Stop { .. } => return self.finish(generation, end),
            };
            if let Some(what) = counted {
                if self.is_one_too_many() {
                    let reason = format!("exceeded the handler's restart count: {what}");
                    tracing::error!(reason, "the host stops");
                    return self.set(generation, Kind::Stopped(reason.into()));
                }
                tracing::warn!(what, "the handler ended and is started again");
            }
            self.board.restarted();
        }
    }

    /// Counts an error; `true` when it is the last one the host takes.
    fn is_one_too_many(&mut self) -> bool {
        let now = Instant::now();
        if self.errors.last().is_some_and(|newest| now.duration_since(*newest) > ERRORS_ARE_OLD_AFTER) {
            self.errors.clear();
        }
        self.errors.push(now);
        self.board.handler_error();
        self.errors.len() as u64 >= u64::from(self.plan.max_errors)
    }

    fn finish(&self, generation: u64, end: End) {
        if let End::Stop { reason, done } = end {
            self.set(generation, Kind::Stopped(reason));
            if let Some(done) = done {
                // Who asked may have gone; the process is dead all the same.
                let _ = done.send(());
            }
        }
    }

    fn set(&self, generation: u64, kind: Kind) {
        tracing::debug!(generation, ?kind, "the handler's process");
        self.phase.send_replace(Phase { generation, kind });
        self.board.pulse();
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let worker_id = world::guid();
        let mut child = Command::new(&self.plan.executable)
            .args(&self.plan.arguments)
            .current_dir(&self.plan.working_directory)
            .env_clear()
            .envs(self.plan.environment.iter().map(|(name, value)| (name, value)))
            .env("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", &worker_id)
            .env("FUNCTIONS_HTTPWORKER_ID", &worker_id)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A signal to the double's terminal is not the handler's: the host tells it nothing, it kills.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        if let Some(out) = child.stdout.take() {
            tokio::spawn(self.log.clone().follow(out, |line| tracing::info!(target: "handler", "{line}")));
        }
        if let Some(errors) = child.stderr.take() {
            // The host's rule: a line on stderr is an error unless it says "warn".
            tokio::spawn(self.log.clone().follow(errors, |line| {
                if line.to_ascii_lowercase().contains("warn") {
                    tracing::warn!(target: "handler", "{line}");
                } else {
                    tracing::error!(target: "handler", "{line}");
                }
            }));
        }
        Ok(child)
    }

    /// Waits for the end of a process, and on the way for its first answer.
    async fn watch(&mut self, child: &mut Child, generation: u64) -> End {
        let mut polling =
            std::pin::pin!(poll_until_ready(self.client.clone(), self.plan.initialization_timeout));
        let mut ready = false;
        loop {
            tokio::select! {
                exited = child.wait() => match exited {
                    Ok(status) => return End::Exited(status),
                    Err(error) => tracing::error!(%error, "the handler's process cannot be watched"),
                },
                answered = &mut polling, if !ready => {
                    if !answered {
                        return End::NotReady;
                    }
                    ready = true;
                    self.set(generation, Kind::Ready);
                }
                request = self.inbox.recv() => match request {
                    Some(Request::Kill) => drop(child.start_kill()),
                    Some(Request::Recycle { generation: meant }) if meant == generation => return End::Recycled,
                    Some(Request::Recycle { .. }) => {}
                    Some(Request::Stop { reason, done }) => return End::Stop { reason, done },
                    None => return End::Stop { reason: "nobody holds the host any more".into(), done: None },
                },
            }
        }
    }

    /// Nobody restarts a process that said 0, until a function's timeout does.
    async fn be_zombie(&mut self, generation: u64) -> Option<End> {
        tracing::warn!("the handler exited with 0; it is not started again and every call will fail");
        self.set(generation, Kind::Zombie);
        loop {
            match self.inbox.recv().await {
                Some(Request::Recycle { generation: meant }) if meant == generation => return None,
                Some(Request::Kill | Request::Recycle { .. }) => {}
                Some(Request::Stop { reason, done }) => return Some(End::Stop { reason, done }),
                None => {
                    return Some(End::Stop { reason: "nobody holds the host any more".into(), done: None });
                }
            }
        }
    }
}

/// `GET /` until anything answers; `false` when the time is up.
async fn poll_until_ready(client: HandlerClient, within: Duration) -> bool {
    let polling = async {
        while !client.answers().await {
            tokio::time::sleep(POLL_EVERY).await;
        }
    };
    tokio::time::timeout(within, polling).await.is_ok()
}

impl Log {
    async fn follow(self, from: impl AsyncRead + Unpin, tell: fn(&str)) {
        let mut lines = BufReader::new(from).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let line = String::from_utf8_lossy(&line).into_owned();
            tell(&line);
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == LOG_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    }
}
