//! Reading history through the HTTP API. Timed from when a read was due to its reply, which must have all publications.

use anyhow::{Context, Result};
use serde_json::json;
use std::sync::{Arc, Mutex};

use crate::api::Api;
use crate::completeness::all_of_lane;
use crate::http::Response;
use crate::operations::operate;
use crate::publisher::Publisher;
use crate::run::Run;
use crate::schedule::Due;

/// Connections that no read uses right now.
type Pool = Arc<Mutex<Vec<Api>>>;

pub async fn run(run: &Arc<Run>) -> Result<()> {
    Publisher::new(run, false).fill(run.load.missed).await?;
    run.opened(run.load.publishers);
    let pool: Pool = Arc::new(Mutex::new((0..run.load.publishers).map(|index| run.api(index)).collect()));
    let read = move |run, due| read(run, due, pool.clone());
    run.measure(async |pace| operate(run, pace, run.load.publishers, read.clone()).await).await
}

async fn read(run: Arc<Run>, due: Due, pool: Pool) -> Result<()> {
    let index = due.number as usize;
    let request = json!({ "channel": run.channel(index % run.load.channels), "limit": run.load.missed });
    let mut api = pool.lock().unwrap().pop().unwrap_or_else(|| run.api(index));
    let read = |reply: &Response| all_of_lane(&reply.body, run.load.missed);
    let complete = api.post("history", request.to_string().as_bytes(), read).await?;
    pool.lock().unwrap().push(api);
    complete.context("history")?;
    run.recorder.shard(index).lock().unwrap().counts.delivered += run.load.missed as u64;
    Ok(())
}
