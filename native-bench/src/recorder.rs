//! What a run counts. Connections count into a few tallies that threads seldom share; once a second they are merged.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::sync::{Arc, Mutex};

const LATENCY_US_MAX: u64 = 600_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

#[derive(Default, Clone, Copy, Serialize)]
pub struct Counts {
    pub operations: u64,
    pub published: u64,
    pub delivered: u64,
    /// Of the messages that were delivered.
    pub received_bytes: u64,
    pub errors: u64,
}

pub struct Tally {
    pub counts: Counts,
    /// In µs.
    pub latency: Histogram<u64>,
    /// Longest until the first subscriber had a publication: a server that pauses shows here, whatever it takes to reach all.
    pub first_us_max: u64,
    newest_due: u64,
}

impl Default for Tally {
    fn default() -> Self {
        let latency = Histogram::new_with_bounds(1, LATENCY_US_MAX, SIGNIFICANT_DIGITS);
        let latency = latency.expect("the bounds are valid");
        Self { counts: Counts::default(), latency, first_us_max: 0, newest_due: 0 }
    }
}

impl Tally {
    pub fn latency(&mut self, due: u64, now: u64) {
        self.latency.saturating_record(now.saturating_sub(due).max(1));
    }

    /// A subscriber has a publication.
    pub fn delivery(&mut self, due: u64, now: u64, bytes: usize) {
        self.counts.delivered += 1;
        self.counts.received_bytes += bytes as u64;
        self.latency(due, now);
        if due > self.newest_due {
            self.newest_due = due;
            self.first_us_max = self.first_us_max.max(now.saturating_sub(due));
        }
    }

    pub fn add(&mut self, other: &Tally) {
        self.counts.operations += other.counts.operations;
        self.counts.published += other.counts.published;
        self.counts.delivered += other.counts.delivered;
        self.counts.received_bytes += other.counts.received_bytes;
        self.counts.errors += other.counts.errors;
        self.first_us_max = self.first_us_max.max(other.first_us_max);
        self.latency.add(&other.latency).expect("all histograms have the same bounds");
    }

    fn reset(&mut self) {
        self.counts = Counts::default();
        self.latency.reset();
        self.first_us_max = 0;
    }
}

pub type Shard = Arc<Mutex<Tally>>;

pub struct Recorder {
    shards: Vec<Shard>,
}

impl Recorder {
    pub fn new(threads: usize) -> Self {
        Self { shards: (0..threads).map(|_| Shard::default()).collect() }
    }

    pub fn shard(&self, connection: usize) -> Shard {
        self.shards[connection % self.shards.len()].clone()
    }

    /// What was counted since the last call.
    pub fn take(&self) -> Tally {
        let mut merged = Tally::default();
        for shard in &self.shards {
            let mut tally = shard.lock().unwrap();
            merged.add(&tally);
            tally.reset();
        }
        merged
    }

    /// Deliveries since the last `take`.
    pub fn delivered(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lock().unwrap().counts.delivered).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_what_threads_counted_and_starts_again() {
        let recorder = Recorder::new(3);
        std::thread::scope(|scope| {
            for thread in 0..3u64 {
                let shard = recorder.shard(thread as usize);
                scope.spawn(move || {
                    for i in 0..1000 {
                        let mut tally = shard.lock().unwrap();
                        tally.counts.delivered += 1;
                        tally.latency(5, 5 + thread * 1000 + i);
                    }
                });
            }
        });
        assert_eq!(recorder.delivered(), 3000);
        let merged = recorder.take();
        assert_eq!((merged.counts.delivered, merged.latency.len()), (3000, 3000));
        assert!(merged.latency.value_at_quantile(0.5).abs_diff(1500) <= 2);
        assert_eq!((merged.latency.min(), merged.latency.max()), (1, 2999));
        assert_eq!((recorder.take().counts.delivered, recorder.delivered()), (0, 0));
    }

    #[test]
    fn only_the_first_delivery_of_a_publication_tells_of_a_pause() {
        let mut tally = Tally::default();
        for (due, now) in [(100, 150), (100, 9000), (200, 9010), (300, 310)] {
            tally.delivery(due, now, 10);
        }
        assert_eq!((tally.first_us_max, tally.counts.delivered, tally.counts.received_bytes), (8810, 4, 40));
        let mut merged = Tally::default();
        merged.add(&tally);
        assert_eq!(merged.first_us_max, 8810);
        tally.reset();
        tally.delivery(300, 400, 10);
        assert_eq!(tally.first_us_max, 0);
    }

    #[test]
    fn a_latency_beyond_the_bounds_counts_as_the_bound() {
        let mut tally = Tally::default();
        tally.latency(10, 9); // clocks are read at slightly different moments
        tally.latency(0, u64::MAX);
        assert_eq!((tally.latency.len(), tally.latency.min()), (2, 1));
        assert!(tally.latency.max() >= LATENCY_US_MAX);
    }
}
