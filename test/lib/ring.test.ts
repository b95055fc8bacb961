import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createRing,
  maxRecordBytes,
  RING_MAX_BYTES,
  RING_MIN_BYTES,
  RingReader,
  RingWriter,
} from '../../src/lib/ring.js';

const CAPACITY = RING_MIN_BYTES;
const RECORDS_AT = 132;
const TAIL_WORD = 16;
const SKIP = 0xffffffff;

/** @param start  running count at which both sides begin. */
function ring(start = 0) {
  const memory = createRing(CAPACITY);
  const indices = new Int32Array(memory);
  indices[0] = start | 0;
  indices[TAIL_WORD] = start | 0;
  return { memory, indices, writer: new RingWriter(memory), reader: new RingReader(memory) };
}

const filled = (length: number, value: number): Buffer => Buffer.alloc(length, value);

function drainAll(reader: RingReader): Buffer[] {
  const records: Buffer[] = [];
  reader.drain((memory, start, end) => records.push(Buffer.from(memory.subarray(start, end))));
  return records;
}

describe('a ring', () => {
  it.each([
    0,
    1,
    100,
    RING_MIN_BYTES / 2,
    RING_MIN_BYTES + 4,
    3 * RING_MIN_BYTES,
    RING_MAX_BYTES * 2,
    8192.5,
    NaN,
  ])('cannot have a capacity of %d bytes', (capacity) => expect(() => createRing(capacity)).toThrow(RangeError));

  it('lays records out as drawn, visible with the head', () => {
    const { memory, indices, writer, reader } = ring();
    expect(memory.byteLength).toBe(RECORDS_AT + CAPACITY);
    expect(writer.write(Buffer.from('abcde'))).toBe(true);
    expect(writer.write(Buffer.alloc(0))).toBe(true);
    expect(writer.unpublishedBytes).toBe(16 + 8);
    expect(indices[0]).toBe(0);
    expect(reader.isEmpty()).toBe(true);
    expect(drainAll(reader)).toEqual([]);

    expect(writer.publish()).toBe(true);
    expect(writer.publish()).toBe(false);
    expect(writer.unpublishedBytes).toBe(0);
    expect(indices[0]).toBe(24);
    expect(reader.isEmpty()).toBe(false);
    const bytes = Buffer.from(memory, RECORDS_AT);
    expect(bytes.readUInt32LE(0)).toBe(5);
    expect(bytes.toString('latin1', 4, 9)).toBe('abcde');
    expect(bytes.readUInt32LE(16)).toBe(0);

    expect(drainAll(reader).map(String)).toEqual(['abcde', '']);
    expect(indices[TAIL_WORD]).toBe(24);
    expect(reader.isEmpty()).toBe(true);
  });

  it('begins the bytes of every record at a multiple of 8, wherever it stands', () => {
    const { writer, reader } = ring(CAPACITY - 64);
    for (let bytes = 0; bytes < 40; bytes++) expect(writer.write(filled(bytes, bytes))).toBe(true);
    writer.publish();
    const rests = new Set<number>();
    reader.drain((memory, start) => rests.add((memory.byteOffset + start) % 8));
    expect([...rests]).toEqual([0]);
  });

  it('starts a record over at 0 where it does not fit in one piece', () => {
    const { memory, indices, writer, reader } = ring(CAPACITY - 16);
    expect(writer.write(filled(20, 7))).toBe(true);
    writer.publish();
    const bytes = Buffer.from(memory, RECORDS_AT);
    expect(bytes.readUInt32LE(CAPACITY - 16)).toBe(SKIP);
    expect(bytes.readUInt32LE(0)).toBe(20);
    expect(drainAll(reader)).toEqual([filled(20, 7)]);
    expect(indices[TAIL_WORD]).toBe(CAPACITY + 24);
  });

  it('needs no skip for a record that ends exactly at the end', () => {
    const { memory, writer, reader } = ring(CAPACITY - 16);
    writer.write(filled(12, 1));
    writer.write(filled(3, 2));
    writer.publish();
    expect(Buffer.from(memory, RECORDS_AT).readUInt32LE(CAPACITY - 16)).toBe(12);
    expect(drainAll(reader)).toEqual([filled(12, 1), filled(3, 2)]);
  });

  it('takes exactly its capacity and refuses one byte more, with nothing written', () => {
    const { memory, writer, reader } = ring();
    const half = maxRecordBytes(CAPACITY);
    expect(writer.write(filled(half, 1))).toBe(true);
    expect(writer.write(filled(half, 2))).toBe(true);
    writer.publish();
    const before = Buffer.from(Buffer.from(memory));
    expect(writer.write(Buffer.alloc(0))).toBe(false);
    expect(writer.publish()).toBe(false);
    expect(Buffer.from(memory).equals(before)).toBe(true);
    expect(drainAll(reader)).toEqual([filled(half, 1), filled(half, 2)]);
    expect(writer.write(Buffer.alloc(0))).toBe(true);
  });

  it('counts the skipped end as taken', () => {
    const { writer, reader } = ring(CAPACITY - 16);
    // 16 bytes to skip: what is left of the capacity is not enough for this record, only for a smaller one.
    expect(writer.write(filled(CAPACITY - 16, 1))).toBe(false);
    expect(writer.write(filled(CAPACITY - 20, 1))).toBe(true);
    writer.publish();
    expect(drainAll(reader)).toEqual([filled(CAPACITY - 20, 1)]);
  });

  it.each(
    Array.from({ length: CAPACITY / 256 }, (_, i) => i * 256),
  )('takes the largest record when it is empty, from position %d', (start) => {
    const { writer, reader } = ring(start);
    expect(writer.write(filled(maxRecordBytes(CAPACITY), 9))).toBe(true);
    writer.publish();
    expect(drainAll(reader)).toEqual([filled(maxRecordBytes(CAPACITY), 9)]);
  });

  it('refuses a record that can never fit', () => {
    const { writer } = ring();
    expect(writer.write(filled(CAPACITY, 1))).toBe(false);
    expect(writer.write(filled(CAPACITY * 4, 1))).toBe(false);
  });

  it('goes on when its counts pass 2^32', () => {
    const { indices, writer, reader } = ring(2 ** 32 - 40);
    const seen: Buffer[] = [];
    for (let i = 0; i < 300; i++) {
      while (!writer.write(filled(100, i & 0xff))) seen.push(...drainAll(reader));
      writer.publish();
    }
    seen.push(...drainAll(reader));
    expect(seen.map((record) => record[0])).toEqual(Array.from({ length: 300 }, (_, i) => i & 0xff));
    expect(indices[0]! >>> 0).toBeLessThan(2 ** 31);
  });

  it('is full across 2^32 as anywhere else', () => {
    const { writer, reader } = ring(2 ** 32 - CAPACITY / 2);
    const half = maxRecordBytes(CAPACITY);
    expect([writer.write(filled(half, 1)), writer.write(filled(half, 2)), writer.write(filled(0, 3))]).toEqual([
      true,
      true,
      false,
    ]);
    writer.publish();
    expect(drainAll(reader)).toHaveLength(2);
  });

  it('gives room back by quarters while it is drained', () => {
    const { indices, writer, reader } = ring();
    const record = filled(CAPACITY / 16 - 4, 1);
    for (let i = 0; i < 16; i++) expect(writer.write(record)).toBe(true);
    writer.publish();
    const tails: number[] = [];
    reader.drain(() => tails.push(indices[TAIL_WORD]!));
    const quarter = CAPACITY / 4;
    expect(tails).toEqual([0, 1, 2, 3].flatMap((n) => Array<number>(4).fill(n * quarter)));
    expect(indices[TAIL_WORD]).toBe(CAPACITY);
  });

  it('hands over only what was visible when the drain began', () => {
    const { writer, reader } = ring();
    writer.write(filled(1, 1));
    writer.publish();
    const drained = reader.drain(() => {
      writer.write(filled(1, 2));
      writer.publish();
    });
    expect(drained).toBe(1);
    expect(drainAll(reader)).toEqual([filled(1, 2)]);
  });

  it('takes a record whose handler throws as consumed, and keeps the rest', () => {
    const { indices, writer, reader } = ring();
    for (let i = 1; i <= 3; i++) writer.write(filled(4, i));
    writer.publish();
    let calls = 0;
    const failing = (): void => {
      if (++calls === 2) throw new Error('broken');
    };
    expect(() => reader.drain(failing)).toThrow('broken');
    expect(indices[TAIL_WORD]).toBe(16);
    expect(drainAll(reader)).toEqual([filled(4, 3)]);
  });

  it('behaves as a queue of bounded size, whatever is done to it', () => {
    const write = fc.record({ op: fc.constant('write' as const), bytes: fc.integer({ min: 0, max: 1500 }) });
    const op = fc.oneof(
      { weight: 4, arbitrary: write },
      fc.constantFrom({ op: 'publish' } as const, { op: 'drain' } as const),
    );
    const start = fc.constantFrom(0, 8, CAPACITY - 8, 2 ** 31 - 8, 2 ** 32 - 8, 2 ** 32 - 2048);
    fc.assert(
      fc.property(start, fc.array(op, { maxLength: 200 }), (from, ops) => {
        const { writer, reader } = ring(from);
        let unpublished: Buffer[] = [];
        let visible: Buffer[] = [];
        let count = 0;
        for (const step of ops) {
          if (step.op === 'write') {
            const record = filled(step.bytes, count++ & 0xff);
            const taken = writer.write(record);
            // Refusals are checked against the bound from both sides: skipping costs at most one record's length.
            const held = [...visible, ...unpublished].reduce((sum, { length }) => sum + ((length + 11) & ~7), 0);
            const need = (step.bytes + 11) & ~7;
            if (taken) expect(held + need).toBeLessThanOrEqual(CAPACITY);
            else expect(held + 2 * need + 1504).toBeGreaterThan(CAPACITY);
            if (taken) unpublished.push(record);
          } else if (step.op === 'publish') {
            expect(writer.publish()).toBe(unpublished.length > 0);
            visible.push(...unpublished);
            unpublished = [];
          } else {
            expect(reader.isEmpty()).toBe(visible.length === 0);
            expect(drainAll(reader)).toEqual(visible);
            visible = [];
          }
        }
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('carries a million records from one thread to another, each once, whole and in order', async () => {
    const records = 1_000_000;
    const memory = createRing(1 << 18);
    const reader = new RingReader(memory);
    const pattern = Buffer.from(Array.from({ length: 512 }, (_, i) => (i * 167) & 0xff));
    const producer = new Worker(new URL('./ring-producer.fixture.mjs', import.meta.url), {
      workerData: { memory, records, maxBytes: 200, seed: 1, pattern },
    });
    const failed = new Promise<never>((_, reject) => producer.once('error', reject));
    const exited = new Promise<number>((resolve) => producer.once('exit', resolve));
    let expected = 0;
    let wrong = 0;
    const check = (bytes: Buffer, start: number, end: number): void => {
      if (bytes.readUInt32LE(start) !== expected) wrong++;
      const from = expected & 0xff;
      if (pattern.compare(bytes, start + 4, end, from, from + end - start - 4) !== 0) wrong++;
      expected++;
    };
    const drained = new Promise<void>((resolve) => {
      const turn = (): void => {
        reader.drain(check);
        if (expected < records && wrong === 0) setImmediate(turn);
        else resolve();
      };
      turn();
    });
    await Promise.race([drained, failed]);
    expect({ expected, wrong }).toEqual({ expected: records, wrong: 0 });
    expect(await exited).toBe(0);
    expect(reader.isEmpty()).toBe(true);
  });
});
