//! From an app and its options to the parts of a host.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::broker::pump::Pump;
use crate::broker::{Broker, BrokerOptions, ConnectionString, rest};
use crate::config::{App, ConfigErrors, CustomHandler, Function, Trigger};
use crate::http::HttpMode;
use crate::invoke::Invoker;
use crate::options::{Options, StartError};
use crate::process::Plan;
use crate::routes::Routes;
use crate::{timer, world};

/// The setting under which the handler finds the double's broker.
const BROKER_SETTING: &str = "ServiceBusConnection";

/// What a trigger's task is made of.
pub(crate) struct Machine<'a> {
    pub(crate) app: &'a App,
    pub(crate) invoker: &'a Arc<Invoker>,
    pub(crate) broker: Option<&'a Broker>,
    pub(crate) paused: &'a watch::Sender<bool>,
}

impl Machine<'_> {
    pub(crate) fn start_trigger(&self, function: &Arc<Function>, tasks: &mut JoinSet<()>) {
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

pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

pub(crate) async fn listen(port: u16) -> Result<TcpListener, StartError> {
    TcpListener::bind(loopback(port)).await.map_err(|source| StartError::Listen { port, source })
}

pub(crate) fn mode_of(handler: &CustomHandler) -> HttpMode {
    if handler.enable_proxying_http_request {
        HttpMode::Proxied
    } else if handler.enable_forwarding_http_request {
        HttpMode::Forwarded
    } else {
        HttpMode::Json
    }
}

pub(crate) fn routes(app: &App) -> Result<Routes, ConfigErrors> {
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
pub(crate) async fn open_broker_port(
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
    let broker = match options.shared_broker.clone() {
        Some(shared) => shared,
        None => open_broker(options.data.as_deref(), options.broker.clone())?,
    };
    declare_entities(&broker, app);
    let connection = ConnectionString {
        port,
        key_name: "RootManageSharedAccessKey".into(),
        key: options.broker_key.clone(),
    };
    let told = ConnectionString { port: options.told_broker_port.unwrap_or(port), ..connection.clone() };
    options.settings.set(BROKER_SETTING, told.to_string());
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

pub(crate) async fn plan(options: &Options, app: &App, address: SocketAddr) -> Result<Plan, StartError> {
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
