/** A thread on the mesh that sends every record back, and has turns of its own in between. */
import { workerData } from 'node:worker_threads';
import { Turn } from '../../dist/lib/turn.js';
import { SharedDoorbell } from '../../dist/mesh/doorbell.js';
import { Mesh } from '../../dist/mesh/mesh.js';

const { wires, kind, rounds } = workerData;
const schedule = () => turn.schedule();

// Without the safety poll a lost wake-up is a test that never ends.
const { setInterval } = globalThis;
globalThis.setInterval = () => ({ unref() {} });
const doorbell = new SharedDoorbell(wires.bells, wires.self, schedule);
globalThis.setInterval = setInterval;

const mesh = new Mesh(wires, schedule, doorbell);
const turn = new Turn({ before: () => mesh.drain(), after: () => mesh.publish() });
const alive = setInterval(() => {}, 1000);
mesh.on(kind, (record, from) => {
  const round = record.u32le();
  const pong = Buffer.alloc(5);
  pong[0] = kind;
  pong.writeUInt32LE(round, 1);
  mesh.send(from, pong);
  if (round % 3 === 0) setImmediate(schedule);
  if (round % 5 === 0) Promise.resolve().then(schedule);
  if (round === rounds) clearInterval(alive);
});
schedule();
