/** One run: identifies the server, runs the scenario's load, and says what was measured. See ../lib/result.mjs for the form. */
import { randomBytes } from 'node:crypto';
import { identify } from './api.mjs';
import { micros, planFor } from './clock.mjs';
import * as loads from './loads.mjs';
import { latencyOf } from './meter.mjs';
import { parametersOf } from './options.mjs';
import { Sampler } from './sampler.mjs';

/** Between the decision when the load starts and its start: the threads must have heard of it. */
const LEAD_US = 100_000;

/** How long what was sent in time may take to arrive, before it counts as missing. */
const DRAIN_MS_MIN = 2000;
const DRAIN_MS_MAX = 30_000;

const LOADS = {
  fanout: loads.publishToSubscribers,
  channels: loads.publishToSubscribers,
  slow: loads.publishToSubscribers,
  publish: loads.publishOnly,
  history: loads.readHistory,
  connect: loads.comeAndGo,
  recover: loads.comeAndGo,
  rpc: loads.callOverConnections,
  presence: loads.joinAndLeave,
  idle: loads.standStill,
};

class Bench {
  #sampler;
  /** Other names every time, so that nothing is left in the channels from another run. */
  #run = randomBytes(3).toString('hex');

  constructor(options) {
    this.options = options;
    this.#sampler = new Sampler(options);
    this.runMs = (options.warmup + options.seconds) * 1000;
    this.drainMs = Math.min(DRAIN_MS_MAX, Math.max(DRAIN_MS_MIN, 3 * this.runMs));
  }

  channelPrefix = (namespace) => `${namespace}:${this.#run}-`;

  /** Everything is connected: the load starts in a moment. Measurement begins after the warm-up. */
  begin() {
    const plan = planFor(this.options, micros() + LEAD_US);
    this.startedAt = new Date(Date.now() + (plan.fromUs - micros()) / 1000);
    this.#sampler.begin(plan.fromUs);
    return plan;
  }

  end() {
    return this.#sampler.end();
  }
}

/** @param options  as read by readOptions(). @returns the result. */
export async function runBench(options) {
  const server = await identify(options);
  const bench = new Bench(options);
  const measured = await LOADS[options.scenario](bench);
  const used = measured.used ?? (await bench.end());
  return toResult({ options, server, startedAt: bench.startedAt, used, ...measured });
}

function toResult({ options, server, startedAt, used, meter, counts, problems, more = {} }) {
  const { method, per_connection, ...moreCounts } = more;
  const each = (count) =>
    used.cpu.server_total_s === null || count === 0 ? null : (used.cpu.server_total_s * 1e6) / count;
  const perSecond = (count) => Number((count / used.seconds).toFixed(2));
  return {
    schema: 1,
    scenario: options.scenario,
    generator: 'javascript',
    server,
    parameters: { ...parametersOf(options), ...(method && { method }) },
    started_at: startedAt.toISOString(),
    seconds: Number(used.seconds.toFixed(3)),
    valid: problems.length === 0,
    void: problems.length === 0 ? null : problems.join('; '),
    counts: {
      operations: meter.operations,
      delivered: meter.delivered,
      received_bytes: meter.receivedBytes,
      ...counts,
      ...moreCounts,
    },
    rates: {
      operations_per_second: perSecond(meter.operations),
      deliveries_per_second: perSecond(meter.delivered),
    },
    cpu: {
      ...used.cpu,
      per_operation_us: rounded(each(meter.operations)),
      per_delivery_us: rounded(each(meter.delivered)),
    },
    memory: { ...used.memory, per_connection: per_connection ?? null },
    latency_us: latencyOf(meter.latency),
    first_us_max: meter.firstUsMax || null,
    series: seriesOf(meter, used.cores),
    floor: null,
  };
}

const rounded = (value) => (value == null ? null : Number(value.toFixed(3)));

function seriesOf({ seconds }, cores) {
  return Array.from({ length: Math.max(seconds.length, cores.length) }, (_, t) => {
    const { operations = 0, delivered = 0, latency } = seconds[t] ?? {};
    const at = (p) => (latency?.totalCount ? latency.getValueAtPercentile(p) : null);
    return { t: t + 1, operations, delivered, p50_us: at(50), p99_us: at(99), server_cpu: cores[t] ?? null };
  });
}
