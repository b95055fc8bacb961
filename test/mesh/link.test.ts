import { receiveMessageOnPort } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { RingReader } from '../../src/lib/ring.js';
import { Link, OVERSIZE_MAX_BYTES, OWED_MAX_BYTES, SHOWN } from '../../src/mesh/link.js';
import { RecordKind } from '../../src/mesh/records.js';
import { createWire, type WireEnd } from '../../src/mesh/wires.js';

const RING_BYTES = 4096;
const KIND = 31;
/** Six of these fill the ring. */
const LARGE_BYTES = 500;
const OWED_RECORD_BYTES = 64;

const open: WireEnd[] = [];

afterEach(() => {
  for (const end of open.splice(0)) end.port.close();
});

function createLink() {
  const { outgoing, incoming } = createWire(RING_BYTES);
  open.push(outgoing, incoming);
  const reader = new RingReader(incoming.ring);
  /** First two bytes after the kind of each record, oversize ones included. */
  const receive = (): string[] => {
    const seen: string[] = [];
    reader.drain((memory, start, end) => {
      if (memory[start] !== RecordKind.oversize) return void seen.push(name(memory.subarray(start, end)));
      const { message } = receiveMessageOnPort(incoming.port)!;
      const record = Buffer.from(message as ArrayBuffer);
      Atomics.sub(new Int32Array(incoming.oversizeBytes), 0, record.length);
      seen.push(`${name(record)} of ${record.length}`);
    });
    return seen;
  };
  return { link: new Link(outgoing), receive, end: outgoing };
}

const name = (record: Buffer): string =>
  record[0] === RecordKind.overflow ? 'overflow' : record.toString('latin1', 1, 3);

function record(label: string, bytes = LARGE_BYTES): Buffer {
  const out = Buffer.alloc(bytes);
  out[0] = KIND;
  out.write(label, 1, 'latin1');
  return out;
}

/** Fill the ring with records x0, x1 …. @returns their names. */
function fill(link: Link): string[] {
  const names: string[] = [];
  for (let i = 0; link.send(record(`x${i}`)); i++) names.push(`x${i}`);
  return names;
}

