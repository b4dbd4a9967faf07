//! The command line tool. Results go to standard output, everything else to standard error.
//!
//! Exit status: 0 all well; 1 a check found a wrong result; 2 wrong usage or input; 3 the kernel holds something that is
//! not supported; 4 a device or a tool is missing or failed; 70 a bug in kernel-ad.

mod args;
mod check;
mod conformance;
mod crash;
mod devices;
mod grad;
mod list;
mod output;
mod pack;
mod progress;
mod run;
mod survey;

use crate::diag::{render, Diagnostics, Family, Result};
use args::{Cli, Command};
use clap::Parser;
use std::process::ExitCode;

/// What a command found, as an exit status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// Status 0.
    Done,
    /// Status 1.
    WrongResult,
}

/// Runs the tool with the process's arguments.
pub fn main() -> ExitCode {
    start_log();
    crash::watch();
    // clap prints its own message; its status for wrong usage is 2 as well.
    let cli = Cli::parse();
    match gpu_runtime::crash::during("kernel-ad", || run(&cli.command)) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::WrongResult) => ExitCode::from(1),
        Err(errors) => {
            if cli.command.json() {
                output::print_json(&serde_json::json!({ "errors": render::to_json(&errors) }));
            }
            eprint!("{}", render::render(&errors, render::stderr_colour()));
            ExitCode::from(status(&errors))
        }
    }
}

fn run(command: &Command) -> Result<Outcome> {
    match command {
        Command::List(a) => list::run(a),
        Command::Grad(a) => grad::grad(a),
        Command::Emit(a) => grad::emit(a),
        Command::Run(a) => run::run(a),
        Command::Check(a) => check::run(a),
        Command::Survey(a) => survey::run(a),
        Command::Conformance(a) => conformance::run(a),
        Command::Pack(a) => pack::run(a),
        Command::Devices(a) => devices::run(a),
    }
}

fn status(errors: &Diagnostics) -> u8 {
    match errors.family() {
        Family::Input | Family::Limit => 2,
        Family::Unsupported => 3,
        Family::Device => 4,
        Family::Internal => 70,
    }
}

/// Logs go to standard error when `KERNEL_AD_LOG` asks for them (`debug`, `kernel_ad::plan=trace`, ...).
fn start_log() {
    if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_env("KERNEL_AD_LOG") {
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    }
}
