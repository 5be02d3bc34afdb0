//! The host itself: everything wired together, and the control side.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::broker::pump::Pump;
use crate::broker::{Broker, BrokerError, BrokerOptions, ConnectionString, Message, SendError, Stored, rest};
use crate::config::{App, ConfigErrors, CustomHandler, Function, Settings, Trigger};
use crate::control::{Board, DeadLetter, Status};
use crate::http::client::HandlerClient;
use crate::http::{Front, HttpMode, server};
use crate::invoke::Invoker;
use crate::process::{Kind, Plan, Process};
use crate::routes::Routes;
use crate::{timer, world};

/// The setting under which the handler finds the double's broker.
const BROKER_SETTING: &str = "ServiceBusConnection";
const DEAD_LETTERS: &str = "$deadletterqueue";

/// How to start a host. [`Options::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder with `host.json`.
    pub app: PathBuf,
    /// Of the front door on 127.0.0.1; 0 = a free one.
    pub port: u16,
    /// Instead of what `host.json` says.
    pub mode: Option<HttpMode>,
    /// What host and handler see as their environment.
    pub settings: Settings,
    /// Where the broker's file is; `None` = in memory.
    pub data: Option<PathBuf>,
    pub broker: BrokerOptions,
    /// Whether `ServiceBusConnection` is handed to the handler when a function uses it. Without, such a function stops
    /// the host, as it does in Azure.
    pub hand_connection: bool,
    /// The port of the broker's REST call; 0 = a free one.
    pub broker_port: u16,
    /// The key of `RootManageSharedAccessKey`.
    pub broker_key: String,
    /// The key that functions with `authLevel` function or admin ask for.
    pub function_key: String,
    /// At this many counted deaths of the handler the host stops.
    pub max_handler_errors: u32,
    /// The largest HTTP request body in bytes.
    pub body_limit: usize,
}

impl Options {
    /// The host's defaults, with the double's own environment as settings.
    #[must_use]
    pub fn new(app: impl Into<PathBuf>) -> Self {
        Self {
            app: app.into(),
            port: 0,
            mode: None,
            settings: Settings::from_environment(),
            data: None,
            broker: BrokerOptions::default(),
            hand_connection: true,
            broker_port: 0,
            broker_key: "SAS_KEY_VALUE".into(),
            function_key: "local-function-key".into(),
            max_handler_errors: 3,
            body_limit: 100 * 1024 * 1024,
        }
    }

    /// Adds a setting.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.set(name, value);
        self
    }

    /// Keeps the broker's messages in this folder.
    #[must_use]
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }
}

/// Why a host did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    #[error("{0}")]
    Broker(#[from] BrokerError),
    #[error("127.0.0.1:{port} cannot be listened on: {source}")]
    Listen { port: u16, source: std::io::Error },
    #[error("the folder {path} cannot be made: {source}")]
    Data { path: PathBuf, source: std::io::Error },
}

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

/// What a trigger's task is made of.
struct Machine<'a> {
    app: &'a App,
    invoker: &'a Arc<Invoker>,
    broker: Option<&'a Broker>,
    paused: &'a watch::Sender<bool>,
}

