//! The host itself: everything wired together, and the control side.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::broker::{Broker, ConnectionString, Message, SendError, Stored};
use crate::config::{App, Function};
use crate::control::{Board, DeadLetter, Status};
use crate::http::client::HandlerClient;
use crate::http::{Front, server};
use crate::invoke::Invoker;
use crate::options::{Options, StartError};
use crate::process::{Kind, Process};
use crate::wiring::{Machine, listen, loopback, mode_of, open_broker_port, plan, routes};
use crate::world;

const DEAD_LETTERS: &str = "$deadletterqueue";

/// A running host. Dropping it kills the handler and closes every port.
pub struct FuncHost {
    address: SocketAddr,
    connection: Option<ConnectionString>,
    process: Process,
    board: Arc<Board>,
    broker: Option<Broker>,
    paused: watch::Sender<bool>,
    function_key: String,
    disabled: Vec<String>,
    /// Front door, broker's door, pumps, timers and the process's supervisor.
    tasks: JoinSet<()>,
}

impl FuncHost {
    /// Starts the host and the handler's process. The handler may not be ready yet: calls wait for it.
    ///
    /// # Errors
    /// Everything that keeps a host from starting; nothing is left running then.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let mut options = options;
        let app = App::read(&options.app, &options.settings)?;
        let front_door = listen(options.port).await?;
        let address = front_door.local_addr().unwrap_or_else(|_| loopback(options.port));
        let mut tasks = JoinSet::new();

        let connection = open_broker_port(&mut options, &app, &mut tasks).await?;
        let board = Arc::new(Board::default());
        let functions: Vec<Arc<Function>> = app.functions.iter().cloned().map(Arc::new).collect();
        let routes = routes(&app)?;

