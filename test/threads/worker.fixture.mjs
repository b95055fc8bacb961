/**
 * A worker without sockets. `config.behaviour[slot][generation]` says how it starts; asked to over the mesh, it fails.
 *   ready | throws | fails | exits | held (until the gate is opened)
 */
import { parentPort, workerData } from 'node:worker_threads';
import { joinMesh } from '../../dist/threads/join.js';

const { wires, config } = workerData;
const slot = wires.self;
const generations = new Int32Array(config.generations);
const generation = Atomics.add(generations, slot, 1);
/** One for each certificate there can be. */
const appsOf = ({ certificates }) => [slot * 100 + generation + (certificates.tls === 'awaited' ? 1000 : 0)];
const behaviour = config.behaviour[slot][generation] ?? 'ready';

if (behaviour === 'throws') throw new Error(`slot ${slot} cannot start`);
if (behaviour === 'exits') process.exit(0);
if (behaviour === 'fails') parentPort.postMessage({ type: 'failed', error: `slot ${slot} failed` });

const joined = joinMesh(wires, { error() {} });
joined.asks.answer('who', () => `slot ${slot}, generation ${generation}`);
joined.asks.answer('whois', (other) => joined.asks.ask(other, 'who', null));
joined.asks.answer('fail', () => parentPort.postMessage({ type: 'failed', error: 'asked to fail' }));
joined.asks.answer('exit', () => process.exit(0));

parentPort.on('message', (message) => {
  if (message.type === 'rewire') joined.mesh.replace(message.rewire);
  if (message.type === 'renew') parentPort.postMessage({ type: 'apps', apps: appsOf(message) });
  if (message.type === 'drain') parentPort.postMessage({ type: 'drained' });
  if (message.type !== 'close') return;
  joined.leave();
  process.exit(0);
});
if (behaviour === 'ready') parentPort.postMessage({ type: 'ready', apps: appsOf(workerData) });
if (behaviour === 'held') {
  // Blocks as a slow start does; what is posted meanwhile waits.
  Atomics.wait(new Int32Array(config.gate), 0, 0);
  parentPort.postMessage({ type: 'ready', apps: appsOf(workerData) });
}
