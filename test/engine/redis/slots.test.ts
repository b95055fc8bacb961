import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keySlot, parseRedirection, parseSlotRanges, SLOTS } from '../../../src/engine/redis/slots.js';

const asked = { host: 'seed', port: 7000 };

/** Bit by bit, as the definition of CRC-16/XMODEM has it. */
function slowSlot(text: string): number {
  let crc = 0;
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc % 16384;
}

describe('the slot of a key', () => {
  it.each([
    ['', 0],
    // The check value of CRC-16/XMODEM is 0x31C3.
    ['123456789', 0x31c3],
    ['foo', 12182],
    ['bar', 5061],
    ['hello', 866],
    ['{user1000}.following', 3443],
    ['{user1000}.followers', 3443],
    ['foo{bar}{zap}', 5061],
    ['foo{{bar}}zap', slowSlot('{bar')],
    ['foo{}{bar}', slowSlot('foo{}{bar}')],
    ['foo{bar', slowSlot('foo{bar')],
    ['}foo{bar}', 5061],
  ])('%j is in %i', (key, slot) => expect(keySlot(key)).toBe(slot));

  it('is that of the UTF-8 bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(keySlot(`{x${text.replaceAll('}', '')}}.key`)).toBe(slowSlot(`x${text.replaceAll('}', '')}`));
        expect(keySlot(text.replaceAll('{', ''))).toBe(slowSlot(text.replaceAll('{', '')));
      }),
      { seed: 1 },
    );
  });
});

describe('the answer to CLUSTER SLOTS', () => {
  it('gives ranges with their masters', () => {
    const reply = [
      [
        0,
        99,
        [Buffer.from('10.0.0.1'), 7001, Buffer.from('id'), []],
        [Buffer.from('10.0.0.2'), 7002, Buffer.from('id')],
      ],
      [100, SLOTS - 1, [Buffer.from('node.example'), 7003, Buffer.from('id')]],
    ];
    expect(parseSlotRanges(reply, asked)).toEqual([
      { from: 0, to: 99, master: { host: '10.0.0.1', port: 7001 } },
      { from: 100, to: SLOTS - 1, master: { host: 'node.example', port: 7003 } },
    ]);
  });

  it.each([[null], [Buffer.from('')], ['?']])('takes host %j for that of the server asked', (host) => {
    expect(parseSlotRanges([[0, 1, [host, 7001]]], asked)[0]!.master).toEqual({ host: 'seed', port: 7001 });
  });

  it.each([
    [null],
    ['OK'],
    [[1]],
    [[[0, SLOTS, ['h', 1]]]],
    [[[2, 1, ['h', 1]]]],
    [[[0, 1]]],
    [[[0, 1, ['h', 'p']]]],
  ])('refuses %j', (reply) => expect(() => parseSlotRanges(reply, asked)).toThrow('malformed'));
});

describe('a redirection', () => {
  it.each([
    ['MOVED 3999 127.0.0.1:6381', { host: '127.0.0.1', port: 6381 }],
    ['ASK 3999 node.example:6381', { host: 'node.example', port: 6381 }],
    ['MOVED 3999 ::1:6381', { host: '::1', port: 6381 }],
    ['MOVED 3999 :6381', { host: 'seed', port: 6381 }],
    ['MOVED 3999', undefined],
    ['MOVED 3999 host', undefined],
    ['MOVED 3999 host:x', undefined],
    ['TRYAGAIN Multiple keys request during rehashing of slot', undefined],
  ])('%j', (text, endpoint) => expect(parseRedirection(text, asked)).toEqual(endpoint));
});
