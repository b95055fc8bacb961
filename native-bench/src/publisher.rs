//! Publishes through the HTTP API on an open-loop schedule, over a few connections (lanes). Each lane sends one request
//! after the other, so that what it publishes in a channel has an order; lanes among themselves have none.

use anyhow::{Context, Result};
use std::io::Write;
use std::sync::Arc;
use tokio::task::JoinSet;

use crate::api::{Api, error_in};
use crate::book;
use crate::clock::micros;
use crate::messages::ServerError;
use crate::options::{ApiKind, PayloadKind};
use crate::payload::{self, Mark};
use crate::recorder::Shard;
use crate::run::Run;
use crate::schedule::{Due, Pace, Schedule};

const FILL_BATCH: usize = 100;

pub struct Publisher {
    run: Arc<Run>,
    channels: Arc<[String]>,
    lanes: Vec<Lane>,
}

/// Publications `first..first + count`; number i goes to channel i mod channels.
struct Request {
    first: usize,
    count: usize,
    due: u64,
}

struct Lane {
    number: usize,
    api: Api,
    kind: ApiKind,
    size: usize,
    payload: PayloadKind,
    channels: Arc<[String]>,
    /// By channel: publications that this lane has sent.
    sent: Vec<u64>,
    run: Arc<Run>,
    tally: Shard,
    /// Record the time from when a request was due to its reply.
    timed: bool,
    body: Vec<u8>,
}

impl Publisher {
    /// `timed`: the latency of the run is that of requests.
    pub fn new(run: &Arc<Run>, timed: bool) -> Self {
        let channels: Arc<[String]> = run.channels().into();
        let lane = |number| Lane {
            number,
            api: run.api(number),
            kind: run.load.api,
            size: run.load.size,
            payload: run.load.payload,
            sent: vec![0; channels.len()],
            run: run.clone(),
            tally: run.recorder.shard(number),
            timed,
            body: Vec::new(),
            channels: channels.clone(),
        };
        let lanes = (0..run.load.publishers).map(lane).collect();
        Self { run: run.clone(), lanes, channels }
    }

    /// Publishes; the rate is that of publications. Returns how many publications each channel got.
    pub async fn publish(&mut self, Pace { rate, seconds }: Pace) -> Result<Vec<u64>> {
        let before = self.sent();
        let (requests, each, publications) = self.shape();
        let schedule = Schedule::of_groups(Pace { rate: rate / publications, seconds }, requests)?;
        let (schedule, mut serving) = (Arc::new(schedule), JoinSet::new());
        for lane in self.lanes.drain(..) {
            serving.spawn(lane.serve(schedule.clone(), each));
        }
        while let Some(lane) = serving.join_next().await {
            self.lanes.push(lane.context("a publisher failed")??);
        }
        self.lanes.sort_by_key(|lane| lane.number);
        Ok(self.sent().iter().zip(before).map(|(now, before)| now - before).collect())
    }

    /// Publishes so many publications to every channel, as fast as they are taken.
    pub async fn fill(&mut self, each: usize) -> Result<()> {
        let (lane, channels) = (&mut self.lanes[0], self.channels.len());
        lane.kind = ApiKind::Batch;
        let mut first = 0;
        while first < each * channels {
            let count = FILL_BATCH.min(each * channels - first);
            lane.request(&Request { first, count, due: micros() }).await?;
            first += count;
        }
        lane.kind = self.run.load.api;
        Ok(())
    }

    /// How many requests are due together, of how many publications each, and how many publications that makes on average:
    /// the last group of a broadcast may be smaller.
    fn shape(&self) -> (u64, usize, f64) {
        let (batch, channels) = (self.run.load.batch, self.channels.len());
        match self.run.load.api {
            ApiKind::Single => (batch as u64, 1, batch as f64),
            ApiKind::Batch => (1, batch, batch as f64),
            ApiKind::Broadcast => (1, batch, channels as f64 / channels.div_ceil(batch) as f64),
        }
    }

    fn sent(&self) -> Vec<u64> {
        let of = |channel| self.lanes.iter().map(|lane| lane.sent[channel]).sum();
        (0..self.channels.len()).map(of).collect()
    }
}

impl Lane {
    /// Sends requests of so many publications when they are due, one after the other.
    async fn serve(mut self, schedule: Arc<Schedule>, each: usize) -> Result<Self> {
        while let Some(Due { number, at }) = schedule.next().await? {
            match self.request(&Request { first: number as usize * each, count: each, due: at }).await {
                Err(refused) if refused.is::<ServerError>() => self.run.error(&refused),
                done => done?,
            }
        }
        Ok(self)
    }

    async fn request(&mut self, request: &Request) -> Result<()> {
        self.body.clear();
        let (method, count) = match self.kind {
            ApiKind::Single => ("publish", self.write_single(request)),
            ApiKind::Batch => ("batch", self.write_batch(request)),
            ApiKind::Broadcast => ("broadcast", self.write_broadcast(request)),
        };
        if let Some(error) = self.api.post(method, &self.body, |reply| error_in(&reply.body)).await? {
            return Err(error).context("the server refused to publish");
        }
        let mut tally = self.tally.lock().unwrap();
        tally.counts.operations += count;
        tally.counts.published += count;
        if self.timed {
            tally.latency(request.due, micros());
        }
        Ok(())
    }

    fn write_single(&mut self, request: &Request) -> u64 {
        self.write_publication(request.first % self.channels.len(), request.due);
        1
    }

    fn write_batch(&mut self, request: &Request) -> u64 {
        self.body.extend_from_slice(br#"{"commands":["#);
        for number in request.first..request.first + request.count {
            if number > request.first {
                self.body.push(b',');
            }
            self.body.extend_from_slice(br#"{"publish":"#);
            self.write_publication(number % self.channels.len(), request.due);
            self.body.push(b'}');
        }
        self.body.extend_from_slice(b"]}");
        request.count as u64
    }

    /// The channels are in fixed groups, each of which gets its broadcasts together: so one sequence number fits them all.
    fn write_broadcast(&mut self, request: &Request) -> u64 {
        let groups = self.channels.len().div_ceil(request.count);
        let start = request.first / request.count % groups * request.count;
        let group = start..self.channels.len().min(start + request.count);
        let mark = Mark { lane: self.number, sequence: self.sent[start], due: request.due };
        let channels = serde_json::to_string(&self.channels[group.clone()]).expect("names are always JSON");
        write!(self.body, r#"{{"channels":{channels},"data":"#).expect("memory does not fail to be written");
        self.write_payload(mark);
        self.body.push(b'}');
        self.sent[group.clone()].iter_mut().for_each(|sent| *sent += 1);
        group.len() as u64
    }

    fn write_payload(&mut self, mark: Mark) {
        match self.payload {
            PayloadKind::Padding => payload::write(&mut self.body, mark, self.size),
            PayloadKind::Book => book::write(&mut self.body, mark),
        }
    }

    fn write_publication(&mut self, channel: usize, due: u64) {
        let mark = Mark { lane: self.number, sequence: self.sent[channel], due };
        self.sent[channel] += 1;
        if self.run.has_deltas() {
            self.run.was_due(channel, due);
        }
        for part in [r#"{"channel":""#, &self.channels[channel], r#"","data":"#] {
            self.body.extend_from_slice(part.as_bytes());
        }
        self.write_payload(mark);
        self.body.push(b'}');
    }
}
