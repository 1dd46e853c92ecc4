//! `pie`: instruction embeddings and task tagging on the command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use pie_embed_wasm::ErrorCode;

mod bars;
mod cache;
mod card;
mod chart;
mod columnar;
mod compress;
mod convert;
mod corpus;
mod correlate;
mod descriptor;
mod device;
mod embed;
mod encode;
mod eval;
mod export;
mod graph;
mod head;
mod heatmap;
mod ieb;
mod index;
mod info;
mod input;
mod label;
mod manifest;
mod model;
mod npy;
mod output;
mod own;
mod phrasebook;
mod progress;
mod prune;
mod reliability;
mod report;
mod retrieve;
mod score;
mod select;
mod signal;
mod sink;
mod storage;
mod table;
mod tag;
mod tagger;
mod taxonomy;
mod train;
mod unfinished;
mod view;

/// Instruction embeddings and task tagging: results on stdout, progress on stderr.
///
/// Without --model the shipped model is used: the default of models/manifest.json beside the program or in the checkout, or the file
/// that PIE_MODEL names.
#[derive(Parser)]
#[command(name = "pie", version, max_term_width = 110)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Embed(embed::Args),
    Tag(tag::Args),
    Tagger(tagger::Args),
    Index(index::Args),
    Info(info::Args),
    Compress(compress::Args),
    Convert(convert::Args),
    Correlate(correlate::Args),
    Taxonomy(taxonomy::Args),
    Eval(eval::Args),
    Export(export::Args),
    Head(head::Args),
    Ieb(ieb::Args),
    Label(label::Args),
    Phrasebook(phrasebook::Args),
    Prune(prune::Args),
    Report(report::Args),
    Retrieve(retrieve::Args),
    Score(score::Args),
    Select(select::Args),
    Train(Box<train::Args>),
}

fn main() -> ExitCode {
    let command = Args::parse().command;
    // Training keeps a checkpoint when it is interrupted, and sees to that itself.
    let guard = if matches!(command, Command::Train(_)) { Ok(()) } else { unfinished::remove_on_interrupt() };
    let result = guard.and_then(|()| output::outlive_file_size_limit()).and_then(|()| match command {
        Command::Embed(args) => embed::run(args),
        Command::Tag(args) => match args.tagger.clone() {
            Some(file) => own::run(args, &file),
            None => tag::run(args),
        },
        Command::Tagger(args) => tagger::run(&args),
        Command::Index(args) => index::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Compress(args) => compress::run(&args),
        Command::Convert(args) => convert::run(args),
        Command::Correlate(args) => correlate::run(&args),
        Command::Taxonomy(args) => taxonomy::run(args),
        Command::Eval(args) => eval::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Head(args) => head::run(&args),
        Command::Ieb(args) => ieb::run(&args),
        Command::Label(args) => label::run(&args),
        Command::Phrasebook(args) => phrasebook::run(&args),
        Command::Prune(args) => prune::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Retrieve(args) => retrieve::run(&args),
        Command::Score(args) => score::run(&args),
        Command::Select(args) => select::run(&args),
        Command::Train(args) => train::run(*args),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has seen enough (`pie … | head`).
        Err(e) if output::is_broken_pipe(&e) => ExitCode::SUCCESS,
        Err(e) => {
            output::say(&format!("pie: {e} [{}]", e.code()));
            if e.code() == ErrorCode::Interrupted { signal::exit_status().into() } else { ExitCode::FAILURE }
        }
    }
}
