//! The measured part of a run: what was counted, and readings of the processes around it.

use anyhow::Result;
use std::time::SystemTime;

use crate::clock::micros;
use crate::options::Options;
use crate::probe::{Cpu, process_cpu, process_rss, redis_cpu};
use crate::recorder::Tally;
use crate::result::Second;

/// The measured part.
pub struct Measurement {
    pub started: SystemTime,
    pub begin: Usage,
    pub end: Option<Usage>,
    pub total: Tally,
    pub series: Vec<Second>,
    pub rss_peak: u64,
    latest: Usage,
}

/// Readings at a moment.
#[derive(Clone, Copy)]
pub struct Usage {
    pub at: u64,
    pub server: Cpu,
    /// Of the server; 0 without --pid, as its CPU time.
    pub rss: u64,
    pub client: Cpu,
    pub redis: f64,
}

impl Measurement {
    /// Takes the first readings. Nothing is measured before `begin`.
    pub async fn new(options: &Options) -> Result<Self> {
        let usage = Usage::read(options).await?;
        Ok(Self {
            started: SystemTime::now(),
            begin: usage,
            end: None,
            total: Tally::default(),
            series: Vec::new(),
            rss_peak: usage.rss,
            latest: usage,
        })
    }

    pub fn begin(&mut self, usage: Usage) {
        self.started = SystemTime::now();
        (self.begin, self.latest, self.rss_peak) = (usage, usage, usage.rss);
    }

    /// Adds what was counted since the last time.
    pub fn add(&mut self, tally: Tally, usage: Usage) {
        self.series.push(Second::new(&tally, self.begin.at, self.latest, usage));
        self.total.add(&tally);
        self.rss_peak = self.rss_peak.max(usage.rss);
        self.latest = usage;
    }

    pub fn end(&mut self, tally: Tally, usage: Usage) {
        self.add(tally, usage);
        self.end = Some(usage);
    }
}

impl Usage {
    pub async fn read(options: &Options) -> Result<Self> {
        Ok(Self { redis: redis_cpu(&options.redis).await?, ..Self::read_local(options)? })
    }

    /// All but Redis, which has to be asked.
    pub fn read_local(options: &Options) -> Result<Self> {
        Ok(Self {
            at: micros(),
            server: options.pid.map(process_cpu).transpose()?.unwrap_or_default(),
            rss: options.pid.map(process_rss).transpose()?.unwrap_or(0),
            client: process_cpu(std::process::id())?,
            redis: 0.0,
        })
    }
}
