//! The result: one line of JSON that reports read, and a few lines for people.

use anyhow::Result;
use base64::{Engine, prelude::BASE64_STANDARD};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use serde::Serialize;
use std::collections::BTreeMap;

use crate::api::{Api, result_of};
use crate::http::Response;
use crate::measurement::{Measurement, Usage};
use crate::options::{Load, Scenario};
use crate::recorder::{Counts, Tally};
use crate::run::Run;

#[derive(Serialize)]
pub struct Report {
    schema: u32,
    scenario: Scenario,
    generator: &'static str,
    server: Server,
    parameters: Parameters,
    started_at: String,
    seconds: f64,
    pub valid: bool,
    void: Option<String>,
    counts: AllCounts,
    rates: Rates,
    cpu: CpuUse,
    memory: Memory,
    latency_us: Option<Latency>,
    first_us_max: Option<u64>,
    series: Vec<Second>,
    /// Filled in by reports.
    floor: Option<()>,
}

#[derive(Serialize, Clone)]
pub struct Server {
    url: String,
    software: &'static str,
    version: String,
}

#[derive(Serialize)]
struct Parameters {
    #[serde(flatten)]
    load: Load,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
}

#[derive(Serialize)]
struct AllCounts {
    #[serde(flatten)]
    counts: Counts,
    connections: u64,
    #[serde(flatten)]
    more: BTreeMap<&'static str, u64>,
}

/// What only some scenarios have to say.
#[derive(Default, Clone)]
pub struct Extra {
    pub counts: BTreeMap<&'static str, u64>,
    /// Of rpc: what a call was.
    pub method: Option<&'static str>,
    /// Of idle: CPU time of the server per connection that was opened.
    pub connect_us: Option<f64>,
    /// Of idle: memory of the server, in bytes.
    pub per_connection: Option<f64>,
}

#[derive(Serialize)]
struct Rates {
    operations_per_second: f64,
    deliveries_per_second: f64,
}

/// What is null was not measured, or there was nothing to divide by.
#[derive(Serialize)]
struct CpuUse {
    server_user_s: Option<f64>,
    server_system_s: Option<f64>,
    server_total_s: Option<f64>,
    per_operation_us: Option<f64>,
    per_delivery_us: Option<f64>,
    redis_s: Option<f64>,
    client_s: f64,
}

#[derive(Serialize)]
struct Memory {
    server_rss_start: Option<u64>,
    server_rss_end: Option<u64>,
    server_rss_peak: Option<u64>,
    per_connection: Option<f64>,
}

#[derive(Serialize)]
struct Latency {
    count: u64,
    min: u64,
    mean: f64,
    p50: u64,
    p90: u64,
    p99: u64,
    p999: u64,
    max: u64,
    histogram: String,
}

/// Of the series: what happened since the one before.
#[derive(Serialize, Clone)]
pub struct Second {
    t: f64,
    operations: u64,
    delivered: u64,
    p50_us: Option<u64>,
    p99_us: Option<u64>,
    server_cpu: f64,
}

/// What the floor of the library, scripts/bench/bare.mjs, calls itself.
const BARE: &str = "bare";

impl Server {
    pub async fn identify(url: &str, api: &mut Api) -> Result<Self> {
        let read = |response: &Response| (response.header("uwebsockets").is_some(), result_of("info", &response.body));
        let (is_of_library, info) = api.post("info", b"{}", read).await?;
        let info = info?;
        let version = info["nodes"][0]["version"].as_str().unwrap_or_default().to_owned();
        let software = if version.split(' ').any(|word| word == "OSS" || word == "PRO") {
            "centrifugo"
        } else if is_of_library && version != BARE {
            "gyre"
        } else {
            "unknown"
        };
        Ok(Self { url: url.to_owned(), software, version })
    }
}

impl Second {
    pub fn new(tally: &Tally, begin: u64, before: Usage, now: Usage) -> Self {
        let at = |quantile| (!tally.latency.is_empty()).then(|| tally.latency.value_at_quantile(quantile));
        let cores = now.server.since(before.server).total() * 1e6 / now.at.saturating_sub(before.at).max(1) as f64;
        Self {
            t: rounded(now.at.saturating_sub(begin) as f64 / 1e6),
            operations: tally.counts.operations,
            delivered: tally.counts.delivered,
            p50_us: at(0.5),
            p99_us: at(0.99),
            server_cpu: rounded(cores),
        }
    }
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Result<Option<Self>> {
        if histogram.is_empty() {
            return Ok(None);
        }
        let mut encoded = Vec::new();
        V2DeflateSerializer::new().serialize(histogram, &mut encoded)?;
        let at = |quantile| histogram.value_at_quantile(quantile);
        Ok(Some(Self {
            count: histogram.len(),
            min: histogram.min(),
            mean: rounded(histogram.mean()),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max(),
            histogram: BASE64_STANDARD.encode(encoded),
        }))
    }
}

