/** JSON commands, replies and pushes against a plain rendering of the same message. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InappropriatePayload } from '../../src/protocol/codec.js';
import { decoded } from '../../src/protocol/entry.js';
import { jsonCodec } from '../../src/protocol/json.js';
import type {
  ConnectResult,
  HistoryResult,
  Publication,
  Push,
  Reply,
  SubscribeResult,
} from '../../src/protocol/messages.js';
import { command, push, reply, text, wire } from './arbitraries.js';

const bytes = (value: string) => Buffer.from(value);
const runs = { seed: 1, numRuns: 500 };

const snake = (name: string) => name.replace(/[A-Z]/g, (char) => `_${char.toLowerCase()}`);

/** Maps, whose keys are not field names. */
const MAPS = ['tags', 'headers', 'subs', 'presence'];

/** A message as JSON text with payloads embedded. */
function render(value: unknown, inMap = false): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (Array.isArray(value)) return `[${value.map((item) => render(item)).join()}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${fields
    .map(([name, field]) => {
      const isMap = !inMap && MAPS.includes(name) && !('presence' in Object(field));
      return `${JSON.stringify(inMap ? name : snake(name))}:${render(field, isMap)}`;
    })
    .join()}}`;
}

const whole = (info: object) => ({ user: '', client: '', ...info });
const wholePub = (pub: Partial<Publication>) => (pub.info ? { ...pub, info: whole(pub.info) } : pub);
const wholeSub = (sub: SubscribeResult) => ({
  ...sub,
  publications: sub.publications && decoded(sub.publications).map(wholePub),
});
const wholeConnect = ({ subs, ...rest }: ConnectResult) => ({ ...rest, subs: subs && mapValues(subs, wholeSub) });

function mapValues<T>(map: Record<string, T>, change: (value: T) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, change(value)]));
}

/** Puts back the zero values that are written nevertheless. */
const ALWAYS: Record<string, (value: never) => unknown> = {
  pub: wholePub,
  join: ({ info }: { info: object }) => ({ info: whole(info) }),
  leave: ({ info }: { info: object }) => ({ info: whole(info) }),
  connect: wholeConnect,
  subscribe: wholeSub,
  presence: ({ presence }: { presence: Record<string, object> }) => ({ presence: mapValues(presence, whole) }),
  presenceStats: (stats: object) => ({ numClients: 0, numUsers: 0, ...stats }),
  history: ({ publications = [], ...rest }: Partial<HistoryResult>) => ({
    epoch: '',
    offset: 0,
    ...rest,
    publications: decoded(publications).map(wholePub),
  }),
};

function expected(message: Reply | Push): unknown {
  const fields = Object.entries(wire(message) as object);
  return JSON.parse(
    render(Object.fromEntries(fields.map(([name, field]) => [name, ALWAYS[name]?.(field as never) ?? field]))),
  );
}

describe('JSON', () => {
  test('commands are decoded', () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 3 }), fc.boolean(), (commands, newline) => {
        const frame = commands.map((one) => render(one)).join('\n') + (newline ? '\n' : '');
        expect(jsonCodec.decode(bytes(frame)).map(wire)).toEqual(commands.map(wire));
      }),
      runs,
    );
  });

  test('replies are encoded', () => {
    fc.assert(
      fc.property(reply, (message) => {
        expect(JSON.parse(jsonCodec.encodeReply(message).toString())).toEqual(expected(message));
      }),
      runs,
    );
  });

  test('pushes are encoded, in a reply and bare', () => {
    fc.assert(
      fc.property(push, (message) => {
        expect(JSON.parse(jsonCodec.encodePush(message, true).toString())).toEqual(expected(message));
        expect(JSON.parse(jsonCodec.encodePush(message).toString())).toEqual({ push: expected(message) });
      }),
      runs,
    );
  });

  test('text is escaped as Centrifugo escapes it', () => {
    const encode = (channel: string) =>
      jsonCodec.encodePush({ channel, message: { data: bytes('1') } }, true).toString();
    const wrap = (channel: string) => `{"channel":"${channel}","message":{"data":1}}`;
    expect(encode('<a>&"\\\u2028\u2029é😀')).toBe(wrap('\\u003ca\\u003e\\u0026\\"\\\\\\u2028\\u2029é😀'));
    expect(encode('\n\r\t\b\f\u0001\u007f/')).toBe(wrap('\\n\\r\\t\\u0008\\u000c\\u0001\u007f/'));
    expect(encode('a\ud800b')).toBe(wrap('a\ufffdb'));
    fc.assert(
      fc.property(text, (channel) => {
        expect(JSON.parse(encode(`x${channel}`)).channel).toBe(`x${channel}`);
      }),
      runs,
    );
  });

  test('numbers are written in digits', () => {
    for (const offset of [1, 9, 10, 99, 100, 4294967295, 4294967296, 2 ** 53 - 1, 2 ** 53]) {
      expect(jsonCodec.encodePush({ pub: { offset, data: bytes('1') } }, true).toString()).toBe(
        `{"pub":{"data":1,"offset":${offset}}}`,
      );
    }
    expect(jsonCodec.encodePush({ pub: { offset: 2 ** 64, data: bytes('1') } }, true).toString()).toContain(
      '18446744073709552000',
    );
  });

  test('payloads are embedded on one line, otherwise untouched', () => {
    const data = bytes('{ "b": 1.50,\n\t"a":\r\n 12345678901234567890 }');
    expect(jsonCodec.encodeReply({ id: 1, rpc: { data } }).toString()).toBe(
      '{"id":1,"rpc":{"data":{ "b": 1.50,\t"a":\r 12345678901234567890 }}}',
    );
  });

  test.each<Reply | Push>([
    { id: 1, rpc: { data: bytes('{') } },
    { id: 1, rpc: { data: bytes('1,"x":2') } },
    { id: 1, history: { publications: [{ offset: 1, data: bytes('x') }], offset: 1, epoch: 'e' } },
    {
      id: 1,
      subscribe: {
        publications: [
          { offset: 1, data: bytes('') },
          { offset: 2, data: bytes('x') },
        ],
      },
    },
    { id: 1, presence: { presence: { c: { user: '', client: 'c', connInfo: Buffer.of(0xff) } } } },
    { id: 1, connect: { client: 'c', version: 'v', data: bytes('nope') } },
  ])('a payload that is not JSON is inappropriate: %#', (message) => {
    expect(() => jsonCodec.encodeReply(message as Reply)).toThrow(InappropriatePayload);
  });

  test('an inappropriate payload leaves nothing behind for the next message', () => {
    expect(() => jsonCodec.encodePush({ channel: 'a', pub: { offset: 0, data: bytes('x') } })).toThrow();
    expect(jsonCodec.encodeReply({ id: 1, publish: {} }).toString()).toBe('{"id":1,"publish":{}}');
  });

  test('with delta every data is a string, whatever it holds', () => {
    const publications = [
      { offset: 1, data: bytes('{"a":"b"}') },
      { offset: 2, data: bytes('1\n2@x<~\u2028'), delta: true },
      { offset: 3, data: Buffer.of(0x61, 0xff) },
    ];
    expect(
      jsonCodec.encodeReply({ id: 1, subscribe: { publications, delta: true, dataAsString: true } }).toString(),
    ).toBe(
      '{"id":1,"subscribe":{"publications":[{"data":"{\\"a\\":\\"b\\"}","offset":1},' +
        '{"data":"1\\n2@x\\u003c~\\u2028","offset":2,"delta":true},{"data":"a\ufffd","offset":3}],"delta":true}}',
    );
  });
});
