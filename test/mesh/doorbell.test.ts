import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Turn } from '../../src/lib/turn.js';
import { SharedDoorbell } from '../../src/mesh/doorbell.js';
import { Mesh } from '../../src/mesh/mesh.js';
import { createBells, createWires, portsOf } from '../../src/mesh/wires.js';

const KIND = 31;
const ROUNDS = 20_000;

/** What {@link SharedDoorbell} waits with, and how many of its waits are outstanding. */
function spyOnWaits() {
  const waits = { started: 0, outstanding: 0, most: 0 };
  const { waitAsync } = Atomics;
  vi.spyOn(Atomics, 'waitAsync').mockImplementation(((array: Int32Array, index: number, value: number) => {
    const wait = waitAsync(array, index, value);
    if (wait.async) {
      waits.started++;
      waits.most = Math.max(waits.most, ++waits.outstanding);
      wait.value.then(() => waits.outstanding--);
    }
    return wait;
  }) as typeof Atomics.waitAsync);
  return waits;
}

afterEach(() => vi.restoreAllMocks());

const turnOfEventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a doorbell', () => {
  it('wakes who sleeps, once', async () => {
    const bells = createBells(1);
    let woken = 0;
    let heard = (): void => {};
    const first = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const sleeper = new SharedDoorbell(bells, 0, () => {
      woken++;
      heard();
    });
    const ringer = new SharedDoorbell(bells, 1, () => {});
    sleeper.arm(() => false);
    ringer.ring(0);
    ringer.ring(0);
    await first;
    await turnOfEventLoop();
    expect(woken).toBe(1);
  });

  it('does not disturb who is awake', async () => {
    const bells = createBells(1);
    let woken = 0;
    new SharedDoorbell(bells, 0, () => woken++);
    const notify = vi.spyOn(Atomics, 'notify');
    new SharedDoorbell(bells, 1, () => {}).ring(0);
    expect(notify).not.toHaveBeenCalled();
    await turnOfEventLoop();
    expect(woken).toBe(0);
  });

  it('does not let a thread sleep that has work', () => {
    const bells = createBells(1);
    const waits = spyOnWaits();
    let woken = 0;
    const bell = new SharedDoorbell(bells, 0, () => woken++);
    bell.arm(() => true);
    expect(woken).toBe(1);
    expect(waits.started).toBe(0);
    expect(new Int32Array(bells)[0]).toBe(0);
  });

  it('looks for work after it has said that it sleeps: who rings in between is heard', () => {
    const bells = createBells(1);
    let woken = 0;
    const bell = new SharedDoorbell(bells, 0, () => woken++);
    const ringer = new SharedDoorbell(bells, 1, () => {});
    bell.arm(() => {
      ringer.ring(0);
      return false;
    });
    // The word had changed by the time of the wait.
    expect(woken).toBe(1);
  });

  it('waits once, however often it is armed', () => {
    const waits = spyOnWaits();
    const bell = new SharedDoorbell(createBells(1), 0, () => {});
    for (let i = 0; i < 100; i++) bell.arm(() => false);
    expect(waits.outstanding).toBe(1);
    bell.close();
  });

  it('is silent after it was closed', async () => {
    const bells = createBells(1);
    let woken = 0;
    const waits = spyOnWaits();
    const bell = new SharedDoorbell(bells, 0, () => woken++);
    bell.arm(() => false);
    bell.close();
    bell.arm(() => true);
    while (waits.outstanding > 0) await turnOfEventLoop();
    expect(woken).toBe(0);
  });

  it('loses no wake-up between two threads that sleep after every record', async () => {
    const wires = createWires(1, 4096);
    const [theirs, own] = [wires[0]!, wires[1]!];
    const waits = spyOnWaits();
    const schedule = (): void => turn.schedule();
    const mesh = new Mesh(own, schedule, new SharedDoorbell(own.bells, own.self, schedule));
    const turn = new Turn({ before: () => mesh.drain(), after: () => mesh.publish() });
    const worker = new Worker(new URL('./pinger.fixture.mjs', import.meta.url), {
      workerData: { wires: theirs, kind: KIND, rounds: ROUNDS },
      transferList: portsOf([...theirs.outgoing, ...theirs.incoming]),
    });
    const failed = once(worker, 'error').then(([error]) => Promise.reject(error));
    const exited = once(worker, 'exit');

    const ping = (round: number): void => {
      const record = Buffer.alloc(5);
      record[0] = KIND;
      record.writeUInt32LE(round, 1);
      mesh.send(0, record);
      if (round % 4 === 0) setImmediate(schedule);
    };
    const heard: number[] = [];
    const done = new Promise<void>((resolve) => {
      mesh.on(KIND, (record) => {
        const round = record.u32le();
        heard.push(round);
        if (round === ROUNDS) resolve();
        else ping(round + 1);
      });
    });
    ping(1);
    await Promise.race([done, failed]);
    expect(heard).toEqual(Array.from({ length: ROUNDS }, (_, i) => i + 1));
    expect(waits.most).toBe(1);
    expect(waits.started).toBeGreaterThan(ROUNDS / 20);
    await exited;
    mesh.close();
  });
});
