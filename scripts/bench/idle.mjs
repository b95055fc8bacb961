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
import { commandLine, runBench } from './lib/cli.mjs';
import { connectionToken, Fleet } from './lib/fleet.mjs';
import { cpuMicros, listenerPid, rssBytes } from './lib/process-stats.mjs';

const DEFAULTS = {
  url: 'http://127.0.0.1:8000',
  pid: undefined, // of the server; found by its port when it runs here
  secret: '', // HMAC secret of connection tokens; without it the server must accept anonymous users
  connections: '10000',
  steps: '5',
  channels: '0', // 0: a channel for every connection, as with personal channels. 1: all share one
  prefix: 'bench:idle',
  settle: '3', // seconds of quiet before memory is read
  seconds: '30', // of CPU measurement: at least one ping interval
  clients: '2', // processes of subscribers
};

/** Least-squares slope of y over x. */
function slope(points) {
  const mean = (pick) => points.reduce((sum, point) => sum + pick(point), 0) / points.length;
  const [mx, my] = [mean((p) => p.x), mean((p) => p.y)];
  const covariance = points.reduce((sum, { x, y }) => sum + (x - mx) * (y - my), 0);
  return covariance / points.reduce((sum, { x }) => sum + (x - mx) ** 2, 0);
}

async function cpuPerSecond(pid, seconds) {
  const before = cpuMicros(pid);
  await sleep(seconds * 1000);
  return (cpuMicros(pid) - before) / seconds;
}

/** Opens all connections in equal steps. @returns {Promise<{x: number, y: number}[]>} connections and RSS bytes */
async function fill(fleet, pid, { connections, steps, settleMs, channels }) {
  const points = [{ x: 0, y: rssBytes(pid) }];
  for (let step = 1; step <= steps; step++) {
    const open = Math.round((connections * step) / steps);
    await fleet.open(open - points.at(-1).x, channels);
    await sleep(settleMs);
    points.push({ x: open, y: rssBytes(pid) });
  }
  return points;
}

await runBench(async () => {
  const { args, number } = commandLine(DEFAULTS);
  const connections = number('connections', 1, 10_000_000);
  const channelCount = number('channels', 0, 10_000_000) || connections;
  const channels = Array.from({ length: channelCount }, (_, i) => `${args.prefix}${i}`);
  const steps = number('steps', 2, 1000);
  const settleMs = number('settle', 0, 600) * 1000;
  const seconds = number('seconds', 1, 86_400);
  const pid = args.pid ? Number(args.pid) : listenerPid(args.url);
  const token = args.secret && connectionToken(args.secret, 'bench');
  const fleet = new Fleet({ url: args.url, token, processes: number('clients', 1, 256) });

  const cpuBefore = cpuMicros(pid);
  const points = await fill(fleet, pid, { connections, steps, settleMs, channels });
  const connectUs = (cpuMicros(pid) - cpuBefore) / connections;
  const idleUs = (await cpuPerSecond(pid, seconds)) / connections;
  fleet.close();

  const line = {
    bench: 'idle',
    url: args.url,
    connections,
    channels: channelCount,
    void: fleet.lost > 0,
    lost: fleet.lost,
    rss_mb: points.map((point) => Number((point.y / 2 ** 20).toFixed(1))),
    rss_bytes_per_connection: Math.round(slope(points)),
    connect_cpu_us: Number(connectUs.toFixed(1)),
    idle_cpu_us_per_second_per_connection: Number(idleUs.toFixed(2)),
  };
  console.log(JSON.stringify(line));
  const perConnection = `${line.rss_bytes_per_connection} B RSS and ${line.idle_cpu_us_per_second_per_connection} us CPU a second`;
  const lost = fleet.lost ? `; VOID: ${fleet.lost} connections lost` : '';
  console.log(`# ${perConnection} per idle connection; ${line.connect_cpu_us} us CPU to connect and subscribe${lost}`);
  return fleet.lost === 0;
});
