//! `pie`: instruction embeddings and task tagging on the command line.

#[cfg(feature = "train")]
mod phrasebook;
#[cfg(feature = "train")]
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Instruction embeddings and task tagging: results on stdout, progress on stderr.
#[derive(Parser)]
#[command(name = "pie", version, about, max_term_width = 110)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[cfg(feature = "train")]
    Phrasebook(phrasebook::Args),
    #[cfg(feature = "train")]
    Train(Box<train::Args>),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        #[cfg(feature = "train")]
        Command::Phrasebook(args) => phrasebook::run(&args),
        #[cfg(feature = "train")]
        Command::Train(args) => train::run(*args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("pie: {e}");
            ExitCode::FAILURE
        }
    }
}
