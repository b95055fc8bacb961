/** Hash slots of Redis Cluster: which slot a key is in, and which server has which slots. */
import { charCode } from '../../lib/char-code.js';
import type { Endpoint } from './options.js';
import type { Reply } from './shard.js';

export const SLOTS = 16384;

/** CRC-16/XMODEM, as the Redis Cluster specification has it. */
const POLYNOMIAL = 0x1021;

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc & 0x8000 ? POLYNOMIAL : 0);
  return crc;
});

/** Of the text between the first '{' and the first '}' after it, if there is any, else of the whole key. */
export function keySlot(key: string): number {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  const from = close > open + 1 ? open + 1 : 0;
  const to = close > open + 1 ? close : key.length;
  let crc = 0;
  for (let i = from; i < to; i++) {
    const code = charCode(key, i);
    if (code > 0x7f) return slotOfBytes(Buffer.from(key.slice(from, to)));
    crc = update(crc, code);
  }
  return crc % SLOTS;
}

const slotOfBytes = (bytes: Uint8Array): number => bytes.reduce(update, 0) % SLOTS;

const update = (crc: number, byte: number): number => ((crc << 8) & 0xffff) ^ TABLE[(crc >>> 8) ^ byte]!;

/** Slots `from` to `to`, both included, and the master that has them. */
export interface SlotRange {
  readonly from: number;
  readonly to: number;
  readonly master: Endpoint;
}

/**
 * The answer to CLUSTER SLOTS: `[[from, to, [host, port, id, …], …replicas], …]`.
 *
 * @param asked  who answered. A server that does not know its own host gives none: it is where it was reached.
 * @throws Error for anything else.
 */
export function parseSlotRanges(reply: Reply, asked: Endpoint): SlotRange[] {
  return list(reply).map((range) => {
    const [from, to, master] = list(range);
    const [host, port] = list(master);
    if (!isSlot(from) || !isSlot(to) || from > to || typeof port !== 'number') throw malformed();
    const name = host === null || host === undefined ? '' : String(host);
    return { from, to, master: { host: name === '' || name === '?' ? asked.host : name, port } };
  });
}

/** The server named by a redirection: `MOVED 3999 127.0.0.1:6381`. `undefined` for any other text. */
export function parseRedirection(text: string, asked: Endpoint): Endpoint | undefined {
  const [, , address] = text.split(' ');
  const colon = address?.lastIndexOf(':') ?? -1;
  if (address === undefined || colon < 0) return undefined;
  const port = Number(address.slice(colon + 1));
  if (!Number.isInteger(port) || port < 1) return undefined;
  return { host: address.slice(0, colon) || asked.host, port };
}

const isSlot = (value: Reply | undefined): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < SLOTS;

function list(reply: Reply | undefined): Reply[] {
  if (!Array.isArray(reply)) throw malformed();
  return reply;
}

const malformed = (): Error => new Error('the answer to CLUSTER SLOTS is malformed');
