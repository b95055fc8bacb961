/** Real redis-server processes on free ports of this machine: one server, or a Sentinel set. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { until } from './until.js';

const HOST = '127.0.0.1';
const SENTINELS = 3;
const DOWN_AFTER_MS = 500;
const FAILOVER_TIMEOUT_MS = 3000;

export interface RedisSettings {
  /** A free one by default. */
  port?: number;
  /** Command line of redis-server: ['--maxmemory', '2mb']. */
  args?: readonly string[];
  /** Files of a key pair and of the authority that signed it. TLS is then the only way in, clients need no certificate. */
  tls?: { key: string; cert: string; ca: string };
}

/** Persists nothing: whoever restarts it starts empty. Also listens on the Unix socket {@link RedisServer.socket}. */
export async function startRedis(settings: RedisSettings = {}): Promise<RedisServer> {
  const server = new RedisServer(settings.port ?? (await freePort()), settings);
  await server.start();
  return server;
}

export class RedisServer {
  readonly host = HOST;
  readonly dir = mkdtempSync(join(tmpdir(), 'gyre-redis-'));
  readonly socket = join(this.dir, 'redis.sock');
  readonly url: string;
  #process: ChildProcess | undefined;
  #client: Redis | undefined;

  constructor(
    readonly port: number,
    private readonly settings: RedisSettings,
  ) {
    this.url = `${settings.tls ? 'rediss' : 'redis'}://${HOST}:${port}`;
  }

  /** Again after {@link kill}, on the same port. */
  async start(): Promise<void> {
    const { tls } = this.settings;
    const port = tls
      ? ['--port', '0', '--tls-port', String(this.port), ...tlsArgs(tls)]
      : ['--port', String(this.port)];
    const base = ['--bind', HOST, '--dir', this.dir, '--unixsocket', this.socket, '--save', '', '--appendonly', 'no'];
    this.#process = await launch([...port, ...base, ...(this.settings.args ?? [])], 'Ready to accept connections');
  }

  /** A client for what a test wants to look at. Closed by {@link stop}. */
  get client(): Redis {
    this.#client ??= connect(this.settings.tls ? { path: this.socket } : { port: this.port });
    return this.#client;
  }

  /** SIGKILL: gone without a word. */
  async kill(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (process) await end(process);
  }

  /** Stand still, as on a machine that hangs: connections stay open, nothing is answered. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    this.#client?.disconnect();
    await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A master, a replica in step with it, and three sentinels that know each other. */
export async function startSentinel(masterName = 'main'): Promise<SentinelSet> {
  const master = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] });
  const replica = await startRedis({ args: ['--replicaof', HOST, String(master.port)] });
  const set = new SentinelSet(
    masterName,
    [master, replica],
    await Promise.all(Array.from({ length: SENTINELS }, freePort)),
  );
  try {
    await set.start();
    return set;
  } catch (error) {
    await set.stop();
    throw error;
  }
}

export class SentinelSet {
  readonly sentinels: readonly { host: string; port: number }[];
  readonly #dir = mkdtempSync(join(tmpdir(), 'gyre-sentinel-'));
  readonly #processes: ChildProcess[] = [];
  readonly #clients: Redis[] = [];

  constructor(
    readonly masterName: string,
    /** The first is the master at the start. */
    readonly servers: readonly RedisServer[],
    ports: readonly number[],
  ) {
    this.sentinels = ports.map((port) => ({ host: HOST, port }));
  }

