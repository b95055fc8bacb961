/** The hand-written encoding of messages between nodes against protobufjs, in both directions. */
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import {
  decodeChannelsRequest,
  decodeChannelsResult,
  encodeChannelsRequest,
  encodeChannelsResult,
} from '../../src/cluster/channels-survey.js';
import { decodeControl } from '../../src/cluster/control-decode.js';
import { encodeControl } from '../../src/cluster/control-encode.js';
import type { ControlMessage } from '../../src/cluster/control-messages.js';
import { ProtoError } from '../../src/protocol/proto-reader.js';

const root = protobuf.loadSync(fileURLToPath(new URL('control.proto', import.meta.url)));

function encode(type: string, value: object): Buffer {
  const message = root.lookupType(`gyre.test.${type}`);
  return Buffer.from(message.encode(message.fromObject(value)).finish());
}

const runs = { seed: 1, numRuns: 300 };
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const int64 = fc.maxSafeInteger();
const uint64 = fc.maxSafeNat();
const text = fc.string({ unit: 'binary', maxLength: 40 });
const bytes = fc.uint8Array({ maxLength: 40 }).map((some) => Buffer.from(some));
const base64 = bytes.map((some) => some.toString('base64'));
const target = { user: text, client: text, session: text, allUsers: fc.boolean() };

const subscribe = fc.record(
  {
    ...target,
    channel: text,
    info: base64,
    data: base64,
    expireAt: int64,
    recoverSince: fc.record({ offset: uint64, epoch: text }),
    presence: fc.boolean(),
    joinLeave: fc.boolean(),
    forcePushJoinLeave: fc.boolean(),
    forceRecovery: fc.boolean(),
    forcePositioning: fc.boolean(),
  },
  {
    requiredKeys: [
      ...(['user', 'client', 'session', 'allUsers', 'channel', 'info', 'data', 'expireAt', 'presence'] as const),
      ...(['joinLeave', 'forcePushJoinLeave', 'forceRecovery', 'forcePositioning'] as const),
    ],
  },
);
/** Empty ones, which nobody has, are not sent. */
const clientId = fc.string({ minLength: 1, maxLength: 9 });
const coded = fc.record({ code: uint32, reason: text });
const message: fc.Arbitrary<ControlMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('node' as const),
    node: fc.record({
      uid: text,
      name: text,
      version: text,
      numClients: uint32,
      numUsers: uint32,
      numChannels: uint32,
      numSubs: uint32,
      uptimeSeconds: uint32,
      data: bytes,
    }),
  }),
  fc.record({ kind: fc.constant('shutdown' as const) }),
  fc.record({
    kind: fc.constant('survey_request' as const),
    request: fc.record({ id: uint64, op: text, data: bytes }),
  }),
  fc.record({
    kind: fc.constant('survey_response' as const),
    response: fc.record({ id: uint64, code: uint32, data: bytes }),
  }),
  fc.record({ kind: fc.constant('subscribe' as const), op: subscribe }),
  fc.record({
    kind: fc.constant('unsubscribe' as const),
    op: fc.record({ ...target, channel: text, unsubscribe: coded }),
  }),
  fc.record({
    kind: fc.constant('disconnect' as const),
    op: fc.record({ ...target, whitelist: fc.array(clientId, { maxLength: 3 }), disconnect: coded }),
  }),
  fc.record({
    kind: fc.constant('refresh' as const),
    op: fc.record({ ...target, expired: fc.boolean(), expireAt: int64, info: base64 }),
  }),
);

/** As protobufjs wants it. */
function onWire(uid: string, message: ControlMessage): object {
  switch (message.kind) {
    case 'node': {
      const { uptimeSeconds: uptime, ...node } = message.node;
      return { uid, node: { ...node, uptime } };
    }
    case 'shutdown':
      return { uid, shutdown: {} };
    case 'survey_request':
      return { uid, surveyRequest: message.request };
    case 'survey_response':
      return { uid, surveyResponse: message.response };
    case 'subscribe': {
      const { presence, joinLeave, forcePushJoinLeave, forceRecovery, forcePositioning, info, ...op } = message.op;
      return {
        uid,
        subscribe: {
          ...op,
          emitPresence: presence,
          emitJoinLeave: joinLeave,
          pushJoinLeave: forcePushJoinLeave,
          recover: forceRecovery,
          position: forcePositioning,
          channelInfo: info,
          source: 10,
        },
      };
    }
    case 'unsubscribe':
      return { uid, unsubscribe: { ...message.op, ...message.op.unsubscribe } };
    case 'disconnect':
      return { uid, disconnect: { ...message.op, ...message.op.disconnect } };
    case 'refresh':
      return { uid, refresh: message.op };
  }
}

