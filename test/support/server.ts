/** The built server as a process of its own, on a free port, with everything it logs at hand. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const API_KEY = 'the API key of the tests';
export const TOKEN_KEY = 'the token key of the tests';
export const WORKERS = 4;

const PROGRAM = fileURLToPath(new URL('../../dist/cli/gyre.js', import.meta.url));
const FAULTS = fileURLToPath(new URL('./faults.cjs', import.meta.url));
/** Less than a test's hooks may take, so that nothing is left behind. */
const STOP_TIMEOUT_MS = 15_000;
const READY = /^ready on port/;

export interface LogLine {
  readonly msg: string;
  readonly level: number;
  readonly [field: string]: unknown;
}

/** A part of the configuration. Objects are merged into {@link defaults}, all else replaces. */
export interface ConfigPart {
  readonly [key: string]: unknown;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

const defaults: ConfigPart = {
  http_server: { address: '127.0.0.1' },
  workers: { count: WORKERS },
  http_api: { key: API_KEY },
  client: { token: { hmac_secret_key: TOKEN_KEY } },
  health: { enabled: true },
};

export interface StartOptions {
  /** Lets tests make workers fail, by {@link TestServer.inflict}. */
  readonly faults?: boolean;
  /** Any free one by default. */
  readonly port?: number;
  /** The authority of its certificate: clients are to use TLS. */
  readonly ca?: string;
  readonly environment?: Record<string, string>;
}

export async function startServer(config: ConfigPart = {}, options: StartOptions = {}): Promise<TestServer> {
  const server = new TestServer(config, options);
  await server.started();
  return server;
}

export class TestServer {
  readonly log: LogLine[] = [];
  /** The exit code, or the signal that ended the process. */
  readonly exited: Promise<number | NodeJS.Signals>;
  /** By which channels are placed. Needs {@link StartOptions.faults}. */
  readonly hashSeed: Promise<number>;
  port = 0;
  readonly ca: string | undefined;
  private readonly directory = mkdtempSync(join(tmpdir(), 'gyre-e2e-'));
  private readonly process: ChildProcess;
  private readonly listeners = new Set<(line: LogLine) => void>();

