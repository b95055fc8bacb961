/**
 * The Redis engine by itself, as a worker has it, at a redis-server of its own: CPU time of this process, all of its threads,
 * for each publication that is sent, and for each that is heard.
 */
import { once } from 'node:events';
import { Redis } from 'ioredis';
import pino from 'pino';
import { defaultConfig } from '../../../dist/config/config.js';
import { openEngine } from '../../../dist/engine/open.js';
import { Turn } from '../../../dist/lib/turn.js';
import { encodeEntry, payloadFlags } from '../../../dist/protocol/entry.js';
import { startRedis } from '../lib/servers.mjs';

const BYTES = 256;
const BATCH = 64;
const CHANNELS = 64;
/** Messages that Redis sends for one command, so that asking for them costs nothing here. */
const BURST = 2000;
const WARM_UP_SHARE = 0.25;
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

/** Runs steps of `count` operations each until the time is over. @returns {Promise<{perSecond: number, cpuUs: number}>} */
async function measure(milliseconds, count, step) {
  for (const end = performance.now() + milliseconds * WARM_UP_SHARE; performance.now() < end; ) await step();
  const [from, cpu] = [performance.now(), process.cpuUsage()];
  let operations = 0;
  let now = from;
  for (; now < from + milliseconds; now = performance.now(), operations += count) await step();
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: (operations * 1000) / (now - from), cpuUs: (user + system) / operations };
}

/** One batch: all that becomes ready in a turn, as at an owner. Resolves when Redis has acknowledged all of it. */
function publishBatch(broker, channels, options, entry) {
  return new Promise((resolve, reject) => {
    let waiting = BATCH;
    const reply = { succeed: () => --waiting === 0 && resolve(), fail: reject };
    for (let i = 0; i < BATCH; i++) broker.publish(channels[i % CHANNELS], entry, options, reply);
  });
}

/** How a publication travels: what the engine itself publishes, as Redis hears it. */
async function heard(redis, publish) {
  const listener = redis.duplicate();
  await listener.psubscribe('*');
  const message = once(listener, 'pmessageBuffer');
  await publish();
  const [, channel, bytes] = await message;
  listener.disconnect();
  return { channel, bytes };
}

/** @returns {Promise<{name: string, perSecond: number, cpuUs: number}[]>} */
export async function measureRedis({ milliseconds }) {
  const store = await startRedis();
  const redis = new Redis(`redis://${store.address}`);
  const config = defaultConfig();
  config.engine.type = 'redis';
  config.engine.redis.address = [`redis://${store.address}`];
  const engine = openEngine(config, { turn: new Turn({ before: silent, after: silent }), log });
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
    const rows = [
      { name: 'publish', ...(await measure(milliseconds, BATCH, publish(PLAIN))) },
      { name: 'publish with history', ...(await measure(milliseconds, BATCH, publish(WITH_HISTORY))) },
    ];
    const { channel, bytes } = await heard(redis, publish(PLAIN));
    await broker.subscribe(channels[0]);
    received = 0;
    const flood = async () => {
      const all = new Promise((resolve) => {
        full = resolve;
      });
      await Promise.all([all, redis.eval(FLOOD, 1, channelOf(channel), bytes)]);
    };
    rows.push({ name: 'receive', ...(await measure(milliseconds, BURST, flood)) });
    return rows;
  } finally {
    engine.close();
    redis.disconnect();
    await store.end();
  }
}

/** The first channel's, whichever was heard. */
const channelOf = (heardOn) => heardOn.toString().replace(/\d+$/, '0');