/** Without what the default says too: protobufjs writes fields that are set, to whatever. */
function sparse(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value) || Array.isArray(value)) return value;
  const isSet = (field: unknown): boolean =>
    !(
      field === '' ||
      field === 0 ||
      field === false ||
      field === undefined ||
      (Buffer.isBuffer(field) && !field.length)
    );
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => isSet(field))
      .map(([key, field]) => [key, sparse(field)]),
  );
}

describe('control messages', () => {
  test('are written as protobufjs writes them, and read back', () => {
    fc.assert(
      fc.property(text, message, (uid, sent) => {
        const expected = encode('Command', sparse(onWire(uid, sent)) as object);
        expect(encodeControl(uid, sent).toString('hex')).toBe(expected.toString('hex'));
        expect(decodeControl(expected)).toEqual({ uid, message: sent });
      }),
      runs,
    );
  });

  test('are read whatever else is in them', () => {
    const metrics = { interval: 60, items: { 'a.b': 1.5 } };
    const sent = Buffer.concat([
      encode('Command', { uid: 'u', node: { uid: 'u', name: 'n', metrics } }),
      Buffer.from('a20603666f6f', 'hex'),
    ]);
    expect(decodeControl(sent)).toMatchObject({ uid: 'u', message: { kind: 'node', node: { uid: 'u', name: 'n' } } });
  });

  test.each([
    ['subscribe', { user: 'u', channel: 'c' }],
    ['unsubscribe', { user: 'u', channel: 'c' }],
    ['disconnect', { user: 'u' }],
    ['refresh', { user: 'u' }],
  ])('%s with a label filter is not taken for one without', (kind, op) => {
    const sent = encode('Command', { uid: 'u', [kind]: { ...op, labelFilter: { op: 'eq' } } });
    expect(decodeControl(sent).message).toBe('label filter');
    expect(decodeControl(encode('Command', { uid: 'u', [kind]: op })).message).toMatchObject({ kind, op });
  });

  test('of a kind that is not known are recognised as such', () => {
    expect(decodeControl(encode('Command', { uid: 'u', notification: { op: 'x' } })).message).toBe('unknown');
    expect(decodeControl(Buffer.alloc(0))).toEqual({ uid: '', message: 'unknown' });
  });

  test('that are malformed are refused, never taken for another', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (some) => {
        try {
          decodeControl(some);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtoError);
        }
      }),
      { seed: 1, numRuns: 2000 },
    );
  });
});

describe('the channels survey', () => {
  const channels = fc.uniqueArray(fc.tuple(text, uint32), { selector: ([name]) => name, maxLength: 20 });

  test('asks for a pattern', () => {
    for (const pattern of ['', 'news:*']) {
      const expected = encode('ChannelsRequest', sparse({ pattern }) as object);
      expect(encodeChannelsRequest(pattern).toString('hex')).toBe(expected.toString('hex'));
      expect(decodeChannelsRequest(expected)).toBe(pattern);
    }
  });

  test('answers with a map, which keeps all names', () => {
    const result = root.lookupType('gyre.test.ChannelsResult');
    fc.assert(
      fc.property(channels, (some) => {
        expect(decodeChannelsResult(encodeChannelsResult(some))).toEqual(some);
        const map = Object.fromEntries(some.map(([name, numClients]) => [name, { numClients }]));
        const read = result.toObject(result.decode(encodeChannelsResult(some)), { objects: true, defaults: true });
        expect(read).toEqual({ channels: map });
        const byName = ([a]: readonly [string, number], [b]: readonly [string, number]) => (a < b ? -1 : 1);
        const written = decodeChannelsResult(encode('ChannelsResult', { channels: map }));
        expect([...written].sort(byName)).toEqual([...some].sort(byName));
      }),
      runs,
    );
    const names = [['__proto__', 1] as const, ['constructor', 2] as const];
    expect(decodeChannelsResult(encodeChannelsResult(names))).toEqual(names);
  });
});
