/** Results of calls to owners, as they stand in reply records (layouts in records.ts). */
import type { PresenceStats, PublishResult } from '../engine/engine.js';
import type { ByteReader } from '../lib/bytes.js';
import type { Pending } from '../mesh/calls.js';
import { decodeClientInfo } from '../protocol/client-info.js';
import type { ClientError } from '../protocol/codes.js';
import { decodeEntry, entryLength } from '../protocol/entry.js';
import type { ClientInfo, HistoryResult, Publication } from '../protocol/messages.js';
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

export function readPublishResult(record: ByteReader): PublishResult {
  return { offset: record.f64le(), epoch: record.string(), suppressed: SUPPRESSED[record.u8()] };
}

export function readHistory(record: ByteReader): HistoryResult {
  const offset = record.f64le();
  const epoch = record.string();
  return { offset, epoch, publications: readEntries(record.rest()) };
}

/** Copied out of the ring once, then views. */
export function readEntries(entries: Buffer): Publication[] {
  const own = Buffer.from(entries);
  const publications: Publication[] = [];
  for (let at = 0; at < own.length; ) {
    const length = entryLength(own, at);
    publications.push(decodeEntry(own.subarray(at, at + length)));
    at += length;
  }
  return publications;
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
