//! Connections with one subscription each that do nothing but answer pings: what they cost in memory, and in CPU while the
//! measurement lasts. An operation is such a connection.

use anyhow::Result;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

use crate::run::Run;
use crate::subscriber::subscribe_all;

/// For memory that was only needed to connect to be given back.
const SETTLE: Duration = Duration::from_secs(3);

pub async fn run(run: &Arc<Run>) -> Result<()> {
    subscribe_all(run, |_| true).await?;
    sleep(SETTLE).await;
    run.measure(async |seconds| {
        sleep(Duration::from_secs_f64(seconds)).await;
        run.recorder.shard(0).lock().unwrap().counts.operations += run.load.subscribers as u64;
        Ok(())
    })
    .await
}
