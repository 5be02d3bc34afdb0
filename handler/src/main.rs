use std::process::ExitCode;

use clap::Parser;
use handler::cli::{Cli, Command};
use handler::config::{self, Config, ProcessVars};
use handler::{lifecycle, logging};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A command line or settings that cannot be used (`EX_USAGE`).
const USAGE: u8 = 64;

#[tokio::main]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command line")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::Hub(args)) = cli.command {
        let _ = args; return ExitCode::FAILURE;
    }
    let config = match Config::from_vars(&ProcessVars) {
        Ok(config) => config,
        Err(mistakes) => {
            eprintln!("handler: {mistakes}");
            return ExitCode::from(USAGE);
        }
    };
    if let Some(Command::Config) = cli.command {
        print!("{}", config::effective(&config));
        return ExitCode::SUCCESS;
    }
    logging::start(&config);
    lifecycle::serve(config).await
}
