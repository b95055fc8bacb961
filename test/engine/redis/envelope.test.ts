import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BrokerSink } from '../../../src/engine/engine.js';
import {
  EnvelopeError,
  encodePublication,
  isUnreadable,
  joinEnvelope,
  leaveEnvelope,
  offsetOfId,
  openEnvelope,
  openStored,
  timeField,
} from '../../../src/engine/redis/envelope.js';
import { decodeClientInfo, encodeClientInfo } from '../../../src/protocol/client-info.js';
import {
  decodeEntry,
  ENTRY_DELTA,
  ENTRY_JSON,
  encodeEntry,
  entryFlags,
  entryTime,
  payloadFlags,
} from '../../../src/protocol/entry.js';
import { lent } from './lent.js';

const runs = { seed: 7, numRuns: 100 };
const NOW = 1_795_518_284_139;

interface Heard {
  pub?: ReturnType<typeof decodeEntry>;
  flags?: number;
  time?: number;
  epoch?: string;
  join?: string;
  leave?: string;
}

function open(message: Buffer): Heard {
  const heard: Heard = {};
  const sink: BrokerSink = {
    publication(_channel, entry, epoch) {
      Object.assign(heard, { pub: decodeEntry(entry), flags: entryFlags(entry), time: entryTime(entry), epoch });
    },
    join: (_channel, info) => void Object.assign(heard, { join: decodeClientInfo(info).user }),
    leave: (_channel, info) => void Object.assign(heard, { leave: decodeClientInfo(info).user }),
    interrupted() {},
  };
  openEnvelope('c', ...lent(message), sink);
  return heard;
}

const stored = (offset: number, epoch: string, publication: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`__p1:${offset}:${epoch}__`), publication]);

function delta(offset: number, epoch: string, previous: Buffer, publication: Buffer): Buffer {
  const head = Buffer.from(`__d1:${offset}:${epoch}:${previous.length}:`);
  return Buffer.concat([head, previous, Buffer.from(`:${publication.length}:`), publication]);
}

const publicationOf = (data: Buffer, flags = payloadFlags(data)): Buffer =>
  encodePublication(encodeEntry({ data }, flags), true, timeField(NOW));

/** Bytes with much in them that envelopes are made of. */
const data = fc
  .array(fc.oneof(fc.constantFrom('__', '_', ':', '__p1:1:abcd__', '9:'), fc.string({ unit: 'grapheme' })))
  .map((parts) => Buffer.from(parts.join('')));
const offset = fc.oneof(fc.constantFrom(1, 2 ** 31, 2 ** 32 + 1, 2 ** 53 - 1), fc.integer({ min: 2, max: 1e9 }));
const epoch = fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9]{0,15}$/);

describe('a message is read as it was written', () => {
  it('stored, whatever is in the payload', () => {
    fc.assert(
      fc.property(data, offset, epoch, (bytes, at, of) => {
        const heard = open(stored(at, of, publicationOf(bytes)));
        expect(Buffer.from(heard.pub!.data)).toEqual(bytes);
        expect([heard.pub!.offset, heard.epoch, heard.time]).toEqual([at, of, NOW]);
        expect(heard.flags).toBe(payloadFlags(bytes));
      }),
      runs,
    );
  });

  it('with the one before it, which is passed over', () => {
    fc.assert(
      fc.property(data, data, offset, epoch, (before, bytes, at, of) => {
        for (const previous of [Buffer.alloc(0), publicationOf(before), stored(1, of, publicationOf(before))]) {
          const heard = open(delta(at, of, previous, publicationOf(bytes)));
          expect(Buffer.from(heard.pub!.data)).toEqual(bytes);
          expect([heard.pub!.offset, heard.epoch]).toEqual([at, of]);
          expect(heard.flags! & ENTRY_DELTA).toBe(ENTRY_DELTA);
        }
      }),
      runs,
    );
  });

  it('not stored: without position, and asking for deltas itself', () => {
    for (const flags of [ENTRY_JSON, ENTRY_JSON | ENTRY_DELTA]) {
      const heard = open(encodePublication(encodeEntry({ data: Buffer.from('1') }, flags), false, timeField(NOW)));
      expect([heard.pub!.offset, heard.epoch, heard.flags, heard.time]).toEqual([0, '', flags, NOW]);
    }
  });

  it('join and leave', () => {
    const info = encodeClientInfo({ user: '__u', client: 'c', connInfo: undefined, chanInfo: undefined });
    expect(open(joinEnvelope(info))).toEqual({ join: '__u' });
    expect(open(leaveEnvelope(info))).toEqual({ leave: '__u' });
  });
});

