/** Who is the master, according to its sentinels. */
import { Redis } from 'ioredis';
import type { Endpoint, SentinelOptions } from './options.js';

const RECONNECT_MAX_MS = 2000;

interface Opinion {
  readonly master: Endpoint;
  /** Of the failover that made it master. */
  readonly epoch: number;
}

export class Sentinels {
  readonly #sentinels: readonly Sentinel[];

  constructor(options: SentinelOptions) {
    this.#sentinels = options.sentinels.map((endpoint) => new Sentinel(endpoint, options));
  }

  /**
   * The opinion with the highest epoch in a majority of the sentinels, which is how they come to terms themselves: one that
   * was cut off together with an old master does not lead there. With fewer than a majority alive, of all that answer.
   * Rejects, with what the first of them had to say, when none answers.
   */
  async master(): Promise<Endpoint> {
    const majority = (this.#sentinels.length >> 1) + 1;
    const opinions = await firstOf(
      this.#sentinels.map((sentinel) => sentinel.opinion()),
      majority,
    );
    return opinions.reduce((best, opinion) => (opinion.epoch > best.epoch ? opinion : best)).master;
  }

  close(): void {
    for (const sentinel of this.#sentinels) sentinel.close();
  }
}

class Sentinel {
  readonly #client: Redis;
  readonly #masterName: string;
  readonly #address: string;
  /** Why there is no connection: what a question fails with does not say it. */
  #lastError: Error | undefined;

  constructor(endpoint: Endpoint, options: SentinelOptions) {
    this.#masterName = options.masterName;
    this.#address = `${endpoint.host}:${endpoint.port}`;
    this.#client = connect(endpoint, options);
    this.#client.on('error', (error) => {
      this.#lastError = error;
    });
    this.#client.on('ready', () => {
      this.#lastError = undefined;
    });
  }

  async opinion(): Promise<Opinion> {
    try {
      return parseOpinion(await this.#client.call('SENTINEL', 'MASTER', this.#masterName));
    } catch (error) {
      const reason = (this.#lastError ?? (error as Error)).message;
      throw new Error(`sentinel ${this.#address}: ${reason}`);
    }
  }

  close(): void {
    this.#client.disconnect();
  }
}

/** @param reply  names and values, one after the other. */
function parseOpinion(reply: unknown): Opinion {
  const items: unknown[] = Array.isArray(reply) ? reply : [];
  const field = (name: string): string => {
    const at = items.findIndex((item, i) => i % 2 === 0 && item === name);
    if (at < 0) throw new Error(`no ${name} in the answer`);
    return String(items[at + 1]);
  };
  return {
    master: { host: field('ip'), port: Number(field('port')) },
    epoch: Number(field('config-epoch')),
  };
}

/** The first `count` results, or all there are. Rejects with the first error when there are none. */
function firstOf<T>(attempts: readonly Promise<T>[], count: number): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const results: T[] = [];
    const failures: unknown[] = [];
    const check = (): void => {
      if (results.length >= count || results.length + failures.length === attempts.length) {
        if (results.length > 0) resolve(results);
        else reject(failures[0]);
      }
    };
    for (const attempt of attempts) {
      attempt
        .then(
          (result) => results.push(result),
          (error) => failures.push(error),
        )
        .then(check);
    }
  });
}

function connect({ host, port }: Endpoint, options: SentinelOptions): Redis {
  const { connectTimeoutMs } = options.server;
  return new Redis({
    host,
    port,
    protocol: 2,
    ...(options.sentinelUser !== '' && { username: options.sentinelUser }),
    ...(options.sentinelPassword !== '' && { password: options.sentinelPassword }),
    ...(options.sentinelClientName !== '' && { connectionName: options.sentinelClientName }),
    ...(options.sentinelTls && { tls: options.sentinelTls }),
    connectTimeout: connectTimeoutMs,
    commandTimeout: connectTimeoutMs,
    // One that does not answer may be behind a half-open connection: make another.
    socketTimeout: connectTimeoutMs,
    // A question waits for the attempt to connect that is under way, and fails with it.
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
    retryStrategy: (attempt) => Math.min(RECONNECT_MAX_MS, 50 * 2 ** attempt),
  });
}
