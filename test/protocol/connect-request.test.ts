/** Connect requests by themselves, as unidirectional clients send them. */
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { expect, test } from 'vitest';
import { decodeJsonConnect } from '../../src/protocol/json-decode.js';
import { JsonError } from '../../src/protocol/json-scanner.js';
import { decodeProtoConnect } from '../../src/protocol/proto-decode.js';
import { ProtoError } from '../../src/protocol/proto-reader.js';
import { emptyConnect, emptySubscribe } from '../../src/protocol/requests.js';

const root = protobuf.loadSync(fileURLToPath(new URL('client.proto', import.meta.url)));
const ConnectRequest = root.lookupType('gyre.test.ConnectRequest');

const request = {
  ...emptyConnect(),
  token: 't',
  name: 'n',
  version: 'v',
  data: Buffer.from('{"big": 12345678901234567890}'),
  headers: { 'X-Said': 's' },
  subs: { a: { ...emptySubscribe(), recover: true, offset: 7, epoch: 'e' }, b: emptySubscribe() },
};

test('in JSON', () => {
  const text =
    '{"token":"t","name":"n","version":"v","data":{"big": 12345678901234567890},"headers":{"X-Said":"s"},' +
    '"subs":{"a":{"recover":true,"offset":7,"epoch":"e"},"b":null},"unknown":[]}\n';
  expect(decodeJsonConnect(Buffer.from(text))).toEqual(request);
  for (const nothing of ['null', ' {} ']) expect(decodeJsonConnect(Buffer.from(nothing))).toEqual(emptyConnect());
  for (const malformed of ['', '[]', '1', '{', '{}{}', '{"subs":[]}', '{"token":1}']) {
    expect(() => decodeJsonConnect(Buffer.from(malformed))).toThrow(JsonError);
  }
});

test('in Protobuf', () => {
  const bytes = ConnectRequest.encode(ConnectRequest.fromObject(request)).finish();
  expect(decodeProtoConnect(bytes)).toEqual(request);
  expect(decodeProtoConnect(Buffer.alloc(0))).toEqual(emptyConnect());
  expect(() => decodeProtoConnect(bytes.subarray(0, -1))).toThrow(ProtoError);
});
