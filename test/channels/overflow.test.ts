import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Member } from '../../src/channels/channels.js';
import { EdgeChannel } from '../../src/channels/edge-channel.js';
import { RingReader } from '../../src/lib/ring.js';
import { type Link, OWED_MAX_BYTES } from '../../src/mesh/link.js';
import { RecordKind } from '../../src/mesh/records.js';
import { ENTRY_JSON, encodeEntry } from '../../src/protocol/entry.js';
import { Cluster, Random, type SimThread } from '../support/cluster.js';
import { TestMember } from './members.js';

const OWNER = 1;
const EDGE = 0;
const PUBLISHER = 2;
const PUBLISH = { skipHistory: false, idempotencyKey: '', version: 0, versionEpoch: '', delta: false };
const CALL = { positioned: true, joinLeave: false, delta: false, rejectUnrecovered: false };

const OWED_RECORD_BYTES = 64;
/** For a channel that nobody has. */
const MARK = Buffer.of(RecordKind.lost, 0, 0, 0, 0);
const DETACH = Buffer.of(RecordKind.detach, 0, 0, 0, 0, 0, 0);

/** Fill a link and have it owe one record, so that it owes whatever comes next, however small. */
function block(link: Link, record: Buffer): void {
  while (link.send(record));
  link.mustSend(record);
}

/** So large that beside it and what a blocked link owes one more real record fits, and a second does not. */
function nearlyAll(record: Buffer): Buffer {
  const large = Buffer.alloc(OWED_MAX_BYTES - OWED_RECORD_BYTES - (OWED_RECORD_BYTES + record.length) - 100);
  record.copy(large);
  return large;
}

afterEach(() => vi.restoreAllMocks());

/** Two channels with a publication each, lost on the way to a worker that stands still; the marks overflow. */
class Scene {
  readonly cluster = new Cluster(3, 4096, new Random(1));
  readonly members: TestMember[] = [];
  readonly channels: string[] = [];

  constructor() {
    for (let i = 0; this.channels.length < 3; i++) {
      const member = new TestMember(undefined, `channel${i}`);
      this.thread(EDGE).edge.subscribe(member, CALL, () => {});
      if (member.seat!.channel.owner !== OWNER) this.thread(EDGE).edge.unsubscribe(member);
      else {
        member.onInsufficient = () => this.thread(EDGE).edge.unsubscribe(member);
        this.channels.push(member.channel);
        this.members.push(member);
      }
    }
    this.cluster.settle();
    for (const channel of this.channels) this.publish(channel, 1);
    this.cluster.settle();
  }

  thread(slot: number): SimThread {
    return this.cluster.threads[slot]!;
  }

  publish(channel: string, n: number): void {
    const entry = encodeEntry({ data: Buffer.from(`${n}`) }, ENTRY_JSON);
    this.thread(PUBLISHER).edge.publish(channel, entry, PUBLISH, (error) => expect(error).toBeNull());
  }

  /** Publish 2 in the first two channels while the edge stands still and its link is full of other things. */
  overflow(): void {
    const link = this.thread(OWNER).mesh.link(EDGE);
    block(link, MARK);
    link.mustSend(nearlyAll(MARK));
    for (const channel of this.channels.slice(0, 2)) this.publish(channel, 2);
    this.thread(PUBLISHER).turn.runNow();
    this.thread(OWNER).mesh.drain();
    expect(link.counters.overflows).toBe(1);
    expect(this.thread(OWNER).owner!.counters.lostPublications).toBe(2);
    this.cluster.settle();
  }

  get insufficient(): number[] {
    return this.members.map((member) => member.insufficient);
  }

  get received(): unknown[][] {
    return this.members.map(({ publications }) => publications.map(({ data }) => data));
  }
}

/** Overflow records are read and ignored. */
function ignoreOverflows(): void {
  const { drain } = RingReader.prototype;
  vi.spyOn(RingReader.prototype, 'drain').mockImplementation(function (this: RingReader, handle) {
    return drain.call(this, (memory, start, end) => {
      if (memory[start] !== RecordKind.overflow) handle(memory, start, end);
    });
  });
}

describe('loss marks that did not fit', () => {
  it('are made up for by one overflow: every channel of that owner is taken as lost, without a further publication', () => {
    const scene = new Scene();
    scene.overflow();
    expect(scene.insufficient).toEqual([1, 1, 1]);
    expect(scene.received).toEqual([[1], [1], [1]]);
    for (const channel of scene.channels) scene.publish(channel, 3);
    scene.cluster.settle();
    expect(scene.received).toEqual([[1], [1], [1]]);
  });

  it('and are marked again for what is lost after the overflow', () => {
    const scene = new Scene();
    const lost: Member[] = [];
    for (const member of scene.members) member.onInsufficient = () => lost.push(member);
    scene.overflow();
    expect(lost).toHaveLength(3);
    const link = scene.thread(OWNER).mesh.link(EDGE);
    block(link, MARK);
    scene.publish(scene.channels[0]!, 3);
    scene.thread(PUBLISHER).turn.runNow();
    scene.thread(OWNER).mesh.drain();
    scene.cluster.settle();
    expect(lost).toHaveLength(4);
    expect(lost[3]).toBe(scene.members[0]);
  });

  it('would show with the next publication of the channel even if the overflow were not heard', () => {
    ignoreOverflows();
    const scene = new Scene();
    scene.overflow();
    // Broken so, a quiet channel stays behind: this is what the overflow record is for.
    expect(scene.insufficient).toEqual([0, 0, 0]);
    for (const channel of scene.channels) scene.publish(channel, 3);
    scene.cluster.settle();
    expect(scene.insufficient).toEqual([1, 1, 0]);
    expect(scene.received).toEqual([[1], [1], [1, 3]]);
  });

  it('would be a gap only if neither were there', () => {
    ignoreOverflows();
    vi.spyOn(EdgeChannel.prototype, 'lose').mockImplementation(() => {});
    const scene = new Scene();
    scene.overflow();
    for (const channel of scene.channels) scene.publish(channel, 3);
    scene.cluster.settle();
    expect(scene.received).toEqual([
      [1, 3],
      [1, 3],
      [1, 3],
    ]);
  });
});

describe('a detach that did not fit', () => {
  it('is made up for when a publication comes for a channel that the worker no longer has', () => {
    const scene = new Scene();
    const edge = scene.thread(EDGE);
    const owner = scene.thread(OWNER);
    const toOwner = edge.mesh.link(OWNER);
    const filler = nearlyAll(DETACH);
    block(toOwner, DETACH);
    toOwner.mustSend(filler);
    toOwner.mustSend(filler);
    expect(toOwner.counters.overflows).toBe(1);
    toOwner.mustSend(filler);
    edge.edge.unsubscribe(scene.members[0]!);
    edge.edge.unsubscribe(scene.members[1]!);
    expect(toOwner.counters.overflows).toBe(2);
    scene.cluster.settle();

    const sent = vi.spyOn(owner.mesh, 'send');
    const publications = (): number =>
      sent.mock.calls.filter(([slot, record]) => slot === EDGE && record[0] === RecordKind.publication).length;
    scene.publish(scene.channels[0]!, 2);
    scene.cluster.settle();
    const before = publications();
    scene.publish(scene.channels[0]!, 3);
    scene.cluster.settle();
    expect([before, publications()]).toEqual([1, 1]);
    expect(scene.received).toEqual([[1], [1], [1]]);
  });
});
