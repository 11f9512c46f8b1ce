//! `cargo xtask`: tailors, builds, checks, stages and boots Kuasar's guest kernels.

mod adopt;
mod boot;
mod cmd;
mod contract;
mod diag;
mod dot_config;
mod edit;
mod files;
mod fragment;
mod hash;
mod history;
mod image;
mod inputs;
mod kbuild;
mod launcher;
mod lock;
mod measure;
mod minimize;
mod operand;
mod os_release;
mod package;
mod plan;
mod programs;
mod progress;
mod provenance;
mod rebuild;
mod refresh;
mod report;
mod resolve;
mod setup;
mod shell;
mod size;
mod source;
mod stage;
mod toolchain;
mod variant;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use cmd::{Answer, Cli, Context, Format};
use shell::Interrupted;

/// 0 fine, 1 the answer is no, 2 the tool or its environment failed, 130 interrupted (as a shell
/// has it for SIGINT).
fn main() -> ExitCode {
    let cli = Cli::parse();
    cmd::set_color(cli.output.color);
    let format = cli.output.format;
    let run = || Context::new(&cli.output, end_interrupted).and_then(|ctx| cli.command.run(&ctx));
    match run() {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Ok(Answer::Failed) => ExitCode::from(2),
        Err(error) if error.is::<Interrupted>() => {
            say_interrupted();
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            report(&diag::Failure::new(&error), format);
            ExitCode::from(2)
        }
    }
}

/// As a shell has it for SIGINT.
const INTERRUPTED: u8 = 130;

fn say_interrupted() {
    anstream::eprintln!("interrupted; nothing half-written is left");
}

/// From the thread that sees the signals, where the others do not.
#[expect(clippy::disallowed_methods, reason = "main is at work, and does not end by itself")]
fn end_interrupted() {
    say_interrupted();
    std::process::exit(INTERRUPTED.into());
}

fn report(failure: &diag::Failure, format: Format) {
    anstream::eprint!("{failure}");
    if format == Format::Json {
        let json = serde_json::to_string_pretty(failure).unwrap_or_default();
        // The exit code says it all the same if stdout is gone.
        let _ = diag::print_result(&json);
    }
}