describe('a link', () => {
  it('carries records in order, visible after publish', () => {
    const { link, receive } = createLink();
    expect([link.send(record('a1')), link.send(record('a2'))]).toEqual([true, true]);
    expect(receive()).toEqual([]);
    expect(link.publish()).toBe(SHOWN.urgent);
    expect(link.publish()).toBe(SHOWN.nothing);
    expect(receive()).toEqual(['a1', 'a2']);
  });

  it('wakes who has yet to read what fills the ring, though nothing more goes in', () => {
    for (const write of ['send', 'mustSend'] as const) {
      const { link, receive } = createLink();
      const quiet = fill(createLink().link);
      for (const label of quiet) {
        link.mustSend(record(label), false);
        expect(link.publish()).toBe(SHOWN.something);
      }
      expect(link.counters.owed).toBe(0);
      link[write](record('u'));
      expect(link.publish()).toBe(SHOWN.urgent);
      expect(receive()).toEqual(quiet);
    }
  });

  it('wakes nobody for what is not urgent, unless something else goes along with it', () => {
    const { link, receive } = createLink();
    link.mustSend(record('m1'), false);
    expect(link.publish()).toBe(SHOWN.something);
    expect(receive()).toEqual(['m1']);
    link.mustSend(record('m2'), false);
    link.send(record('a1'));
    link.mustSend(record('m3'), false);
    expect(link.publish()).toBe(SHOWN.urgent);
    expect(receive()).toEqual(['m2', 'a1', 'm3']);
  });

  it('refuses when full, counts it, and takes records again once there is room', () => {
    const { link, receive } = createLink();
    const names = fill(link);
    expect(link.counters).toEqual({ refused: 1, owed: 0, overflows: 0 });
    expect(link.owes).toBe(false);
    link.publish();
    expect(receive()).toEqual(names);
    expect(link.send(record('b1'))).toBe(true);
  });

  it('lets nothing overtake what is owed, even where there is room by now', () => {
    const { link, receive } = createLink();
    const names = fill(link);
    link.mustSend(record('m1'));
    link.mustSend(record('m2'));
    expect(link.owes).toBe(true);
    link.publish();
    expect(receive()).toEqual(names);
    // The ring is empty, but what is owed has not been handed over.
    expect(link.send(record('b1', 8))).toBe(false);
    link.mustSend(record('m3', 8));
    expect(link.publish()).toBe(SHOWN.urgent);
    expect(link.owes).toBe(false);
    expect(link.send(record('b2', 8))).toBe(true);
    link.publish();
    expect(receive()).toEqual(['m1', 'm2', 'm3', 'b2']);
  });

  it('owes on, in order, where only a part fits', () => {
    const { link, receive } = createLink();
    const names = fill(link);
    const owed = Array.from({ length: 12 }, (_, i) => `m${i.toString(36)}`);
    for (const label of owed) link.mustSend(record(label));
    link.publish();
    const seen = receive();
    expect(seen).toEqual(names);
    const epoch = link.owedEpoch;
    for (let round = 0; link.owes; round++) {
      expect(round).toBeLessThan(3);
      expect(link.send(record('no', 8))).toBe(false);
      link.publish();
      expect(link.owedEpoch).toBe(link.owes ? epoch : epoch + 1);
      seen.push(...receive());
    }
    expect(seen).toEqual([...names, ...owed]);
  });

  it('copies what it owes', () => {
    const { link, receive } = createLink();
    const names = fill(link);
    const borrowed = record('m1');
    link.mustSend(borrowed);
    borrowed.write('zz', 1);
    link.publish();
    receive();
    link.publish();
    expect(receive()).toEqual(['m1']);
    expect(names.length).toBeGreaterThan(0);
  });

  it('drops what it owes beyond the bound and says so with one overflow record', () => {
    const { link, receive } = createLink();
    const names = fill(link);
    const epoch = link.owedEpoch;
    const small = record('m1', 5);
    while (link.send(record('s0', 3))) names.push('s0');
    link.counters.refused = 0;
    const fitting = Math.floor(OWED_MAX_BYTES / (small.length + OWED_RECORD_BYTES));
    for (let i = 0; i < fitting; i++) link.mustSend(small);
    expect(link.counters.overflows).toBe(0);
    expect(link.owedEpoch).toBe(epoch);
    link.mustSend(small);
    expect(link.counters).toEqual({ refused: 0, owed: fitting + 1, overflows: 1 });
    // What was marked as told is no longer: it has to be possible to owe it again.
    expect(link.owedEpoch).toBe(epoch + 1);
    expect(link.send(small)).toBe(false);
    link.mustSend(record('m2', 5));
    link.publish();
    expect(receive()).toEqual(names);
    link.publish();
    expect(receive()).toEqual(['overflow', 'm2']);
    expect(link.owedEpoch).toBe(epoch + 2);
    expect(link.owes).toBe(false);
  });

  it('sends large records by port, in their place among the others', () => {
    const { link, receive } = createLink();
    const large = RING_BYTES / 8 + 1;
    link.send(record('a1'));
    link.send(record('L1', large));
    link.send(record('a2', RING_BYTES / 8));
    link.mustSend(record('L2', 100_000));
    link.send(record('a3'));
    link.publish();
    expect(receive()).toEqual(['a1', `L1 of ${large}`, 'a2', 'L2 of 100000', 'a3']);
  });

  it('bounds the bytes of large records under way', () => {
    const { link, receive, end } = createLink();
    const half = OVERSIZE_MAX_BYTES / 2;
    expect(link.send(record('L1', half))).toBe(true);
    expect(link.send(record('L2', half))).toBe(true);
    expect(Atomics.load(new Int32Array(end.oversizeBytes), 0)).toBe(OVERSIZE_MAX_BYTES);
    expect(link.send(record('L3', RING_BYTES))).toBe(false);
    // Small ones still pass.
    expect(link.send(record('a1'))).toBe(true);
    link.publish();
    expect(receive()).toEqual([`L1 of ${half}`, `L2 of ${half}`, 'a1']);
    expect(link.send(record('L4', RING_BYTES))).toBe(true);
  });

  it('posts nothing for a large record whose marker does not fit', () => {
    const { link, receive, end } = createLink();
    const names = fill(link);
    while (link.send(record('s0', 1))) names.push('s\0');
    expect(link.send(record('L1', 10_000))).toBe(false);
    expect(Atomics.load(new Int32Array(end.oversizeBytes), 0)).toBe(0);
    link.publish();
    expect(receive()).toHaveLength(names.length);
    link.send(record('L2', 10_000));
    link.publish();
    expect(receive()).toEqual(['L2 of 10000']);
  });

  it('owes large records too, in order', () => {
    const { link, receive } = createLink();
    const names = fill(link);
    link.mustSend(record('m1'));
    link.mustSend(record('L1', 10_000));
    link.mustSend(record('m2'));
    link.publish();
    expect(receive()).toEqual(names);
    link.publish();
    expect(receive()).toEqual(['m1', 'L1 of 10000', 'm2']);
  });
});
