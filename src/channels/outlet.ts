/** From an owner to the edges of a channel: one record each, and a mark where a ring has no room for it. */
import { ByteWriter } from '../lib/bytes.js';
import type { Mesh } from '../mesh/mesh.js';
import { RecordKind } from '../mesh/records.js';
import type { Bytes } from '../protocol/messages.js';
import type { Attachment, OwnedChannel } from './owned-channel.js';
import { fanOut } from './path.js';

export class Outlet {
  readonly counters = { lostPublications: 0 };
  readonly #out = new ByteWriter(4096);

  constructor(private readonly mesh: Mesh) {}

  publication(channel: OwnedChannel, entry: Bytes): void {
    fanOut(this.#out, channel, entry, this.#hand);
  }

  /** Publications are missing before the next one. */
  lost(channel: OwnedChannel): void {
    for (const edge of channel.edges) this.#markLost(edge);
  }

  /** Join and leave are told to whoever the link has room for: they promise nothing. */
  announce(kind: typeof RecordKind.join | typeof RecordKind.leave, channel: OwnedChannel, info: Bytes): void {
    const out = this.#out;
    for (const edge of channel.edges) {
      out.reset();
      out.u8(kind);
      out.u32le(edge.edgeId);
      out.raw(info);
      this.mesh.send(edge.slot, out.record());
    }
  }

  readonly #hand = (edge: Attachment, record: Buffer): void => {
    if (this.mesh.send(edge.slot, record)) return;
    this.counters.lostPublications++;
    this.#markLost(edge);
  };

  /** Once until it has been told: a link that owes anything takes nothing but what it must. */
  #markLost(edge: Attachment): void {
    const link = this.mesh.link(edge.slot);
    if (link.owes && edge.lostEpoch === link.owedEpoch) return;
    edge.lostEpoch = link.owedEpoch;
    const record = Buffer.allocUnsafe(5);
    record[0] = RecordKind.lost;
    record.writeUInt32LE(edge.edgeId, 1);
    this.mesh.mustSend(edge.slot, record);
  }
}
