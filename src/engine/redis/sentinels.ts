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
  readonly #clients: readonly Redis[];
  readonly #masterName: string;

  constructor(options: SentinelOptions) {
    this.#masterName = options.masterName;
    this.#clients = options.sentinels.map((endpoint) => connect(endpoint, options));
  }

  /**
   * The opinion with the highest epoch in a majority of the sentinels, which is how they come to terms themselves: one that
   * was cut off together with an old master does not lead there. With fewer than a majority alive, of all that answer.
   * Rejects, with what the first of them had to say, when none answers.
   */
  async master(): Promise<Endpoint> {
    const opinions = await firstOf(
      this.#clients.map((client) => this.#ask(client)),
      (this.#clients.length >> 1) + 1,
    );
    return opinions.reduce((best, opinion) => (opinion.epoch > best.epoch ? opinion : best)).master;
  }

  close(): void {
    for (const client of this.#clients) client.disconnect();
  }

  async #ask(client: Redis): Promise<Opinion> {
    const reply = await client.call('SENTINEL', 'MASTER', this.#masterName);
    const at = (field: string): string => {
      const index = Array.isArray(reply) ? reply.indexOf(field) : -1;
      if (index < 0) throw new Error(`the sentinel does not say the ${field} of the master`);
      return String((reply as unknown[])[index + 1]);
    };
    return { master: { host: at('ip'), port: Number(at('port')) }, epoch: Number(at('config-epoch')) };
  }
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
  const client = new Redis({
    host,
    port,
    protocol: 2,
    ...(options.sentinelUser !== '' && { username: options.sentinelUser }),
    ...(options.sentinelPassword !== '' && { password: options.sentinelPassword }),
    ...(options.sentinelClientName !== '' && { connectionName: options.sentinelClientName }),
    ...(options.sentinelTls && { tls: options.sentinelTls }),
    connectTimeout: connectTimeoutMs,
    commandTimeout: connectTimeoutMs,
    // A question waits for the attempt to connect that is under way, and fails with it.
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
    retryStrategy: (attempt) => Math.min(RECONNECT_MAX_MS, 50 * 2 ** attempt),
  });
  // Whoever asks is told.
  client.on('error', () => {});
  return client;
}
