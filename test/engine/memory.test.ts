import { describe, expect, it } from 'vitest';
import type { PublishOptions, PublishResult } from '../../src/engine/engine.js';
import { randomEpoch } from '../../src/engine/epoch.js';
import { MemoryBroker } from '../../src/engine/memory/broker.js';
import { MemoryPresence } from '../../src/engine/memory/presence.js';
import { IdempotentResults } from '../../src/engine/memory/results.js';
import { Stream } from '../../src/engine/memory/stream.js';
import { ManualClock } from '../../src/lib/clock.js';
import type { Bytes } from '../../src/protocol/messages.js';
import { ALL, describeBroker, describePresence, POSITION, publishOptions, RecordingSink, stored } from './contract.js';
import { entry, offsets, readEntries, texts } from './entries.js';

/** The memory broker answers before it returns. */
function publish(
  ...[broker, ...call]: [broker: MemoryBroker, channel: string, bytes: Bytes, options: PublishOptions]
): PublishResult {
  let answer: PublishResult | undefined;
  broker.publish(...call, {
    succeed: (offset, epoch, suppressed) => {
      answer = { offset, epoch, suppressed };
    },
    fail: (error) => expect.unreachable(error.message),
  });
  return answer!;
}

describeBroker('memory', (sink) => {
  const clock = new ManualClock(1_000_000);
  return { broker: new MemoryBroker(sink, { clock }), advance: (ms) => clock.advance(ms) };
});

describePresence('memory', () => {
  const clock = new ManualClock(1_000_000);
  return { presence: new MemoryPresence(clock), advance: (ms) => clock.advance(ms) };
});

describe('memory broker', () => {
  const open = (maxIdempotentResults?: number) => {
    const clock = new ManualClock(1_000_000);
    const sink = new RecordingSink();
    const options = maxIdempotentResults === undefined ? { clock } : { clock, maxIdempotentResults };
    return { clock, sink, broker: new MemoryBroker(sink, options) };
  };

  it('has delivered when publish returns', () => {
    const { broker, sink } = open();
    publish(broker, 'a', entry('1'), publishOptions());
    publish(broker, 'a', entry('2'), stored());
    expect(sink.events).toEqual(['pub a 0 1', 'pub a 1 2']);
  });

  it('stamps the time and leaves the flags', () => {
    const { broker } = open();
    publish(broker, 'a', entry('1', 3), stored());
    const [read] = readEntries(broker.history('a', ALL, 0).entries);
    expect(read).toMatchObject({ offset: 1, flags: 3, timeMs: 1_000_000, text: '1' });
  });

  it('overwrites an offset that the caller left in a reused entry', () => {
    const { broker, sink } = open();
    const shared = entry('1');
    shared.writeDoubleLE(77, 5);
    publish(broker, 'a', shared, publishOptions());
    publish(broker, 'b', shared, stored());
    expect(sink.events).toEqual(['pub a 0 1', 'pub b 1 1']);
  });

  it('never forgets a position whose meta ttl is 0', () => {
    const { broker, clock } = open();
    const { epoch } = publish(broker, 'a', entry('1'), stored({ historyMetaTtlMs: 0 }));
    clock.advance(1e12);
    broker.sweep(clock.now());
    expect(broker.history('a', POSITION, 0)).toMatchObject({ offset: 1, epoch });
  });

  it('frees expired streams by sweeping, however many there are', () => {
    const { broker, clock } = open();
    for (let i = 0; i < 20_000; i++) publish(broker, `c${i}`, entry('1'), stored({ historyMetaTtlMs: 70_000 }));
    publish(broker, 'kept', entry('1'), stored({ historyMetaTtlMs: 100_000 }));
    clock.advance(71_000);
    broker.sweep(clock.now());
    expect(broker.streams).toBeGreaterThan(19_000);
    let sweeps = 1;
    for (; broker.streams > 1; sweeps++) broker.sweep(clock.now());
    expect(sweeps).toBeLessThan(250);
    expect(broker.history('kept', POSITION, 0).offset).toBe(1);
  });

  it('forgets the oldest idempotency result when full', () => {
    const { broker } = open(2);
    const suppressed = (idempotencyKey: string) =>
      publish(broker, 'a', entry('1'), stored({ idempotencyKey })).suppressed;
    for (const key of ['a', 'b', 'c']) suppressed(key);
    expect(suppressed('b')).toBe('idempotency');
    expect(suppressed('a')).toBeUndefined();
  });
});

