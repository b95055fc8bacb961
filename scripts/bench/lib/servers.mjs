/** Servers to measure: this one, any other by its command line, or one that runs already. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { keptTo } from './cores.mjs';
import { listenerPid } from './processes.mjs';

const CONFIG = new URL('../server.json', import.meta.url);
const GYRE = fileURLToPath(new URL('../../../dist/cli/gyre.js', import.meta.url));
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 50;
const OUTPUT_CHARS_MAX = 4000;
const isUrl = (target) => /^https?:\/\//.test(target);

/**
 * @param {object} options
 * @param {string} [options.target] URL of a server that runs, or a command with {config} and {port} in it; else Gyre, as built
 * @param {boolean} [options.redis] starts a redis-server for it
 * @param {object} [options.config] replaces sections of server.json
 * @param {string[]} [options.nodeFlags] of Gyre's process
 * @param {import('./cores.mjs').Cores} [options.cores] for the server, and for the Redis that is started for it
 * @returns {Promise<{url: string, pid?: number, redis: string[], output: () => string, stop: () => Promise<void>}>}
 *   pid is undefined where the process is not on this machine or cannot be found; `output` is the end of what it wrote
 */
export async function startServer({ target, redis = false, config = {}, nodeFlags = [], cores } = {}) {
  if (target !== undefined && isUrl(target)) {
    if (redis) throw new Error('--redis is for servers that are started here');
    return { url: target, pid: pidBehind(target), redis: [], output: () => '', stop: async () => {} };
  }
  const folder = mkdtempSync(join(tmpdir(), 'gyre-bench-'));
  const clear = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', clear);
  const store = redis ? await startRedis(folder, cores?.generator) : null;
  const stop = async (server) => {
    await server?.end();
    await store?.end();
    process.off('exit', clear);
    clear();
  };
  try {
    const file = join(folder, 'config.json');
    const engine = store && { engine: { type: 'redis', redis: { address: [`redis://${store.address}`] } } };
    const settings = { ...JSON.parse(readFileSync(CONFIG, 'utf8')), ...engine, ...config };
    writeFileSync(file, JSON.stringify(settings), { mode: 0o600 });
    const port = await freePort();
    const server = new Process(keptTo(cores?.server, commandOf({ target, file, port, nodeFlags })));
    const url = `http://127.0.0.1:${port}`;
    const ready = async () => (await fetch(`${url}/health`)).ok;
    await server.until(ready).catch((error) => stop(server).then(() => Promise.reject(error)));
    return {
      url,
      pid: listenerPid(port) ?? server.pid,
      redis: store ? [store.address] : [],
      output: () => server.output,
      stop: () => stop(server),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function pidBehind(url) {
  const { hostname, port, protocol } = new URL(url);
  if (!/^(localhost|127\.|\[::1\])/.test(hostname)) return undefined;
  return listenerPid(port || (protocol === 'https:' ? 443 : 80));
}

function commandOf({ target, file, port, nodeFlags }) {
  if (target === undefined) return [process.execPath, ...nodeFlags, GYRE, '-c', file, '-p', String(port)];
  if (!target.includes('{config}') || !target.includes('{port}'))
    throw new Error('a command needs {config} and {port}: "centrifugo -c {config} --http_server.port {port}"');
  return words(target).map((word) => word.replaceAll('{config}', file).replaceAll('{port}', String(port)));
}

/** A command line in words; quotes keep a word together. */
export const words = (line) =>
  [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, double, single, bare]) => double ?? single ?? bare);

/**
 * @param {string} [folder]  for its files, of which it should have none
 * @param {number[]} [cores]  to run on
 */
export async function startRedis(folder = tmpdir(), cores = undefined) {
  const port = await freePort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
  const redis = new Process(keptTo(cores, ['redis-server', ...args]));
  await redis.until(() => answersPing(port));
  return { address: `127.0.0.1:${port}`, end: () => redis.end() };
}

function answersPing(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.on('error', reject);
    socket.on('data', (bytes) => {
      socket.destroy();
      resolve(bytes.toString().startsWith('+PONG'));
    });
  });
}

/** A child that ends with this process, whatever ends it. */
class Process {
  output = '';
  #child;
  #ended = null;
  #killNow = () => this.#child.kill('SIGKILL');

  constructor([program, ...args]) {
    this.program = program;
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.output = (this.output + text).slice(-OUTPUT_CHARS_MAX);
      });
    }
    this.#child.on('error', (error) => {
      this.#ended = error.code === 'ENOENT' ? `${program} is not installed` : error.message;
    });
    this.#child.on('exit', (code, signal) => {
      this.#ended ??= `${program} ended with ${code ?? signal}: ${this.output.trim()}`;
      process.off('exit', this.#killNow);
    });
    process.on('exit', this.#killNow);
  }

  get pid() {
    return this.#child.pid;
  }

  /** Asks until the answer is true; not being reachable is a no. @throws {Error} if the process ends or the time is over. */
  async until(isReady) {
    for (const end = Date.now() + START_TIMEOUT_MS; Date.now() < end; await sleep(POLL_MS)) {
      if (this.#ended !== null) throw new Error(this.#ended);
      if (await isReady().catch(() => false)) return;
    }
    throw new Error(`${this.program} is not ready after ${START_TIMEOUT_MS / 1000} s: ${this.output.trim()}`);
  }

  async end() {
    if (this.#ended !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(this.#killNow, STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  }
}

// Handlers of 'exit' run only where the process ends by itself.
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
])
  process.once(signal, () => process.exit(code));

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
