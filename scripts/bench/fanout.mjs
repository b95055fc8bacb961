/**
 * Fan-out: N subscribers of one channel, R publications a second through the HTTP API, for T seconds.
 *
 *   node scripts/bench/fanout.mjs --url http://127.0.0.1:8000 --key <api key> --secret <token secret> --subscribers 1000 --rate 100
 *
 * Reports the server's CPU time per delivery and the latency from the time a message was due to the time a subscriber
 * has it. Every subscriber must get every offset once and in order: otherwise the run is VOID and its numbers mean
 * nothing. The channel needs history (history_size, history_ttl) and recovery or positioning, as that is where offsets are.
 *
 * With --vs a second server is measured in the same run, in the order A B B A, so that drift of the machine hits both alike.
 * Works with any server that speaks Centrifugo's protocol. Linux only (/proc).
 */
import { commandLine, runBench } from './lib/cli.mjs';
import { connectionToken, Fleet } from './lib/fleet.mjs';
import { cpuMicros, listenerPid } from './lib/process-stats.mjs';
import { publish } from './lib/publisher.mjs';

const DRAIN_TIMEOUT_MS = 10_000;
// Later than this, the machine could not keep up with the rate, and what was measured is a queue.
const BEHIND_SECONDS_MAX = 0.5;
const PERCENTILES = [50, 99, 99.9];

const DEFAULTS = {
  url: 'http://127.0.0.1:8000',
  pid: undefined, // of the server; found by its port when it runs here
  vs: undefined, // URL of a second server
  pid2: undefined,
  key: '',
  secret: '', // HMAC secret of connection tokens; without it the server must accept anonymous users
  channel: 'bench:fanout',
  subscribers: '1000',
  rate: '100', // publications per second
  seconds: '5',
  size: '100', // bytes of a publication's data
  batch: '1', // publications per API request
  connections: '1', // of the publisher
  clients: '2', // processes of subscribers
  rounds: '1',
};

let args;
let setup;

function readSetup() {
  const line = commandLine(DEFAULTS);
  args = line.args;
  setup = {
    subscribers: line.number('subscribers', 1, 1_000_000),
    rate: line.number('rate', 1, 1_000_000),
    seconds: line.number('seconds', 1, 86_400),
    size: line.number('size', 1, 30_000),
    batch: line.number('batch', 1, 1000),
    connections: line.number('connections', 1, 1000),
    clients: line.number('clients', 1, 256),
    rounds: line.number('rounds', 1, 1000),
  };
}

/** One server with its subscribers connected. */
async function prepare(name, url, pid) {
  const token = args.secret && connectionToken(args.secret, 'bench');
  const fleet = new Fleet({ url, token, processes: setup.clients });
  await fleet.open(setup.subscribers, [args.channel]);
  const server = { name, url, pid: pid ? Number(pid) : listenerPid(url), fleet, runs: [] };
  await load(server, setup.rate); // a second of the same load first: caches, compiled code, grown heaps
  return server;
}

/** Publishes `total` messages and waits until they have all arrived, or for the drain timeout. */
async function load(server, total) {
  const { url, fleet, pid } = server;
  const { rate, size, batch, connections } = setup;
  const result = await fleet.expect(total);
  const cpuBefore = cpuMicros(pid);
  const timing = await publish({ url, key: args.key, channel: args.channel, rate, total, size, batch, connections });
  const published = performance.now();
  const arrived = await result(DRAIN_TIMEOUT_MS);
  const behindSeconds = (performance.now() - published) / 1000;
  return { ...timing, ...arrived, total, behindSeconds, cpuUs: cpuMicros(pid) - cpuBefore };
}

async function measure(server) {
  const run = await load(server, setup.rate * setup.seconds);
  const expected = run.total * setup.subscribers;
  run.void = run.faults > 0 || run.short > 0 || run.received !== expected || server.fleet.lost > 0;
  server.runs.push(run);
  print(server, run);
}

function print(server, run) {
  const ms = (p) => Number((run.latency.getValueAtPercentile(p) / 1000).toFixed(2));
  const line = {
    bench: 'fanout',
    server: server.name,
    url: server.url,
    ...setup,
    deliveries: run.received,
    void: run.void,
    faults: run.faults,
    short_subscribers: run.short,
    cpu_us_per_delivery: Number((run.cpuUs / run.received).toFixed(3)),
    cpu_share: Number((run.cpuUs / 1e6 / (run.seconds + run.behindSeconds)).toFixed(2)),
    behind_seconds: Number(run.behindSeconds.toFixed(2)),
    latency_ms: Object.fromEntries([...PERCENTILES.map((p) => [`p${p}`, ms(p)]), ['max', ms(100)]]),
    publisher_late_ms_max: Number(run.lateMsMax.toFixed(1)),
  };
  console.log(JSON.stringify(line));
  const verdict = run.void
    ? `VOID: ${run.faults} gaps or repeats, ${run.short} subscribers short, ${server.fleet.lost} lost`
    : 'complete';
  const latency = PERCENTILES.map((p) => `p${p} ${ms(p)} ms`).join(', ');
  const behind =
    run.behindSeconds > BEHIND_SECONDS_MAX ? `; overloaded, ${line.behind_seconds} s behind at the end` : '';
  console.log(`# ${server.name}: ${line.cpu_us_per_delivery} us CPU per delivery, ${latency}; ${verdict}${behind}`);
}

/** Lowest of the runs: noise on a shared machine only ever adds. */
const best = (server) => Math.min(...server.runs.map((run) => run.cpuUs / run.received));

function compare(a, b) {
  const [costA, costB] = [best(a), best(b)];
  const ratio = (costB / costA).toFixed(2);
  console.log(`# A ${costA.toFixed(3)} us, B ${costB.toFixed(3)} us per delivery: B needs ${ratio} times the CPU of A`);
}

await runBench(async () => {
  readSetup();
  const a = await prepare('A', args.url, args.pid);
  const b = args.vs ? await prepare('B', args.vs, args.pid2) : null;
  for (let round = 0; round < setup.rounds; round++) {
    for (const server of b ? [a, b, b, a] : [a]) await measure(server);
  }
  if (b) compare(a, b);
  const servers = b ? [a, b] : [a];
  for (const server of servers) server.fleet.close();
  return servers.every((server) => server.runs.every((run) => !run.void));
});
