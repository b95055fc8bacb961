/** The threads that hold the clients of a load: one task each, in a pool, with a port for cues. */

import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';

const READY_TIMEOUT_MS = 120_000;

export class Crew {
  #pool;
  #ports = [];
  #results = [];
  #failed;

  /**
   * Thread k of n takes every index with index mod n = k.
   * @param {string} role  file of ./roles that each thread runs
   * @param {object} options  of the generator
   */
  constructor(role, options) {
    const { threads } = options;
    this.#pool = new Piscina({
      filename: new URL(`./roles/${role}.mjs`, import.meta.url).href,
      minThreads: threads,
      maxThreads: threads,
    });
    for (let first = 0; first < threads; first++) {
      const { port1, port2 } = new MessageChannel();
      this.#ports.push(port1);
      this.#results.push(this.#pool.run({ options, first, step: threads, port: port2 }, { transferList: [port2] }));
    }
    this.#failed = Promise.all(this.#results).then(() => new Promise(() => {}));
    this.#failed.catch(() => {}); // Whoever waits for something is told.
  }

  /** Gives all threads a cue. */
  cue(name, value = true) {
    for (const port of this.#ports) port.postMessage({ cue: name, value });
  }

  /** Waits until all threads have answered. @throws {Error} if one fails or the time is over. */
  async answers(name, timeoutMs = READY_TIMEOUT_MS) {
    const all = this.#ports.map((port) => heard(port, name));
    return withTimeout(Promise.race([Promise.all(all), this.#failed]), timeoutMs, `no "${name}" from the clients`);
  }

  /** What each thread returns; those that are not done in time are told to stop, and return what they have. */
  async results(timeoutMs) {
    const timer = setTimeout(() => this.cue('stop'), timeoutMs);
    try {
      return await withTimeout(Promise.all(this.#results), timeoutMs + READY_TIMEOUT_MS, 'the clients do not stop');
    } finally {
      clearTimeout(timer);
    }
  }

  async close() {
    for (const port of this.#ports) port.close();
    await this.#pool.destroy();
  }
}

function heard(port, name) {
  return new Promise((resolve) => {
    const listener = (message) => {
      if (!(name in message)) return;
      port.off('message', listener);
      resolve(message[name]);
    };
    port.on('message', listener);
  });
}

async function withTimeout(promise, ms, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} in ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The other end: cues by name, each of which may come before it is waited for. */
export class Cues {
  #given = new Map();
  #port;

  constructor(port) {
    this.#port = port;
    port.on('message', ({ cue, value }) => this.#of(cue).resolve(value));
  }

  of(name) {
    return this.#of(name).promise;
  }

  tell(name, value = true) {
    this.#port.postMessage({ [name]: value });
  }

  close() {
    this.#port.close();
  }

  #of(name) {
    let given = this.#given.get(name);
    if (given === undefined) {
      given = {};
      given.promise = new Promise((resolve) => {
        given.resolve = resolve;
      });
      this.#given.set(name, given);
    }
    return given;
  }
}

/** first, first + step, … below count. */
export function* share(count, first, step) {
  for (let i = first; i < count; i += step) yield i;
}
