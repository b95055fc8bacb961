//! Load generator: the native twin of `scripts/bench/generator`, with the same command line and the same result.
//!
//! `scenarios/` has one file per scenario and is the place to start reading; each opens connections, then hands
//! its load to `Run::measure`, which warms up, counts, times and probes.

mod api;
mod book;
mod clock;
mod completeness;
mod connection;
mod dial;
mod http;
mod measurement;
mod messages;
mod operations;
mod options;
mod payload;
mod probe;
mod protocol;
mod publisher;
mod reader;
mod recorder;
mod result;
mod run;
mod scenarios;
mod schedule;
mod subscriber;
mod token;
mod websocket;

use anyhow::Result;
use clap::Parser;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};

use options::Options;
use result::Report;
use run::Run;

const EXIT_VOID: u8 = 1;
const EXIT_ERROR: u8 = 2;

fn main() -> ExitCode {
    let options = Options::parse();
    let (json_only, threads) = (options.json, options.threads);
    let outcome = runtime(threads).and_then(|runtime| runtime.block_on(bench(options)));
    match outcome {
        Ok(report) => {
            println!("{}", report.json());
            if !json_only {
                eprintln!("{}", report.text());
            }
            if report.valid { ExitCode::SUCCESS } else { ExitCode::from(EXIT_VOID) }
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(EXIT_ERROR)
        }
    }
}

/// One thread needs no locks that are ever contended and no wake-ups of other threads, and is enough for most runs.
fn runtime(threads: u16) -> Result<Runtime> {
    let mut builder = if threads == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    Ok(builder.worker_threads(threads.into()).enable_all().build()?)
}

async fn bench(options: Options) -> Result<Report> {
    let run = Run::prepare(options).await?;
    tokio::select! {
        done = scenarios::run(&run) => done?,
        _ = tokio::signal::ctrl_c() => run.fail("interrupted"),
    }
    run.report().await
}
