//! Publishing through the HTTP API, to nobody. Timed from when a request was due to its reply.

use anyhow::Result;
use std::sync::Arc;

use crate::publisher::Publisher;
use crate::run::Run;

pub async fn run(run: &Arc<Run>) -> Result<()> {
    run.opened(run.load.publishers);
    let mut publisher = Publisher::new(run, true);
    run.measure(async |pace| publisher.publish(pace).await.map(drop)).await
}