impl Machine<'_> {
    fn start_trigger(&self, function: &Arc<Function>, tasks: &mut JoinSet<()>) {
        match (&function.trigger, self.broker) {
            (Trigger::ServiceBus(trigger), Some(broker)) => {
                let pump = Arc::new(Pump {
                    broker: broker.clone(),
                    invoker: Arc::clone(self.invoker),
                    function: Arc::clone(function),
                    trigger: trigger.clone(),
                    options: self.app.host.service_bus.clone(),
                    client: format!("127.0.0.1-{}", world::guid()).into(),
                    paused: self.paused.subscribe(),
                });
                tasks.spawn(pump.run());
            }
            (Trigger::Timer(trigger), _) => {
                tasks.spawn(timer::run(Arc::clone(function), trigger.clone(), Arc::clone(self.invoker)));
            }
            (Trigger::Http(_) | Trigger::ServiceBus(_), _) => {}
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

async fn listen(port: u16) -> Result<TcpListener, StartError> {
    TcpListener::bind(loopback(port)).await.map_err(|source| StartError::Listen { port, source })
}

fn mode_of(handler: &CustomHandler) -> HttpMode {
    if handler.enable_proxying_http_request {
        HttpMode::Proxied
    } else if handler.enable_forwarding_http_request {
        HttpMode::Forwarded
    } else {
        HttpMode::Json
    }
}

fn routes(app: &App) -> Result<Routes, ConfigErrors> {
    let mut routes = Routes::default();
    let mut errors = Vec::new();
    for (index, function) in app.functions.iter().enumerate() {
        if let Trigger::Http(http) = &function.trigger
            && let Err(error) = routes.add(index, &app.host.template_of(http), &http.methods)
        {
            errors.push(format!("{}/function.json: {error}", function.name));
        }
    }
    if errors.is_empty() { Ok(routes) } else { Err(ConfigErrors(errors)) }
}

/// Opens broker and REST port where a function uses them, and puts the connection string into the settings.
async fn open_broker_port(
    options: &mut Options,
    app: &App,
    tasks: &mut JoinSet<()>,
) -> Result<Option<(ConnectionString, Broker)>, StartError> {
    check_connections(options, app)?;
    if connections(app).next().is_none() {
        return Ok(None);
    }
    let listener = listen(options.broker_port).await?;
    let port = listener.local_addr().map_or(options.broker_port, |address| address.port());
    let broker = open_broker(options.data.as_deref(), options.broker.clone())?;
    declare_entities(&broker, app);
    let connection = ConnectionString {
        port,
        key_name: "RootManageSharedAccessKey".into(),
        key: options.broker_key.clone(),
    };
    options.settings.set(BROKER_SETTING, connection.to_string());
    tasks.spawn(rest::serve(listener, broker.clone(), connection.clone()));
    Ok(Some((connection, broker)))
}

/// Functions with their Service Bus connection settings.
fn connections(app: &App) -> impl Iterator<Item = (&str, &str)> {
    app.functions.iter().flat_map(|function| {
        let trigger = match &function.trigger {
            Trigger::ServiceBus(trigger) => Some(trigger.connection.as_str()),
            Trigger::Http(_) | Trigger::Timer(_) => None,
        };
        let outputs = function.queues.iter().map(|queue| queue.connection.as_str());
        trigger.into_iter().chain(outputs).map(|connection| (function.name.as_str(), connection))
    })
}

/// A trigger without its connection stops the host; one that leads elsewhere is beyond the double.
fn check_connections(options: &Options, app: &App) -> Result<(), ConfigErrors> {
    let errors: Vec<String> = connections(app)
        .filter_map(|(function, name)| {
            let foreign = [name.to_owned(), format!("{name}__fullyQualifiedNamespace")]
                .into_iter()
                .find(|name| options.settings.get(name).is_some());
            match foreign {
                Some(setting) => Some(format!(
                    "{function}: the setting {setting} names a Service Bus, but the double delivers from its own only; \
                     leave {setting} out"
                )),
                None if name == BROKER_SETTING && options.hand_connection => None,
                None => Some(format!(
                    "{function}: the Service Bus connection setting '{name}' is missing or empty; the host stops \
                     (disable the function with AzureWebJobs.{function}.Disabled, or set it)"
                )),
            }
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(ConfigErrors(errors)) }
}

fn open_broker(data: Option<&Path>, options: BrokerOptions) -> Result<Broker, StartError> {
    let Some(folder) = data else { return Ok(Broker::open(None, options)?) };
    std::fs::create_dir_all(folder).map_err(|source| StartError::Data { path: folder.into(), source })?;
    Ok(Broker::open(Some(&folder.join("funchost.redb")), options)?)
}

fn declare_entities(broker: &Broker, app: &App) {
    for function in &app.functions {
        if let Trigger::ServiceBus(trigger) = &function.trigger {
            broker.declare(&trigger.entity.base, trigger.sessions && !trigger.entity.dead_letters);
        }
    }
    for queue in app.functions.iter().flat_map(|function| &function.queues) {
        broker.declare(&queue.entity, false);
    }
}

async fn plan(options: &Options, app: &App, address: SocketAddr) -> Result<Plan, StartError> {
    let handler = &app.host.handler;
    let port = match handler.port {
        Some(port) => port,
        None => {
            // Free now; the handler takes it in a moment, at every start of this host.
            let probe = listen(0).await?;
            probe.local_addr().map_err(|source| StartError::Listen { port: 0, source })?.port()
        }
    };
    let root = app.root.display().to_string();
    let mut settings = options.settings.clone();
    for (name, value) in [
        ("AZURE_FUNCTIONS_ENVIRONMENT", "Development"),
        ("AzureWebJobsScriptRoot", &root),
        ("FUNCTIONS_APP_ROOT_PATH", &root),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", &port.to_string()),
        ("FUNCTIONS_HTTPWORKER_PORT", &port.to_string()),
        ("FUNCTIONS_WORKER_RUNTIME", "custom"),
        ("WEBSITE_HOSTNAME", &format!("localhost:{}", address.port())),
    ] {
        settings.set(name, value);
    }
    Ok(Plan {
        executable: app.executable.clone(),
        arguments: handler.arguments.clone(),
        working_directory: handler.working_directory(&app.root),
        environment: settings.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        port,
        initialization_timeout: handler.initialization_timeout,
        max_errors: options.max_handler_errors,
    })
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
