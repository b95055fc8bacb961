/** Several processes of subscribers as one, so that the load generator is not the bottleneck. */
import { fork } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { build, decodeFromCompressedBase64 } from 'hdr-histogram-js';

const SUBSCRIBERS = new URL('./subscribers.mjs', import.meta.url);
const OPEN_TIMEOUT_MS = 120_000;

export class Fleet {
  #children = [];
  #opened = 0;
  lost = 0;

  /** @param {{url: string, token?: string, processes: number}} options server, connection token and number of processes */
  constructor({ url, token, processes }) {
    this.url = url;
    this.token = token;
    for (let i = 0; i < processes; i++) {
      const child = fork(SUBSCRIBERS);
      child.on('message', (message) => {
        if (message.lost) this.#onLost(message.lost);
      });
      this.#children.push(child);
    }
  }

  #onLost(why) {
    if (this.lost++ === 0) process.stderr.write(`a connection was lost: ${why}\n`);
  }

  /** Opens `count` more connections, each with one subscription to one of the channels in turn. */
  async open(count, channels) {
    const share = Math.ceil(count / this.#children.length);
    await this.#all('opened', OPEN_TIMEOUT_MS, (child, i) => {
      const part = Math.max(0, Math.min(share, count - i * share));
      child.send({
        open: { url: this.url, token: this.token, first: this.#opened + i * share, count: part, channels },
      });
    });
    this.#opened += count;
  }

  /**
   * Starts counting publications on every connection.
   * @returns a function that waits for the result: complete, or as far as it got in `timeoutMs` from its call.
   */
  async expect(publications) {
    const results = this.#children.map((child) => next(child, 'result'));
    await this.#all('expecting', OPEN_TIMEOUT_MS, (child) => child.send({ expect: publications }));
    return async (timeoutMs) => {
      const timer = setTimeout(() => {
        for (const child of this.#children) child.send({ stop: true });
      }, timeoutMs);
      const parts = await Promise.all(results);
      clearTimeout(timer);
      return merge(parts);
    };
  }

  close() {
    for (const child of this.#children) child.disconnect();
  }

  async #all(reply, timeoutMs, ask) {
    const replies = this.#children.map((child, i) => {
      const answer = next(child, reply);
      ask(child, i);
      return answer;
    });
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no "${reply}" from the subscribers in ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      await Promise.race([Promise.all(replies), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The next message of a child that has the key; rejects if the child fails or dies first. */
function next(child, key) {
  return new Promise((resolve, reject) => {
    const done = () => {
      child.off('message', onMessage);
      child.off('exit', onExit);
    };
    const onMessage = (message) => {
      if (message.failed) {
        done();
        reject(new Error(message.failed));
      } else if (key in message) {
        done();
        resolve(message[key]);
      }
    };
    const onExit = (code) => {
      done();
      reject(new Error(`a subscriber process ended with ${code}`));
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
  });
}

function merge(parts) {
  const total = { received: 0, faults: 0, short: 0, latency: build({ numberOfSignificantValueDigits: 3 }) };
  for (const part of parts) {
    total.received += part.received;
    total.faults += part.faults;
    total.short += part.short;
    total.latency.add(decodeFromCompressedBase64(part.latency));
  }
  return total;
}

/** An HS256 connection token for a user, valid for a day. */
export function connectionToken(secret, user) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { sub: user, exp: Math.floor(Date.now() / 1000) + 86_400 };
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}
