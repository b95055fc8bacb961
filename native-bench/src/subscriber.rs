//! A client that is subscribed to one channel and checks that it gets each publication once and in order.

use anyhow::Result;
use std::sync::Arc;

use crate::clock::micros;
use crate::completeness::Sequences;
use crate::connection::Connection;
use crate::messages::SubscribeRequest;
use crate::operations::open_all;
use crate::payload::{self, Mark};
use crate::recorder::Shard;
use crate::run::Run;

pub struct Subscriber {
    pub channel: usize,
    index: usize,
    connection: Connection,
    sequences: Sequences,
    run: Arc<Run>,
}

impl Subscriber {
    /// Subscriber number `index`, of channel `index` mod channels.
    pub async fn open(run: Arc<Run>, index: usize) -> Result<Self> {
        let channel = index % run.load.channels;
        let delta = if run.has_deltas() { "fossil".into() } else { String::new() };
        let subscribe = SubscribeRequest { channel: run.channel(channel), delta, ..Default::default() };
        let connection = run.client(index, &format!("bench-{index}"), subscribe).await?;
        Ok(Self { channel, index, connection, sequences: Sequences::new(run.load.publishers), run })
    }

    /// Receives for the rest of the run, counting and timing deliveries. It is void if the connection ends before.
    pub async fn receive(mut self) {
        let tally: Shard = self.run.recorder.shard(self.index);
        let lost = loop {
            let mut now = None; // of all that has arrived together
            let on_delivery = |due, bytes| {
                tally.lock().unwrap().delivery(due, *now.get_or_insert_with(micros), bytes);
            };
            if let Err(error) = self.read(on_delivery).await {
                break error;
            }
        };
        self.run.fail(format!("connection {} was lost: {lost:#}", self.index));
    }

    /// Reads what has arrived and calls for each publication in it, with the time it was due and the bytes of the message.
    pub async fn read(&mut self, mut on_delivery: impl FnMut(u64, usize)) -> Result<()> {
        let Self { connection, sequences, run, index, channel } = self;
        let has_deltas = run.has_deltas();
        let on_message = |message: &[u8]| {
            let mark = if has_deltas { mark_by_offset(run, *channel, message) } else { payload::find(message) };
            let Some(mark) = mark else { return };
            match sequences.accept(mark.lane, mark.sequence) {
                Ok(()) => on_delivery(mark.due, message.len()),
                Err(fault) => run.fail(format!("connection {index}: {fault}")),
            }
        };
        connection.read(on_message).await
    }
}

/// What a publication would say that came whole. That patches are right is for tests of the server.
fn mark_by_offset(run: &Run, channel: usize, message: &[u8]) -> Option<Mark> {
    let offset = run.load.protocol.decode(message).ok()?.push?.publication?.offset;
    Some(Mark { lane: 0, sequence: offset.checked_sub(1)?, due: run.due_of(channel, offset)? })
}

/// Opens subscribers with these numbers; they receive until the run ends.
pub async fn subscribe_all(run: &Arc<Run>, indexes: impl Iterator<Item = usize>) -> Result<()> {
    let subscribe = async |run, index| {
        tokio::spawn(Subscriber::open(run, index).await?.receive());
        Ok(())
    };
    open_all(run, indexes, subscribe).await
}

/// How many deliveries are due to subscribers with these numbers, when channels got so many publications.
pub fn deliveries(subscribers: impl Iterator<Item = usize>, published: &[u64]) -> u64 {
    subscribers.map(|index| published[index % published.len()]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_those_of_each_subscribers_channel() {
        assert_eq!(deliveries(0..5, &[10, 1]), 32);
        assert_eq!(deliveries(1..5, &[10, 1]), 22);
        assert_eq!(deliveries(0..0, &[10]), 0);
    }
}
