//! `pie`: instruction embeddings and task tagging on the command line.

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
enum Command {}

fn main() -> ExitCode {
    match Args::parse().command {}
}
