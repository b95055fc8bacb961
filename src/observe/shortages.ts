/** Which limits are too low for what is configured, or for a host of that size, and what to do about it. */
import type { SystemLimits } from './system-limits.js';

/** What the server will ask of the system. */
export interface Needs {
  readonly workers: number;
  /** How many threads can run at a time. */
  readonly cores: number;
  readonly ringsBytes: number;
  /** `client.connection_limit`; 0 for none. */
  readonly connectionLimit: number;
  /** Only this machine can connect: a reverse proxy, which needs a port for each connection. */
  readonly loopbackOnly: boolean;
  readonly pid: number;
}

export interface Shortage {
  readonly name: string;
  readonly value: number;
  readonly wanted: number;
  /** Value and consequence. */
  readonly text: string;
  /** A command, or the option to change. */
  readonly fix: string;
}

/** From here on a host is there for many connections, whether a limit is configured or not. */
export const LARGE_HOST_WORKERS = 16;
const LARGE_HOST_CONNECTIONS = 1_000_000;
const OPEN_FILES_MIN = 65_536;
/** Threads have 4 each; the others are for HTTP, Redis, and whoever is about to be refused. */
const SPARE_FILES = 1024;
const SPARE_FILES_PER_WORKER = 64;
/** uSockets listens with this; the system may only make it less. */
export const LISTEN_BACKLOG = 512;
/** Without those below 1024. For more connections a proxy needs several addresses. */
const PORTS_MAX = 64_512;
/** Measured, idle: the process without workers, a worker, and a connection with a channel, the kernel's part included. */
const PROCESS_BYTES = 100 << 20;
const WORKER_BYTES = 32 << 20;
const CONNECTION_BYTES = 10 << 10;

export function findShortages(limits: SystemLimits, needs: Needs): Shortage[] {
  const large = needs.workers >= LARGE_HOST_WORKERS ? LARGE_HOST_CONNECTIONS : 0;
  const connections = needs.connectionLimit || large;
  return [
    openFiles(limits, needs, connections),
    systemFiles(limits, needs, connections),
    ...queues(limits),
    ports(limits, needs, connections),
    tracked(limits, connections),
    tcpPages(limits, connections),
    memory(limits, needs),
    cores(needs),
    numa(limits),
  ].filter((shortage) => shortage !== undefined);
}

type Found = Shortage | undefined;

const filesWanted = ({ workers }: Needs, connections: number): number =>
  Math.max(OPEN_FILES_MIN, connections + SPARE_FILES + SPARE_FILES_PER_WORKER * workers);

function openFiles({ openFiles: value, openFilesMax }: SystemLimits, needs: Needs, connections: number): Found {
  const wanted = filesWanted(needs, connections);
  if (value === undefined || value >= wanted) return undefined;
  const files = `${wanted}:${wanted}`;
  const first = openFilesMax !== undefined && wanted > openFilesMax ? `${sysctl('fs.nr_open', wanted)} && ` : '';
  const linux = `sudo prlimit --pid ${needs.pid} --nofile=${files}; to stay: LimitNOFILE=${wanted} (systemd), --ulimit nofile=${files} (docker run)`;
  return {
    name: 'open_files',
    value,
    wanted,
    text: `${value} open files, ${wanted} are wanted: each connection is one`,
    fix: openFilesMax === undefined ? `ulimit -n ${wanted}` : first + linux,
  };
}

function systemFiles({ systemFiles: value }: SystemLimits, needs: Needs, connections: number): Found {
  const wanted = filesWanted(needs, connections);
  if (value === undefined || value >= wanted) return undefined;
  const text = `${value} open files of all processes together, ${wanted} are wanted`;
  return { name: 'fs.file-max', value, wanted, text, fix: sysctl('fs.file-max', 2 * wanted) };
}

