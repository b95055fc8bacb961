import { describe, expect, it } from 'vitest';
import type { SubscribeAck, SubscribeCall } from '../../src/channels/channels.js';
import { compileFilter } from '../../src/channels/filter.js';
import { encodeClientInfo } from '../../src/protocol/client-info.js';
import { type ClientError, errors } from '../../src/protocol/codes.js';
import { decoded, ENTRY_JSON, encodeEntry, entryFromProtobuf, entryProtobuf } from '../../src/protocol/entry.js';
import type { ClientInfo, HistoryResult, Publications } from '../../src/protocol/messages.js';
import { Cluster, Random, type SimThread } from '../support/cluster.js';
import { TestMember } from './members.js';

const WORKERS = 3;
const PUBLISH = { skipHistory: false, idempotencyKey: '', version: 0, versionEpoch: '', delta: false };
const CALL: SubscribeCall = { positioned: false, joinLeave: false, delta: false, rejectUnrecovered: false };
const goals = compileFilter({ op: '', key: 'kind', cmp: 'eq', val: 'goal', vals: [], nodes: [] });

interface Outcome<T> {
  error: ClientError | null;
  result: T | undefined;
}

class Scene {
  readonly cluster: Cluster;
  constructor(ringBytes = 1 << 16) {
    this.cluster = new Cluster(WORKERS, ringBytes, new Random(1));
  }

  get threads(): SimThread[] {
    return this.cluster.threads;
  }

  /** A channel that the worker in `slot` owns. */
  ownedBy(slot: number): string {
    for (let i = 0; ; i++) {
      const name = `channel${i}`;
      const member = new TestMember(undefined, name);
      this.threads[0]!.edge.subscribe(member, CALL, () => {});
      const { owner } = member.seat!.channel;
      this.threads[0]!.edge.unsubscribe(member);
      this.cluster.settle();
      if (owner === slot) return name;
    }
  }

  publish(channel: string, data: unknown, tags?: Record<string, string>, call = PUBLISH): Outcome<{ offset: number }> {
    return this.call((done) =>
      this.threads[WORKERS]!.edge.publish(
        channel,
        encodeEntry({ data: Buffer.from(JSON.stringify(data)), tags }, ENTRY_JSON),
        call,
        done,
      ),
    );
  }

  subscribe(edge: number, channel: string, call: Partial<SubscribeCall> = {}) {
    const member = new TestMember(undefined, channel);
    const ack = this.start(edge, member, call);
    this.cluster.settle();
    return { member, ack: ack() };
  }

  /** @returns the outcome so far. */
  start(edge: number, member: TestMember, call: Partial<SubscribeCall>): () => Outcome<SubscribeAck> | undefined {
    const outcomes: Outcome<SubscribeAck>[] = [];
    this.threads[edge]!.edge.subscribe(member, { ...CALL, ...call }, (error, result) => {
      outcomes.push({ error, result });
      if (outcomes.length > 1) throw new Error('a subscribe call ended twice');
    });
    return () => outcomes[0];
  }

  call<T>(make: (done: (error: ClientError | null, result: T | undefined) => void) => void): Outcome<T> {
    const outcomes: Outcome<T>[] = [];
    make((error, result) => outcomes.push({ error, result }));
    this.cluster.settle();
    expect(outcomes).toHaveLength(1);
    return outcomes[0]!;
  }

  presence(channel: string): string[] {
    const { result } = this.call<object>((done) => this.threads[0]!.edge.presence(channel, done));
    return Object.keys(result!).sort();
  }

  position(channel: string) {
    const filter = { limit: 0, reverse: false };
    return this.call<{ offset: number; epoch: string }>((done) => this.threads[0]!.edge.history(channel, filter, done))
      .result!;
  }

  /** No room is left for even a small record on the link. */
  clog(from: number, to: number): void {
    const link = this.threads[from]!.mesh.link(to);
    // A lost mark for a channel that nobody has: read and ignored.
    while (link.send(Buffer.of(27, 0, 0, 0, 0)));
  }
}

