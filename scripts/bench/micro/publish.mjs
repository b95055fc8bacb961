/**
 * Publications through the server API on one thread, from the body of a request to the body of its answer: all that a
 * worker does for them but HTTP. Nobody is subscribed. The channels are its own, so each takes the ring to itself and back.
 */
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { apiRoutes } from '../../../dist/api/http.js';
import { ChannelRules } from '../../../dist/auth/rules.js';
import { Edge } from '../../../dist/channels/edge.js';
import { Owner } from '../../../dist/channels/owner.js';
import { configSchema } from '../../../dist/config/config.js';
import { MemoryBroker } from '../../../dist/engine/memory/broker.js';
import { MemoryPresence } from '../../../dist/engine/memory/presence.js';
import { monotonicClock, systemClock } from '../../../dist/lib/clock.js';
import { Calls } from '../../../dist/mesh/calls.js';
import { Mesh } from '../../../dist/mesh/mesh.js';
import { createWires } from '../../../dist/mesh/wires.js';

const CHANNELS = 100;
const PAYLOAD_BYTES = 200;
const SHAPES = [
  { name: 'publish', method: 'publish', publications: 1 },
  { name: 'batch of 100', method: 'batch', publications: 100 },
  { name: 'batch of 100, with history', method: 'batch', publications: 100, history: true },
  { name: 'broadcast to 100', method: 'broadcast', publications: 100 },
];
/** Under way at a time, as from so many publishers. */
const REQUESTS = 4;

const payload = (i) => {
  const bare = { lane: 0, seq: i, due: 1_700_000_000_000_000 + i };
  return { ...bare, pad: 'x'.repeat(PAYLOAD_BYTES - JSON.stringify({ ...bare, pad: '' }).length) };
};

const bodies = {
  publish: (channel) => ({ channel: channel(0), data: payload(0) }),
  batch: (channel, count) => ({
    commands: Array.from({ length: count }, (_, i) => ({ publish: { channel: channel(i), data: payload(i) } })),
  }),
  broadcast: (channel, count) => ({ channels: Array.from({ length: count }, (_, i) => channel(i)), data: payload(0) }),
};

/** A worker with the way from its API to its engine, and no loop of its own. */
function openWorker() {
  const history = { history_size: 10, history_ttl: '300s' };
  const config = configSchema.parse({ channel: { namespaces: [{ name: 'plain' }, { name: 'history', ...history }] } });
  const doorbell = { ring() {}, arm() {}, close() {} };
  const wires = createWires(1, 1 << 20);
  const mesh = new Mesh(wires[0], () => {}, doorbell);
  const calls = new Calls(mesh, monotonicClock);
  const log = { error: (fields, message) => assert.fail(`${message}: ${fields.err}`) };
  const access = { rules: new ChannelRules(config.channel) };
  new Owner({
    mesh,
    calls,
    presence: new MemoryPresence(systemClock),
    broker: (sink) => new MemoryBroker(sink, { clock: systemClock }),
    history: (channel) => {
      const { history_size, history_ttl, history_meta_ttl } = access.rules.resolve(channel).options;
      return { size: history_size, ttlMs: history_ttl, metaTtlMs: history_meta_ttl };
    },
    recoveryMaxPublications: 1000,
    lingerMs: 0,
    positionCheckMs: 0,
    later: () => {},
    log,
  });
  const channels = new Edge({ mesh, calls, turn: { touch() {} }, clock: systemClock, owners: 1, hashSeed: 7 });
  const settle = () => mesh.drainOwn();
  const routes = apiRoutes({ ...config.http_api, insecure: true }, { access, channels, settle, log });
  const handlerOf = (method) => routes.find(({ path }) => path === `/api/${method}`).handle;
  const ends = wires.flatMap(({ outgoing, incoming }) => [...outgoing, ...incoming]);
  const close = () => {
    for (const { port } of ends) port.close();
  };
  return { mesh, calls, handlerOf, close };
}

/** @returns nanoseconds a publication, the median of turns */
function measure({ mesh, calls, handlerOf }, { method, publications, history = false }, milliseconds) {
  const handle = handlerOf(method);
  const channel = (i) => `${history ? 'history' : 'plain'}:${method}-channel-${i % CHANNELS}`;
  const body = Buffer.from(JSON.stringify(bodies[method](channel, publications)));
  const request = { method: 'post', path: '', query: '', body, header: () => '' };
  const turn = () => {
    let last;
    for (let i = 0; i < REQUESTS; i++)
      handle(request, (answer) => {
        last = answer;
      });
    mesh.drain();
    mesh.publish();
    return last;
  };
  const { status, body: answer } = turn();
  assert.equal(status, 200);
  assert.doesNotMatch(answer.toString(), /error/);
  const times = [];
  const started = performance.now();
  for (let now = started; now - started < milliseconds * 1.5; ) {
    turn();
    const after = performance.now();
    if (after - started > milliseconds / 2) times.push(after - now);
    now = after;
    if (times.length % 1000 === 0) calls.sweep();
  }
  return (times.sort((a, b) => a - b)[times.length >> 1] * 1e6) / (REQUESTS * publications);
}

/** @returns {{name: string, ns: number}[]} */
export function measurePublish({ milliseconds }) {
  const worker = openWorker();
  const rows = [];
  for (const shape of SHAPES) rows.push({ name: shape.name, ns: measure(worker, shape, milliseconds) });
  worker.close();
  return rows;
}