describe('memory presence', () => {
  it('frees expired clients by sweeping', () => {
    const clock = new ManualClock(1_000_000);
    const presence = new MemoryPresence(clock);
    for (let i = 0; i < 100; i++) presence.add(`c${i}`, 'client', 'u', Buffer.from('i'), 1_000);
    presence.add('c1', 'later', 'u', Buffer.from('i'), 5_000);
    clock.advance(2_000);
    presence.sweep(clock.now());
    expect(presence.channels).toBe(1);
    expect(presence.stats('c1')).toEqual({ numClients: 1, numUsers: 1 });
  });
});

describe('memory presence: renewal', () => {
  it('does not keep those behind a renewed client', () => {
    const clock = new ManualClock(1_000_000);
    const presence = new MemoryPresence(clock);
    for (const client of ['renewed', 'gone']) presence.add('c', client, 'u', Buffer.from('i'), 1_000);
    clock.advance(900);
    presence.add('c', 'renewed', 'u', Buffer.from('i'), 1_000);
    clock.advance(200);
    presence.sweep(clock.now());
    expect(presence.clients('c')).toBe(1);
  });
});

describe('idempotent results', () => {
  it('keeps channel and key apart and frees what expired', () => {
    const results = new IdempotentResults(10);
    results.set('ab', 'c', { offset: 1, epoch: 'e' }, 100);
    expect(results.get('a', 'bc', 0)).toBeUndefined();
    expect(results.get('ab', 'c', 99)).toMatchObject({ offset: 1, epoch: 'e' });
    results.set('x', 'y', { offset: 2, epoch: 'e' }, 200);
    results.sweep(100);
    expect(results.size).toBe(1);
  });
});

describe('the epoch of a stream', () => {
  it('comes with its first publication and no other, also from history', () => {
    const broker = new MemoryBroker(new RecordingSink(), { clock: new ManualClock(1_000_000) });
    const { epoch } = publish(broker, 'a', entry('1'), stored());
    publish(broker, 'a', entry('2'), stored());
    expect(readEntries(broker.history('a', ALL, 0).entries).map((read) => read.epoch)).toEqual([epoch, undefined]);
  });
});

describe('stream', () => {
  it('survives entries of very different sizes without keeping large slabs', () => {
    const stream = new Stream('e');
    const large = 'x'.repeat(10_000);
    for (let i = 1; i <= 40; i++) stream.append(entry(i % 10 === 0 ? `"${large}"` : `"${i}"`), 3, 0);
    for (let i = 41; i <= 45; i++) stream.append(entry(`"${i}"`), 3, 0);
    const { entries } = stream.select(ALL);
    expect(texts(entries)).toEqual(['"43"', '"44"', '"45"']);
    expect(offsets(entries)).toEqual([43, 44, 45]);
    expect(entries.buffer.byteLength).toBeLessThan(2_048);
  });

  it('holds one entry in little more than its size', () => {
    const stream = new Stream('e');
    for (let i = 0; i < 5; i++) stream.append(entry('{"price":1234.56}'), 1, 0);
    expect(stream.select(ALL).entries.buffer.byteLength).toBe(64);
  });
});

describe('epoch', () => {
  it('is eight letters, another one each time', () => {
    const epochs = new Set(Array.from({ length: 2_000 }, randomEpoch));
    expect(epochs.size).toBe(2_000);
    for (const epoch of epochs) expect(epoch).toMatch(/^[A-Za-z]{8}$/);
  });
});