const announced = (client: string, presence: boolean, joinLeave: boolean) => ({
  client,
  user: `user of ${client}`,
  bytes: encodeClientInfo({ client, user: `user of ${client}` }),
  presence,
  joinLeave,
});

const NONE = { bytes: Buffer.alloc(0) };
const dataOf = (publications: Publications): unknown[] =>
  decoded(publications).map(({ data }) => JSON.parse(Buffer.from(data).toString()));
const received = (member: TestMember): unknown[] => member.publications.map(({ data }) => data);
const events = (member: TestMember): string[] =>
  member.pushes.flatMap((push) =>
    (['join', 'leave'] as const).flatMap((kind) => {
      const event = push[kind] as { info: { client: string } } | undefined;
      return event === undefined ? [] : [`${kind} ${event.info.client}`];
    }),
  );

describe.each([0, 1])('a channel owned by worker %d, subscribed at worker 0', (owner) => {
  it('delivers from the acknowledgement on, in order, with no offset of a channel that nobody positions', () => {
    const scene = new Scene();
    const channel = scene.ownedBy(owner);
    scene.publish(channel, 'before');
    const { member, ack } = scene.subscribe(0, channel);
    expect(ack).toEqual({ error: null, result: { offset: 0, epoch: '', recovered: false, publications: NONE } });
    for (const data of [1, 2, 3]) scene.publish(channel, data);
    expect(received(member)).toEqual([1, 2, 3]);
    scene.threads[0]!.edge.unsubscribe(member);
    scene.publish(channel, 4);
    expect(received(member)).toEqual([1, 2, 3]);
    expect([...scene.threads[0]!.edge.localChannels()]).toEqual([]);
  });

  describe('presence', () => {
    it('shows who subscribed with it, until they leave', () => {
      const scene = new Scene();
      const channel = scene.ownedBy(owner);
      const shown = scene.subscribe(0, channel, { info: announced('a', true, false) });
      scene.subscribe(2, channel, { info: announced('b', true, false) });
      scene.subscribe(0, channel, { info: announced('hidden', false, true) });
      expect(scene.presence(channel)).toEqual(['a', 'b']);
      const { result } = scene.call((done) => scene.threads[1]!.edge.presenceStats(channel, done));
      expect(result).toEqual({ numClients: 2, numUsers: 2 });
      scene.threads[0]!.edge.unsubscribe(shown.member);
      expect(scene.presence(channel)).toEqual(['b']);
    });

    it('expires unless it is renewed, and is renewed with new info', () => {
      const scene = new Scene();
      const channel = scene.ownedBy(owner);
      const renewed = scene.subscribe(0, channel, { info: announced('a', true, false) }).member;
      scene.subscribe(0, channel, { info: announced('b', true, false) });
      scene.cluster.clock.advance(40_000);
      scene.threads[0]!.edge.renewPresence(
        renewed,
        encodeClientInfo({ client: 'a', user: 'u', chanInfo: Buffer.from('{"new":1}') }),
      );
      scene.cluster.settle();
      scene.cluster.clock.advance(30_000);
      const { result } = scene.call<Record<string, ClientInfo>>((done) =>
        scene.threads[2]!.edge.presence(channel, done),
      );
      expect(Object.keys(result!)).toEqual(['a']);
      expect(Buffer.from(result!.a!.chanInfo!).toString()).toBe('{"new":1}');
    });

    it('is not brought back by a renewal of who is not shown, or is gone', () => {
      const scene = new Scene();
      const channel = scene.ownedBy(owner);
      const hidden = scene.subscribe(0, channel, { info: announced('hidden', false, true) }).member;
      const gone = scene.subscribe(0, channel, { info: announced('gone', true, false) }).member;
      scene.threads[0]!.edge.unsubscribe(gone);
      for (const member of [hidden, gone]) scene.threads[0]!.edge.renewPresence(member, Buffer.alloc(0));
      expect(scene.presence(channel)).toEqual([]);
    });
  });

  it('says joins and leaves in order, one’s own join after the acknowledgement included', () => {
    const scene = new Scene();
    const channel = scene.ownedBy(owner);
    const watcher = scene.subscribe(1, channel, { joinLeave: true });
    const member = new TestMember(undefined, channel);
    let atAck: string[] | undefined;
    scene.threads[0]!.edge.subscribe(
      member,
      { ...CALL, joinLeave: true, info: announced('a', false, true) },
      () => (atAck = events(member)),
    );
    scene.cluster.settle();
    expect(atAck).toEqual([]);
    const b = scene.subscribe(2, channel, { info: announced('b', false, true) });
    scene.threads[2]!.edge.unsubscribe(b.member);
    scene.cluster.settle();
    scene.threads[0]!.edge.unsubscribe(member);
    scene.cluster.settle();
    expect(events(member)).toEqual(['join a', 'join b', 'leave b']);
    expect(events(watcher.member)).toEqual(['join a', 'join b', 'leave b', 'leave a']);
    expect(events(b.member)).toEqual([]);
  });

  describe('an unsubscribe while the subscribe is under way', () => {
    it('ends it without a word, and leaves nothing behind', () => {
      const scene = new Scene();
      const channel = scene.ownedBy(owner);
      const watcher = scene.subscribe(1, channel, { joinLeave: true });
      const member = new TestMember(undefined, channel);
      const ack = scene.start(0, member, { positioned: true, info: announced('a', true, true) });
      scene.threads[0]!.edge.unsubscribe(member);
      scene.publish(channel, 'x');
      expect(ack()).toBeUndefined();
      expect(member.frames).toEqual([]);
      expect(scene.presence(channel)).toEqual([]);
      expect(events(watcher.member)).toEqual(['join a', 'leave a']);
      expect(received(watcher.member)).toEqual(['x']);
      expect([...scene.threads[0]!.edge.localChannels()]).toEqual([]);
    });

    it('does not disturb another one of the same channel', () => {
      const scene = new Scene();
      const channel = scene.ownedBy(owner);
      const gone = new TestMember(undefined, channel);
      const stays = new TestMember(undefined, channel);
      const goneAck = scene.start(0, gone, { info: announced('a', true, true) });
      const staysAck = scene.start(0, stays, { positioned: true, info: announced('b', true, true) });
      scene.threads[0]!.edge.unsubscribe(gone);
      const again = new TestMember(undefined, channel);
      const againAck = scene.start(0, again, { info: announced('a', true, true) });
      scene.cluster.settle();
      scene.publish(channel, 'x');
      expect([goneAck(), staysAck()!.error, againAck()!.error]).toEqual([undefined, null, null]);
      expect([gone, stays, again].map(received)).toEqual([[], ['x'], ['x']]);
      expect(scene.presence(channel)).toEqual(['a', 'b']);
    });
  });

  describe('recovery', () => {
    function history(count: number) {
      const scene = new Scene();
      const channel = scene.ownedBy(owner);
      for (let n = 1; n <= count; n++) scene.publish(channel, n, { kind: n % 2 === 0 ? 'goal' : 'foul' });
      return { scene, channel, ...scene.position(channel) };
    }
    const since = (offset: number, epoch: string, mode: 'stream' | 'cache' = 'stream') => ({
      positioned: true,
      recover: { since: { offset, epoch }, mode },
    });

    it('gives what was missed and goes on from there', () => {
      const { scene, channel, epoch } = history(5);
      const { member, ack } = scene.subscribe(0, channel, since(2, epoch));
      expect(ack!.result).toMatchObject({ offset: 5, epoch, recovered: true });
      expect(dataOf(ack!.result!.publications)).toEqual([3, 4, 5]);
      scene.publish(channel, 6);
      expect(member.publications).toEqual([expect.objectContaining({ data: 6, offset: 6 })]);
    });

    it('is complete with nothing missed, and for a client that knows no epoch', () => {
      const { scene, channel, epoch } = history(3);
      expect(scene.subscribe(0, channel, since(3, epoch)).ack!.result).toMatchObject({
        recovered: true,
        publications: NONE,
      });
      expect(dataOf(scene.subscribe(0, channel, since(1, '')).ack!.result!.publications)).toEqual([2, 3]);
    });

    it.each([
      ['another epoch', 2, 'other'],
      ['a position of the future', 9, undefined],
    ])('fails for %s: with an acknowledgement, or with 112 where that was asked for', (_, offset, epoch) => {
      const made = history(3);
      const call = since(offset, epoch ?? made.epoch);
      const { ack, member } = made.scene.subscribe(0, made.channel, call);
      expect(ack!.result).toEqual({ offset: 3, epoch: made.epoch, recovered: false, publications: NONE });
      const rejected = made.scene.subscribe(0, made.channel, { ...call, rejectUnrecovered: true });
      expect(rejected.ack).toEqual({ error: errors.unrecoverablePosition, result: undefined });
      made.scene.publish(made.channel, 4);
      expect([member, rejected.member].map(received)).toEqual([[4], []]);
    });

    it('fails for what history no longer holds, and beyond what may be recovered at once', () => {
      const trimmed = history(110);
      expect(trimmed.scene.subscribe(0, trimmed.channel, since(5, trimmed.epoch)).ack!.result!.recovered).toBe(false);
      expect(trimmed.scene.subscribe(0, trimmed.channel, since(10, trimmed.epoch)).ack!.result!.recovered).toBe(true);

      const scene = new Scene(1 << 20);
      scene.cluster.history = { ...scene.cluster.history, size: 1000 };
      const channel = scene.ownedBy(owner);
      for (let n = 1; n <= 310; n++) scene.publish(channel, n);
      const { epoch } = scene.position(channel);
      expect(scene.subscribe(0, channel, since(9, epoch)).ack!.result).toMatchObject({ recovered: false, offset: 310 });
      expect(dataOf(scene.subscribe(0, channel, since(10, epoch)).ack!.result!.publications)).toHaveLength(300);
    });

    it('gives those who missed the same copies of it, and what is newer', () => {
      const { scene, channel, epoch } = history(5);
      const recover = (from: number, call: Partial<SubscribeCall> = {}) =>
        scene.subscribe(0, channel, { ...since(from, epoch), ...call }).ack!.result!;
      expect(dataOf(recover(2).publications)).toEqual([3, 4, 5]);
      const second = recover(2);
      expect(dataOf(second.publications)).toEqual([3, 4, 5]);
      expect(recover(2).publications).toBe(second.publications);
      scene.publish(channel, 6, { kind: 'goal' });
      scene.publish(channel, 7, { kind: 'foul' });
      expect(recover(2, { filter: goals })).toMatchObject({ offset: 7, publications: [{ offset: 4 }, { offset: 6 }] });
      expect(recover(2)).toMatchObject({ offset: 7, epoch, recovered: true });
      expect(dataOf(recover(2).publications)).toEqual([3, 4, 5, 6, 7]);
      expect(dataOf(recover(3).publications)).toEqual([4, 5, 6, 7]);
    });

    it('does not give copies of what history no longer holds', () => {
      const { scene, channel, epoch } = history(5);
      const recover = () => scene.subscribe(0, channel, since(2, epoch)).ack!.result;
      expect(recover()).toMatchObject({ recovered: true });
      for (let n = 6; n <= 102; n++) scene.publish(channel, n);
      expect(recover()).toMatchObject({ recovered: true, offset: 102 });
      scene.publish(channel, 103);
      expect(recover()).toEqual({ recovered: false, offset: 103, epoch, publications: NONE });
      scene.call((done) => scene.threads[0]!.edge.removeHistory(channel, done));
      expect(recover()).toEqual({ recovered: false, offset: 103, epoch, publications: NONE });
    });

    it('gives only what the filter matches', () => {
      const { scene, channel, epoch } = history(6);
      const { ack } = scene.subscribe(0, channel, { ...since(1, epoch), filter: goals });
      expect(ack!.result).toMatchObject({ recovered: true, offset: 6 });
      expect(dataOf(ack!.result!.publications)).toEqual([2, 4, 6]);
    });

    it('from the cache gives the newest one, or the newest that matches', () => {
      const { scene, channel, epoch } = history(5);
      const plain = scene.subscribe(0, channel, since(0, '', 'cache')).ack!.result!;
      expect(plain).toMatchObject({ recovered: true, offset: 5 });
      expect(dataOf(plain.publications)).toEqual([5]);
      const filtered = scene.subscribe(0, channel, { ...since(0, '', 'cache'), filter: goals }).ack!.result!;
      expect(dataOf(filtered.publications)).toEqual([4]);
      expect(scene.subscribe(0, channel, since(5, epoch, 'cache')).ack!.result).toMatchObject({
        recovered: true,
        publications: [],
      });
      const empty = scene.subscribe(0, scene.ownedBy(2), since(0, '', 'cache')).ack!.result!;
      expect(empty).toMatchObject({ recovered: false, publications: [] });
    });

    it('gives a chain of patches to who takes deltas, and the next one fits on it', () => {
      const scene = new Scene();
      const channel = scene.ownedBy(owner);
      const body = 'a long text that does not change '.repeat(10);
      const delta = { ...PUBLISH, delta: true };
      for (let n = 1; n <= 3; n++) scene.publish(channel, { n, body }, undefined, delta);
      const { ack } = scene.subscribe(0, channel, { ...since(0, ''), delta: true });
      expect(decoded(ack!.result!.publications).map((pub) => pub.delta === true)).toEqual([false, true, true]);
    });
  });

  describe('history', () => {
    it('is read in either direction, with a limit, and fails with 112 in a wrong epoch', () => {
      const scene = new Scene();
      const channel = scene.ownedBy(owner);
      for (const n of [1, 2, 3, 4]) scene.publish(channel, n);
      const { epoch } = scene.position(channel);
      const read = (limit: number, reverse: boolean, offset?: number, of = epoch) =>
        scene.call<HistoryResult>((done) => {
          const from = offset === undefined ? undefined : { offset, epoch: of };
          scene.threads[0]!.edge.history(channel, { limit, reverse, since: from }, done);
        });
      expect(read(0, false).result).toEqual({ offset: 4, epoch, publications: NONE });
      expect(dataOf(read(-1, false).result!.publications)).toEqual([1, 2, 3, 4]);
      expect(dataOf(read(2, true).result!.publications)).toEqual([4, 3]);
      expect(dataOf(read(2, false, 1).result!.publications)).toEqual([2, 3]);
      expect(dataOf(read(-1, true, 3).result!.publications)).toEqual([2, 1]);
      expect(read(-1, false, 1, 'other')).toEqual({ error: errors.unrecoverablePosition, result: undefined });
      expect(read(-1, false, 3, '').error).toBeNull();
      expect(read(-1, true, 0)).toEqual({ error: errors.badRequest, result: undefined });
    });

    it('is removed, position kept', () => {
      const scene = new Scene();
      const channel = scene.ownedBy(owner);
      scene.publish(channel, 1);
      const before = scene.position(channel);
      expect(scene.call((done) => scene.threads[2]!.edge.removeHistory(channel, done)).error).toBeNull();
      expect(scene.position(channel)).toEqual(before);
      const { ack } = scene.subscribe(0, channel, {
        positioned: true,
        recover: { since: { offset: 0, epoch: before.epoch }, mode: 'stream' },
      });
      expect(ack!.result!.recovered).toBe(false);
    });
  });

  it('suppresses repeated keys and old versions, and says which', () => {
    const scene = new Scene();
    const channel = scene.ownedBy(owner);
    const { member } = scene.subscribe(0, channel);
    const results = [
      { ...PUBLISH, idempotencyKey: 'k' },
      { ...PUBLISH, idempotencyKey: 'k' },
      { ...PUBLISH, version: 5 },
      { ...PUBLISH, version: 5 },
    ].map((call, n) => scene.publish(channel, n, undefined, call).result);
    expect(results.map((result) => (result as { suppressed?: string }).suppressed)).toEqual([
      undefined,
      'idempotency',
      undefined,
      'version',
    ]);
    expect(received(member)).toEqual([0, 2]);
  });

  describe('where a queue on the way is full', () => {
    it('publish, history and subscribe fail with 111, and what was there goes on', () => {
      const scene = new Scene(4096);
      const channel = scene.ownedBy(owner);
      const { member } = scene.subscribe(0, channel, { positioned: true });
      scene.clog(0, owner);
      const outcomes: (ClientError | null)[] = [];
      const note = (error: ClientError | null): void => void outcomes.push(error);
      scene.threads[0]!.edge.publish(channel, encodeEntry({ data: Buffer.from('1') }, ENTRY_JSON), PUBLISH, note);
      scene.threads[0]!.edge.history(channel, { limit: 1, reverse: false }, note);
      scene.threads[0]!.edge.presence(channel, note);
      const refused = new TestMember(undefined, channel);
      scene.threads[0]!.edge.subscribe(refused, { ...CALL, info: announced('a', true, true) }, note);
      expect(outcomes).toEqual(Array(4).fill(errors.tooManyRequests));
      scene.cluster.settle();
      scene.publish(channel, 'later');
      expect(received(member)).toEqual(['later']);
      expect(received(refused)).toEqual([]);
      expect(scene.presence(channel)).toEqual([]);
    });

    it('a subscribe whose acknowledgement does not fit fails with 111 and is undone', () => {
      const scene = new Scene(4096);
      const channel = scene.ownedBy(owner);
      const watcher = scene.subscribe(2, channel, { joinLeave: true });
      const member = new TestMember(undefined, channel);
      const ack = scene.start(0, member, { info: announced('a', true, true) });
      const { mesh } = scene.threads[0]!;
      mesh.publish();
      const back = scene.threads[owner]!;
      scene.clog(owner, 0);
      back.mesh.drain();
      back.mesh.publish();
      scene.cluster.settle();
      expect(ack()).toEqual({ error: errors.tooManyRequests, result: undefined });
      expect(scene.presence(channel)).toEqual([]);
      scene.publish(channel, 'x');
      expect(received(member)).toEqual([]);
      expect(events(watcher.member)).toEqual([]);
      // And can be had again.
      const again = scene.subscribe(0, channel);
      scene.publish(channel, 'y');
      expect(received(again.member)).toEqual(['y']);
    });
  });

  it('says 100 for a call that the owner does not answer in time, and undoes the subscribe', () => {
    const scene = new Scene();
    const channel = scene.ownedBy(owner);
    const member = new TestMember(undefined, channel);
    const ack = scene.start(0, member, { info: announced('a', true, false) });
    scene.threads[0]!.calls.sweep();
    scene.cluster.clock.advance(5000);
    scene.threads[0]!.calls.sweep();
    expect(ack()).toEqual({ error: errors.internal, result: undefined });
    scene.cluster.settle();
    expect(scene.presence(channel)).toEqual([]);
    scene.publish(channel, 'x');
    expect(received(member)).toEqual([]);
    expect([...scene.threads[0]!.edge.localChannels()]).toEqual([]);
  });
});

