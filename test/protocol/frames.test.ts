/** Frames as they stand on the wire, in both encodings, and what is not a frame. */
import { describe, expect, test } from 'vitest';
import { MalformedFrame } from '../../src/protocol/codec.js';
import { jsonCodec, protobufCodec } from '../../src/protocol/codecs.js';
import type { Command, Publication, Push, Reply, SubscribeResult } from '../../src/protocol/messages.js';
import { wire } from './arbitraries.js';

const bytes = (value: string) => Buffer.from(value);
const data = bytes('{}');
const info = { user: 'u', client: 'c', connInfo: data, chanInfo: data };

const commands: [json: string, protobuf: string, command: { [K in keyof Command]?: unknown }][] = [
  ['{}', '00', {}],
  ['{"id":1,"connect":{}}', '040801' + '2200', { id: 1, connect: {} }],
  [
    '{"id":1,"connect":{"token":"t","data":{},"subs":{"c":{"recover":true,"epoch":"e","offset":3}},"name":"js",' +
      '"version":"1","headers":{"a":"b"},"flag":1}}',
    '2a080122260a017412027b7d1a0c0a016312071801320165380322026a732a013132060a01611201623801',
    {
      id: 1,
      connect: {
        token: 't',
        data,
        subs: { c: { recover: true, epoch: 'e', offset: 3 } },
        name: 'js',
        version: '1',
        headers: { a: 'b' },
        flag: 1,
      },
    },
  ],
  [
    '{"id":2,"subscribe":{"channel":"c","token":"t","data":{},"positioned":true,"recoverable":true,"join_leave":true,' +
      '"delta":"fossil","tf":{"op":"not","nodes":[{"key":"k","cmp":"in","val":"v","vals":["a"]}]},"flag":3,"type":1}}',
    '3608022a320a016312017442027b7d4801500158016206666f7373696c6a140a036e6f74320d12016b1a02696e2201762a016170037801',
    {
      id: 2,
      subscribe: {
        channel: 'c',
        token: 't',
        data,
        positioned: true,
        recoverable: true,
        joinLeave: true,
        delta: 'fossil',
        tf: { op: 'not', nodes: [{ key: 'k', cmp: 'in', val: 'v', vals: ['a'] }] },
        flag: 3,
        type: 1,
      },
    },
  ],
  ['{"id":3,"unsubscribe":{"channel":"c"}}', '07080332030a0163', { id: 3, unsubscribe: { channel: 'c' } }],
  [
    '{"id":4,"publish":{"channel":"c","data":{},"type":1,"key":"k","removed":true}}',
    '1208043a0e0a016312027b7d180122016b2801',
    { id: 4, publish: { channel: 'c', data, type: 1, key: 'k', removed: true } },
  ],
  ['{"id":5,"presence":{"channel":"c"}}', '07080542030a0163', { id: 5, presence: { channel: 'c' } }],
  ['{"id":6,"presence_stats":{"channel":"c"}}', '0708064a030a0163', { id: 6, presenceStats: { channel: 'c' } }],
  [
    '{"id":7,"history":{"channel":"c","limit":-1,"since":{"offset":300,"epoch":"e"},"reverse":true}}',
    '1c080752180a016338ffffffffffffffffff01420608ac021201654801',
    { id: 7, history: { channel: 'c', limit: -1, since: { offset: 300, epoch: 'e' }, reverse: true } },
  ],
  ['{"id":8,"ping":{}}', '0408085a00', { id: 8, ping: {} }],
  ['{"send":{"data":{}}}', '0662040a027b7d', { send: { data } }],
  ['{"id":9,"rpc":{"data":{},"method":"m"}}', '0b08096a070a027b7d12016d', { id: 9, rpc: { data, method: 'm' } }],
  ['{"id":10,"refresh":{"token":"t"}}', '07080a72030a0174', { id: 10, refresh: { token: 't' } }],
  [
    '{"id":11,"sub_refresh":{"channel":"c","token":"t","type":1}}',
    '0c080b7a080a01631201741801',
    { id: 11, subRefresh: { channel: 'c', token: 't', type: 1 } },
  ],
];

test.each(commands)('command %s', (json, protobuf, command) => {
  expect(jsonCodec.decode(bytes(json)).map(wire)).toEqual([command]);
  expect(protobufCodec.decode(Buffer.from(protobuf, 'hex')).map(wire)).toEqual([command]);
});

