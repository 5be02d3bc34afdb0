use std::process::ExitCode;

use clap::Parser;
use handler::cli::{Cli, Command};
use handler::config::{self, Config, ProcessVars};
use handler::{lifecycle, logging};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let command = Cli::parse().command;
    if let Some(Command::Hub(args)) = command {
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

#[expect(clippy::print_stdout, reason = "it is what the command is for")]
fn print_config(config: &Config) -> ExitCode {
    print!("{}", config::effective(config));
    ExitCode::SUCCESS
}
