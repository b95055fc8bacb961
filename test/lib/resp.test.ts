import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../src/lib/bytes.js';
import { MESSAGE_HEAD_MIN_BYTES, RespError, RespReader, RespSyntaxError, type RespValue } from '../../src/lib/resp.js';
import { writeCommand } from '../../src/lib/resp-command.js';

const SEED = 7;

class Recorder {
  readonly heard: unknown[] = [];
  reply(reply: RespValue | RespError): void {
    this.heard.push(reply instanceof RespError ? { error: reply.text } : plain(reply));
  }
  message(channel: string, bytes: Buffer, start: number, end: number): void {
    this.heard.push({ channel, payload: bytes.toString('hex', start, end) });
    // The reader lends it, head and all.
    bytes.fill(0xff, start - MESSAGE_HEAD_MIN_BYTES - Buffer.byteLength(channel), end);
  }
}

const plain = (value: RespValue): unknown => {
  if (Buffer.isBuffer(value)) return { bulk: value.toString('hex') };
  return Array.isArray(value) ? value.map(plain) : value;
};

const encode = (value: RespValue): Buffer => {
  if (value === null) return Buffer.from('$-1\r\n');
  if (typeof value === 'number') return Buffer.from(`:${value}\r\n`);
  if (typeof value === 'string') return Buffer.from(`+${value}\r\n`);
  if (Array.isArray(value)) return Buffer.concat([Buffer.from(`*${value.length}\r\n`), ...value.map(encode)]);
  return Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n')]);
};

const message = (channel: string, payload: Uint8Array): Buffer =>
  encode([Buffer.from('message'), Buffer.from(channel), Buffer.from(payload)]);

const ROOM = 24;
const NOT_LENT = Buffer.alloc(64, 0x55);

/** Feed in pieces of the given sizes, over and over; every other one with room in front of it. */
function feed(reader: RespReader, bytes: Buffer, sizes: readonly number[]): void {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    const room = i % 2 === 0 ? 0 : ROOM;
    const memory = Buffer.concat([NOT_LENT, Buffer.alloc(room), bytes.subarray(at, at + size)]);
    reader.feed(memory.subarray(NOT_LENT.length + room), room);
    expect(memory.subarray(0, NOT_LENT.length)).toEqual(NOT_LENT);
    // It was borrowed.
    memory.fill(0xff);
    at += size;
  }
}

const bulk = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes));
const line = fc.string({ maxLength: 30, unit: 'grapheme' }).filter((text) => !/[\r\n]/.test(text));
const value: fc.Arbitrary<RespValue> = fc.letrec<{ value: RespValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.maxSafeInteger(),
    line,
    bulk,
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 5 }),
  ),
})).value;
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 });

describe('commands', () => {
  it('are arrays of bulk strings, for any text and bytes', () => {
    const argument = fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.uint8Array({ maxLength: 200 }));
    fc.assert(
      fc.property(fc.array(argument, { minLength: 1, maxLength: 12 }), (args) => {
        const out = new ByteWriter(16);
        writeCommand(out, args);
        expect(out.view()).toEqual(encode(args.map((arg) => Buffer.from(arg as string))));
      }),
      { seed: SEED },
    );
  });

  it('copy their arguments', () => {
    const out = new ByteWriter();
    const argument = Buffer.from('abc');
    writeCommand(out, [argument]);
    argument.fill(0);
    expect(out.view().toString()).toBe('*1\r\n$3\r\nabc\r\n');
  });

  it('of ten thousand arguments and with arguments of a megabyte', () => {
    const out = new ByteWriter();
    const args = [...Array.from({ length: 9_999 }, (_, i) => String(i)), 'é'.repeat(500_000)];
    writeCommand(out, args);
    expect(out.view().equals(encode(args.map((arg) => Buffer.from(arg))))).toBe(true);
  });
});

