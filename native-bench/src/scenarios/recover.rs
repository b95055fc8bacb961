//! A storm of clients that come back: each recovers the publications that it missed and is closed again. Timed from when it
//! was due to the reply, which must have all of them.

use anyhow::{Result, ensure};
use serde_json::json;
use std::sync::Arc;

use crate::completeness::Sequences;
use crate::messages::SubscribeRequest;
use crate::operations::operate;
use crate::payload;
use crate::publisher::Publisher;
use crate::run::Run;
use crate::schedule::Due;

/// Where the clients of a channel were when they were lost.
#[derive(Clone)]
struct Position {
    channel: String,
    epoch: String,
    offset: u64,
}

pub async fn run(run: &Arc<Run>) -> Result<()> {
    let positions = positions(run).await?;
    Publisher::new(run, false).fill(run.load.missed).await?;
    let come_back = |run, due: Due| come_back(run, due, positions[due.number as usize % positions.len()].clone());
    run.measure(async |pace| operate(run, pace, usize::MAX, come_back).await).await
}

async fn positions(run: &Run) -> Result<Vec<Position>> {
    let mut api = run.api(0);
    let mut positions = Vec::new();
    for channel in run.channels() {
        let history = api.call("history", json!({ "channel": channel, "limit": 0 })).await?;
        let epoch = history["epoch"].as_str().unwrap_or_default().to_owned();
        positions.push(Position { channel, epoch, offset: history["offset"].as_u64().unwrap_or(0) });
    }
    Ok(positions)
}

async fn come_back(run: Arc<Run>, due: Due, Position { channel, epoch, offset }: Position) -> Result<()> {
    let subscribe = SubscribeRequest { channel, epoch, offset, recover: true, recoverable: true, ..Default::default() };
    let (mut sequences, mut received, mut fault, mut recovered) = (Sequences::new(1), 0, None, false);
    let protocol = run.load.protocol;
    let on_message = |message: &[u8]| {
        for mark in payload::marks(message) {
            received += 1;
            fault = fault.take().or(sequences.accept(mark.lane, mark.sequence).err());
        }
        // The reply that carries publications is long; that it recovered is all that is read of it.
        if let Ok(reply) = protocol.decode(message) {
            recovered |= reply.subscribe.is_some_and(|result| result.recovered);
        }
    };
    let index = due.number as usize;
    let connection = run.client(index, &format!("bench-{index}"), subscribe, on_message).await?;
    ensure!(recovered, "a client did not recover");
    if let Some(fault) = fault {
        anyhow::bail!("a client recovered not everything: {fault}");
    }
    ensure!(received == run.load.missed, "a client recovered {received} of {} publications", run.load.missed);
    run.recorder.shard(index).lock().unwrap().counts.delivered += received as u64;
    connection.close().await
}
