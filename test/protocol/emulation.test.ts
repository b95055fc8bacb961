import { describe, expect, test } from 'vitest';
import { decodeJsonEmulation, decodeProtoEmulation, encodeEmulation } from '../../src/protocol/emulation.js';
import { JsonError } from '../../src/protocol/json-scanner.js';
import { ProtoError } from '../../src/protocol/proto-reader.js';

const request = { node: 'n', session: 's', data: Buffer.from('"x"') };

describe('requests', () => {
  test('in JSON keep their data as it stands', () => {
    const body = '{"session":"s","node":"n","data": "{\\"id\\":1}" ,"more":1}';
    expect(decodeJsonEmulation(Buffer.from(body))).toEqual({ ...request, data: Buffer.from('"{\\"id\\":1}"') });
  });

  test('in Protobuf have the fields node, session and data', () => {
    expect(encodeEmulation(request).toString('hex')).toBe('0a016e1201731a03227822');
    expect(decodeProtoEmulation(encodeEmulation(request))).toEqual(request);
  });

  test('may leave everything out', () => {
    const nothing = { node: '', session: '', data: Buffer.alloc(0) };
    expect(decodeJsonEmulation(Buffer.from('{}'))).toEqual(nothing);
    expect(decodeProtoEmulation(Buffer.alloc(0))).toEqual(nothing);
  });

  test('that are malformed are errors', () => {
    for (const body of ['', 'x', '[]', '{"node":1}', '{"data":}']) {
      expect(() => decodeJsonEmulation(Buffer.from(body))).toThrow(JsonError);
    }
    for (const body of ['0a', '0805', '1a05ff']) {
      expect(() => decodeProtoEmulation(Buffer.from(body, 'hex'))).toThrow(ProtoError);
    }
  });
});