const publications: Publication[] = [{ data, offset: 1 }];
const subscribed: SubscribeResult = {
  expires: true,
  ttl: 1,
  recoverable: true,
  epoch: 'e',
  publications,
  recovered: true,
  offset: 1,
  positioned: true,
  data,
  wasRecovering: true,
  delta: true,
};
const connected = {
  client: 'c',
  version: 'v',
  data,
  subs: { s: { recoverable: true } },
  ping: 25,
  pong: true,
  session: 's',
  node: 'n',
};

const replies: [json: string, protobuf: string, reply: Reply][] = [
  [
    '{"id":1,"error":{"code":100,"message":"internal server error","temporary":true}}',
    '1f0801121b08641215696e7465726e616c20736572766572206572726f721801',
    { id: 1, error: { code: 100, message: 'internal server error', temporary: true } },
  ],
  [
    '{"id":1,"connect":{"client":"c","version":"v","expires":true,"ttl":300,"data":{},"subs":{"s":{"recoverable":true}},' +
      '"ping":25,"pong":true,"session":"s","node":"n","time":1700000000000}}',
    '2d08012a290a0163120176180120ac022a027b7d32070a017312021801381940014a017352016e5880d095ffbc31',
    { id: 1, connect: { ...connected, expires: true, ttl: 300, time: 1700000000000 } },
  ],
  [
    '{"id":2,"subscribe":{"expires":true,"ttl":1,"recoverable":true,"epoch":"e","publications":[{"data":{},"offset":1}],' +
      '"recovered":true,"offset":1,"positioned":true,"data":{},"was_recovering":true,"delta":true}}',
    '230802321f0801100118013201653a0622027b7d30014001480150015a027b7d60016801',
    { id: 2, subscribe: subscribed },
  ],
  ['{"id":2,"subscribe":{}}', '0408023200', { id: 2, subscribe: { publications: [] } }],
  ['{"id":3,"unsubscribe":{}}', '0408033a00', { id: 3, unsubscribe: {} }],
  ['{"id":4,"publish":{}}', '0408044200', { id: 4, publish: {} }],
  [
    '{"id":5,"presence":{"presence":{"c":{"user":"u","client":"c","conn_info":{},"chan_info":{}}}}}',
    '1908054a150a130a0163120e0a01751201631a027b7d22027b7d',
    { id: 5, presence: { presence: { c: info } } },
  ],
  ['{"id":5,"presence":{"presence":{}}}', '0408054a00', { id: 5, presence: { presence: {} } }],
  [
    '{"id":6,"presence_stats":{"num_clients":2,"num_users":1}}',
    '080806520408021001',
    { id: 6, presenceStats: { numClients: 2, numUsers: 1 } },
  ],
  [
    '{"id":6,"presence_stats":{"num_clients":0,"num_users":0}}',
    '0408065200',
    { id: 6, presenceStats: { numClients: 0, numUsers: 0 } },
  ],
  [
    '{"id":7,"history":{"publications":[{"data":{},"offset":1}],"epoch":"e","offset":1}}',
    '1108075a0d0a0622027b7d30011201651801',
    { id: 7, history: { publications, offset: 1, epoch: 'e' } },
  ],
  [
    '{"id":7,"history":{"publications":[],"epoch":"","offset":0}}',
    '0408075a00',
    { id: 7, history: { publications: [], offset: 0, epoch: '' } },
  ],
  ['{"id":9,"rpc":{"data":{}}}', '0808096a040a027b7d', { id: 9, rpc: { data } }],
  [
    '{"id":10,"refresh":{"client":"c","version":"v","expires":true,"ttl":1}}',
    '0e080a720a0a016312017618012001',
    { id: 10, refresh: { client: 'c', version: 'v', expires: true, ttl: 1 } },
  ],
  [
    '{"id":11,"sub_refresh":{"expires":true,"ttl":1}}',
    '08080b7a0408011001',
    { id: 11, subRefresh: { expires: true, ttl: 1 } },
  ],
];

test.each(replies)('reply %s', (json, protobuf, reply) => {
  expect(jsonCodec.encodeReply(reply).toString()).toBe(json);
  expect(protobufCodec.encodeReply(reply).toString('hex')).toBe(protobuf);
});

