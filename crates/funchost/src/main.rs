//! `funchost`: runs an app folder under the double.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use funchost::{FuncHost, HttpMode, Options};

/// A double of the Azure Functions host for custom handlers.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Folder with host.json.
    #[arg(long, default_value = ".")]
    app: PathBuf,
    /// Port on 127.0.0.1.
    #[arg(long, default_value_t = 7071)]
    port: u16,
    /// How HTTP requests reach the handler; unset: what host.json says.
    #[arg(long)]
    mode: Option<Mode>,
    /// An app setting; wins over the settings file. Repeatable.
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = name_and_value)]
    settings: Vec<(String, String)>,
    /// Settings file; unset: the app's local.settings.json, where there is one.
    #[arg(long = "settings", value_name = "FILE")]
    settings_file: Option<PathBuf>,
    /// Deliveries before a message becomes a dead letter.
    #[arg(long, default_value_t = 10)]
    max_delivery_count: u32,
    /// Folder of the broker's file; unset: messages are kept in memory.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Key of functions with authLevel function or admin.
    #[arg(long, default_value = "local-function-key")]
    function_key: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    Proxied,
    Forwarded,
    Json,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Arguments {
    fn options(self) -> Result<Options, String> {
        let mut options = Options::new(&self.app);
        let file = self
            .settings_file
            .or_else(|| Some(self.app.join("local.settings.json")).filter(|it| it.is_file()));
        if let Some(file) = file {
            options.settings.add_file(&file)?;
        }
        for (name, value) in self.settings {
            options.settings.set(name, value);
        }
        options.port = self.port;
        options.mode = self.mode.map(|mode| match mode {
            Mode::Proxied => HttpMode::Proxied,
            Mode::Forwarded => HttpMode::Forwarded,
            Mode::Json => HttpMode::Json,
        });
        options.broker.max_delivery_count = self.max_delivery_count;
        options.data = self.data;
        options.function_key = self.function_key;
        Ok(options)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_target(false).init();
    let started = match arguments.options() {
        Ok(options) => FuncHost::start(options).await.map_err(|error| error.to_string()),
        Err(error) => Err(error),
    };
    let host = match started {
        Ok(host) => host,
        Err(error) => {
            tell(&mut std::io::stderr(), &error);
            return ExitCode::from(64);
        }
    };
    tell(&mut std::io::stdout(), &addresses(&host));
    tokio::select! {
        reason = host.stopped() => {
            tell(&mut std::io::stderr(), &format!("the host has stopped: {reason}"));
            ExitCode::FAILURE
        }
        _ = asked_to_stop() => {
            host.stop().await;
            ExitCode::SUCCESS
        }
    }
}

fn addresses(host: &FuncHost) -> String {
    let url = host.url();
    let mut text = format!("host          {url}\nstatus        {url}/admin/double/status\n");
    text += &format!("function key  {}\n", host.function_key());
    if let Some(connection) = host.connection_string() {
        text += &format!("Service Bus   {connection}\n");
    }
    if !host.disabled_functions().is_empty() {
        text += &format!("disabled      {}\n", host.disabled_functions().join(", "));
    }
    text
}

/// A terminal that is gone is no reason to fail.
fn tell(out: &mut impl Write, text: &str) {
    drop(writeln!(out, "{}", text.trim_end()));
    drop(out.flush());
}

/// SIGINT or SIGTERM.
async fn asked_to_stop() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
