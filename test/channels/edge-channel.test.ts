import { applyDelta } from 'fossil-delta';
import { describe, expect, it } from 'vitest';
import type { ClassTraits } from '../../src/channels/delivery.js';
import { asPatch, asPatchChain, EdgeChannel } from '../../src/channels/edge-channel.js';
import { compileFilter } from '../../src/channels/filter.js';
import { ManualClock } from '../../src/lib/clock.js';
import type { Codec } from '../../src/protocol/codec.js';
import { ENTRY_DELTA, ENTRY_JSON, encodeEntry, setEntryOffset, setEntryTime } from '../../src/protocol/entry.js';
import { jsonCodec } from '../../src/protocol/json.js';
import { protobufCodec } from '../../src/protocol/protobuf.js';
import { counting, ManualTurn, publication, TestMember } from './members.js';

const text = (n: number): string => JSON.stringify({ n, rows: 'a row that stays as it is; '.repeat(8) });

function entry(data: string, offset: number, flags = ENTRY_DELTA, tags?: Record<string, string>): Buffer {
  const out = encodeEntry({ data: Buffer.from(data), tags }, flags | ENTRY_JSON);
  setEntryOffset(out, offset);
  return out;
}

interface Wish {
  codec?: Codec;
  delta?: boolean;
  positioned?: boolean;
  joinLeave?: boolean;
  filter?: ClassTraits['filter'];
  base?: string;
}

function create(maxLagMs = 0) {
  const turn = new ManualTurn();
  const clock = new ManualClock(1_000_000);
  const channel = new EdgeChannel(1, 'news', 0, { turn, clock, maxLagMs });
  const join = (top: number, wish: Wish = {}): TestMember => {
    const { codec = jsonCodec, delta = false, positioned = top >= 0, base, joinLeave = false, filter } = wish;
    const member = new TestMember(codec).sit(channel, positioned);
    const leave = (): void => {
      const delivery = member.seat?.delivery;
      member.seat = undefined;
      if (delivery !== undefined) channel.remove(member, delivery);
    };
    member.onInsufficient = leave;
    member.subscriber.onInappropriate = leave;
    channel.add(
      member,
      { codec, bare: false, joinLeave, delta: 'none', filter },
      delta,
      top,
      base === undefined ? undefined : Buffer.from(base),
    );
    return member;
  };
  const leave = (member: TestMember): void => member.onInsufficient();
  return { channel, turn, clock, join, leave };
}

/** What an SDK makes of the publications: payloads, patched onto one another. */
function payloads(member: TestMember, base = ''): string[] {
  let last = Buffer.from(base);
  return member.publications.map(({ data, delta }) => {
    const bytes = Buffer.from(data as string);
    last = delta ? Buffer.from(applyDelta(last, bytes)) : bytes;
    return last.toString();
  });
}

const isDelta = (member: TestMember): boolean[] => member.publications.map(({ delta }) => delta === true);

