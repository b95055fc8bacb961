/** Parts of the server that run within one thread. Each is checked before it is measured. */
import assert from 'node:assert/strict';
import { Bench } from 'tinybench';
import { parseJwt } from '../../../dist/auth/jwt.js';
import { signToken } from '../../../dist/auth/sign-token.js';
import { TokenVerifier } from '../../../dist/auth/token.js';
import { Member } from '../../../dist/channels/channels.js';
import { classTraits } from '../../../dist/channels/delivery.js';
import { EdgeChannel } from '../../../dist/channels/edge-channel.js';
import { defaultConfig } from '../../../dist/config/config.js';
import { systemClock } from '../../../dist/lib/clock.js';
import { HashRing } from '../../../dist/lib/hash-ring.js';
import { jumpHash } from '../../../dist/lib/jump-hash.js';
import { TimerEntry, TimerWheel } from '../../../dist/lib/timer-wheel.js';
import { jsonCodec, protobufCodec } from '../../../dist/protocol/codecs.js';
import { decodeEntry, encodeEntry, payloadFlags } from '../../../dist/protocol/entry.js';

const PAYLOAD = Buffer.from(JSON.stringify({ text: 'x'.repeat(200), id: 12345678 }));
const CHANNEL = 'news:world';

/** Decoding a publish command, and encoding the push that subscribers get. */
function codecs() {
  const entry = encodeEntry({ data: PAYLOAD }, payloadFlags(PAYLOAD));
  const pub = decodeEntry(entry);
  const command = Buffer.from(`{"id":7,"publish":{"channel":"${CHANNEL}","data":${PAYLOAD}}}`);
  assert.deepEqual(Buffer.from(jsonCodec.decode(command)[0].publish.data), PAYLOAD);
  const heads = new Map([jsonCodec, protobufCodec].map((codec) => [codec, codec.publicationHead(CHANNEL, false)]));
  const push = (codec) => codec.encodePublication(heads.get(codec), pub, false, false);
  const text = JSON.parse(PAYLOAD.toString());
  const plainly = () => Buffer.from(JSON.stringify({ push: { channel: CHANNEL, pub: { data: text } } }));
  assert.deepEqual(JSON.parse(push(jsonCodec).toString()), JSON.parse(plainly().toString()));
  return {
    'decode a publish, JSON': () => jsonCodec.decode(command),
    'the same by JSON.parse': () => JSON.parse(command.toString()),
    'encode a push, JSON': () => push(jsonCodec),
    'the same by JSON.stringify': plainly,
    'encode a push, Protobuf': () => push(protobufCodec),
    'make an entry': () => encodeEntry({ data: PAYLOAD }, payloadFlags(PAYLOAD)),
    'read an entry': () => decodeEntry(entry),
  };
}

/** Which of eight Redis shards a channel belongs to. */
function hashing() {
  const members = Array.from({ length: 8 }, (_, i) => ({ name: `shard-${i}`, weight: 1 }));
  const ring = new HashRing(members);
  assert.ok(ring.memberOf(CHANNEL) < members.length);
  let i = 0;
  const name = () => `user:${i++ & 0xffff}`;
  return {
    'hash ring': () => ring.memberOf(name()),
    'jump hash': () => jumpHash(name(), members.length),
    'only making the name': name,
    'building the ring': () => new HashRing(members),
  };
}

class Listener extends Member {
  insufficientState() {}
}

/** One publication to the members of a channel at an edge, as frames for 1, 100 and 10,000 of them. */
function classes() {
  const traits = classTraits(jsonCodec, false, false, 'none', undefined);
  const entry = encodeEntry({ data: PAYLOAD }, payloadFlags(PAYLOAD));
  const measured = {};
  for (const members of [1, 100, 10_000]) {
    let written = 0;
    const touched = [];
    const channel = new EdgeChannel(1, CHANNEL, 0, {
      turn: { touch: (item) => touched.push(item) },
      clock: systemClock,
    });
    const subscriber = {
      codec: jsonCodec,
      unidirectional: false,
      ready: () => true,
      write: () => written++,
      send: () => written++,
      inappropriate: () => {},
    };
    for (let i = 0; i < members; i++) {
      const member = new Listener(subscriber, CHANNEL);
      member.seat = { channel, positioned: false, announced: undefined, delivery: undefined };
      channel.add(member, traits, false, -1, undefined);
    }
    const deliver = () => {
      channel.deliver(entry);
      for (const item of touched.splice(0)) item.flush();
    };
    deliver();
    assert.equal(written, members);
    measured[`deliver to ${members}`] = deliver;
  }
  return measured;
}

class Deadline extends TimerEntry {
  expire() {}
}

/** Moving one of 100,000 deadlines, as every connection does when it is heard. */
function timers() {
  const COUNT = 100_000;
  const wheel = new TimerWheel({ now: 0 });
  const entries = Array.from({ length: COUNT }, () => new Deadline());
  for (const [i, entry] of entries.entries()) wheel.schedule(entry, i);
  assert.equal(wheel.size, COUNT);
  let i = 0;
  return {
    'move a deadline': () => wheel.schedule(entries[i++ % COUNT], 25_000 + (i & 0xfff)),
    'the same by setTimeout': () => clearTimeout(setTimeout(() => {}, 25_000 + (i++ & 0xfff))),
  };
}

/** A connection token, HS256. */
function tokens() {
  const options = { ...defaultConfig().client.token, hmac_secret_key: 'a secret of some length' };
  const verifier = new TokenVerifier(options);
  const token = signToken(options, 'client.token', { user: 'user-42', ttl: 86_400 });
  assert.equal(verifier.verifyConnect(token).user, 'user-42');
  return {
    'verify a token': () => verifier.verifyConnect(token),
    'only parse it': () => parseJwt(token),
  };
}

export const parts = { codecs, hashing, classes, timers, tokens };

/** @returns {Promise<{name: string, ns: number}[]>} median nanoseconds of one call */
export async function measureCode(part, { milliseconds }) {
  const bench = new Bench({ time: milliseconds, warmupTime: milliseconds / 5 });
  for (const [name, run] of Object.entries(parts[part]())) bench.add(name, run);
  const tasks = await bench.run();
  return tasks.map(({ name, result }) => {
    if (result.error) throw result.error;
    return { name, ns: result.latency.p50 * 1e6 };
  });
}
