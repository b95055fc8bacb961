/** A result as a generator prints it, with what a test is about. */
import { latencyOf, Meter } from '../../scripts/bench/generator/meter.mjs';
import { checkResult } from '../../scripts/bench/lib/result.mjs';

export interface SampleOptions {
  readonly scenario?: string;
  readonly perDeliveryUs?: number;
  readonly latenciesUs?: readonly number[];
  readonly version?: string;
}

export function sampleResult(options: SampleOptions = {}): ReturnType<typeof checkResult> {
  const { scenario = 'fanout', perDeliveryUs = 5, latenciesUs = [100, 200, 300, 4000], version = '0.1.0' } = options;
  const meter = new Meter(0);
  for (const latency of latenciesUs) meter.time(1, 1 + latency);
  const second = { operations: 50, delivered: 500, p50_us: 200, p99_us: 4000, server_cpu: 0.5 };
  return checkResult({
    schema: 1,
    scenario,
    generator: 'javascript',
    server: { url: 'http://127.0.0.1:8000', software: 'gyre', version },
    parameters: { rate: 50, subscribers: 10, channels: 1, size: 128 },
    started_at: '2026-01-01T00:00:00.000Z',
    seconds: 3.01,
    valid: true,
    void: null,
    counts: { operations: 150, published: 150, delivered: 1500, received_bytes: 240_000, errors: 0, connections: 10 },
    rates: { operations_per_second: 50, deliveries_per_second: 500 },
    cpu: {
      server_user_s: 1,
      server_system_s: 0.5,
      server_total_s: 1.5,
      per_operation_us: perDeliveryUs * 10,
      per_delivery_us: perDeliveryUs,
      redis_s: null,
      client_s: 1,
    },
    memory: { server_rss_start: 1e8, server_rss_end: 1.1e8, server_rss_peak: 1.2e8, per_connection: null },
    latency_us: latencyOf(meter.latency),
    first_us_max: 900,
    series: [1, 2, 3].map((t) => ({ t, ...second })),
    floor: null,
  });
}
