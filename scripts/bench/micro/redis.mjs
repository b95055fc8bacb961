/**
 * The Redis engine by itself, as a worker has it, at a redis-server of its own: CPU time of this process, all of its threads,
 * for each publication that is sent, and for each that is heard. Beside it, in turn with it, the floor: what a bare socket takes to
 * write the very same bytes, and to read what is answered without looking at more than where lines end. The ratio to it says
 * what the engine adds, however fast the machine is at the moment.
 */
import { on } from 'node:events';
import { Redis } from 'ioredis';
import pino from 'pino';
import { defaultConfig } from '../../../dist/config/config.js';
import { openEngine } from '../../../dist/engine/open.js';
import { Turn } from '../../../dist/lib/turn.js';
import { encodeEntry, payloadFlags } from '../../../dist/protocol/entry.js';
import { startRedis } from '../lib/servers.mjs';
import { median } from '../lib/statistics.mjs';
import { Bare, linesOf, written } from './redis-floor.mjs';

const BYTES = 256;
const BATCH = 64;
const CHANNELS = 64;
/** Messages that Redis sends for one command, so that asking for them costs nothing here. */
const BURST = 2000;
/** Engine and floor, in turn. */
const ROUNDS = 8;
const FLOOD = `for i = 1, ${BURST} do redis.call('PUBLISH', KEYS[1], ARGV[1]) end`;

const PAYLOAD = Buffer.from(JSON.stringify({ pad: 'x'.repeat(BYTES - '{"pad":""}'.length) }));
const PLAIN = {
  historySize: 0,
  historyTtlMs: 0,
  historyMetaTtlMs: 3_600_000,
  idempotencyKey: '',
  idempotencyTtlMs: 0,
  version: 0,
  versionEpoch: '',
  delta: false,
};
const WITH_HISTORY = { ...PLAIN, historySize: 100, historyTtlMs: 300_000 };

const silent = () => {};
const log = pino({ level: 'silent' });

/** Runs steps of `count` operations each. @returns {Promise<{operations: number, ms: number, cpuUs: number}>} in all */
async function run(isOver, count, step) {
  const [from, cpu] = [performance.now(), process.cpuUsage()];
  let operations = 0;
  let ms = 0;
  for (; !isOver(operations, ms); ms = performance.now() - from, operations += count) await step();
  const { user, system } = process.cpuUsage(cpu);
  return { operations, ms, cpuUs: user + system };
}

const sum = (runs, field) => runs.reduce((total, run) => total + run[field], 0);
const perOperation = (runs) => sum(runs, 'cpuUs') / sum(runs, 'operations');

/**
 * What runs once a batch is compiled after thousands of them, and compiling costs more than what is to be measured: hence so
 * many operations in front. @param floor  a step of as many operations, too.
 */
async function measure(name, { milliseconds, warmupOperations }, count, step, floor) {
  const runs = new Map([step, floor].map((each) => [each, []]));
  for (const each of runs.keys()) await run((operations) => operations >= warmupOperations, count, each);
  for (let round = 0; round < ROUNDS; round++)
    for (const each of round % 2 === 0 ? [step, floor] : [floor, step])
      runs.get(each).push(await run((_, ms) => ms >= milliseconds / ROUNDS, count, each));
  const engine = runs.get(step);
  const ratios = engine.map((one, i) => perOperation([one]) / perOperation([runs.get(floor)[i]]));
  return {
    name,
    perSecond: (sum(engine, 'operations') * 1000) / sum(engine, 'ms'),
    cpuUs: perOperation(engine),
    floorUs: perOperation(runs.get(floor)),
    timesFloor: median(ratios),
  };
}

/** One batch: all that becomes ready in a turn, as at an owner. Resolves when Redis has acknowledged all of it. */
function publishBatch(broker, channels, options, entry) {
  return new Promise((resolve, reject) => {
    let waiting = BATCH;
    const reply = { succeed: () => --waiting === 0 && resolve(), fail: reject };
    for (let i = 0; i < BATCH; i++) broker.publish(channels[i % CHANNELS], entry, options, reply);
  });
}

/** How publications travel: the PUB/SUB channels of the first two that the engine publishes, and what is heard. */
async function heard(redis, channels, publish) {
  const listener = redis.duplicate();
  await listener.psubscribe('*');
  const messages = on(listener, 'pmessageBuffer');
  await publish();
  const names = [];
  let payload;
  for await (const [, channel, bytes] of messages) {
    const name = channel.toString();
    if (!channels.some((channel) => name.endsWith(channel))) continue;
    names.push(name);
    payload = bytes;
    if (names.length === 2) break;
  }
  listener.disconnect();
  return { names, payload };
}

const bulks = (parts) => parts.map((part) => `$${part.length}\r\n${part}\r\n`).join('');

/** @returns {Promise<{name: string, perSecond: number, cpuUs: number, floorUs: number, timesFloor: number}[]>} */
export async function measureRedis(options) {
  const store = await startRedis();
  const redis = new Redis(`redis://${store.address}`);
  const config = defaultConfig();
  config.engine.type = 'redis';
  config.engine.redis.address = [`redis://${store.address}`];
  const engine = openEngine(config, { turn: new Turn({ before: silent, after: silent }), log });
  const bare = [];
  try {
    let received = 0;
    let full = silent;
    const onPublication = () => {
      if (++received % BURST === 0) full();
    };
    const sink = { publication: onPublication, join: silent, leave: silent, interrupted: silent };
    const broker = engine.openBroker(sink);
    await engine.settled();
    const entry = encodeEntry({ data: PAYLOAD }, payloadFlags(PAYLOAD));
    const channels = Array.from({ length: CHANNELS }, (_, i) => `bench:${i}`);
    const publish = (options) => () => publishBatch(broker, channels, options, entry);
    const writer = new Bare(store.address, linesOf);
    const listener = new Bare(store.address, (_, bytes) => bytes);
    bare.push(writer, listener);
    const rows = [];
    for (const [name, kept, lines] of [
      ['publish', PLAIN, BATCH],
      ['publish with history', WITH_HISTORY, 1 + BATCH],
    ]) {
      const step = publish(kept);
      // Before, so that what is recorded is what is sent when Redis has the script, and its epochs are known.
      await step();
      const bytes = await written(step);
      rows.push(await measure(name, options, BATCH, step, () => writer.exchange(bytes, lines)));
    }
    const { names, payload } = await heard(redis, channels, publish(PLAIN));
    const flood = (name) => redis.eval(FLOOD, 1, name, payload);
    await broker.subscribe(channels[0]);
    const confirmation = `*3\r\n${bulks(['subscribe', names[1]])}:1\r\n`;
    await listener.exchange(`*2\r\n${bulks(['SUBSCRIBE', names[1]])}`, confirmation.length);
    const hear = async () => {
      const all = new Promise((resolve) => {
        full = resolve;
      });
      await Promise.all([all, flood(names[0])]);
    };
    const bytes = BURST * `*3\r\n${bulks(['message', names[1], payload.toString('latin1')])}`.length;
    const floor = () => Promise.all([listener.expect(bytes), flood(names[1])]);
    rows.push(await measure('receive', options, BURST, hear, floor));
    return rows;
  } finally {
    for (const socket of bare) socket.close();
    engine.close();
    redis.disconnect();
    await store.end();
  }
}