it('the first of a stream tells subscribers its epoch, later ones do not', () => {
  const one = publicationOf(Buffer.from('1'));
  expect(open(stored(1, 'abcd', one)).pub!.epoch).toBe('abcd');
  expect(open(delta(1, 'abcd', Buffer.alloc(0), one)).pub!.epoch).toBe('abcd');
  expect(open(stored(2, 'abcd', one)).pub!.epoch).toBeUndefined();
});

it('an epoch may hold single underscores', () => {
  expect(openStored(stored(5, 'a_b_c', Buffer.from('x')))).toMatchObject({ epoch: 'a_b_c', offset: 5 });
});

it.each([0, 1, 127, 128, 2 ** 31, 2 ** 42, 2 ** 48 - 1])('the time can be any: %i', (time) => {
  const bytes = encodePublication(encodeEntry({ data: Buffer.from('1') }, 0), true, timeField(time));
  expect(open(stored(2, 'e', bytes)).time).toBe(time);
});

describe('what is not an envelope', () => {
  const unreadable = (message: Buffer): boolean => {
    try {
      open(message);
      return false;
    } catch (error) {
      if (isUnreadable(error)) return true;
      throw error;
    }
  };

  it('is refused in one way, whatever it is', () => {
    const head = fc.constantFrom('', '_', '__', '__p', '__p1:', '__p1:1:a__', '__d1:', '__d1:1:a:', '__j__', '__l__');
    const tail = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.stringMatching(/^[0-9:_a]{0,20}$/).map(Buffer.from));
    fc.assert(
      fc.property(head, tail, (start, rest) => {
        unreadable(Buffer.concat([Buffer.from(start), rest]));
      }),
      { seed: 8, numRuns: 5000 },
    );
  });

  it('is refused wherever it is cut off', () => {
    const one = publicationOf(Buffer.from('"one"'));
    for (const whole of [stored(12, 'abcd', one), delta(12, 'abcd', one, one)]) {
      // The time comes last, in a field of its own.
      const timeBytes = 7;
      for (let end = 1; end < whole.length; end++) {
        const isWholeWithoutTime = whole[2] === 'p'.charCodeAt(0) && end === whole.length - timeBytes;
        // An empty publication has no fields.
        const isEmpty = whole[2] === 'p'.charCodeAt(0) && end === whole.length - one.length;
        expect([end, unreadable(whole.subarray(0, end))]).toEqual([end, !isWholeWithoutTime && !isEmpty]);
      }
    }
  });

  it('as one that no node writes', () => {
    for (const text of ['__p1:0:e__', '__p1:1:__', '__p1:-1:e__', '__p1:1.5:e__', '__p1::e__', '__p2:1:e__', '__x__'])
      expect([text, unreadable(Buffer.from(text))]).toEqual([text, true]);
  });
});

it('the offset of a stream entry is its ID', () => {
  expect(offsetOfId(Buffer.from('9007199254740991-0'))).toBe(2 ** 53 - 1);
  for (const id of ['', '-0', 'x-0', '7']) expect(() => offsetOfId(Buffer.from(id))).toThrow(EnvelopeError);
});
