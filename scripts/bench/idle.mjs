/**
 * Idle connections: what one costs in memory and in CPU while nothing happens but pings.
 *
 *   node scripts/bench/idle.mjs --url http://127.0.0.1:8000 --secret <token secret> --connections 10000
 *
 * Opens connections with one subscription each in equal steps, reads the server's resident memory after every step, and
 * reports the slope of the line through them, so that what the process weighs by itself does not count. Kernel memory of
 * the sockets is not in it. Then measures CPU over at least one ping interval. Linux only (/proc).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connectionToken, Fleet } from './lib/fleet.mjs';
import { cpuMicros, listenerPid, rssBytes } from './lib/process-stats.mjs';

const options = {
  url: { type: 'string', default: 'http://127.0.0.1:8000' },
  pid: { type: 'string' },
  secret: { type: 'string', default: '' },
  connections: { type: 'string', default: '10000' },
  steps: { type: 'string', default: '5' },
  channels: { type: 'string', default: '0' },
  prefix: { type: 'string', default: 'bench:idle' },
  settle: { type: 'string', default: '3' },
  seconds: { type: 'string', default: '30' },
  clients: { type: 'string', default: '2' },
};

const { values: args } = parseArgs({ options });
const number = (name, min, max) => {
  const value = Number(args[name]);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new RangeError(`--${name} must be an integer from ${min} to ${max}`);
  return value;
};
const connections = number('connections', 1, 10_000_000);
const steps = number('steps', 2, 1000);
const seconds = number('seconds', 1, 86_400);
const settleMs = number('settle', 0, 600) * 1000;
// 0: a channel for every connection, as with personal channels. 1: all share one.
const channelCount = number('channels', 0, 10_000_000) || connections;
const channels = Array.from({ length: channelCount }, (_, i) => `${args.prefix}${i}`);
const pid = args.pid ? Number(args.pid) : listenerPid(args.url);

/** Least-squares slope of y over x. */
function slope(points) {
  const mean = (pick) => points.reduce((sum, point) => sum + pick(point), 0) / points.length;
  const [mx, my] = [mean((p) => p.x), mean((p) => p.y)];
  const covariance = points.reduce((sum, { x, y }) => sum + (x - mx) * (y - my), 0);
  return covariance / points.reduce((sum, { x }) => sum + (x - mx) ** 2, 0);
}

async function cpuPerSecond() {
  const before = cpuMicros(pid);
  await sleep(seconds * 1000);
  return (cpuMicros(pid) - before) / seconds;
}

const token = args.secret && connectionToken(args.secret, 'bench');
const fleet = new Fleet({ url: args.url, token, processes: number('clients', 1, 256) });
const points = [{ x: 0, y: rssBytes(pid) }];
const openCpuBefore = cpuMicros(pid);
for (let step = 1, open = 0; step <= steps; step++) {
  const target = Math.round((connections * step) / steps);
  await fleet.open(target - open, channels);
  open = target;
  await sleep(settleMs);
  points.push({ x: open, y: rssBytes(pid) });
}
const openCpuUs = cpuMicros(pid) - openCpuBefore;
const idleUsPerSecond = await cpuPerSecond();

const line = {
  bench: 'idle',
  url: args.url,
  connections,
  channels: channelCount,
  lost: fleet.lost,
  rss_mb: points.map((point) => Number((point.y / 2 ** 20).toFixed(1))),
  rss_bytes_per_connection: Math.round(slope(points)),
  connect_cpu_us: Number((openCpuUs / connections).toFixed(1)),
  idle_cpu_us_per_second_per_connection: Number((idleUsPerSecond / connections).toFixed(2)),
};
console.log(JSON.stringify(line));
console.log(
  `# ${line.rss_bytes_per_connection} B RSS and ${line.idle_cpu_us_per_second_per_connection} us CPU a second per idle connection; ${line.connect_cpu_us} us CPU to connect and subscribe${fleet.lost ? `; VOID: ${fleet.lost} connections lost` : ''}`,
);
fleet.close();
process.exitCode = fleet.lost ? 1 : 0;
