//! One run: what all scenarios share, and the measurement of their load.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use crate::api::Api;
use crate::clock::micros;
use crate::connection::Connection;
use crate::dial::Dialer;
use crate::measurement::{Measurement, Usage};
use crate::messages::{Reply, SubscribeRequest};
use crate::options::{Delta, Load, Options, PayloadKind, Scenario, Switch};
use crate::recorder::Recorder;
use crate::result::{Extra, Report, Server};
use crate::schedule::Pace;
use crate::token::Signer;

const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

pub struct Run {
    pub options: Options,
    pub load: Load,
    pub recorder: Recorder,
    pub dialer: Arc<Dialer>,
    signer: Signer,
    pub server: Server,
    connections: AtomicU64,
    /// By channel: when each publication was due, where subscribers get deltas, which do not say it.
    due_times: Mutex<Vec<Vec<u64>>>,
    /// In channel names, so that no run sees publications of another.
    name: String,
    verdict: Mutex<Option<String>>,
    pub extra: Mutex<Extra>,
    measurement: Mutex<Measurement>,
    pub progress: ProgressBar,
}

impl Run {
    /// Finds the server and checks the API key.
    pub async fn prepare(options: Options) -> Result<Arc<Self>> {
        let load = options.load();
        load.check()?;
        let connections = load.subscribers + load.publishers + load.rate as usize;
        let dialer = Dialer::new(&options.url, options.tls_insecure, &options.addresses, connections).await?;
        let dialer = Arc::new(dialer);
        let server = Server::identify(&options.url, &mut Api::new(dialer.clone(), options.api_key.clone(), 0)).await?;
        let measurement = Measurement::new(&options).await?;
        Ok(Arc::new(Self {
            recorder: Recorder::new(load.threads),
            connections: AtomicU64::new(0),
            due_times: Mutex::new(vec![Vec::new(); load.channels]),
            name: format!("{:x}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros()),
            verdict: Mutex::new(None),
            extra: Mutex::default(),
            measurement: Mutex::new(measurement),
            signer: Signer::new(&options.secret),
            progress: progress_bar(),
            options,
            load,
            dialer,
            server,
        }))
    }

    pub fn channel(&self, index: usize) -> String {
        let namespace = match self.options.scenario {
            Scenario::Presence => "benchpres",
            Scenario::Recover | Scenario::History => "benchhist",
            _ if self.load.payload == PayloadKind::Book => "benchdelta",
            _ if self.load.history == Switch::On => "benchhist",
            _ => "bench",
        };
        format!("{namespace}:{}-{index}", self.name)
    }

    pub fn channels(&self) -> Vec<String> {
        (0..self.load.channels).map(|index| self.channel(index)).collect()
    }

    pub fn api(&self, index: usize) -> Api {
        Api::new(self.dialer.clone(), self.options.api_key.clone(), index)
    }

    /// A connection that is logged in and subscribed.
    pub async fn client(&self, index: usize, user: &str, subscribe: SubscribeRequest) -> Result<Connection> {
        self.client_that(index, user, subscribe, |reply| self.load.protocol.decode(reply)).await
    }

    /// The same, with something else to read the replies; see `Connection::login`.
    pub async fn client_that(
        &self,
        index: usize,
        user: &str,
        subscribe: SubscribeRequest,
        decode: impl FnMut(&[u8]) -> Result<Reply>,
    ) -> Result<Connection> {
        let mut connection = Connection::open(&self.dialer, index, self.load.protocol).await?;
        connection.login(self.signer.connection_token(user), subscribe, decode).await?;
        self.opened(1);
        Ok(connection)
    }

    /// Counts connections; those of the HTTP API only where it alone is under test.
    pub fn opened(&self, connections: usize) {
        self.connections.fetch_add(connections as u64, Ordering::Relaxed);
    }

    /// Makes the run void. The first reason stands.
    pub fn fail(&self, why: impl Into<String>) {
        self.verdict.lock().unwrap().get_or_insert(why.into());
    }

    pub fn has_deltas(&self) -> bool {
        self.load.delta == Delta::Fossil
    }

    /// Takes note that the next publication of a channel was due.
    pub fn was_due(&self, channel: usize, due: u64) {
        self.due_times.lock().unwrap()[channel].push(due);
    }

    /// When the publication of an offset, from 1, was due.
    pub fn due_of(&self, channel: usize, offset: u64) -> Option<u64> {
        let number = usize::try_from(offset.checked_sub(1)?).ok()?;
        self.due_times.lock().unwrap()[channel].get(number).copied()
    }

    /// Counts and times an operation that is done.
    pub fn operated(&self, due: u64) {
        let shard = self.recorder.shard(0);
        let mut tally = shard.lock().unwrap();
        tally.counts.operations += 1;
        tally.latency(due, micros());
    }

    /// Counts an operation that failed, which makes the run void.
    pub fn error(&self, error: &anyhow::Error) {
        self.recorder.shard(0).lock().unwrap().counts.errors += 1;
        self.fail(format!("{error:#}"));
    }

    /// Waits until so many deliveries of the load have been counted; the run is void if they do not arrive.
    pub async fn all_delivered(&self, expected: u64) {
        let complete = async {
            while self.delivered() < expected {
                sleep(Duration::from_millis(1)).await;
            }
        };
        if timeout(DRAIN_TIMEOUT, complete).await.is_err() {
            self.fail(format!("only {} of {expected} deliveries arrived", self.delivered()));
        }
    }

    fn delivered(&self) -> u64 {
        self.measurement.lock().unwrap().total.counts.delivered + self.recorder.delivered()
    }

    /// Runs the load to warm up and then again to measure it. It ends when all that it caused has arrived.
    pub async fn measure(&self, mut load: impl AsyncFnMut(Pace) -> Result<()>) -> Result<()> {
        let Load { rate, seconds, warmup, warmup_rate, .. } = self.load;
        if warmup > 0.0 {
            self.show("warming up", warmup.ceil() as u64);
            load(Pace { rate: warmup_rate, seconds: warmup }).await?;
        }
        self.begin().await?;
        let second = Duration::from_secs(1);
        let mut ticks = interval_at(Instant::now() + second, second);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.show("measuring", self.load.seconds.ceil() as u64);
        let mut load = pin!(load(Pace { rate, seconds }));
        loop {
            tokio::select! {
                done = &mut load => break done?,
                _ = ticks.tick() => self.tick()?,
            }
        }
        self.end().await
    }

    async fn begin(&self) -> Result<()> {
        self.recorder.take();
        let usage = Usage::read(&self.options).await?;
        self.measurement.lock().unwrap().begin(usage);
        Ok(())
    }

    fn tick(&self) -> Result<()> {
        let usage = Usage::read_local(&self.options)?;
        self.measurement.lock().unwrap().add(self.recorder.take(), usage);
        self.progress.inc(1);
        Ok(())
    }

    async fn end(&self) -> Result<()> {
        let usage = Usage::read(&self.options).await?;
        self.measurement.lock().unwrap().end(self.recorder.take(), usage);
        self.progress.finish_and_clear();
        Ok(())
    }

    /// The result, of as much as has been measured.
    pub async fn report(&self) -> Result<Report> {
        if self.measurement.lock().unwrap().end.is_none() {
            self.end().await?;
        }
        let measurement = self.measurement.lock().unwrap();
        let connections = self.connections.load(Ordering::Relaxed);
        Report::new(self, &measurement, connections, self.verdict.lock().unwrap().clone())
    }

    /// Starts the progress bar again, for a part with so many steps.
    pub fn show(&self, what: &'static str, steps: u64) {
        self.progress.reset();
        self.progress.set_message(what);
        self.progress.set_length(steps);
    }
}

fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:12} {wide_bar} {pos}/{len}").expect("the template is valid");
    ProgressBar::no_length().with_style(style)
}