  constructor(config: ConfigPart, { faults = false, port = 0, ca, environment = {} }: StartOptions) {
    this.ca = ca;
    this.writeConfig(config);
    const node = faults ? ['--require', FAULTS] : [];
    this.process = spawn(process.execPath, [...node, PROGRAM, '-c', this.configPath, '-p', String(port)], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, ...environment },
    });
    this.hashSeed = this.news(({ hashSeed }) => hashSeed);
    createInterface(this.process.stderr!).on('line', (line) => this.heard(line));
    this.process.stdout!.resume();
    this.exited = new Promise((resolve) => {
      this.process.once('close', (code, signal) => {
        rmSync(this.directory, { recursive: true });
        resolve(code ?? signal!);
      });
    });
  }

  /** Rejects with what the process said if it ends instead. */
  async started(): Promise<void> {
    const ready = await this.until(this.logged((line) => READY.test(line.msg)));
    this.port = ready.port as number;
  }

  get configPath(): string {
    return join(this.directory, 'config.json');
  }

  get pid(): number {
    return this.process.pid!;
  }

  /** Where clients connect. */
  get http(): string {
    return this.base(({ external }) => external === true);
  }

  /** Where the API is: the same, unless there is an internal port. */
  get internal(): string {
    return this.base(({ internal }) => internal === true);
  }

  get websocket(): string {
    return `${this.http.replace('http', 'ws')}/connection/websocket`;
  }

  private base(serves: (listener: LogLine) => boolean): string {
    const { port, tls } = this.log.find((line) => line.msg.startsWith('listening on ') && serves(line))!;
    return `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  }

  writeConfig(config: ConfigPart): void {
    writeFileSync(this.configPath, JSON.stringify(merge(defaults, config)));
  }

  /** The first line of the log, so far or from now on, that matches. */
  logged(matches: (line: LogLine) => boolean): Promise<LogLine> {
    const found = this.log.find(matches);
    return found === undefined ? this.nextLogged(matches) : Promise.resolve(found);
  }

  nextLogged(matches: (line: LogLine) => boolean): Promise<LogLine> {
    return new Promise((resolve) => {
      const listener = (line: LogLine): void => {
        if (!matches(line)) return;
        this.listeners.delete(listener);
        resolve(line);
      };
      this.listeners.add(listener);
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  /**
   * Needs {@link StartOptions.faults}. A worker that hangs does so until it is told to `resume`. Resolves when the worker
   * is about to do as it was told.
   */
  async inflict(fault: 'throw' | 'hang' | 'resume', worker: number): Promise<void> {
    const struck = this.news(({ struck }) => (struck === worker ? true : undefined));
    this.process.send({ fault, worker });
    if (fault !== 'resume') await struck;
  }

  /** The first thing heard from faults.cjs in which `find` finds something. */
  private news<T>(find: (news: { hashSeed?: number; struck?: number }) => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const listener = (message: object): void => {
        const found = find(message);
        if (found === undefined) return;
        this.process.off('message', listener);
        resolve(found);
      };
      this.process.on('message', listener);
    });
  }

  /** @throws if the process does not end as it should. */
  async stop(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), STOP_TIMEOUT_MS);
    const code = await this.exited;
    clearTimeout(timer);
    if (code !== 0) throw new Error(`the server ended with ${code}: ${this.tail()}`);
  }

  // ---- its API ----

  /** One request on a connection of its own, so that requests in turn reach all workers. */
  request(method: string, path: string, body?: string | Buffer, headers: Record<string, string> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const url = `${this.internal}${path}`;
      const request = url.startsWith('https:') ? requestSecure : requestPlain;
      const sent = request(url, { method, headers, agent: false, ca: this.ca }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.once('end', () => resolve({ status: response.statusCode!, body: text }));
        response.once('error', reject);
      });
      sent.once('error', reject);
      sent.end(body);
    });
  }

  /** The whole answer of an API method: `{ result }` or `{ error }`. */
  async call(method: string, body: object): Promise<ApiReply> {
    const { status, body: text } = await this.request('POST', `/api/${method}`, JSON.stringify(body), {
      'X-API-Key': API_KEY,
    });
    if (status !== 200) throw new Error(`${method}: HTTP ${status} ${text}`);
    return JSON.parse(text) as ApiReply;
  }

  /** The result of an API method. @throws on an error reply. */
  async api<Result = object>(method: string, body: object = {}): Promise<Result> {
    const { error, result } = await this.call(method, body);
    if (error !== undefined) throw new Error(`${method}: ${error.code} ${error.message}`);
    return result as Result;
  }

  publish(channel: string, data: unknown, more: object = {}): Promise<{ offset?: number; epoch?: string }> {
    return this.api('publish', { channel, data, ...more });
  }

  private async until<T>(event: Promise<T>): Promise<T> {
    const ended = this.exited.then((code) => {
      throw new Error(`the server ended with ${code}: ${this.tail()}`);
    });
    return Promise.race([event, ended]);
  }

  private heard(text: string): void {
    const line = parseLine(text);
    this.log.push(line);
    for (const listener of [...this.listeners]) listener(line);
  }

  private tail(): string {
    return this.log
      .slice(-10)
      .map((line) => JSON.stringify(line))
      .join('\n');
  }
}

export interface ApiReply {
  readonly error?: { readonly code: number; readonly message: string };
  readonly result?: unknown;
  readonly [field: string]: unknown;
}

function parseLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { msg: text, level: 60 };
  }
}

function merge(base: ConfigPart, part: ConfigPart): ConfigPart {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(part)) {
    const former = merged[key];
    merged[key] = isPart(former) && isPart(value) ? merge(former, value) : value;
  }
  return merged;
}

const isPart = (value: unknown): value is ConfigPart =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