it('a lost publication is told to who is positioned before any later one; the others go on', () => {
  const owner = 1;
  const scene = new Scene(4096);
  const channel = scene.ownedBy(owner);
  const positioned = scene.subscribe(0, channel, { positioned: true }).member;
  const loose = scene.subscribe(0, channel).member;
  const elsewhere = scene.subscribe(2, channel, { positioned: true }).member;
  let seenAtLoss: unknown[] | undefined;
  positioned.onInsufficient = () => (seenAtLoss = received(positioned));
  scene.publish(channel, 1);
  scene.clog(owner, 0);
  const outcome: (ClientError | null)[] = [];
  const entry = encodeEntry({ data: Buffer.from('2') }, ENTRY_JSON);
  scene.threads[2]!.edge.publish(channel, entry, PUBLISH, (error) => outcome.push(error));
  scene.threads[2]!.turn.runNow();
  // The owner's turn alone: the link to worker 0 stays full.
  scene.threads[owner]!.mesh.drain();
  scene.cluster.settle();
  expect(outcome).toEqual([null]);
  scene.publish(channel, 3);
  expect(scene.threads[owner]!.owner!.counters.lostPublications).toBe(1);
  expect(positioned.insufficient).toBe(1);
  expect(seenAtLoss).toEqual([1]);
  expect(received(loose)).toEqual([1, 3]);
  expect(received(elsewhere)).toEqual([1, 2, 3]);
});

