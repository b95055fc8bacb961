//! The command line, the same as that of `scripts/bench/generator`, and the load of each scenario where it does not say.

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use serde::Serialize;
use std::net::IpAddr;

use crate::protocol::Protocol;

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// One channel, many subscribers
    Fanout,
    /// Many channels, few subscribers each
    Channels,
    /// Publishing through the HTTP API
    Publish,
    /// Connections with a token and a subscription, closed again
    Connect,
    /// Clients that come back and recover what they missed
    Recover,
    /// Memory and CPU of connections that do nothing
    Idle,
    /// Clients that come and go where all are told
    Presence,
    /// One in a hundred subscribers stops reading
    Slow,
    /// Round trips of clients over their connections
    Rpc,
    /// Reading history through the HTTP API
    History,
}

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ApiKind {
    Single,
    Batch,
    Broadcast,
}

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PayloadKind {
    Padding,
    Book,
}

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Delta {
    Off,
    Fossil,
}

/// Load generator for servers that speak Centrifugo's protocol. Prints one line of JSON.
#[derive(Parser)]
#[command(version, args_override_self = true)]
pub struct Options {
    #[arg(value_enum)]
    pub scenario: Scenario,
    /// Address of the server
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    pub url: String,
    /// Key of the HTTP API
    #[arg(long, default_value = "benchmark")]
    pub api_key: String,
    /// HMAC secret of connection tokens
    #[arg(long, default_value = "benchmark")]
    pub secret: String,
    /// Process of the server, whose CPU time and memory are measured
    #[arg(long)]
    pub pid: Option<u32>,
    /// Addresses host:port of Redis, whose CPU time is measured
    #[arg(long, value_delimiter = ',')]
    pub redis: Vec<String>,
    /// Accept any certificate
    #[arg(long)]
    pub tls_insecure: bool,
    /// Local addresses to connect from, so that ports do not run out [default: enough of 127.0.0.2… if the server is on loopback]
    #[arg(long, value_delimiter = ',')]
    pub addresses: Vec<IpAddr>,
    /// Threads of the generator; more than one pays when it needs a whole core and others are free
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
    /// Only the result, no text on stderr
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    given: Given,
}

/// The load as far as the command line says it.
#[derive(clap::Args)]
struct Given {
    /// Protocol of WebSocket connections
    #[arg(long, value_enum)]
    protocol: Option<Protocol>,
    /// Seconds of measurement
    #[arg(long, value_parser = number::<100, 86_400_000>)]
    seconds: Option<f64>,
    /// Seconds of load before, which is not measured
    #[arg(long, value_parser = number::<0, 3_600_000>)]
    warmup: Option<f64>,
    /// Operations a second before measurement [default: as measured]
    #[arg(long, value_parser = number::<100, 10_000_000_000>)]
    warmup_rate: Option<f64>,
    /// Operations a second
    #[arg(long, value_parser = number::<100, 10_000_000_000>)]
    rate: Option<f64>,
    /// Bytes of JSON of a publication
    #[arg(long, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    size: Option<u64>,
    /// Connections with a subscription
    #[arg(long, value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    subscribers: Option<u64>,
    /// Channels they are spread over
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    channels: Option<u64>,
    /// Connections that operations are spread over
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    publishers: Option<u64>,
    /// Publications a request with --api batch, channels a request with --api broadcast, publications due together with --api single
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    batch: Option<u64>,
    /// Kind of publish requests
    #[arg(long, value_enum)]
    api: Option<ApiKind>,
    /// Publish to channels with history
    #[arg(long, value_enum)]
    history: Option<Switch>,
    /// Publications to recover, or to read from history
    #[arg(long, value_parser = clap::value_parser!(u64).range(0..=1000))]
    missed: Option<u64>,
    /// What publications carry: so many bytes, or an order book of 1.5 KB in which little changes, in channels that allow deltas
    #[arg(long, value_enum)]
    payload: Option<PayloadKind>,
    /// What subscribers of order books ask for
    #[arg(long, value_enum)]
    delta: Option<Delta>,
}

/// A number between bounds that are given in thousandths.
fn number<const MIN: i64, const MAX: i64>(text: &str) -> std::result::Result<f64, String> {
    let (min, max) = (MIN as f64 / 1000.0, MAX as f64 / 1000.0);
    match text.parse::<f64>() {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ => Err(format!("must be a number from {min} to {max}")),
    }
}