describe('a channel at an edge', () => {
  describe('deltas', () => {
    it('begin with a whole publication, then come as patches', () => {
      const { channel, turn, join } = create();
      const member = join(0, { delta: true });
      for (const n of [1, 2, 3]) channel.deliver(entry(text(n), n));
      turn.end();
      expect(isDelta(member)).toEqual([false, true, true]);
      expect(payloads(member)).toEqual([1, 2, 3].map(text));
    });

    it('begin with a patch for a member that has just recovered the newest publication', () => {
      const { channel, turn, join } = create();
      const member = join(4, { delta: true, base: text(4) });
      channel.deliver(entry(text(5), 5));
      turn.end();
      expect(isDelta(member)).toEqual([true]);
      expect(payloads(member, text(4))).toEqual([text(5)]);
    });

    it('are whole where the publisher did not ask, and go on from there', () => {
      const { channel, turn, join } = create();
      const member = join(0, { delta: true });
      channel.deliver(entry(text(1), 1));
      channel.deliver(entry(text(2), 2, 0));
      channel.deliver(entry(text(3), 3));
      turn.end();
      expect(isDelta(member)).toEqual([false, false, true]);
      expect(payloads(member)).toEqual([1, 2, 3].map(text));
    });

    it('are whole where a patch would not be smaller', () => {
      const { channel, turn, join } = create();
      const member = join(0, { delta: true });
      for (const [i, data] of ['{"a":1}', '[true]', text(1), text(2)].entries()) channel.deliver(entry(data, i + 1));
      turn.end();
      expect(isDelta(member)).toEqual([false, false, false, true]);
      expect(payloads(member)).toEqual(['{"a":1}', '[true]', text(1), text(2)]);
    });

    it('do not touch members that did not ask', () => {
      const { channel, turn, join } = create();
      join(0, { delta: true });
      const plain = join(0);
      channel.deliver(entry(text(1), 1));
      channel.deliver(entry(text(2), 2));
      turn.end();
      expect(plain.publications.map(({ data }) => JSON.stringify(data))).toEqual([text(1), text(2)]);
    });

    it('cost one frame a class: who waits for a first publication and who has one meet again', () => {
      const { channel, turn, join } = create();
      const { codec, counts } = counting(jsonCodec);
      for (let i = 0; i < 10; i++) join(0, { delta: true, codec });
      channel.deliver(entry(text(1), 1));
      const late = join(1, { delta: true, codec });
      channel.deliver(entry(text(2), 2));
      channel.deliver(entry(text(3), 3));
      turn.end();
      expect(counts.publications).toBe(1 + 2 + 1);
      expect(channel.classes).toHaveLength(1);
      expect(isDelta(late)).toEqual([false, true]);
      expect(payloads(late)).toEqual([2, 3].map(text));
    });

    it('get everything, whatever their filter says', () => {
      const { channel, turn, join } = create();
      const filter = compileFilter({ op: '', key: 'kind', cmp: 'eq', val: 'goal', vals: [], nodes: [] });
      const filtered = join(0, { filter });
      const patched = join(0, { filter, delta: true });
      for (const n of [1, 2, 3]) channel.deliver(entry(text(n), n, ENTRY_DELTA, { kind: n === 2 ? 'goal' : 'foul' }));
      turn.end();
      expect(filtered.publications.map(({ offset }) => offset)).toEqual([2]);
      expect(payloads(patched)).toEqual([1, 2, 3].map(text));
    });

    it('begin anew after a loss, for who stays', () => {
      const { channel, turn, join } = create();
      const member = join(0, { delta: true, positioned: false });
      channel.deliver(entry(text(1), 1));
      channel.lose();
      channel.deliver(entry(text(3), 3));
      channel.deliver(entry(text(4), 4));
      turn.end();
      expect(member.insufficient).toBe(0);
      expect(isDelta(member)).toEqual([false, false, true]);
      expect(payloads(member)).toEqual([1, 3, 4].map(text));
    });

    it('never start from a base that the member does not have: a publication outside history came in between', () => {
      const { channel, turn, join } = create();
      const old = join(0, { delta: true });
      channel.deliver(entry(text(1), 1));
      channel.deliver(entry(text(900), 0));
      const recovered = join(1, { delta: true, base: text(1) });
      channel.deliver(entry(text(2), 2));
      turn.end();
      expect(payloads(old)).toEqual([1, 900, 2].map(text));
      expect(payloads(recovered, text(1))).toEqual([text(2)]);
    });

    it('forget their base with the last member that needs it', () => {
      const { channel, turn, join, leave } = create();
      const first = join(0, { delta: true });
      channel.deliver(entry(text(1), 1));
      leave(first);
      join(1);
      channel.deliver(entry(text(2), 2));
      const second = join(2, { delta: true, base: text(2) });
      channel.deliver(entry(text(3), 3));
      turn.end();
      expect(payloads(second, text(2))).toEqual([text(3)]);
    });

    it('are cut at whole characters for JSON, at any byte for Protobuf', () => {
      const filler = 'ein Text, der gleich bleibt; '.repeat(4);
      const chain = ['é', 'è', 'ü'].map((c, i) => publication(`"${filler}${c}${filler}"`, { offset: i + 1 }));
      for (const codec of ['json', 'protobuf'] as const) {
        let base: Uint8Array = new Uint8Array();
        for (const [i, pub] of asPatchChain(chain, codec).entries()) {
          const data = codec === 'json' ? Buffer.from(Buffer.from(pub.data).toString()) : pub.data;
          base = pub.delta ? Uint8Array.from(applyDelta(base, data)) : data;
          expect(Buffer.from(base).toString()).toBe(Buffer.from(chain[i]!.data).toString());
        }
      }
    });

    it('are whole where a patch would not be smaller, also as a chain', () => {
      const pub = publication('12');
      expect(asPatch(pub, Buffer.from('abc'))).toBe(pub);
      expect(asPatchChain([], 'json')).toEqual([]);
    });
  });

  describe('age', () => {
    it.each([
      [50, 0],
      [51, 1],
    ])('a publication that is %i ms old where 50 are allowed counts as lost %i times', (ageMs, lost) => {
      const { channel, turn, clock, join } = create(50);
      const member = join(0);
      const late = entry(text(1), 1);
      setEntryTime(late, clock.now() - ageMs);
      channel.deliver(late);
      turn.end();
      expect(member.insufficient).toBe(lost);
      expect(member.publications).toHaveLength(1 - lost);
    });
  });

  describe('gaps', () => {
    it('are told to positioned members only, after what came before and before what comes later', () => {
      const { channel, turn, join } = create();
      const positioned = join(0);
      const loose = join(-1);
      for (const offset of [1, 2, 4]) channel.deliver(entry(`${offset}`, offset));
      turn.end();
      expect(positioned.insufficient).toBe(1);
      expect(positioned.publications.map(({ offset }) => offset)).toEqual([1, 2]);
      expect(loose.insufficient).toBe(0);
      expect(loose.publications.map(({ offset }) => offset)).toEqual([1, 2, 4]);
      expect(channel.members).toBe(1);
    });

    it.each([
      ['a repetition', 2],
      ['a step back', 1],
    ])('%s counts as one', (_, offset) => {
      const { channel, turn, join } = create();
      const member = join(1);
      channel.deliver(entry('2', 2));
      channel.deliver(entry('x', offset));
      turn.end();
      expect(member.insufficient).toBe(1);
      expect(member.publications.map(({ data }) => data)).toEqual([2]);
    });

    it('show where a newcomer’s position is not where the channel was', () => {
      const { channel, join } = create();
      const old = join(5);
      const newcomer = join(7);
      expect(old.insufficient).toBe(1);
      expect(newcomer.insufficient).toBe(0);
      channel.deliver(entry('8', 8));
      expect(newcomer.insufficient).toBe(0);
    });

    it('are none where publications have no offsets, or nobody is positioned', () => {
      const { channel, join } = create();
      const member = join(0);
      channel.deliver(entry('1', 1));
      channel.deliver(entry('x', 0));
      channel.deliver(entry('2', 2));
      expect(member.insufficient).toBe(0);

      const loose = create();
      const only = loose.join(-1);
      loose.channel.deliver(entry('7', 7));
      loose.channel.deliver(entry('9', 9));
      expect(only.insufficient).toBe(0);
    });

    it('are told to every class, whatever leaves meanwhile', () => {
      const { channel, join } = create();
      const members = [
        join(3),
        join(3, { codec: protobufCodec }),
        join(3, { joinLeave: true }),
        join(3, { delta: true }),
        join(3, { delta: true, base: text(3) }),
        join(3),
      ];
      channel.lose();
      for (const member of members) expect(member.insufficient).toBe(1);
      expect(channel.classes).toEqual([]);
      expect(channel.members).toBe(0);
    });
  });

  it('closes members that cannot carry a payload and delivers to all others', () => {
    const { channel, turn, join } = create();
    const json = [join(0), join(0), join(0, { joinLeave: true })];
    const binary = [join(0, { codec: protobufCodec }), join(0, { codec: protobufCodec, delta: true })];
    const delta = join(0, { delta: true });
    const out = encodeEntry({ data: Buffer.from('not JSON') }, 0);
    setEntryOffset(out, 1);
    channel.deliver(out);
    turn.end();
    expect(json.map(({ subscriber }) => subscriber.inappropriates)).toEqual([1, 1, 1]);
    expect(binary.map(({ frames }) => frames.length)).toEqual([1, 1]);
    expect(delta.publications).toEqual([{ data: 'not JSON', offset: 1 }]);
    expect(channel.members).toBe(3);
  });

  it('says joins and leaves to those who asked', () => {
    const { channel, turn, join } = create();
    const asked = join(0, { joinLeave: true });
    const other = join(0);
    channel.announce('join', { user: 'u', client: 'c' });
    channel.announce('leave', { user: 'u', client: 'c' });
    turn.end();
    const info = { info: { user: 'u', client: 'c' } };
    expect(asked.pushes).toEqual([
      { channel: 'news', join: info },
      { channel: 'news', leave: info },
    ]);
    expect(other.pushes).toEqual([]);
  });
});
