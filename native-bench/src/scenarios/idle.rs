//! Connections with one subscription each that do nothing but answer pings: what one costs to open, in memory, and in CPU
//! while the measurement lasts. An operation is such a connection.
//!
//! They are opened in steps, and memory is the slope of the line through the steps, so that what the server weighs by
//! itself does not count. Nor do the first steps: what a server makes room for then serves the later ones too.

use anyhow::Result;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

use crate::measurement::Usage;
use crate::run::Run;
use crate::subscriber::subscribe_all;

/// Memory is read so long after the last connection of a step, or after the warm-up if that is shorter.
const QUIET_SECONDS: f64 = 1.0;
const STEPS: usize = 6;
const STEPS_BEFORE: usize = 2;

pub async fn run(run: &Arc<Run>) -> Result<()> {
    let total = run.load.subscribers;
    let quiet = Duration::from_secs_f64(run.load.warmup.min(QUIET_SECONDS));
    let before = Usage::read_local(&run.options)?;
    let mut points = Vec::new();
    for step in 0..STEPS {
        let to = total * (step + 1) / STEPS;
        subscribe_all(run, total * step / STEPS..to).await?;
        sleep(quiet).await;
        if step + 1 >= STEPS_BEFORE {
            points.push((to as f64, Usage::read_local(&run.options)?.rss as f64));
        }
    }
    if run.options.pid.is_some() && total >= STEPS {
        let used = Usage::read_local(&run.options)?.server.since(before.server);
        let mut extra = run.extra.lock().unwrap();
        extra.connect_us = Some(used.total() * 1e6 / total as f64);
        extra.per_connection = Some(slope(&points));
    }
    run.measure(async |pace| {
        sleep(Duration::from_secs_f64(pace.seconds)).await;
        run.recorder.shard(0).lock().unwrap().counts.operations += total as u64;
        Ok(())
    })
    .await
}

/// Least-squares slope of y over x.
fn slope(points: &[(f64, f64)]) -> f64 {
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let (mx, my) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
    covariance / points.iter().map(|(x, _)| (x - mx).powi(2)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_line() {
        assert_eq!(slope(&[(0.0, 100.0), (1.0, 103.0), (2.0, 106.0)]), 3.0);
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)]), 0.5);
    }
}
