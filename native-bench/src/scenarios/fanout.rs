//! fanout and channels: subscribers spread over channels, which differ only in the load. Timed from when a publication was
//! due to its delivery.

use anyhow::Result;
use std::sync::Arc;

use crate::publisher::Publisher;
use crate::run::Run;
use crate::subscriber::{deliveries, subscribe_all};

pub async fn run(run: &Arc<Run>) -> Result<()> {
    subscribe_all(run, 0..run.load.subscribers).await?;
    let mut publisher = Publisher::new(run, false);
    run.measure(async |pace| {
        let published = publisher.publish(pace).await?;
        run.all_delivered(deliveries(0..run.load.subscribers, &published)).await;
        Ok(())
    })
    .await
}
