/** At start: the limits that the server runs under in one line, and one for each that is too low, with the way to raise it. */
import type { Config } from '../config/config.js';
import type { WorkerPlan } from '../config/cores.js';
import type { Log } from './log.js';
import { findShortages, LISTEN_BACKLOG, type Needs } from './shortages.js';
import { readSystemLimits, type SystemLimits } from './system-limits.js';

/** What is run here, apart from the configuration. */
export interface Running {
  readonly plan: WorkerPlan;
  readonly ringsBytes: number;
}

/** `limits` and `limit` are for programs; the terminal leaves them out, because the text says the same (log.ts). */
export function showLimits(
  log: Pick<Log, 'info' | 'warn'>,
  config: Config,
  running: Running,
  limits: SystemLimits = readSystemLimits(),
): void {
  log.info({ limits: fields(limits) }, `limits: ${describe(limits)}`);
  // Whoever tries things out on a laptop need not tune it.
  if (config.dev.demo) return;
  for (const { text, fix, ...limit } of findShortages(limits, needsOf(config, running))) log.warn({ limit, fix }, text);
}

function needsOf({ http_server, client }: Config, { plan, ringsBytes }: Running): Needs {
  return {
    workers: plan.count,
    cores: plan.cores,
    ringsBytes,
    connectionLimit: client.connection_limit,
    loopbackOnly: isLoopback(http_server.address),
    pid: process.pid,
  };
}

const count = (files: number | undefined): string =>
  files === undefined ? 'unknown number of' : Number.isFinite(files) ? String(files) : 'unlimited';

export const isLoopback = (address: string): boolean => ['127.0.0.1', '::1', 'localhost'].includes(address);

const fields = (limits: SystemLimits): object => ({
  open_files: limits.openFiles,
  'fs.nr_open': limits.openFilesMax,
  'fs.file-max': limits.systemFiles,
  'net.core.somaxconn': limits.acceptQueue,
  'net.ipv4.tcp_max_syn_backlog': limits.synQueue,
  'net.ipv4.ip_local_port_range': limits.ports,
  'net.netfilter.nf_conntrack_max': limits.tracked,
  'net.ipv4.tcp_mem': limits.tcpPages,
  memory_bytes: limits.memoryBytes,
  numa_nodes: limits.numaNodes.length,
});

function describe(limits: SystemLimits): string {
  const { openFiles, acceptQueue, ports, memoryBytes, memoryIsCgroups, numaNodes } = limits;
  const gibibytes = (memoryBytes / 2 ** 30).toFixed(1);
  return [
    `${count(openFiles)} open files`,
    ...(acceptQueue === undefined ? [] : [`accept queue ${Math.min(acceptQueue, LISTEN_BACKLOG)}`]),
    ...(ports === undefined ? [] : [`local ports ${ports.join('-')}`]),
    `${gibibytes} GiB memory${memoryIsCgroups ? ' by cgroup' : ''}`,
    ...(numaNodes.length === 0 ? [] : [`${numaNodes.length} NUMA ${numaNodes.length === 1 ? 'node' : 'nodes'}`]),
  ].join(', ');
}
