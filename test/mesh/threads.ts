/** Meshes of one process without threads: each has its turn when the test says so. */
import { ManualClock } from '../../src/lib/clock.js';
import { Calls } from '../../src/mesh/calls.js';
import { Mesh } from '../../src/mesh/mesh.js';
import { createReplacementWires, createWires, type Wires } from '../../src/mesh/wires.js';

export class TestThread {
  readonly mesh: Mesh;
  readonly calls: Calls;
  scheduled = 0;
  readonly rung: number[] = [];
  /** What the last turn left behind in its rings. */
  leftWork = false;
  #later: (() => void)[] = [];

  constructor(
    readonly wires: Wires,
    clock: ManualClock,
  ) {
    const doorbell = {
      ring: (slot: number) => void this.rung.push(slot),
      arm: (hasWork: () => boolean) => {
        this.leftWork = hasWork();
      },
      close: () => {},
    };
    this.mesh = new Mesh(
      wires,
      () => this.scheduled++,
      doorbell,
      (run) => void this.#later.push(run),
    );
    this.calls = new Calls(this.mesh, clock);
  }

  turn(): void {
    this.mesh.drain();
    this.mesh.publish();
  }

  /** @returns number of calls back that were asked for. */
  runLater(): number {
    const due = this.#later;
    this.#later = [];
    for (const run of due) run();
    return due.length;
  }
}

export function createThreads(workers: number, ringBytes: number) {
  const clock = new ManualClock(1_000_000);
  const wires = createWires(workers, ringBytes);
  const threads = wires.map((set) => new TestThread(set, clock));
  const settle = (): void => {
    for (let round = 0; round < 8; round++) for (const thread of threads) thread.turn();
  };
  const replace = (slot: number): TestThread => {
    const { wires: own, rewires } = createReplacementWires(slot, workers, ringBytes, wires[0]!.bells);
    threads[slot] = new TestThread(own, clock);
    for (const [other, rewire] of rewires) threads[other]!.mesh.replace(rewire);
    return threads[slot];
  };
  const close = (): void => {
    for (const thread of threads) thread.mesh.close();
  };
  return { clock, threads, settle, replace, close };
}
