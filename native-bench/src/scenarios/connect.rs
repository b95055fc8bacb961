//! A storm of connections: each connects with a token, subscribes and is closed again. Timed from when it was due to the
//! acknowledgement of the subscription.

use anyhow::Result;
use std::sync::Arc;

use crate::messages::SubscribeRequest;
use crate::operations::operate;
use crate::run::Run;
use crate::schedule::Due;

pub async fn run(run: &Arc<Run>) -> Result<()> {
    run.measure(async |pace| operate(run, pace, usize::MAX, come_and_go).await).await
}

async fn come_and_go(run: Arc<Run>, due: Due) -> Result<()> {
    let index = due.number as usize;
    let subscribe = SubscribeRequest { channel: run.channel(index % run.load.channels), ..Default::default() };
    let connection = run.client(index, &format!("bench-{index}"), subscribe).await?;
    connection.close().await
}
