//! A storm of clients that come back: each recovers the publications that it missed and is closed again. Timed from when it
//! was due to the reply, which must have all of them.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::sync::{Arc, Mutex};

use crate::completeness::all_of_lane;
use crate::messages::{Reply, SubscribeRequest};
use crate::operations::operate;
use crate::options::Load;
use crate::protocol::Protocol;
use crate::publisher::Publisher;
use crate::run::Run;
use crate::schedule::Due;

/// Where the clients of a channel were when they were lost.
struct Position {
    channel: String,
    epoch: String,
    offset: u64,
    recovered: Recovered,
}

/// Reads the replies of a channel, which are long and mostly the same, so that one that equals what was checked needs no check.
#[derive(Default)]
struct Recovered {
    complete: Mutex<Vec<u8>>,
}

pub async fn run(run: &Arc<Run>) -> Result<()> {
    let positions: Arc<[Position]> = positions(run).await?.into();
    Publisher::new(run, false).fill(run.load.missed).await?;
    let come_back = move |run, due| come_back(run, due, positions.clone());
    run.measure(async |pace| operate(run, pace, usize::MAX, come_back.clone()).await).await
}

async fn positions(run: &Run) -> Result<Vec<Position>> {
    let mut api = run.api(0);
    let mut positions = Vec::new();
    for channel in run.channels() {
        let history = api.call("history", json!({ "channel": channel, "limit": 0 })).await?;
        let epoch = history["epoch"].as_str().unwrap_or_default().to_owned();
        let offset = history["offset"].as_u64().unwrap_or(0);
        positions.push(Position { channel, epoch, offset, recovered: Recovered::default() });
    }
    Ok(positions)
}

async fn come_back(run: Arc<Run>, due: Due, positions: Arc<[Position]>) -> Result<()> {
    let index = due.number as usize;
    let Position { channel, epoch, offset, recovered } = &positions[index % positions.len()];
    let subscribe = SubscribeRequest {
        channel: channel.clone(),
        epoch: epoch.clone(),
        offset: *offset,
        recover: true,
        recoverable: true,
        ..Default::default()
    };
    let Load { protocol, missed, .. } = run.load;
    let read = |reply: &[u8]| recovered.read(reply, protocol, missed);
    let connection = run.client_that(index, &format!("bench-{index}"), subscribe, read).await?;
    run.recorder.shard(index).lock().unwrap().counts.delivered += missed as u64;
    connection.close().await
}

impl Recovered {
    /// That to the subscribe command is an error unless it has so many publications, each once and in order.
    fn read(&self, reply: &[u8], protocol: Protocol, missed: usize) -> Result<Reply> {
        if *self.complete.lock().unwrap() == reply {
            return Ok(Reply::default());
        }
        let decoded = protocol.decode(reply)?;
        if decoded.error.is_none() && decoded.connect.is_none() {
            ensure!(decoded.subscribe.as_ref().is_some_and(|result| result.recovered), "a client did not recover");
            all_of_lane(reply, missed).context("a client recovered not everything")?;
            *self.complete.lock().unwrap() = reply.to_vec();
        }
        Ok(decoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{Mark, write};

    fn reply(sequences: &[u64], recovered: bool) -> Vec<u8> {
        let mut publications = Vec::new();
        for &sequence in sequences {
            let mut data = Vec::new();
            write(&mut data, Mark { lane: 0, sequence, due: 7 }, 40);
            publications.push(format!(r#"{{"data":{}}}"#, String::from_utf8(data).unwrap()));
        }
        let publications = publications.join(",");
        format!(r#"{{"id":2,"subscribe":{{"publications":[{publications}],"recovered":{recovered}}}}}"#).into_bytes()
    }

    #[test]
    fn a_reply_must_have_everything_whatever_others_had() {
        let recovered = Recovered::default();
        let read =
            |reply: &[u8]| recovered.read(reply, Protocol::Json, 3).map(drop).map_err(|error| format!("{error:#}"));
        let complete = reply(&[0, 1, 2], true);
        for _ in 0..2 {
            assert_eq!(read(&complete), Ok(()));
            assert!(read(&reply(&[0, 1], true)).unwrap_err().contains("2 of 3 publications"));
            assert!(read(&reply(&[0, 1, 3], true)).unwrap_err().contains("publications 2 to 2 of lane 0 are missing"));
            assert!(read(&reply(&[0, 1, 2], false)).unwrap_err().contains("did not recover"));
            assert!(read(&complete[..complete.len() - 1]).is_err());
            assert!(read(br#"{"id":2}"#).is_err());
            assert_eq!(read(br#"{"id":1,"connect":{}}"#), Ok(()));
        }
    }
}
