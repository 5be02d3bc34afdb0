use std::process::ExitCode;

use clap::Parser;
use handler::cli::{Cli, Command};
use handler::config::{self, Config, ProcessVars};
use handler::{lifecycle, logging};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(said) => return help_or_mistake(&said),
    };
    if let Some(Command::Hub(args)) = command {
        logging::start_without_settings();
        return lifecycle::serve_hub(args).await;
    }
    let config = match Config::from_vars(&ProcessVars) {
        Ok(config) => config,
        Err(mistakes) => return lifecycle::usage(&mistakes.to_string()),
    };
    match command {
        Some(Command::Config) => print_config(&config),
        _ => {
            logging::start(&config);
            lifecycle::serve(config).await
        }
    }
}

/// What the parser says instead of a command: help, or which argument cannot be used.
fn help_or_mistake(said: &clap::Error) -> ExitCode {
    // Nobody is left to hear of a failure to print.
    let _ = said.print();
    if said.use_stderr() { ExitCode::from(lifecycle::USAGE) } else { ExitCode::SUCCESS }
}

#[expect(clippy::print_stdout, reason = "it is what the command is for")]
fn print_config(config: &Config) -> ExitCode {
    print!("{}", config::effective(config));
    ExitCode::SUCCESS
}