const pushes: [json: string, protobuf: string, push: Push][] = [
  [
    '{"channel":"c","pub":{"data":{},"info":{"user":"u","client":"c","conn_info":{},"chan_info":{}},"offset":300,' +
      '"tags":{"a":"b"},"delta":true,"channel":"r","epoch":"e","version":2}}',
    '31222f120163222a22027b7d2a0e0a01751201631a027b7d22027b7d30ac023a060a01611201624001520172720165800102',
    {
      channel: 'c',
      pub: { data, info, offset: 300, tags: { a: 'b' }, delta: true, channel: 'r', epoch: 'e', version: 2 },
    },
  ],
  [
    '{"channel":"c","join":{"info":{"user":"","client":"c"}}}',
    '0c220a1201632a050a03120163',
    { channel: 'c', join: { info: { user: '', client: 'c' } } },
  ],
  [
    '{"channel":"c","leave":{"info":{"user":"u","client":"c"}}}',
    '0f220d12016332080a060a0175120163',
    { channel: 'c', leave: { info: { user: 'u', client: 'c' } } },
  ],
  [
    '{"channel":"c","unsubscribe":{"code":2500,"reason":"r"}}',
    '0d220b1201633a0610c4131a0172',
    { channel: 'c', unsubscribe: { code: 2500, reason: 'r' } },
  ],
  ['{"message":{"data":{}}}', '08220642040a027b7d', { message: { data } }],
  [
    '{"channel":"c","subscribe":{"recoverable":true,"epoch":"e","offset":1,"positioned":true,"data":{}}}',
    '1422121201634a0d0801220165280130013a027b7d',
    { channel: 'c', subscribe: { recoverable: true, epoch: 'e', offset: 1, positioned: true, data } },
  ],
  [
    '{"connect":{"client":"c","version":"v","data":{},"subs":{"s":{"recoverable":true}},"expires":true,"ttl":1,' +
      '"ping":25,"pong":true,"session":"s","node":"n","time":1}}',
    '27222552230a01631201761a027b7d22070a01731202180128013001381940014a017352016e5801',
    { connect: { ...connected, expires: true, ttl: 1, time: 1 } },
  ],
  [
    '{"disconnect":{"code":3000,"reason":"r","reconnect":true}}',
    '0c220a5a0808b8171201721801',
    { disconnect: { code: 3000, reason: 'r', reconnect: true } },
  ],
  ['{"refresh":{"expires":true,"ttl":1}}', '082206620408011001', { refresh: { expires: true, ttl: 1 } }],
];

test.each(pushes)('push %s', (json, protobuf, push) => {
  expect(jsonCodec.encodePush(push, true).toString()).toBe(json);
  expect(jsonCodec.encodePush(push).toString()).toBe(`{"push":${json}}`);
  expect(protobufCodec.encodePush(push).toString('hex')).toBe(protobuf);
  // A bare push is what a reply around it has as field 4: length, tag 22, then the push with its length.
  expect(protobufCodec.encodePush(push, true).toString('hex')).toBe(protobuf.slice(4));
});