function queues({ acceptQueue, synQueue }: SystemLimits): Found[] {
  const queue = (name: string, value: number | undefined): Found => {
    if (value === undefined || value >= LISTEN_BACKLOG) return undefined;
    const text = `${value} connections may wait to be accepted, ${LISTEN_BACKLOG} are wanted: reconnecting takes seconds longer`;
    return { name, value, wanted: LISTEN_BACKLOG, text, fix: `${sysctl(name, 4096)}, and start the server again` };
  };
  return [queue('net.core.somaxconn', acceptQueue), queue('net.ipv4.tcp_max_syn_backlog', synQueue)];
}

function ports({ ports: range }: SystemLimits, { loopbackOnly }: Needs, connections: number): Found {
  if (range === undefined || !loopbackOnly) return undefined;
  const value = range[1] - range[0] + 1;
  const wanted = Math.min(connections, PORTS_MAX);
  if (value >= wanted) return undefined;
  const name = 'net.ipv4.ip_local_port_range';
  const text = `${value} local ports, ${wanted} are wanted: a proxy on this machine needs one for each connection`;
  return { name, value, wanted, text, fix: sysctl(name, "'1024 65535'") };
}

function tracked({ tracked: value }: SystemLimits, connections: number): Found {
  if (value === undefined || value >= connections) return undefined;
  const name = 'net.netfilter.nf_conntrack_max';
  const text = `the firewall follows ${value} connections and drops others, ${connections} are wanted`;
  return { name, value, wanted: connections, text, fix: sysctl(name, 2 * connections) };
}

/** A broadcast to everybody has a page under way for each connection. */
function tcpPages({ tcpPages: pages }: SystemLimits, connections: number): Found {
  if (pages === undefined || pages[2] >= connections) return undefined;
  const name = 'net.ipv4.tcp_mem';
  const text = `${pages[2]} pages for the queues of all sockets, ${connections} are wanted: beyond it everything stalls`;
  const fix = sysctl(name, `'${connections} ${Math.ceil(connections * 1.5)} ${2 * connections}'`);
  return { name, value: pages[2], wanted: connections, text, fix };
}

function memory({ memoryBytes: value, memoryIsCgroups }: SystemLimits, needs: Needs): Found {
  const start = PROCESS_BYTES + needs.workers * WORKER_BYTES + needs.ringsBytes;
  const wanted = start + needs.connectionLimit * CONNECTION_BYTES;
  if (value >= wanted) return undefined;
  const give = memoryIsCgroups ? `MemoryMax=${mib(wanted)}M (systemd), --memory=${mib(wanted)}m (docker run), or ` : '';
  const room = Math.floor((value - start) / CONNECTION_BYTES);
  const less = room > 0 ? `client.connection_limit: ${room}` : 'a smaller workers.count or workers.ring_size';
  const parts = `${mib(start)} for ${needs.workers} workers and their rings, the rest for connections`;
  const text = `${mib(value)} MiB of memory, ${mib(wanted)} are wanted: ${parts}`;
  return { name: 'memory', value, wanted, text, fix: give + less };
}

function cores({ workers, cores: value }: Needs): Found {
  if (workers <= value) return undefined;
  const text = `${workers} workers on ${value} ${value === 1 ? 'core' : 'cores'}: they wait for each other`;
  return { name: 'cores', value, wanted: workers, text, fix: 'workers.count: 0' };
}

function numa({ numaNodes: nodes }: SystemLimits): Found {
  if (nodes.length < 2) return undefined;
  const text = `the workers are on ${nodes.length} NUMA nodes: run a process on each, joined by the Redis engine`;
  const command = (node: number): string => `numactl --cpunodebind=${node} --membind=${node} gyre -c node${node}.json`;
  return { name: 'numa_nodes', value: nodes.length, wanted: 1, text, fix: nodes.map(command).join('; ') };
}

const sysctl = (name: string, value: number | string): string => `sudo sysctl -w ${name}=${value}`;
const mib = (bytes: number): number => Math.ceil(bytes / 2 ** 20);