describe('replies', () => {
  it('are read whatever chunks they come in', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 6 }), sizes, (values, chunks) => {
        const recorder = new Recorder();
        feed(new RespReader(recorder), Buffer.concat(values.map(encode)), chunks);
        expect(recorder.heard).toEqual(values.map(plain));
      }),
      { seed: SEED },
    );
  });

  it('an error is an error wherever it stands, and ends with its reply', () => {
    const recorder = new Recorder();
    const reader = new RespReader(recorder);
    reader.feed(Buffer.from('-ERR a\r\n*2\r\n:1\r\n*2\r\n-ERR b\r\n-ERR c\r\n:7\r\n'));
    expect(recorder.heard).toEqual([{ error: 'ERR a' }, { error: 'ERR b' }, 7]);
  });

  it('null arrays, empty arrays and empty strings', () => {
    const recorder = new Recorder();
    new RespReader(recorder).feed(Buffer.from('*-1\r\n*0\r\n$0\r\n\r\n+\r\n'));
    expect(recorder.heard).toEqual([null, [], { bulk: '' }, '']);
  });

  it('a large string in small chunks is put together once', () => {
    const recorder = new Recorder();
    const bytes = Buffer.alloc(4 << 20, 7);
    const started = process.cpuUsage();
    feed(new RespReader(recorder), encode(bytes), [1000]);
    expect(recorder.heard).toEqual([{ bulk: bytes.toString('hex') }]);
    expect(process.cpuUsage(started).user).toBeLessThan(2_000_000);
  });

  it('nothing is handed over after a stop, even of the same chunk', () => {
    const heard: unknown[] = [];
    const reader: RespReader = new RespReader({
      reply(reply) {
        heard.push(reply);
        reader.stop();
      },
    });
    reader.feed(Buffer.from(':1\r\n:2\r\n'));
    reader.feed(Buffer.from(':3\r\n'));
    expect(heard).toEqual([1]);
  });

  it('an array that looks like a message is a reply on a connection for commands', () => {
    const recorder = new Recorder();
    new RespReader(recorder).feed(message('a', Buffer.from('b')));
    expect(recorder.heard).toHaveLength(1);
    expect(recorder.heard[0]).toBeInstanceOf(Array);
  });
});

describe('messages', () => {
  it('are read whatever chunks they come in, between other replies', () => {
    const channel = fc.string({ unit: 'grapheme', maxLength: 30 });
    const item = fc.oneof(
      fc.tuple(channel, fc.uint8Array({ maxLength: 100 })).map(([name, payload]) => ({
        bytes: message(name, payload),
        heard: { channel: name, payload: Buffer.from(payload).toString('hex') } as unknown,
      })),
      value.map((reply) => ({ bytes: encode(reply), heard: plain(reply) })),
    );
    fc.assert(
      fc.property(fc.array(item, { maxLength: 8 }), sizes, (items, chunks) => {
        const recorder = new Recorder();
        feed(new RespReader(recorder, true), Buffer.concat(items.map(({ bytes }) => bytes)), chunks);
        expect(recorder.heard).toEqual(items.map(({ heard }) => heard));
      }),
      { seed: SEED },
    );
  });
});

describe('malformed bytes', () => {
  it.each([
    ['a type that does not exist', '%1\r\n'],
    ['a number without digits', ':\r\n'],
    ['a number with a letter', ':1a\r\n'],
    ['a number of 20 digits', ':12345678901234567890'],
    ['a string longer than Redis allows', '$536870913\r\n'],
    ['a string of negative length', '$-2\r\n'],
    ['a string that does not end where it should', '$1\r\nab\r\n'],
    ['an array of too many items', '*16777217\r\n'],
    ['too many arrays in arrays', '*1\r\n'.repeat(33)],
    ['a line without end', `+${'x'.repeat(70_000)}`],
    ['CR without LF', '+OK\rx'],
  ])('%s', (_, text) => {
    expect(() => new RespReader(new Recorder()).feed(Buffer.from(text))).toThrow(RespSyntaxError);
  });

  it.each([
    ['no payload', '*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$-1\r\n'],
    ['a number for a payload', '*3\r\n$7\r\nmessage\r\n$1\r\na\r\n:1\r\n'],
    ['no channel', '*3\r\n$7\r\nmessage\r\n$-1\r\n$1\r\na\r\n'],
  ])('a message with %s', (_, text) => {
    expect(() => new RespReader(new Recorder(), true).feed(Buffer.from(text))).toThrow(RespSyntaxError);
  });

  it('nothing else is ever thrown, and no chunking changes the outcome', () => {
    const noise = fc.array(fc.constantFrom(...'*$:+-0123\r\na'.split(''), '\r\n', '$7\r\nmessage\r\n', '*3\r\n'));
    const outcome = (bytes: Buffer, chunks: number[]): unknown => {
      const recorder = new Recorder();
      try {
        feed(new RespReader(recorder, true), bytes, chunks);
        return recorder.heard;
      } catch (error) {
        expect(error).toBeInstanceOf(RespSyntaxError);
        return [...recorder.heard, 'malformed'];
      }
    };
    fc.assert(
      fc.property(noise, sizes, (parts, chunks) => {
        const bytes = Buffer.from(parts.join(''));
        expect(outcome(bytes, chunks)).toEqual(outcome(bytes, [bytes.length || 1]));
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });
});
