/** A thread's way onto the mesh: the parts that every thread has, put together. */
import { Chores } from '../lib/chores.js';
import { monotonicClock } from '../lib/clock.js';
import { Turn } from '../lib/turn.js';
import { Calls } from '../mesh/calls.js';
import { Mesh } from '../mesh/mesh.js';
import { MeshAsks } from '../mesh/mesh-asks.js';
import { doorbellFor } from '../mesh/watch.js';
import type { Wires } from '../mesh/wires.js';
import type { Log } from '../observe/log.js';

export interface Joined {
  readonly turn: Turn;
  readonly mesh: Mesh;
  readonly calls: Calls;
  readonly asks: MeshAsks;
  readonly chores: Chores;
  leave(): void;
}

const CALL_SWEEP_MS = 500;
/** Upper bound on the time a lost wake-up could go unnoticed. */
const SAFETY_POLL_MS = 500;

export function joinMesh(wires: Wires, log: Pick<Log, 'error'>): Joined {
  const turn: Turn = new Turn({ before: () => mesh.drain(), after: () => mesh.publish() });
  const schedule = (): void => turn.schedule();
  const mesh = new Mesh(wires, schedule, doorbellFor(wires, turn));
  const calls = new Calls(mesh, monotonicClock);
  const asks = new MeshAsks(mesh, calls, log);
  const chores = new Chores();
  chores.every(CALL_SWEEP_MS, () => calls.sweep());
  chores.every(SAFETY_POLL_MS, schedule);
  // The first turn arms the doorbell.
  schedule();
  return {
    turn,
    mesh,
    calls,
    asks,
    chores,
    leave() {
      chores.stop();
      mesh.close();
    },
  };
}