impl Report {
    pub fn new(run: &Run, measured: &Measurement, connections: u64, void: Option<String>) -> Result<Self> {
        let extra = run.extra.lock().unwrap().clone();
        let Measurement { begin, total, .. } = measured;
        let end = measured.end.unwrap_or(*begin);
        let seconds = end.at.saturating_sub(begin.at) as f64 / 1e6;
        let counts = total.counts;
        let has_pid = run.options.pid.is_some();
        let server = end.server.since(begin.server);
        let cost = |count: u64| (has_pid && count > 0).then(|| rounded(server.total() * 1e6 / count as f64));
        let per_second = |count: u64| if seconds > 0.0 { rounded(count as f64 / seconds) } else { 0.0 };
        Ok(Self {
            schema: 1,
            scenario: run.options.scenario,
            generator: "native",
            server: run.server.clone(),
            parameters: Parameters { load: run.load.clone(), method: extra.method },
            started_at: humantime::format_rfc3339_millis(measured.started).to_string(),
            seconds: rounded(seconds),
            valid: void.is_none(),
            void,
            counts: AllCounts { counts, connections, more: extra.counts },
            rates: Rates {
                operations_per_second: per_second(counts.operations),
                deliveries_per_second: per_second(counts.delivered),
            },
            cpu: CpuUse {
                server_user_s: has_pid.then(|| rounded(server.user)),
                server_system_s: has_pid.then(|| rounded(server.system)),
                server_total_s: has_pid.then(|| rounded(server.total())),
                per_operation_us: extra.connect_us.map(rounded).or(cost(counts.operations)),
                per_delivery_us: cost(counts.delivered),
                redis_s: (!run.options.redis.is_empty()).then(|| rounded(end.redis - begin.redis)),
                client_s: rounded(end.client.since(begin.client).total()),
            },
            memory: Memory {
                server_rss_start: has_pid.then_some(begin.rss),
                server_rss_end: has_pid.then_some(end.rss),
                server_rss_peak: has_pid.then_some(measured.rss_peak),
                per_connection: extra.per_connection.map(f64::round),
            },
            latency_us: Latency::of(&total.latency)?,
            first_us_max: (total.first_us_max > 0).then_some(total.first_us_max),
            series: measured.series.clone(),
            floor: None,
        })
    }

    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("a result is always JSON")
    }

    pub fn text(&self) -> String {
        let mut lines = vec![format!(
            "{} {}: {:.0} operations/s, {:.0} deliveries/s in {:.1} s over {} connections",
            self.server.software,
            self.server.version,
            self.rates.operations_per_second,
            self.rates.deliveries_per_second,
            self.seconds,
            self.counts.connections
        )];
        if let Some(latency) = &self.latency_us {
            let [p50, p99, p999, max] =
                [latency.p50, latency.p99, latency.p999, latency.max].map(|us| us as f64 / 1000.0);
            lines.push(format!("latency p50 {p50:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms, max {max:.2} ms"));
        }
        let costs = [
            (self.cpu.per_operation_us, "µs CPU per operation"),
            (self.cpu.per_delivery_us, "µs CPU per delivery"),
            (self.memory.per_connection, "bytes per connection"),
        ];
        lines.extend(costs.iter().filter_map(|(value, unit)| value.map(|value| format!("{value:.2} {unit}"))));
        lines.push(self.void.as_ref().map_or("complete".into(), |why| format!("VOID: {why}")));
        lines.join("\n")
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::Deserializer;

    #[test]
    fn a_histogram_can_be_read_again() {
        let mut tally = Tally::default();
        for value in 1..=1000 {
            tally.latency(0, value);
        }
        let latency = Latency::of(&tally.latency).unwrap().unwrap();
        let bytes = BASE64_STANDARD.decode(&latency.histogram).unwrap();
        let back: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
        assert_eq!(back, tally.latency);
        assert_eq!((latency.count, latency.min, latency.p50, latency.p99, latency.max), (1000, 1, 500, 990, 1000));
        assert!(Latency::of(&Tally::default().latency).unwrap().is_none());
    }
}
