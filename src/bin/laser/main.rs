//! The program `laser`: models from the command line, for all that needs no code. docs/command-line.md shows its use.

mod argument;
mod config;
mod events;
mod failure;
mod info;
mod input;
mod meaning;
mod names;
mod npz;
mod output;
mod own_mean;
mod parquet;
mod particle;
mod refine;
mod resample;
mod reweight;
mod sample;
mod score;
mod source;
mod terminal;
mod unfold;
mod watch;

use clap::{Parser, Subcommand};
use failure::{Failure, Result};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Arc;

/// Precise events out of imprecise generative models: latent space refinement (LaSeR) from the command line.
#[derive(Parser)]
#[command(name = "laser", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Info(info::Arguments),
    Sample(sample::Arguments),
    Score(score::Arguments),
    Refine(refine::Arguments),
    #[command(subcommand)]
    Reweight(reweight::Command),
    Resample(resample::Arguments),
    Unfold(unfold::Arguments),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version come this way too; who closes the pipe does not want them.
            let _ = usage.print();
            return ExitCode::from(usage.exit_code() as u8);
        }
    };
    // A file that grows beyond its limit (ulimit -f) is then an error of writing, not the end.
    let _ = signal_hook::flag::register(libc::SIGXFSZ, Arc::default());
    // A defect is told in one line, as all else.
    std::panic::set_hook(Box::new(|_| ()));
    let done = catch_unwind(AssertUnwindSafe(|| match cli.command {
        Command::Info(arguments) => info::run(&arguments),
        Command::Sample(arguments) => sample::run(&arguments),
        Command::Score(arguments) => score::run(&arguments),
        Command::Refine(arguments) => refine::run(&arguments),
        Command::Reweight(command) => reweight::run(&command),
        Command::Resample(arguments) => resample::run(&arguments),
        Command::Unfold(arguments) => unfold::run(&arguments),
    }));
    let result: Result<()> = done.unwrap_or_else(|defect| Err(Failure::defect(&*defect)));
    let status = match result {
        Ok(()) | Err(Failure::ClosedPipe) => return ExitCode::SUCCESS,
        Err(interrupted @ (Failure::Interrupted | Failure::Kept(_))) => {
            terminal::say(&interrupted.to_string());
            130
        }
        Err(Failure::Doubtful(what)) => {
            terminal::say(&what);
            3
        }
        Err(failure) => {
            terminal::say(&format!("error: {failure}"));
            match failure {
                // As of clap.
                Failure::Usage(_) => 2,
                _ => 1,
            }
        }
    };
    // At once: a thread may still sample, and libraries must not be taken down under it.
    signal_hook::low_level::exit(status)
}