describe('framing', () => {
  test('pings and pongs', () => {
    expect(jsonCodec.ping.toString()).toBe('{}');
    expect([...protobufCodec.ping]).toEqual([0]);
    expect(['{}', '{ }', '{}\n', ''].map((frame) => jsonCodec.isPong(bytes(frame)))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect([[0], [1], [0, 0], []].map((frame) => protobufCodec.isPong(Buffer.from(frame)))).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  test('joined messages', () => {
    const messages = [bytes('{}'), bytes('{"id":1}'), bytes('x')];
    expect(jsonCodec.join(messages).toString()).toBe('{}\n{"id":1}\nx');
    expect(protobufCodec.join(messages).toString()).toBe('{}{"id":1}x');
    for (const codec of [jsonCodec, protobufCodec]) expect(codec.join([messages[0]!])).toBe(messages[0]);
  });

  const ids = (codec: typeof jsonCodec, frame: Buffer) => codec.decode(frame).map((command) => command.id);

  test('several commands in a frame, in order', () => {
    expect(ids(jsonCodec, bytes('{"id":1}\n{"id":2}\n{"id":3}'))).toEqual([1, 2, 3]);
    expect(ids(jsonCodec, bytes('{"id":1}\n{"id":2}\n'))).toEqual([1, 2]);
    expect(ids(jsonCodec, bytes('  {"id":1}\r\n\t{"id":2} \r\n'))).toEqual([1, 2]);
    expect(ids(protobufCodec, Buffer.from('02080102080200', 'hex'))).toEqual([1, 2, 0]);
  });

  test('null is a command that asks nothing', () => {
    expect(jsonCodec.decode(bytes('null')).map(wire)).toEqual([{}]);
    expect(jsonCodec.decode(bytes('{"id":1,"connect":null}')).map(wire)).toEqual([{ id: 1 }]);
  });

  test('payloads are views of the frame', () => {
    const json = bytes('{"id":1,"publish":{"data": [ 1.0 ]}}');
    const [command] = jsonCodec.decode(json);
    expect(command!.publish!.data!.buffer).toBe(json.buffer);
    expect(command!.publish!.data!.toString()).toBe('[ 1.0 ]');
  });

  test.each([
    ['nothing', ''],
    ['a newline', '\n'],
    ['two newlines at the end', '{"id":1}\n\n'],
    ['a blank line', '{"id":1}\n\n{"id":2}'],
    ['a command over several lines', '{\n"id":1}'],
    ['two commands on a line', '{"id":1}{"id":2}'],
    ['an array', '[]'],
    ['a number', '1'],
    ['text', 'hello'],
    ['truncated', '{"id":1,"conn'],
    ['an id that is text', '{"id":"1"}'],
    ['an id that is no integer', '{"id":1.5}'],
    ['an id out of range', '{"id":4294967296}'],
    ['a request that is no object', '{"id":1,"connect":[]}'],
    ['a token that is no text', '{"id":1,"connect":{"token":1}}'],
    ['a filter too deep', `{"id":1,"subscribe":{"tf":${'{"nodes":['.repeat(300)}${']}'.repeat(300)}}}`],
  ])('JSON, not a frame: %s', (_, frame) => {
    expect(() => jsonCodec.decode(bytes(frame))).toThrow(MalformedFrame);
  });

  test.each([
    ['nothing', ''],
    ['truncated', '140801'],
    ['a length without an end', 'ffffffffffffffffffffff'],
    ['a length beyond 32 bits', 'ffffffffff01'],
    ['a trailing length', '04080122000a'],
    ['a nested length beyond its message', '04080122050000000000'],
    ['field 0', '020001'],
    ['an illegal wire type', '020f01'],
    ['a known field of another wire type', '020a00'],
    ['a varint of eleven bytes', '0c08ffffffffffffffffffff01'],
    ['an end of group', '010c'],
    ['a group without an end', '028301'],
    ['text that is not UTF-8', '070801' + '22030a01ff'],
  ])('Protobuf, not a frame: %s', (_, frame) => {
    expect(() => protobufCodec.decode(Buffer.from(frame, 'hex'))).toThrow(MalformedFrame);
  });

  test('unknown Protobuf fields of every wire type are skipped', () => {
    const groups = 'fb01080a0b0cfc01';
    const unknown = `f80105f901${'00'.repeat(8)}fa0103616263fd01${'00'.repeat(4)}${groups}`;
    const frame = Buffer.from(`0801${unknown}2200`, 'hex');
    const [command] = protobufCodec.decode(Buffer.concat([Buffer.of(frame.length), frame]));
    expect(wire(command)).toEqual({ id: 1, connect: {} });
  });

  test('repeated Protobuf requests merge', () => {
    expect(protobufCodec.decode(Buffer.from('0a' + '22030a0174' + '2203220161', 'hex')).map(wire)).toEqual([
      { connect: { token: 't', name: 'a' } },
    ]);
  });

  test('commands ahead of a malformed one are known', () => {
    const ahead = (codec: typeof jsonCodec, frame: Buffer) => {
      try {
        return codec.decode(frame);
      } catch (error) {
        return (error as MalformedFrame).before.map((command) => command.id);
      }
    };
    expect(ahead(jsonCodec, bytes('{"id":1}\n{"id":2}\n\n{"id":3}'))).toEqual([1, 2]);
    expect(ahead(protobufCodec, Buffer.from('0208010208020a', 'hex'))).toEqual([1, 2]);
  });
});
