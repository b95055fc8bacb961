import { describe, expect, it } from 'vitest';
import { type ClassTraits, DeliveryClass, JOIN_MAX_BYTES, ROW_MIN_MEMBERS } from '../../src/channels/delivery.js';
import { compileFilter } from '../../src/channels/filter.js';
import { jsonCodec } from '../../src/protocol/json.js';
import { protobufCodec } from '../../src/protocol/protobuf.js';
import { counting, ManualTurn, publication, TestMember } from './members.js';

const filter = (val: string) => compileFilter({ op: '', key: 'kind', cmp: 'eq', val, vals: [], nodes: [] });
const traits = (more: Partial<ClassTraits> = {}): ClassTraits => ({
  codec: jsonCodec,
  bare: false,
  joinLeave: false,
  delta: 'none',
  filter: undefined,
  ...more,
});

function create(members: number, more: Partial<ClassTraits> = {}) {
  const turn = new ManualTurn();
  const all = Array.from({ length: members }, () => new TestMember(more.codec));
  const cls = new DeliveryClass(traits(more), 'news', turn, all[0]!);
  for (const member of all.slice(1)) cls.add(member);
  return { cls, turn, members: all };
}

describe('a delivery class', () => {
  it('encodes and joins once, whatever the number of members, and hands out the same bytes', () => {
    const { codec, counts } = counting(jsonCodec);
    const { cls, turn, members } = create(50, { codec });
    for (const n of [1, 2, 3]) cls.publication(publication(`{"n":${n}}`, { offset: n, json: true }));
    expect(members[0]!.frames).toEqual([]);
    turn.end();
    expect(counts).toEqual({ publications: 3, pushes: 0, joins: 1 });
    for (const member of members) expect(member.frames).toHaveLength(1);
    expect(members[49]!.frames[0]!.toString()).toBe(
      [1, 2, 3].map((n) => `{"push":{"channel":"news","pub":{"data":{"n":${n}},"offset":${n}}}}`).join('\n'),
    );
  });

  it('sends at once to members that have nothing else to join, and queues for the others; each gets it once', () => {
    const { cls, turn, members } = create(100);
    for (const [i, { subscriber }] of members.entries()) subscriber.lone = i % 3 > 0;
    cls.publication(publication('1'));
    turn.end();
    expect(members.map(({ frames }) => frames.length)).toEqual(members.map(() => 1));
    expect(members.map(({ subscriber }) => subscriber.sent)).toEqual(members.map((_, i) => (i % 3 > 0 ? 1 : 0)));
  });

  it('queues what somebody new must not get: more may come in the turn', () => {
    const { cls, turn, members } = create(ROW_MIN_MEMBERS);
    const { subscriber } = members[0]!;
    subscriber.lone = true;
    cls.publication(publication('1'));
    cls.add(new TestMember());
    expect([subscriber.frames.length, subscriber.sent]).toEqual([1, 0]);
    cls.publication(publication('2'));
    turn.end();
    expect([subscriber.frames.length, subscriber.sent]).toEqual([2, 1]);
  });

  it('queues for few members', () => {
    const { cls, turn, members } = create(ROW_MIN_MEMBERS - 1);
    for (const { subscriber } of members) subscriber.lone = true;
    cls.publication(publication('1'));
    turn.end();
    expect(members.map(({ frames, subscriber }) => [frames.length, subscriber.sent])).toEqual(
      members.map(() => [1, 0]),
    );
  });

  it('asks for one flush a turn', () => {
    const { cls, turn } = create(1);
    cls.publication(publication('1'));
    cls.publication(publication('2'));
    expect(turn.touched).toEqual([cls]);
    turn.end();
    cls.publication(publication('3'));
    expect(turn.touched).toEqual([cls]);
  });

  it('writes early what would make a frame larger than a cork buffer', () => {
    const { cls, turn, members } = create(1);
    const data = JSON.stringify('x'.repeat(JOIN_MAX_BYTES / 3));
    for (let i = 0; i < 5; i++) cls.publication(publication(data));
    expect(members[0]!.frames).toHaveLength(2);
    turn.end();
    expect(members[0]!.frames).toHaveLength(3);
    expect(members[0]!.publications).toHaveLength(5);
    for (const frame of members[0]!.frames) expect(frame.length).toBeLessThanOrEqual(JOIN_MAX_BYTES + 1);
  });

  it('writes one message larger than that alone', () => {
    const { cls, turn, members } = create(1);
    cls.publication(publication('1'));
    cls.publication(publication(JSON.stringify('x'.repeat(2 * JOIN_MAX_BYTES))));
    cls.publication(publication('3'));
    turn.end();
    expect(members[0]!.frames).toHaveLength(3);
  });

  it('gives a member exactly what came between its coming and its going', () => {
    const { cls, turn, members } = create(1);
    const [first] = members as [TestMember];
    const late = new TestMember();
    cls.publication(publication('1'));
    cls.add(late);
    cls.publication(publication('2'));
    cls.remove(first);
    cls.publication(publication('3'));
    turn.end();
    expect(first.publications.map(({ data }) => data)).toEqual([1, 2]);
    expect(late.publications.map(({ data }) => data)).toEqual([2, 3]);
    expect(first.place).toBe(-1);
  });

  it('knows the place of every member after removals in any order', () => {
    const { cls, members } = create(10);
    for (const at of [9, 0, 4, 4, 1]) {
      cls.remove(members[at]!);
      members.splice(at, 1);
    }
    expect(new Set(cls.members)).toEqual(new Set(members));
    for (const [place, member] of cls.members.entries()) expect(member.place).toBe(place);
    const gone = new TestMember();
    cls.remove(gone);
    expect(cls.members).toHaveLength(5);
  });

  it('still serves the others when a write removes its member', () => {
    const { cls, turn, members } = create(6);
    for (const at of [0, 3, 5]) members[at]!.subscriber.onWrite = () => cls.remove(members[at]!);
    cls.publication(publication('1'));
    turn.end();
    for (const member of members) expect(member.publications).toHaveLength(1);
    cls.publication(publication('2'));
    turn.end();
    expect(members.map((member) => member.publications.length)).toEqual([1, 2, 2, 1, 2, 1]);
  });

  it.each([
    ['a publication', (cls: DeliveryClass) => cls.publication(publication('not JSON'))],
    [
      'who joined',
      (cls: DeliveryClass) =>
        cls.push({ channel: 'news', join: { info: { user: 'u', client: 'c', connInfo: Buffer.from('not JSON') } } }),
    ],
  ])('closes members whose protocol cannot carry %s, after what came before', (_, deliver) => {
    const { cls, turn, members } = create(5);
    for (const member of members) member.subscriber.onInappropriate = () => cls.remove(member);
    cls.publication(publication('1'));
    deliver(cls);
    for (const member of members) {
      expect(member.subscriber.inappropriates).toBe(1);
      expect(member.publications).toEqual([{ data: 1 }]);
    }
    expect(cls.members).toEqual([]);
    turn.end();
  });

  it('lets other failures of an encoder through', () => {
    const broken = {
      ...jsonCodec,
      encodePublication: () => {
        throw new TypeError('a bug');
      },
    };
    expect(() => create(1, { codec: broken }).cls.publication(publication('1'))).toThrow('a bug');
  });

  it('carries anything in Protobuf', () => {
    const { cls, turn, members } = create(2, { codec: protobufCodec });
    cls.publication(publication('not JSON'));
    turn.end();
    expect(members[0]!.subscriber.inappropriates).toBe(0);
    expect(members[0]!.frames[0]!.toString('latin1')).toContain('not JSON');
  });

  it('writes data as a string where JSON members take deltas', () => {
    const { cls, turn, members } = create(1, { delta: 'ready' });
    cls.publication(publication('{"a":1}'));
    turn.end();
    expect(members[0]!.publications).toEqual([{ data: '{"a":1}' }]);
  });

  it('frames pushes for unidirectional transports without the reply around them', () => {
    const { cls, turn, members } = create(1, { bare: true });
    cls.publication(publication('1'));
    cls.push({ channel: 'news', leave: { info: { user: 'u', client: 'c' } } });
    turn.end();
    expect(members[0]!.frames[0]!.toString()).toBe(
      '{"channel":"news","pub":{"data":1}}\n{"channel":"news","leave":{"info":{"user":"u","client":"c"}}}',
    );
  });

  it('accepts what its filter matches, and everything where a filter would break a delta chain', () => {
    const goal = publication('1', { tags: { kind: 'goal' } });
    const foul = publication('2', { tags: { kind: 'foul' } });
    const accepted = (more: Partial<ClassTraits>) => [goal, foul].map((pub) => create(1, more).cls.accepts(pub));
    expect(accepted({})).toEqual([true, true]);
    expect(accepted({ filter: filter('goal') })).toEqual([true, false]);
    expect(accepted({ filter: filter('goal'), delta: 'fresh' })).toEqual([true, true]);
    expect(accepted({ filter: filter('goal'), delta: 'ready' })).toEqual([true, true]);
  });

  it('is for members alike in everything that bytes depend on', () => {
    const { cls } = create(1, { filter: filter('goal') });
    expect(cls.is(traits({ filter: filter('goal') }))).toBe(true);
    const others: Partial<ClassTraits>[] = [
      { filter: undefined },
      { filter: filter('foul') },
      { codec: protobufCodec },
      { bare: true },
      { joinLeave: true },
      { delta: 'fresh' },
    ];
    for (const other of others) expect(cls.is(traits({ filter: filter('goal'), ...other }))).toBe(false);
  });
});
