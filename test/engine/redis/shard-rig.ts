/** A shard of a real server as tests use it: what it reports and logs is written down, commands are awaited. */
import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import pino from 'pino';
import { openShard } from '../../../src/engine/redis/open-shard.js';
import type { Endpoint, SentinelOptions, ServerOptions, ShardOptions } from '../../../src/engine/redis/options.js';
import type { LinkTuning } from '../../../src/engine/redis/server-link.js';
import type { Reply, Script } from '../../../src/engine/redis/shard.js';
import { Turn } from '../../../src/lib/turn.js';
import type { ClientError } from '../../../src/protocol/codes.js';
import type { SentinelSet } from '../../support/redis.js';
import { until } from '../../support/until.js';

export const SERVER: ServerOptions = {
  user: '',
  password: '',
  db: 0,
  clientName: '',
  tls: undefined,
  connectTimeoutMs: 1000,
  ioTimeoutMs: 4000,
  resp2: false,
};

/** Faster than in production, so that tests see in a second what takes four there. */
const TUNING: Partial<LinkTuning> = { canaryIntervalMs: 100, redialMinMs: 20, redialMaxMs: 100 };

export const standalone = (endpoint: Endpoint, server: Partial<ServerOptions> = {}): ShardOptions => ({
  kind: 'standalone',
  name: 'a',
  weight: 1,
  endpoint: { host: endpoint.host, port: endpoint.port },
  server: { ...SERVER, ...server },
});

export const sentinel = ({
  masterName,
  sentinels,
}: Pick<SentinelSet, 'masterName' | 'sentinels'>): SentinelOptions => ({
  kind: 'sentinel',
  name: 'a',
  weight: 1,
  sentinels,
  masterName,
  sentinelUser: '',
  sentinelPassword: '',
  sentinelClientName: '',
  sentinelTls: undefined,
  server: SERVER,
});

export const script = (name: string, lua: string): Script => ({
  name,
  lua,
  sha: createHash('sha1').update(lua).digest('hex'),
  publishes: false,
});

export class ShardRig {
  /** 'channel payload', in the order of arrival. */
  readonly messages: string[] = [];
  readonly interrupted: string[] = [];
  readonly logged: { level: number; msg: string; [field: string]: unknown }[] = [];
  readonly shard: ReturnType<typeof openShard>;

  constructor(options: ShardOptions, tuning: Partial<LinkTuning> = {}) {
    const lines = new Writable({
      write: (line, _encoding, done) => {
        this.logged.push(JSON.parse(String(line)));
        done();
      },
    });
    this.shard = openShard(
      options,
      {
        message: (channel, bytes, start, end) => this.messages.push(`${channel} ${bytes.subarray(start, end)}`),
        interrupted: (channel) => this.interrupted.push(channel),
      },
      {
        log: pino({ level: 'debug' }, lines),
        turn: new Turn({ before() {}, after() {} }),
        canaryPrefix: 'test',
        tuning: { ...TUNING, ...tuning },
      },
    );
  }

  call(...args: (string | Uint8Array)[]): Promise<Reply> {
    return this.#answer((handler) => this.shard.command('key', args, handler));
  }

  run(lua: Script, keys: string[], args: (string | Uint8Array)[] = []): Promise<Reply> {
    return this.#answer((handler) => this.shard.script(lua, keys, args, handler));
  }

  /** The code of the error that it fails with, 0 if it does not. */
  async codeOf(call: Promise<unknown>): Promise<number> {
    return call.then(
      () => 0,
      (error: ClientError) => error.code,
    );
  }

  healthy(): Promise<void> {
    return until('healthy', () => this.shard.healthy);
  }

  unhealthy(): Promise<void> {
    return until('unhealthy', () => !this.shard.healthy);
  }

  #answer(send: (handler: { reply(reply: Reply): void; fail(error: ClientError): void }) => void): Promise<Reply> {
    return new Promise((reply, fail) => send({ reply, fail }));
  }
}