describe('when the owner is replaced', () => {
  it('members that rely on history are told, the others go on with the new one, shown in its presence', () => {
    const scene = new Scene();
    const channel = scene.ownedBy(1);
    const positioned = scene.subscribe(0, channel, { positioned: true, info: announced('p', true, false) }).member;
    positioned.onInsufficient = () => scene.threads[0]!.edge.unsubscribe(positioned);
    const loose = scene.subscribe(0, channel, { info: announced('a', true, true), joinLeave: true }).member;
    const hidden = scene.subscribe(2, channel).member;
    scene.publish(channel, 1);
    const eventsBefore = events(loose);
    scene.cluster.crash(1);
    expect(positioned.insufficient).toBe(1);
    scene.cluster.settle();
    scene.publish(channel, 2);
    expect([loose, hidden].map(received)).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect([loose, hidden].map(({ insufficient }) => insufficient)).toEqual([0, 0]);
    expect(scene.presence(channel)).toEqual(['a']);
    expect(events(loose)).toEqual(eventsBefore);
    expect(positioned.publications).toHaveLength(1);
  });

  it('asks once a channel, however many members it has', () => {
    const scene = new Scene(4096);
    const channel = scene.ownedBy(1);
    const members = Array.from({ length: 500 }, () => scene.subscribe(0, channel).member);
    scene.cluster.crash(1);
    scene.cluster.settle();
    scene.publish(channel, 'x');
    expect(members.every(({ insufficient }) => insufficient === 0)).toBe(true);
    expect(members.every((member) => received(member).length === 1)).toBe(true);
  });

  it('subscribes under way end with 100', () => {
    const scene = new Scene();
    const channel = scene.ownedBy(1);
    const ack = scene.start(0, new TestMember(undefined, channel), {});
    scene.cluster.crash(1);
    expect(ack()).toEqual({ error: errors.internal, result: undefined });
    scene.cluster.settle();
    const { member } = scene.subscribe(0, channel);
    scene.publish(channel, 'x');
    expect(received(member)).toEqual(['x']);
  });

  it('members that leave before the new owner has answered leave nothing behind', () => {
    const scene = new Scene();
    const channel = scene.ownedBy(1);
    const { member } = scene.subscribe(0, channel, { info: announced('a', true, false) });
    scene.cluster.crash(1);
    scene.threads[0]!.edge.unsubscribe(member);
    scene.cluster.settle();
    expect(scene.presence(channel)).toEqual([]);
    scene.publish(channel, 'x');
    expect(received(member)).toEqual([]);
    expect(scene.cluster.errors).toEqual([]);
  });

  it('a worker’s subscriptions are gone with it', () => {
    const scene = new Scene();
    const channel = scene.ownedBy(1);
    const dead = scene.subscribe(2, channel).member;
    const alive = scene.subscribe(0, channel).member;
    scene.cluster.crash(2);
    scene.publish(channel, 'x');
    expect([dead, alive].map(received)).toEqual([[], ['x']]);
  });
});

it('whoever comes in when all others are told of a loss, and leave, gets what follows', () => {
  const scene = new Scene();
  const channel = scene.ownedBy(1);
  const first = scene.subscribe(0, channel, { positioned: true });
  scene.publish(channel, 1);
  first.member.onInsufficient = () => scene.threads[0]!.edge.unsubscribe(first.member);
  // The worker has come to another place than the owner.
  const elsewhere = entryFromProtobuf(entryProtobuf(encodeEntry({ data: Buffer.from('"?"') }, ENTRY_JSON)), 2, 0);
  first.member.seat!.channel.deliver(elsewhere);
  const second = scene.subscribe(0, channel, { positioned: true });
  expect([first.member.seat, second.ack!.error]).toEqual([undefined, null]);
  scene.publish(channel, 2);
  scene.cluster.settle();
  expect(received(second.member)).toEqual([2]);
});
