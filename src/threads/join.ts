/** A thread's way onto the mesh: the parts that every thread has, put together. */
import { monotonicClock } from '../lib/clock.js';
import { Turn } from '../lib/turn.js';
import { Calls } from '../mesh/calls.js';
import { SharedDoorbell } from '../mesh/doorbell.js';
import { Mesh } from '../mesh/mesh.js';
import { MeshAsks } from '../mesh/mesh-asks.js';
import type { Wires } from '../mesh/wires.js';
import type { Log } from '../observe/log.js';

export interface Joined {
  readonly turn: Turn;
  readonly mesh: Mesh;
  readonly calls: Calls;
  readonly asks: MeshAsks;
  leave(): void;
}

const CALL_SWEEP_MS = 500;

export function joinMesh(wires: Wires, log: Pick<Log, 'error'>): Joined {
  const schedule = (): void => turn.schedule();
  const doorbell = new SharedDoorbell(wires.bells, wires.self, schedule);
  const mesh = new Mesh(wires, schedule, doorbell);
  const turn = new Turn({ before: () => mesh.drain(), after: () => mesh.publish() });
  const calls = new Calls(mesh, monotonicClock);
  const asks = new MeshAsks(mesh, calls, log);
  const sweep = setInterval(() => calls.sweep(), CALL_SWEEP_MS);
  sweep.unref();
  // The first turn arms the doorbell.
  schedule();
  return {
    turn,
    mesh,
    calls,
    asks,
    leave() {
      clearInterval(sweep);
      mesh.close();
    },
  };
}
