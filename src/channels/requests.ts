/** What edges ask the owner of a channel, subscribed or not: publish, history, presence. */
import type { Broker, PresenceManager, PublishReply, PublishResult } from '../engine/engine.js';
import type { ByteReader } from '../lib/bytes.js';
import { type Calls, Ticket } from '../mesh/calls.js';
import type { Mesh } from '../mesh/mesh.js';
import { RecordKind } from '../mesh/records.js';
import { type ClientError, errors } from '../protocol/codes.js';
import type { Answering } from './answering.js';
import type { LastSeen } from './last-seen.js';
import { readPublish } from './path.js';
import { HistoryFlag, SUPPRESSED } from './records.js';
import type { HistoryOptions, Streams } from './streams.js';

export interface RequestsDeps {
  readonly mesh: Mesh;
  readonly answering: Answering;
  readonly broker: Broker;
  readonly presence: PresenceManager;
  readonly streams: Streams;
  /** Of what publishers were told; undefined where nothing they were told can be lost. */
  readonly lastSeen: LastSeen | undefined;
}

export function answerRequests({ mesh, answering, broker, presence, streams, lastSeen }: RequestsDeps): void {
  const on = (kind: number, handle: (record: ByteReader, ticket: Ticket) => void): void =>
    mesh.on(kind, answering.handler(handle));

  const historyOf = (channel: string): HistoryOptions => streams.options(channel);

  const publishing = answering.handlerOf(
    (slot, id) => new Publishing(answering.calls, slot, id, lastSeen),
    (record, reply) => {
      const { channel, options } = readPublish(record, historyOf);
      reply.channel = channel;
      broker.publish(channel, record.rest(), options, reply);
    },
  );
  mesh.on(RecordKind.publish, publishing);

  on(RecordKind.history, (record, ticket) => {
    const channel = record.string();
    const flags = record.u8();
    const limit = record.f64le();
    const since = (flags & HistoryFlag.since) !== 0 ? { offset: record.f64le(), epoch: record.string() } : undefined;
    const reverse = (flags & HistoryFlag.reverse) !== 0;
    answering.answer(ticket, streams.read(channel, { limit, since, reverse }), ({ offset, epoch, entries }, out) => {
      if (since !== undefined && since.epoch !== '' && since.epoch !== epoch) throw errors.unrecoverablePosition;
      out.f64le(offset);
      out.string(epoch);
      out.raw(entries);
    });
  });

  on(RecordKind.removeHistory, (record, ticket) => {
    answering.answer(ticket, broker.removeHistory(record.string()), () => {});
  });

  on(RecordKind.presence, (record, ticket) => {
    answering.answer(ticket, presence.presence(record.string()), (present, out) => {
      for (const [client, info] of present) {
        out.string(client);
        out.bytes(info);
      }
    });
  });

  on(RecordKind.presenceStats, (record, ticket) => {
    answering.answer(ticket, presence.stats(record.string()), ({ numClients, numUsers }, out) => {
      out.u32le(numClients);
      out.u32le(numUsers);
    });
  });
}

/** A publisher that waits for the broker. */
class Publishing extends Ticket implements PublishReply {
  /** Read after the number of the call. */
  channel = '';

  constructor(
    calls: Calls,
    slot: number,
    id: number,
    private readonly lastSeen: LastSeen | undefined,
  ) {
    super(calls, slot, id);
  }

  succeed(offset: number, epoch: string, suppressed?: PublishResult['suppressed']): void {
    if (offset > 0) this.lastSeen?.note(this.channel, offset, epoch);
    if (!this.valid) return;
    const out = this.calls.beginReply(this.id);
    if (offset > 0 || epoch !== '' || suppressed !== undefined) {
      out.f64le(offset);
      out.string(epoch);
      out.u8(SUPPRESSED.indexOf(suppressed));
    }
    // It is published: "try again", which 111 would say, could publish it twice.
    this.calls.endReply(this.slot, this.id, errors.internal);
  }

  fail(error: ClientError): void {
    this.refuse(error);
  }
}
