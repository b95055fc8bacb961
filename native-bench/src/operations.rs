//! Many things at once: connections that open, and operations on a schedule.

use anyhow::{Context, Result};
use std::sync::Arc;
use tokio::task::JoinSet;

use crate::run::Run;
use crate::schedule::{Due, Pace, Schedule};

const OPENING_MAX: usize = 100;
/// Beyond it the server is so far behind that more at once would show nothing new.
const IN_FLIGHT_MAX: usize = 1000;

/// Opens connections with these numbers, several at once.
pub async fn open_all<F>(
    run: &Arc<Run>,
    indexes: impl Iterator<Item = usize>,
    open: impl Fn(Arc<Run>, usize) -> F,
) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    run.show("connecting", run.load.subscribers as u64);
    let mut opening = JoinSet::new();
    for index in indexes {
        if opening.len() == OPENING_MAX
            && let Some(opened) = opening.join_next().await
        {
            opened.context("a client failed")??;
            run.progress.inc(1);
        }
        opening.spawn(open(run.clone(), index));
    }
    while let Some(opened) = opening.join_next().await {
        opened.context("a client failed")??;
    }
    Ok(())
}

/// Carries out operations when they are due, whether or not earlier ones are done, and times each from when it was due. Ends
/// when all are done. At most `in_flight` run at once: what is due beyond that waits, and its time with it.
pub async fn operate<F>(
    run: &Arc<Run>,
    pace: Pace,
    in_flight: usize,
    operation: impl Fn(Arc<Run>, Due) -> F + Clone + Send + Sync + 'static,
) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let schedule = Arc::new(Schedule::start(pace)?);
    let mut operators = JoinSet::new();
    for _ in 0..in_flight.min(IN_FLIGHT_MAX) {
        let (run, schedule, operation) = (run.clone(), schedule.clone(), operation.clone());
        operators.spawn(async move {
            while let Some(due) = schedule.next().await? {
                match operation(run.clone(), due).await {
                    Ok(()) => run.operated(due.at),
                    Err(error) => run.error(&error),
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = operators.join_next().await {
        done.context("an operation failed")??;
    }
    Ok(())
}
