/** Results of calls to owners, as they stand in reply records (layouts in records.ts). */
import type { PresenceStats, PublishResult } from '../engine/engine.js';
import type { ByteReader } from '../lib/bytes.js';
import type { Pending } from '../mesh/calls.js';
import { decodeClientInfo } from '../protocol/client-info.js';
import type { ClientError } from '../protocol/codes.js';
import type { ClientInfo, HistoryResult } from '../protocol/messages.js';
import type { Done } from './channels.js';
import { SUPPRESSED } from './records.js';

/** A pending call that ends in a callback. */
export class Answer<T> implements Pending {
  constructor(
    private readonly done: Done<T>,
    private readonly read: (result: ByteReader) => T,
  ) {}

  succeed(result: ByteReader): void {
    this.done(null, this.read(result));
  }

  fail(error: ClientError): void {
    this.done(error, undefined);
  }
}

const NOT_STORED: PublishResult = Object.freeze({ offset: 0, epoch: '', suppressed: undefined });

export function readPublishResult(record: ByteReader): PublishResult {
  if (record.done) return NOT_STORED;
  return { offset: record.f64le(), epoch: record.string(), suppressed: SUPPRESSED[record.u8()] };
}

export function readHistory(record: ByteReader): HistoryResult {
  const offset = record.f64le();
  const epoch = record.string();
  return { offset, epoch, publications: { bytes: Buffer.from(record.rest()) } };
}

export function readPresence(record: ByteReader): Record<string, ClientInfo> {
  const present: Record<string, ClientInfo> = Object.create(null);
  while (!record.done) {
    const client = record.string();
    present[client] = decodeClientInfo(Buffer.from(record.bytes()));
  }
  return present;
}

export function readStats(record: ByteReader): PresenceStats {
  return { numClients: record.u32le(), numUsers: record.u32le() };
}
