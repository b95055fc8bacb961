/** The Redis engine as a worker has it, in a test. */
import { Writable } from 'node:stream';
import pino from 'pino';
import type { BrokerSink } from '../../../src/engine/engine.js';
import { RedisEngine } from '../../../src/engine/redis/open.js';
import { Turn } from '../../../src/lib/turn.js';
import { readWith } from '../../config/helpers.js';

const nobody: BrokerSink = { publication() {}, join() {}, leave() {}, interrupted() {} };

/** @param redis  the section `engine.redis`. @param more  other sections. */
export async function openEngine(redis: object, sink: BrokerSink = nobody, more: object = {}) {
  const { config } = readWith({ engine: { type: 'redis', redis }, ...more });
  const turn = new Turn({ before() {}, after() {} });
  const logged: string[] = [];
  const stream = new Writable({
    write(line, _, done) {
      logged.push(String(line));
      done();
    },
  });
  const engine = new RedisEngine(config, { turn, log: pino(stream) });
  const broker = engine.openBroker(sink)!;
  const presence = engine.openPresence()!;
  await engine.settled();
  return { engine, broker, presence, logged };
}