  async start(): Promise<void> {
    const [master, replica] = this.servers;
    await until('replica in step', async () =>
      (await replica!.client.info('replication')).includes('master_link_status:up'),
    );
    for (const { port } of this.sentinels) {
      this.#processes.push(await launch([this.#config(port, master!.port), '--sentinel'], 'Sentinel ID is'));
      this.#clients.push(connect({ port }));
    }
    const known = async (client: Redis): Promise<boolean> => {
      const state = await masterState(client, this.masterName);
      return state['num-slaves'] === '1' && state['num-other-sentinels'] === String(SENTINELS - 1);
    };
    await until('sentinels know each other', async () => (await Promise.all(this.#clients.map(known))).every(Boolean));
  }

  /** The master as most sentinels see it. */
  async master(): Promise<RedisServer> {
    const states = await Promise.all(this.#clients.map((client) => masterState(client, this.masterName)));
    const votes = (server: RedisServer) => states.filter(({ port }) => port === String(server.port)).length;
    return this.servers.reduce((best, server) => (votes(server) > votes(best) ? server : best));
  }

  /** Make the replica master, as an operator does: both servers stay up. Resolves when all sentinels agree. */
  async promote(): Promise<void> {
    const old = await this.master();
    await this.#clients[0]!.call('SENTINEL', 'FAILOVER', this.masterName);
    await this.switchedFrom(old);
  }

  /** Resolves when a replica has taken over. */
  async killMaster(): Promise<void> {
    const old = await this.master();
    await old.kill();
    await this.switchedFrom(old);
  }

  async switchedFrom(old: RedisServer): Promise<void> {
    await until('failover', async () => {
      const states = await Promise.all(this.#clients.map((client) => masterState(client, this.masterName)));
      if (states.some(({ port }) => port === String(old.port))) return false;
      const next = this.servers.find(({ port }) => String(port) === states[0]!.port);
      return ((await next!.client.call('ROLE')) as unknown[])[0] === 'master';
    });
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    await Promise.all([...this.#processes.map(end), ...this.servers.map((server) => server.stop())]);
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #config(port: number, masterPort: number): string {
    const path = join(this.#dir, `${port}.conf`);
    const lines = [
      `port ${port}`,
      `bind ${HOST}`,
      `dir ${this.#dir}`,
      `sentinel monitor ${this.masterName} ${HOST} ${masterPort} 2`,
      `sentinel down-after-milliseconds ${this.masterName} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${this.masterName} ${FAILOVER_TIMEOUT_MS}`,
    ];
    writeFileSync(path, `${lines.join('\n')}\n`);
    return path;
  }
}

async function masterState(client: Redis, name: string): Promise<Record<string, string>> {
  const flat = (await client.call('SENTINEL', 'MASTER', name)) as string[];
  return Object.fromEntries(flat.flatMap((key, i) => (i % 2 === 0 ? [[key, flat[i + 1]!]] : [])));
}

const tlsArgs = ({ key, cert, ca }: { key: string; cert: string; ca: string }): string[] => [
  ...['--tls-key-file', key, '--tls-cert-file', cert, '--tls-ca-cert-file', ca, '--tls-auth-clients', 'no'],
];

/** Reconnects for as long as it is not disconnected: servers are killed on purpose. */
function connect(server: { port: number } | { path: string }): Redis {
  const client = new Redis({
    host: HOST,
    protocol: 2,
    maxRetriesPerRequest: null,
    retryStrategy: () => 20,
    ...server,
  });
  client.on('error', () => {});
  return client;
}

/** Resolves when the server has said `ready` in its log. */
async function launch(args: readonly string[], ready: string): Promise<ChildProcess> {
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  const failed = once(child, 'error').then(([error]) => {
    throw error.code === 'ENOENT' ? new Error('redis-server is not installed, or not in PATH') : error;
  });
  const said: string[] = [];
  const started = (async () => {
    for await (const line of createInterface(child.stdout!)) {
      said.push(line);
      if (line.includes(ready)) return;
    }
    throw new Error(`redis-server did not start:\n${said.slice(-10).join('\n')}`);
  })();
  await Promise.race([started, failed]);
  child.stdout!.resume();
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  running.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** What a test that was cut short leaves behind ends with its process, which is ended by a signal. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
process.once('SIGTERM', () => process.exit(143));

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