/// What the load is: `parameters` of a result.
#[derive(Clone, Serialize)]
pub struct Load {
    pub protocol: Protocol,
    pub seconds: f64,
    pub warmup: f64,
    #[serde(rename = "warmup-rate")]
    pub warmup_rate: f64,
    pub rate: f64,
    pub size: usize,
    pub subscribers: usize,
    pub channels: usize,
    pub publishers: usize,
    pub batch: usize,
    pub api: ApiKind,
    pub history: Switch,
    pub missed: usize,
    pub payload: PayloadKind,
    pub delta: Delta,
    pub threads: usize,
}

impl Load {
    /// The same numbers as in `scripts/bench/scenarios.mjs`.
    fn default_of(scenario: Scenario) -> Self {
        let common = Load {
            protocol: Protocol::Json,
            seconds: 5.0,
            warmup: 1.0,
            warmup_rate: 0.0, // unless given that of the measurement
            rate: 100.0,
            size: 128,
            subscribers: 0,
            channels: 1,
            publishers: 1,
            batch: 1,
            api: ApiKind::Single,
            history: Switch::Off,
            missed: 0,
            payload: PayloadKind::Padding,
            delta: Delta::Off,
            threads: 1,
        };
        match scenario {
            Scenario::Fanout => Load { subscribers: 200, ..common },
            Scenario::Channels => Load { subscribers: 500, channels: 250, rate: 400.0, publishers: 4, ..common },
            Scenario::Publish => Load { channels: 100, rate: 500.0, publishers: 8, ..common },
            Scenario::Connect => Load { channels: 100, ..common },
            Scenario::Recover => Load { channels: 10, missed: 20, ..common },
            Scenario::Idle => Load { subscribers: 2000, channels: 2000, seconds: 10.0, ..common },
            Scenario::Presence => Load { subscribers: 100, channels: 10, publishers: 20, rate: 200.0, ..common },
            Scenario::Slow => Load { subscribers: 100, rate: 50.0, size: 8192, ..common },
            Scenario::Rpc => Load { publishers: 50, rate: 500.0, ..common },
            Scenario::History => Load { channels: 50, rate: 300.0, publishers: 8, missed: 20, ..common },
        }
    }
}

impl Load {
    /// Deltas are told apart by their offsets, so the order of publications must be known, and where they come from.
    pub fn check(&self) -> Result<()> {
        if self.delta == Delta::Fossil {
            ensure!(self.payload == PayloadKind::Book, "--delta fossil takes --payload book");
            ensure!(self.publishers == 1, "--delta fossil takes --publishers 1");
            ensure!(self.api != ApiKind::Broadcast, "--delta fossil does not take --api broadcast");
        }
        Ok(())
    }
}

impl Options {
    pub fn load(&self) -> Load {
        let (given, default) = (&self.given, Load::default_of(self.scenario));
        let count = |given: Option<u64>, default: usize| given.map_or(default, |value| value as usize);
        let rate = given.rate.unwrap_or(default.rate);
        Load {
            protocol: given.protocol.unwrap_or(default.protocol),
            seconds: given.seconds.unwrap_or(default.seconds),
            warmup: given.warmup.unwrap_or(default.warmup),
            warmup_rate: given.warmup_rate.unwrap_or(rate),
            rate,
            size: count(given.size, default.size),
            subscribers: count(given.subscribers, default.subscribers),
            channels: count(given.channels, default.channels),
            publishers: count(given.publishers, default.publishers),
            batch: count(given.batch, default.batch),
            api: given.api.unwrap_or(default.api),
            history: given.history.unwrap_or(default.history),
            missed: count(given.missed, default.missed),
            payload: given.payload.unwrap_or(default.payload),
            delta: given.delta.unwrap_or(default.delta),
            threads: self.threads.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> std::result::Result<Options, clap::Error> {
        Options::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_goes_before_the_defaults_of_the_scenario() {
        let load = parse("gyre-bench channels --rate 0.5 --subscribers 7 --protocol protobuf").unwrap().load();
        assert_eq!((load.rate, load.subscribers, load.channels), (0.5, 7, 250));
        assert!(load.protocol == Protocol::Protobuf);
        assert_eq!(load.warmup_rate, load.rate);
    }

    #[test]
    fn lists_are_separated_by_commas() {
        let options = parse("gyre-bench idle --addresses 127.0.0.2,127.0.0.3 --redis a:1,b:2").unwrap();
        assert_eq!(options.addresses.len(), 2);
        assert_eq!(options.redis, ["a:1", "b:2"]);
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        for wrong in
            ["--rate 0", "--rate x", "--channels 0", "--size 70000", "--seconds 0", "--addresses me", "--nope 1"]
        {
            assert!(parse(&format!("gyre-bench fanout {wrong}")).is_err(), "{wrong}");
        }
        assert!(parse("gyre-bench").is_err());
    }
}
