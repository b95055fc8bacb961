/**
 * The path of a publication, from whoever publishes to every subscriber's socket:
 *
 *   1 publish   any thread    one record to the owner of the channel
 *   2 order     the owner     history append, offset, idempotency and version checks (the engine, in one step)
 *   3 fan out   the owner     one record to each worker that has subscribers, carrying the publication's bytes
 *   4 deliver   that worker   one frame per delivery class, built once, joined per turn, written to each member
 *
 * Two ring hops at most, no promise, no parse of the payload, nothing allocated per subscriber.
 * A record that a full ring refuses ends step 1 with 111, and step 3 with a loss mark (see owner.ts).
 */
import type { PublishOptions } from '../engine/engine.js';
import type { ByteReader, ByteWriter } from '../lib/bytes.js';
import { channelNames } from '../lib/text-cache.js';
import { RecordKind } from '../mesh/records.js';
import type { Bytes } from '../protocol/messages.js';
import type { PublishCall } from './channels.js';
import type { EdgeChannel } from './edge-channel.js';
import type { Attachment, OwnedChannel } from './owned-channel.js';
import { PublishFlag } from './records.js';
import type { HistoryOptions } from './streams.js';

const IDEMPOTENCY_TTL_MS = 300_000;

/** 1. The record that asks the owner to publish. */
export function writePublish(out: ByteWriter, id: number, channel: string, entry: Bytes, call: PublishCall): void {
  out.u8(RecordKind.publish);
  out.u32le(id);
  out.string(channel);
  const keyed = call.idempotencyKey !== '' || call.version > 0 || call.versionEpoch !== '';
  out.u8(
    (call.skipHistory ? PublishFlag.skipHistory : 0) |
      (call.delta ? PublishFlag.delta : 0) |
      (keyed ? PublishFlag.keyed : 0),
  );
  if (keyed) {
    out.string(call.idempotencyKey);
    out.uvarint(call.version);
    out.string(call.versionEpoch);
  }
  out.raw(entry);
}

/** 2. What the owner reads of it before it hands the rest, the entry, to the broker, which calls {@link fanOut} in order. */
export function readPublish(
  record: ByteReader,
  historyOf: (channel: string) => HistoryOptions,
): { channel: string; options: PublishOptions } {
  const channel = record.cachedString(channelNames);
  const flags = record.u8();
  const delta = (flags & PublishFlag.delta) !== 0;
  const keyed = (flags & PublishFlag.keyed) !== 0;
  const skipHistory = (flags & PublishFlag.skipHistory) !== 0;
  if (skipHistory && !keyed && !delta) return { channel, options: PLAIN };
  const history = skipHistory ? NO_HISTORY : historyOf(channel);
  const options: PublishOptions = {
    historySize: history.size,
    historyTtlMs: history.ttlMs,
    historyMetaTtlMs: history.metaTtlMs,
    idempotencyKey: keyed ? record.string() : '',
    idempotencyTtlMs: IDEMPOTENCY_TTL_MS,
    version: keyed ? record.uvarint() : 0,
    versionEpoch: keyed ? record.string() : '',
    delta,
  };
  return { channel, options };
}

const NO_HISTORY: HistoryOptions = { size: 0, ttlMs: 0, metaTtlMs: 0 };

/** Of most publications. */
const PLAIN: PublishOptions = Object.freeze({
  historySize: 0,
  historyTtlMs: 0,
  historyMetaTtlMs: 0,
  idempotencyKey: '',
  idempotencyTtlMs: IDEMPOTENCY_TTL_MS,
  version: 0,
  versionEpoch: '',
  delta: false,
});

const EDGE_ID_AT = 1;

/** 3. One record a worker. @param hand  sends it, or marks the loss. */
export function fanOut(
  out: ByteWriter,
  channel: OwnedChannel,
  entry: Bytes,
  hand: (edge: Attachment, record: Buffer) => void,
): void {
  out.reset();
  out.u8(RecordKind.publication);
  out.u32le(0);
  out.raw(entry);
  const record = out.record();
  for (const edge of channel.edges) {
    record.writeUInt32LE(edge.edgeId, EDGE_ID_AT);
    hand(edge, record);
  }
}

/** 4. At the worker. @returns the number it came for, if the worker no longer has that channel. */
export function deliver(
  channels: Pick<ReadonlyMap<number, EdgeChannel>, 'get'>,
  record: ByteReader,
): number | undefined {
  const edgeId = record.u32le();
  const channel = channels.get(edgeId);
  if (channel === undefined) return edgeId;
  channel.deliver(record.rest());
  return undefined;
}
