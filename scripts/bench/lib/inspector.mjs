/** CPU profiles of all threads of a Node.js process, by its inspector (started with --inspect). */
import WebSocket from 'ws';

const ANSWER_TIMEOUT_MS = 60_000;
/** The default of 1000 sees too little of short functions. */
const SAMPLING_US = 500;

/** One thread: asks and answers in the Chrome DevTools Protocol. */
class Session {
  #last = 0;
  #waiting = new Map();
  #send;

  constructor(title, send) {
    this.title = title;
    this.#send = send;
  }

  ask(method, params = {}) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`${this.title} does not answer ${method}`));
      this.#waiting.set(id, { resolve, reject, timer: setTimeout(late, ANSWER_TIMEOUT_MS) });
      this.#send(JSON.stringify({ id, method, params }));
    });
  }

  answered({ id, result, error }) {
    const { resolve, reject, timer } = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(timer);
    if (error) reject(new Error(error.message));
    else resolve(result);
  }
}

export class Profiler {
  #socket;
  #sessions = [];

  /** @param {string} output  what the process wrote when it started, with the address of its inspector in it */
  static async attach(output) {
    const address = /ws:\/\/127\.0\.0\.1:\d+\/[\w-]+/.exec(output)?.[0];
    if (address === undefined) throw new Error('the inspector did not say where it listens');
    const profiler = new Profiler();
    await profiler.#open(address);
    return profiler;
  }

  async #open(address) {
    this.#socket = new WebSocket(address, { perMessageDeflate: false, maxPayload: 1 << 30 });
    const main = new Session('main', (text) => this.#socket.send(text));
    const workers = new Map();
    this.#socket.on('message', (text) => {
      const message = JSON.parse(text);
      if (message.id !== undefined) main.answered(message);
      else if (message.method === 'NodeWorker.attachedToWorker') {
        const { sessionId, workerInfo } = message.params;
        const send = (inner) =>
          void main.ask('NodeWorker.sendMessageToWorker', { sessionId, message: inner }).catch(() => {});
        workers.set(sessionId, new Session(`worker ${workerInfo.workerId}`, send));
      } else if (message.method === 'NodeWorker.receivedMessageFromWorker') {
        const inner = JSON.parse(message.params.message);
        if (inner.id !== undefined) workers.get(message.params.sessionId)?.answered(inner);
      }
    });
    await new Promise((resolve, reject) => this.#socket.on('open', resolve).on('error', reject));
    // Threads that are there are told of before the answer.
    await main.ask('NodeWorker.enable', { waitForDebuggerOnStart: false });
    this.#sessions = [main, ...workers.values()];
  }

  /** @returns {Promise<number>} milliseconds since the epoch: what the profiles' start is, give or take a few */
  async start() {
    const startedAt = Date.now();
    await Promise.all(
      this.#sessions.map(async (session) => {
        await session.ask('Profiler.enable');
        await session.ask('Profiler.setSamplingInterval', { interval: SAMPLING_US });
        await session.ask('Profiler.start');
      }),
    );
    return (startedAt + Date.now()) / 2;
  }

  /** @returns {Promise<{title: string, profile: object}[]>} in V8's format, by thread */
  async stop() {
    return Promise.all(
      this.#sessions.map(async (session) => ({
        title: session.title,
        profile: (await session.ask('Profiler.stop')).profile,
      })),
    );
  }

  close() {
    this.#socket.close();
  }
}
