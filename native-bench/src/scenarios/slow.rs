//! fanout where one subscriber in a hundred stops reading. The others must not notice; the slow ones may be disconnected,
//! but what they read at the end must have no gap until then.

use anyhow::Result;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::publisher::Publisher;
use crate::run::Run;
use crate::subscriber::{Subscriber, deliveries, subscribe_all};

const READ_TIMEOUT: Duration = Duration::from_secs(10);

fn is_slow(index: &usize) -> bool {
    index % 100 == 99
}

pub async fn run(run: &Arc<Run>) -> Result<()> {
    let all = 0..run.load.subscribers;
    let fast = || all.clone().filter(|index| !is_slow(index));
    subscribe_all(run, fast()).await?;
    let (wake, sleeping) = watch::channel(Vec::new());
    let mut slow = JoinSet::new();
    for index in all.clone().filter(is_slow) {
        slow.spawn(sleep_then_read(Subscriber::open(run.clone(), index).await?, sleeping.clone()));
    }
    let mut publisher = Publisher::new(run, false);
    let mut totals = vec![0; run.load.channels];
    run.measure(async |pace| {
        let published = publisher.publish(pace).await?;
        totals.iter_mut().zip(&published).for_each(|(total, published)| *total += published);
        run.all_delivered(deliveries(fast(), &published)).await;
        Ok(())
    })
    .await?;
    wake.send(totals)?;
    let (count, mut closed) = (slow.len(), 0);
    while let Some(end) = slow.join_next().await {
        match end? {
            End::Complete => (),
            End::Disconnected => closed += 1,
            End::Short { received, expected } => run
                .fail(format!("a slow subscriber got {received} of {expected} publications and was not disconnected")),
        }
    }
    run.extra.lock().unwrap().counts.extend([("slow", count as u64), ("slow_closed", closed)]);
    Ok(())
}

enum End {
    Disconnected,
    Complete,
    Short { received: u64, expected: u64 },
}

/// Reads nothing until it is told how many publications each channel had, and then everything.
async fn sleep_then_read(mut subscriber: Subscriber, mut totals: watch::Receiver<Vec<u64>>) -> End {
    if totals.changed().await.is_err() {
        return End::Disconnected; // the run has ended early
    }
    let expected = totals.borrow()[subscriber.channel];
    let mut received = 0;
    while received < expected {
        match timeout(READ_TIMEOUT, subscriber.read(|_, _| received += 1)).await {
            Ok(Ok(())) => (),
            Ok(Err(_)) => return End::Disconnected,
            Err(_) => return End::Short { received, expected },
        }
    }
    End::Complete
}
