import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asBuffer, ByteReader, ByteWriter, putUvarint, uvarintBytes } from '../../src/lib/bytes.js';

describe('ByteWriter and ByteReader', () => {
  test('layout', () => {
    const w = new ByteWriter(1);
    w.u8(7);
    w.u32le(0x01020304);
    w.f64le(1);
    w.uvarint(300);
    w.string('aé');
    w.bytes(Uint8Array.of(1, 2));
    w.raw(Uint8Array.of(9));
    w.ascii('ok');
    expect(w.view().toString('hex')).toBe(
      '07' + '04030201' + '000000000000f03f' + 'ac02' + '0361c3a9' + '020102' + '09' + '6f6b',
    );
  });

  const item = fc.oneof(
    fc.record({ kind: fc.constant('u8' as const), value: fc.integer({ min: 0, max: 255 }) }),
    fc.record({ kind: fc.constant('u32le' as const), value: fc.integer({ min: 0, max: 0xffffffff }) }),
    fc.record({ kind: fc.constant('f64le' as const), value: fc.double({ noNaN: true }) }),
    fc.record({ kind: fc.constant('uvarint' as const), value: fc.maxSafeNat() }),
    fc.record({ kind: fc.constant('string' as const), value: fc.string({ unit: 'binary', maxLength: 60 }) }),
    fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 300 }) }),
  );

  const write = (w: ByteWriter, one: { kind: string; value: unknown }) => {
    if (one.kind === 'u8') w.u8(one.value as number);
    else if (one.kind === 'u32le') w.u32le(one.value as number);
    else if (one.kind === 'f64le') w.f64le(one.value as number);
    else if (one.kind === 'uvarint') w.uvarint(one.value as number);
    else if (one.kind === 'string') w.string(one.value as string);
    else w.bytes(one.value as Uint8Array);
  };

  test('what is written is read back, from private and from shared memory', () => {
    const w = new ByteWriter(4);
    fc.assert(
      fc.property(fc.array(item), fc.boolean(), (items, shared) => {
        w.reset();
        for (const one of items) write(w, one);
        const bytes = shared ? Buffer.from(new SharedArrayBuffer(w.length)) : Buffer.alloc(w.length);
        w.view().copy(bytes);
        expect(w.copy().equals(bytes)).toBe(true);
        const r = new ByteReader(bytes);
        for (const { kind, value } of items) {
          const got = r[kind]();
          if (kind === 'bytes') expect(Buffer.compare(got as Buffer, value as Uint8Array)).toBe(0);
          else expect(got).toBe(value);
        }
        expect(r.done).toBe(true);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test('every truncation is a RangeError', () => {
    const w = new ByteWriter();
    w.u32le(1);
    w.string('hello');
    w.f64le(2);
    w.bytes(Buffer.alloc(200));
    for (let length = 0; length < w.length; length++) {
      const r = new ByteReader(w.view().subarray(0, length));
      expect(() => {
        r.u32le();
        r.string();
        r.f64le();
        r.bytes();
      }).toThrow(RangeError);
    }
  });

  test('an overlong uvarint and a length beyond the end are RangeErrors', () => {
    expect(() => new ByteReader(Buffer.alloc(11, 0x80)).uvarint()).toThrow(RangeError);
    expect(() => new ByteReader(Buffer.from('ffffffffffffffffff01', 'hex')).bytes()).toThrow(RangeError);
    expect(() => new ByteReader(Buffer.alloc(2)).raw(3)).toThrow(RangeError);
  });

  test('uvarint sizes, 64-bit values included', () => {
    const target = Buffer.alloc(10);
    for (const value of [0, 127, 128, 2 ** 14, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 35, 2 ** 53 - 1, 2 ** 63]) {
      expect(putUvarint(target, 0, value)).toBe(uvarintBytes(value));
      expect(new ByteReader(target).uvarint()).toBe(value);
    }
  });

  test('a buffer that grew for one large record is let go', () => {
    const w = new ByteWriter(16);
    w.raw(Buffer.alloc(3 << 20));
    w.reset();
    expect(w.buffer.length).toBe(16);
  });

  test('a record is what was written, also after the buffer was replaced', () => {
    const out = new ByteWriter(16);
    const written = (bytes: number, value: number): string => {
      out.reset().raw(Buffer.alloc(bytes, value));
      return out.record().toString('hex');
    };
    for (const bytes of [8, 8, 40, 8, 5000, 40, 3 << 20, 8])
      for (const value of [1, 2]) expect(written(bytes, value)).toBe(Buffer.alloc(bytes, value).toString('hex'));
  });

  test('asBuffer shares memory', () => {
    const bytes = new Uint8Array([1, 2, 3]).subarray(1);
    asBuffer(bytes)[0] = 9;
    expect(bytes[0]).toBe(9);
  });
});
