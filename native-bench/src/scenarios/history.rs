//! Reading history through the HTTP API. Timed from when a read was due to its reply, which must have all publications.

use anyhow::{Result, ensure};
use serde_json::json;
use std::sync::{Arc, Mutex};

use crate::api::Api;
use crate::completeness::Sequences;
use crate::operations::operate;
use crate::payload;
use crate::publisher::Publisher;
use crate::run::Run;
use crate::schedule::Due;

/// Connections that no read uses right now.
type Pool = Arc<Mutex<Vec<Api>>>;

pub async fn run(run: &Arc<Run>) -> Result<()> {
    Publisher::new(run, false).fill(run.load.missed).await?;
    run.opened(run.load.publishers);
    let pool: Pool = Arc::new(Mutex::new((0..run.load.publishers).map(|index| run.api(index)).collect()));
    let read = |run, due| read(run, due, pool.clone());
    run.measure(async |pace| operate(run, pace, run.load.publishers, read).await).await
}

async fn read(run: Arc<Run>, due: Due, pool: Pool) -> Result<()> {
    let index = due.number as usize;
    let request = json!({ "channel": run.channel(index % run.load.channels), "limit": run.load.missed });
    let mut api = pool.lock().unwrap().pop().unwrap_or_else(|| run.api(index));
    let reply = api.post("history", request.to_string().as_bytes()).await?;
    pool.lock().unwrap().push(api);
    let (mut sequences, mut received) = (Sequences::new(1), 0);
    for mark in payload::marks(&reply.body) {
        received += 1;
        if let Err(fault) = sequences.accept(mark.lane, mark.sequence) {
            anyhow::bail!("history: {fault}");
        }
    }
    ensure!(received == run.load.missed, "history has {received} of {} publications", run.load.missed);
    run.recorder.shard(index).lock().unwrap().counts.delivered += received as u64;
    Ok(())
}