        let plan = plan(&options, &app, address).await?;
        let client = HandlerClient::new(plan.port);
        let (process, supervisor) = Process::start(plan, client.clone(), Arc::clone(&board));
        tasks.spawn(async move {
            // Aborted with the host; its end on its own is told through the process's phase.
            drop(AbortOnDrop(supervisor).finished().await);
        });
        let (connection, broker) = connection.unzip();
        let invoker = Arc::new(Invoker {
            client,
            process: process.clone(),
            board: Arc::clone(&board),
            broker: broker.clone(),
            function_timeout: app.host.function_timeout,
        });
        let paused = watch::Sender::new(false);
        let machine = Machine { app: &app, invoker: &invoker, broker: broker.as_ref(), paused: &paused };
        for function in &functions {
            machine.start_trigger(function, &mut tasks);
        }
        let status = status_source(process.clone(), Arc::clone(&board), broker.clone());
        let front = Arc::new(Front {
            functions,
            routes,
            mode: options.mode.unwrap_or_else(|| mode_of(&app.host.handler)),
            invoker,
            function_key: options.function_key.clone(),
            body_limit: options.body_limit,
            status: Box::new(status),
        });
        let until = process.clone();
        tasks.spawn(async move {
            // A host that has stopped takes no more connections.
            tokio::select! {
                () = server::serve(front_door, move |request, peer| Arc::clone(&front).answer(request, peer)) => {}
                _ = until.stopped() => {}
            }
        });
        Ok(Self {
            address,
            connection,
            process,
            board,
            broker,
            paused,
            function_key: options.function_key,
            disabled: app.disabled,
            tasks,
        })
    }

    /// Where callers go, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the handler was given as `ServiceBusConnection`; `None` when no function uses it.
    #[must_use]
    pub fn connection_string(&self) -> Option<String> {
        self.connection.as_ref().map(ToString::to_string)
    }

    /// A SAS token for an entity, valid for an hour.
    #[must_use]
    pub fn sas_token(&self, entity: &str) -> Option<String> {
        let connection = self.connection.as_ref()?;
        let resource = format!("http://127.0.0.1:{}/{entity}", connection.port);
        connection.token(&resource, world::now() + time::Duration::HOUR).ok()
    }

    /// The URL of the broker's send call for an entity.
    #[must_use]
    pub fn send_url(&self, entity: &str) -> Option<String> {
        self.connection.as_ref().map(|it| format!("http://127.0.0.1:{}/{entity}/messages", it.port))
    }

    #[must_use]
    pub fn function_key(&self) -> &str {
        &self.function_key
    }

    /// Functions that a setting or their `function.json` switches off.
    #[must_use]
    pub fn disabled_functions(&self) -> &[String] {
        &self.disabled
    }

    #[must_use]
    pub fn status(&self) -> Status {
        status_source(self.process.clone(), Arc::clone(&self.board), self.broker.clone())()
    }

    /// Empty answers to enveloped invocations so far: a correct handler makes none.
    #[must_use]
    pub fn hangs(&self) -> u64 {
        self.status().hangs()
    }

    /// Waits until the status is as wanted.
    ///
    /// # Errors
    /// The last status when that takes longer than `within`.
    pub async fn wait_for(
        &self,
        within: Duration,
        wanted: impl Fn(&Status) -> bool,
    ) -> Result<Status, Box<Status>> {
        let deadline = Instant::now() + within;
        let mut board = self.board.changes();
        let mut broker = self.broker.as_ref().map(Broker::changes);
        loop {
            board.mark_unchanged();
            if let Some(broker) = &mut broker {
                broker.mark_unchanged();
            }
            let status = self.status();
            if wanted(&status) {
                return Ok(status);
            }
            let changed = async {
                match &mut broker {
                    Some(broker) => {
                        drop(tokio::select!(it = board.changed() => it, it = broker.changed() => it));
                    }
                    None => drop(board.changed().await),
                }
            };
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return Err(Box::new(self.status()));
            }
        }
    }

    /// Waits until the handler takes calls.
    ///
    /// # Errors
    /// Why the host has stopped instead.
    pub async fn ready(&self) -> Result<(), String> {
        self.process.ready().await.map(drop).map_err(|reason| reason.to_string())
    }

    /// SIGKILLs the handler now. It is restarted, and the host counts the death.
    pub async fn kill_handler(&self) {
        self.process.kill().await;
    }

    /// Delivers no more messages; those in hand are finished.
    pub fn pause(&self) {
        self.paused.send_replace(true);
    }

    /// Delivers again.
    pub fn resume(&self) {
        self.paused.send_replace(false);
    }

    /// Puts a message into a queue or topic, past the REST call.
    ///
    /// # Errors
    /// See [`SendError`]; an app without Service Bus has no entities.
    pub async fn send(&self, entity: &str, message: Message) -> Result<(), SendError> {
        match &self.broker {
            Some(broker) => broker.send(entity, message).await,
            None => Err(SendError::NoEntity(entity.to_owned())),
        }
    }

    /// The messages of `queue` or `topic/Subscriptions/name`, either with `/$deadletterqueue` behind it; oldest first.
    #[must_use]
    pub fn messages(&self, path: &str) -> Vec<Stored> {
        self.broker.as_ref().map(|broker| broker.messages(path)).unwrap_or_default()
    }

    /// The last 200 lines that the handler wrote to stdout and stderr.
    #[must_use]
    pub fn handler_log(&self) -> Vec<String> {
        self.process.log()
    }

    /// Waits for the host's own end (the third death of the handler, say) and tells why.
    pub async fn stopped(&self) -> String {
        self.process.stopped().await.to_string()
    }

    /// Stops as the host does: takes nothing more, SIGKILLs the handler, and returns when it is dead.
    pub async fn stop(mut self) {
        self.pause();
        self.process.stop("the host was stopped").await;
        self.tasks.shutdown().await;
    }
}

/// Aborts a task that was spawned elsewhere when its waiter goes.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl AbortOnDrop {
    async fn finished(mut self) -> Result<(), tokio::task::JoinError> {
        (&mut self.0).await
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A closure that reads the status now.
fn status_source(
    process: Process,
    board: Arc<Board>,
    broker: Option<Broker>,
) -> impl Fn() -> Status + Send + Sync {
    move || {
        let handler = match process.phase().kind {
            Kind::Starting => "starting".to_owned(),
            Kind::Ready => "ready".to_owned(),
            Kind::Zombie => "zombie".to_owned(),
            Kind::Stopped(reason) => format!("stopped: {reason}"),
        };
        let mut status = Status { handler, ..Status::default() };
        board.fill(&mut status);
        if let Some(broker) = &broker {
            status.entities = broker.status();
            status.dead_letters = dead_letters(broker, &status);
        }
        status
    }
}

fn dead_letters(broker: &Broker, status: &Status) -> Vec<DeadLetter> {
    let with_some = status.entities.iter().filter(|(_, entity)| entity.dead_letters > 0);
    with_some
        .flat_map(|(path, _)| {
            let found = broker.messages(&format!("{path}/{DEAD_LETTERS}"));
            found.into_iter().map(move |stored| DeadLetter {
                entity: path.clone(),
                reason: stored.message.property("DeadLetterReason").unwrap_or_default().to_owned(),
                message_id: stored.message.message_id,
                session_id: stored.message.session_id,
            })
        })
        .collect()
}
