/** CPU time and memory of the server, of Redis and of this process, from the first measured moment to the last, by the second. */
import { connect } from 'node:net';
import { cpuSeconds, rssBytes } from '../lib/processes.mjs';
import { micros, sleepUntil } from './clock.mjs';

const REDIS_TIMEOUT_MS = 3000;

export class Sampler {
  #options;
  #samples = [];
  #redisBefore = null;
  #clientBefore;
  #timer;
  #begun;
  #fromUs;

  /** @throws {Error} if there is no process with the given pid */
  constructor(options) {
    this.#options = options;
    // The first look costs more than the others, and must not delay the first sample.
    if (options.pid !== undefined) cpuSeconds(options.pid);
  }

  /** @param {number} fromUs  when measurement begins */
  begin(fromUs) {
    this.#fromUs = fromUs;
    this.#begun = (async () => {
      this.#redisBefore = await redisCpu(this.#options.redis);
      await sleepUntil(fromUs);
      this.#clientBefore = process.cpuUsage();
      this.#take();
      this.#timer = setInterval(() => this.#take(), 1000);
    })();
    this.#begun.catch(() => {}); // whoever calls end() is told
  }

  /** @returns what was used since begin: `cpu` (without shares per operation), `memory` and cores by the second. */
  async end() {
    await this.#begun;
    clearInterval(this.#timer);
    this.#take();
    const redisAfter = await redisCpu(this.#options.redis);
    const client = process.cpuUsage(this.#clientBefore);
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    const used = (part) => (first.cpu === null ? null : round(last.cpu[part] - first.cpu[part]));
    const rss = this.#samples.map((sample) => sample.rss);
    return {
      seconds: (last.us - this.#fromUs) / 1e6,
      cpu: {
        server_user_s: used('user'),
        server_system_s: used('system'),
        server_total_s: used('total'),
        redis_s: redisAfter === null ? null : round(redisAfter - this.#redisBefore),
        client_s: round((client.user + client.system) / 1e6),
      },
      memory: {
        server_rss_start: first.rss,
        server_rss_end: last.rss,
        server_rss_peak: first.rss === null ? null : Math.max(...rss),
        per_connection: null,
      },
      cores: this.#samples.slice(1).map((sample, i) => {
        const before = this.#samples[i];
        const elapsed = (sample.us - before.us) / 1e6;
        return sample.cpu === null || elapsed <= 0 ? null : round((sample.cpu.total - before.cpu.total) / elapsed);
      }),
    };
  }

  #take() {
    const { pid } = this.#options;
    const cpu = pid === undefined ? null : cpuSeconds(pid);
    this.#samples.push({ us: micros(), cpu, rss: pid === undefined ? null : rssBytes(pid) });
  }
}

const round = (value) => Number(value.toFixed(4));

/** CPU seconds of all the Redis servers since their start, or null without any. */
async function redisCpu(addresses) {
  if (!addresses?.length) return null;
  const parts = await Promise.all(addresses.map(infoCpu));
  return parts.reduce((sum, part) => sum + part, 0);
}

function infoCpu(address) {
  const at = address.lastIndexOf(':');
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)) });
    let text = '';
    socket.setTimeout(REDIS_TIMEOUT_MS, () => socket.destroy(new Error(`Redis ${address} does not answer`)));
    socket.on('error', reject);
    socket.on('connect', () => socket.write('INFO cpu\r\n'));
    socket.setEncoding('latin1').on('data', (part) => {
      text += part;
      const of = (name) => Number(new RegExp(`used_cpu_${name}:([\\d.]+)\r\n`).exec(text)?.[1]);
      const total = of('sys') + of('user');
      if (Number.isNaN(total) && !text.startsWith('-')) return;
      socket.destroy();
      if (Number.isNaN(total)) reject(new Error(`Redis ${address}: ${text.trim()}`));
      else resolve(total);
    });
  });
}
