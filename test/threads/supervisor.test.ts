import { afterEach, describe, expect, it } from 'vitest';
import { type Config, defaultConfig } from '../../src/config/config.js';
import { createWires } from '../../src/mesh/wires.js';
import { createLog } from '../../src/observe/log.js';
import { createHeartbeats } from '../../src/threads/heartbeat.js';
import { type Joined, joinMesh } from '../../src/threads/join.js';
import { Supervisor } from '../../src/threads/supervisor.js';
import type { AppDescriptor } from '../../src/transport/uws.js';
import { eventually } from '../support/until.js';

const RING_BYTES = 4096;

type Behaviour = 'ready' | 'throws' | 'fails' | 'exits' | 'held';

class Scene {
  readonly children: AppDescriptor[] = [];
  readonly gaveUp: string[] = [];
  readonly #gate = new Int32Array(new SharedArrayBuffer(4));
  readonly #wires;
  readonly main: Joined;
  readonly supervisor: Supervisor;

  /** @param behaviour  of each slot's threads, one after the other. */
  constructor(readonly behaviour: Behaviour[][]) {
    const workers = behaviour.length;
    const log = createLog({ level: 'none', file: '' }, {});
    this.#wires = createWires(workers, RING_BYTES);
    this.main = joinMesh(this.#wires[workers]!, log);
    const fixture = { behaviour, generations: new SharedArrayBuffer(4 * workers), gate: this.#gate.buffer };
    const config: Config = Object.assign(defaultConfig(), fixture);
    this.supervisor = new Supervisor({
      entry: new URL('./worker.fixture.mjs', import.meta.url),
      boot: {
        config,
        certificates: {},
        hashSeed: 0,
        owners: workers,
        node: { uid: '', name: '', version: '', startedAtMs: 0 },
        admission: new SharedArrayBuffer(12),
        heartbeats: createHeartbeats(workers),
      },
      ringBytes: RING_BYTES,
      acceptors: [
        {
          listen: () => Promise.resolve(0),
          addChild: (child) => void this.children.push(child),
          removeChild: (child) => void this.children.splice(this.children.indexOf(child), 1),
          close() {},
        },
      ],
      log,
      rewireMain: (rewire) => this.main.mesh.replace(rewire),
      giveUp: (reason) => void this.gaveUp.push(reason),
    });
  }

  start(): Promise<void> {
    return this.supervisor.start(this.#wires.slice(0, this.behaviour.length));
  }

  openGate(): void {
    Atomics.store(this.#gate, 0, 1);
    Atomics.notify(this.#gate, 0);
  }

  ask(slot: number, question: string, body: unknown = null): Promise<unknown> {
    return this.main.asks.ask(slot, question, body);
  }

  /** The thread of a slot fails. Its answer may get lost with it. */
  fail(slot: number): void {
    this.ask(slot, 'fail').catch(() => {});
  }

  async end(): Promise<void> {
    this.openGate();
    await this.supervisor.end();
    this.main.leave();
  }
}

const scenes: Scene[] = [];

function create(...behaviour: Behaviour[][]): Scene {
  const scene = new Scene(behaviour);
  scenes.push(scene);
  return scene;
}

afterEach(() => Promise.all(scenes.splice(0).map((scene) => scene.end())));

describe('starting', () => {
  it('resolves when all are ready and have their share of connections', async () => {
    const scene = create([], [], []);
    await scene.start();
    expect(scene.children.sort()).toEqual([0, 100, 200]);
    expect(await scene.main.asks.askWorkers('who', null)).toEqual([0, 1, 2].map((n) => `slot ${n}, generation 0`));
  });

  it.each([
    ['throws', 'slot 1 cannot start'],
    ['fails', 'slot 1 failed'],
    ['exits', 'worker 1 ended before it was ready'],
  ] as const)('rejects with the reason when one %s', async (behaviour, message) => {
    await expect(create([], [behaviour]).start()).rejects.toThrow(message);
  });
});

describe('a worker that fails', () => {
  it('is replaced, and everybody reaches the new one', async () => {
    const scene = create([], []);
    await scene.start();
    scene.fail(1);
    await eventually(() => expect(scene.children.sort()).toEqual([0, 101]));
    expect(await scene.ask(1, 'who')).toBe('slot 1, generation 1');
    expect(await scene.ask(0, 'whois', 1)).toBe('slot 1, generation 1');
    expect(await scene.ask(1, 'whois', 0)).toBe('slot 0, generation 0');
    expect(scene.gaveUp).toEqual([]);
  });

  it('is replaced on the right wires while another one has yet to start', async () => {
    const scene = create(['ready', 'held'], []);
    await scene.start();
    const [first] = scene.supervisor.threads;
    scene.fail(0);
    // The second thread of slot 0 exists as soon as the first has ended, and stays held.
    await eventually(() => expect(scene.supervisor.threads[0]).not.toBe(first));
    scene.fail(1);
    await eventually(() => expect(scene.children).toEqual([101]));
    scene.openGate();
    await eventually(() => expect(scene.children.sort()).toEqual([1, 101]));
    expect(await scene.ask(0, 'whois', 1)).toBe('slot 1, generation 1');
    expect(await scene.ask(1, 'whois', 0)).toBe('slot 0, generation 1');
  });

  it('ends the process when its successor cannot start', async () => {
    const scene = create(['ready', 'exits'], []);
    await scene.start();
    scene.fail(0);
    await eventually(() => expect(scene.gaveUp).toHaveLength(1));
    expect(scene.gaveUp[0]).toContain('worker 0 could not be replaced');
    expect(scene.gaveUp[0]).toContain('ended before it was ready');
  });

  it('ends the process when it ends by itself', async () => {
    const scene = create([], []);
    await scene.start();
    scene.ask(0, 'exit').catch(() => {});
    await eventually(() => expect(scene.gaveUp).toEqual(['worker 0 ended without a word']));
  });
});

describe('new certificates', () => {
  it('are new apps in the place of the former, also of workers that start later', async () => {
    const scene = create([], []);
    await scene.start();
    scene.supervisor.renew({ tls: 'awaited' });
    await eventually(() => expect(scene.children.sort()).toEqual([1000, 1100]));
    scene.fail(1);
    await eventually(() => expect(scene.children.sort()).toEqual([1000, 1101]));
    scene.supervisor.renew({});
    await eventually(() => expect(scene.children.sort()).toEqual([0, 101]));
  });

  it('reach a worker that was starting when they came', async () => {
    const scene = create(['ready', 'held'], []);
    await scene.start();
    const [first] = scene.supervisor.threads;
    scene.fail(0);
    await eventually(() => expect(scene.supervisor.threads[0]).not.toBe(first));
    scene.supervisor.renew({ tls: 'awaited' });
    scene.openGate();
    await eventually(() => expect(scene.children.sort()).toEqual([1001, 1100]));
  });
});

describe('ending', () => {
  it('drains and ends every worker, with no child left at the acceptor', async () => {
    const scene = create([], []);
    await scene.start();
    await scene.supervisor.end();
    expect(scene.children).toEqual([]);
    for (const thread of scene.supervisor.threads) expect(thread.threadId).toBe(-1);
  });

  it('gives no connections to a worker that becomes ready only then', async () => {
    const scene = create(['ready', 'held'], []);
    await scene.start();
    const [first] = scene.supervisor.threads;
    scene.fail(0);
    await eventually(() => expect(scene.supervisor.threads[0]).not.toBe(first));
    const ended = scene.supervisor.end();
    scene.openGate();
    await ended;
    expect(scene.children).toEqual([]);
    expect(scene.gaveUp).toEqual([]);
  });
});
