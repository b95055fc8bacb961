import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RING_MAX_BYTES, RING_MIN_BYTES } from '../../src/lib/ring.js';
import { BELL_BYTES, createBells, createReplacementWires, createWires, ringBytesFor } from '../../src/mesh/wires.js';

const MIB = 1 << 20;

describe('ringBytesFor', () => {
  it.each([
    [1, MIB],
    [15, MIB],
    [16, MIB / 2],
    [31, MIB / 4],
    [63, MIB / 16],
    [512, MIB / 16],
  ])('%d workers: %d bytes', (workers, bytes) => expect(ringBytesFor(workers, 0)).toBe(bytes));

  it('is a power of two of at least 64 KiB, all together within 256 MiB as long as that allows', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1024 }), (workers) => {
        const bytes = ringBytesFor(workers, 0);
        expect(Number.isInteger(Math.log2(bytes))).toBe(true);
        expect(bytes).toBeGreaterThanOrEqual(64 << 10);
        if (bytes > 64 << 10) expect(bytes * (workers + 1) ** 2).toBeLessThanOrEqual(256 * MIB);
      }),
      { seed: 1 },
    );
  });

  it('takes a configured size within what a ring can be', () => {
    expect(ringBytesFor(64, 2 * MIB)).toBe(2 * MIB);
    expect(ringBytesFor(1, 1)).toBe(RING_MIN_BYTES);
    expect(ringBytesFor(1, 2 ** 40)).toBe(RING_MAX_BYTES);
  });
});

describe('wires', () => {
  it('join every ordered pair of slots once', () => {
    const all = createWires(2, RING_MIN_BYTES);
    const rings = new Set<SharedArrayBuffer>();
    for (const from of all)
      for (const to of all) {
        expect(from.outgoing[to.self]!.ring).toBe(to.incoming[from.self]!.ring);
        expect(from.outgoing[to.self]!.oversizeBytes).toBe(to.incoming[from.self]!.oversizeBytes);
        rings.add(from.outgoing[to.self]!.ring);
      }
    expect(rings.size).toBe(9);
    expect(all[0]!.bells.byteLength).toBe(3 * BELL_BYTES);
    for (const { outgoing, incoming } of all) for (const end of [...outgoing, ...incoming]) end.port.close();
  });

  it('of a replaced slot are all new, and its neighbours get the other ends', () => {
    const bells = createBells(2);
    const { wires, rewires } = createReplacementWires(1, 2, RING_MIN_BYTES, bells);
    expect([...rewires.keys()]).toEqual([0, 2]);
    for (const [other, rewire] of rewires) {
      expect(rewire.slot).toBe(1);
      expect(rewire.outgoing.ring).toBe(wires.incoming[other]!.ring);
      expect(rewire.incoming.ring).toBe(wires.outgoing[other]!.ring);
      for (const end of [rewire.outgoing, rewire.incoming]) end.port.close();
    }
    expect(wires.outgoing[1]!.ring).toBe(wires.incoming[1]!.ring);
    expect(wires.bells).toBe(bells);
    for (const end of [...wires.outgoing, ...wires.incoming]) end.port.close();
  });
});
