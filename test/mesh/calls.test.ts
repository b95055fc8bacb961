import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ByteReader } from '../../src/lib/bytes.js';
import { asClientError, CALL_DEADLINE_MS } from '../../src/mesh/calls.js';
import { MeshAsks } from '../../src/mesh/mesh-asks.js';
import { type ClientError, errors } from '../../src/protocol/codes.js';
import { createThreads, type TestThread } from './threads.js';

const REQUEST = 31;

let threads: ReturnType<typeof createThreads>;
let caller: TestThread;
let owner: TestThread;

beforeEach(() => {
  threads = createThreads(2, 4096);
  [caller, owner] = threads.threads as [TestThread, TestThread];
});
afterEach(() => threads.close());

/** How a call ends, each end once: that is what the length of `ends` says. */
function call(slot: number, padding = 0) {
  const ends: (number | ClientError)[] = [];
  const id = caller.calls.open(slot, {
    succeed: (result: ByteReader) => ends.push(result.u32le()),
    fail: (error) => ends.push(error),
  });
  const record = Buffer.alloc(5 + padding);
  record[0] = REQUEST;
  record.writeUInt32LE(id, 1);
  caller.calls.request(slot, id, record);
  return { id, ends };
}

/** Every request is answered by what the test says. */
function answerWith(thread: TestThread, answer: (id: number, from: number) => void): void {
  thread.mesh.on(REQUEST, (record, from) => answer(record.u32le(), from));
}

const replying = (thread: TestThread, value: number, padding = 0) => {
  answerWith(thread, (id, from) => {
    thread.calls.reply(from, id, (out) => {
      out.u32le(value);
      out.raw(Buffer.alloc(padding));
    });
  });
};

describe('a call', () => {
  it('ends with its reply', () => {
    replying(owner, 42);
    const { ends } = call(1);
    expect(ends).toEqual([]);
    threads.settle();
    expect(ends).toEqual([42]);
  });

  it('to the own thread too', () => {
    replying(caller, 7);
    const { ends } = call(0);
    expect(ends).toEqual([]);
    threads.settle();
    expect(ends).toEqual([7]);
  });

  it('gets its own reply, in whatever order they come', () => {
    const waiting: [number, number][] = [];
    answerWith(owner, (id, from) => waiting.push([id, from]));
    const first = call(1);
    const second = call(1);
    threads.settle();
    for (const [id, from] of waiting.reverse()) owner.calls.reply(from, id, (out) => out.u32le(id));
    threads.settle();
    expect([first.ends, second.ends]).toEqual([[first.id], [second.id]]);
  });

  it.each(Object.entries(errors))('ends with the failure %s', (_, error) => {
    answerWith(owner, (id, from) => owner.calls.refuse(from, id, error));
    const { ends } = call(1);
    threads.settle();
    expect(ends).toEqual([error]);
  });

  it('ends with 111, and at once, where the link is full', () => {
    while (caller.mesh.send(1, Buffer.alloc(500, REQUEST)));
    expect(call(1, 400).ends).toEqual([errors.tooManyRequests]);
  });

  it('ends with 111 where the reply does not fit, and the replier knows', () => {
    let told: boolean | undefined;
    answerWith(owner, (id, from) => {
      while (owner.mesh.send(from, Buffer.from([30, ...Buffer.alloc(200)])));
      told = owner.calls.reply(from, id, (out) => out.raw(Buffer.alloc(400)));
    });
    caller.mesh.on(30, () => {});
    const { ends } = call(1);
    threads.settle();
    expect(told).toBe(false);
    expect(ends).toEqual([errors.tooManyRequests]);
  });

  it('ends with 100 at the deadline, not before, and takes no late reply', () => {
    const waiting: [number, number][] = [];
    answerWith(owner, (id, from) => waiting.push([id, from]));
    const early = call(1);
    caller.calls.sweep();
    threads.clock.advance(1);
    const late = call(1);
    caller.calls.sweep();
    threads.settle();
    threads.clock.advance(CALL_DEADLINE_MS - 2);
    caller.calls.sweep();
    expect(early.ends).toEqual([]);
    threads.clock.advance(1);
    caller.calls.sweep();
    expect(early.ends).toEqual([errors.internal]);
    expect(late.ends).toEqual([]);
    for (const [id, from] of waiting) owner.calls.reply(from, id, (out) => out.u32le(1));
    threads.settle();
    expect(early.ends).toEqual([errors.internal]);
    expect(late.ends).toEqual([1]);
    threads.clock.advance(CALL_DEADLINE_MS);
    caller.calls.sweep();
    expect(late.ends).toEqual([1]);
  });

  it('may have a deadline of its own, shorter or longer, and holds up no other', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const ends: string[] = [];
    const open = (name: string, deadlineMs?: number) =>
      caller.calls.open(1, { succeed: () => ends.push(`${name} answered`), fail: () => ends.push(name) }, deadlineMs);
    const pass = (ms: number) => {
      vi.advanceTimersByTime(ms);
      threads.clock.advance(ms);
      caller.calls.sweep();
    };
    const answered = open('answered', 1000);
    open('long', 2 * CALL_DEADLINE_MS);
    open('ordinary');
    open('short', 100);
    caller.calls.sweep();
    answerWith(owner, (id, from) => owner.calls.reply(from, id, () => {}));
    const record = Buffer.alloc(5);
    record[0] = REQUEST;
    record.writeUInt32LE(answered, 1);
    caller.calls.request(1, answered, record);
    threads.settle();
    pass(99);
    expect(ends).toEqual(['answered answered']);
    pass(1);
    expect(ends).toEqual(['answered answered', 'short']);
    pass(CALL_DEADLINE_MS - 100);
    expect(ends).toEqual(['answered answered', 'short', 'ordinary']);
    pass(CALL_DEADLINE_MS);
    expect(ends).toEqual(['answered answered', 'short', 'ordinary', 'long']);
  });

  it('may be one of many, and may take longer than thousands after it', () => {
    const waiting: number[] = [];
    answerWith(owner, (id) => waiting.push(id));
    const calls = Array.from({ length: 200 }, () => {
      const made = call(1);
      threads.settle();
      return made;
    });
    const [slow, ...quick] = calls;
    for (const { id } of quick) owner.calls.reply(0, id, (out) => out.u32le(id));
    threads.settle();
    expect(quick.map(({ ends }) => ends)).toEqual(quick.map(({ id }) => [id]));
    for (let i = 0; i < 5000; i++) {
      const { id, ends } = call(1);
      owner.calls.reply(0, id, (out) => out.u32le(i));
      threads.settle();
      expect(ends).toEqual([i]);
    }
    expect(slow!.ends).toEqual([]);
    owner.calls.reply(0, slow!.id, (out) => out.u32le(1));
    threads.settle();
    expect(slow!.ends).toEqual([1]);
    expect(new Set(waiting).size).toBe(5200);
  });

  it('is not ended by a reply to an earlier one that stood in its place', () => {
    answerWith(owner, () => {});
    const first = call(1);
    threads.settle();
    caller.calls.sweep();
    threads.clock.advance(CALL_DEADLINE_MS);
    caller.calls.sweep();
    expect(first.ends).toEqual([errors.internal]);
    for (let i = 0; i < 1000; i++) {
      const later = call(1);
      owner.calls.reply(0, first.id, (out) => out.u32le(1));
      threads.settle();
      expect(later.ends).toEqual([]);
      owner.calls.reply(0, later.id, (out) => out.u32le(2));
      threads.settle();
      expect(later.ends).toEqual([2]);
    }
  });

  it('ends with 100 when the thread it was sent to is replaced; others go on', () => {
    replying(threads.threads[2]!, 5);
    const dead = call(1);
    const alive = call(2);
    threads.replace(1);
    expect(dead.ends).toEqual([errors.internal]);
    threads.settle();
    expect(dead.ends).toEqual([errors.internal]);
    expect(alive.ends).toEqual([5]);
  });
});

describe('asClientError', () => {
  it('keeps known codes and turns everything else into 100', () => {
    expect(asClientError(errors.unknownChannel)).toBe(errors.unknownChannel);
    for (const thrown of [new Error('x'), null, undefined, 'text', { code: 9 }, { code: 3000 }])
      expect(asClientError(thrown)).toBe(errors.internal);
  });
});

describe('asks', () => {
  const logged: unknown[] = [];
  let asks: MeshAsks[];

  beforeEach(() => {
    logged.length = 0;
    const log = { error: (fields: object) => void logged.push(fields) };
    asks = threads.threads.map(({ mesh, calls }) => new MeshAsks(mesh, calls, log));
  });

  /** Answers are promises: turns and microtasks take turns. */
  async function settle(): Promise<void> {
    for (let i = 0; i < 5; i++) {
      threads.settle();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  it('carry JSON there and back, and who asked', async () => {
    asks[1]!.answer('sum', (body, from) => ({ of: (body as number[]).reduce((a, b) => a + b), from }));
    const answer = asks[0]!.ask(1, 'sum', [1, 2, 3]);
    await settle();
    expect(await answer).toEqual({ of: 6, from: 0 });
  });

  it('carry nothing as null', async () => {
    asks[1]!.answer('echo', (body) => (body === null ? undefined : body));
    const answer = asks[0]!.ask(1, 'echo', undefined);
    await settle();
    expect(await answer).toBeNull();
  });

  it('wait for promises and carry large answers', async () => {
    asks[1]!.answer('large', async () => 'x'.repeat(100_000));
    const answer = asks[0]!.ask(1, 'large', {});
    await settle();
    expect(await answer).toHaveLength(100_000);
  });

  it('reach all workers, answers in slot order', async () => {
    for (const [slot, ask] of asks.entries()) ask.answer('slot', () => slot);
    const answer = asks[2]!.askWorkers('slot', null);
    await settle();
    expect(await answer).toEqual([0, 1]);
  });

  it('reject with a code thrown, with 100 for anything else, which is logged', async () => {
    asks[1]!.answer('code', () => {
      throw errors.permissionDenied;
    });
    asks[1]!.answer('bug', async () => {
      throw new TypeError('a bug');
    });
    const outcomes = Promise.allSettled([
      asks[0]!.ask(1, 'code', null),
      asks[0]!.ask(1, 'bug', null),
      asks[0]!.ask(1, 'unheard of', null),
    ]);
    await settle();
    expect(await outcomes).toEqual(
      [errors.permissionDenied, errors.internal, errors.methodNotFound].map((reason) => ({
        status: 'rejected',
        reason,
      })),
    );
    expect(logged).toEqual([{ err: new TypeError('a bug'), question: 'bug' }]);
  });

  it('reject with 111 where the link is full and with 100 where the asked one is replaced', async () => {
    const dead = Promise.allSettled([asks[0]!.ask(1, 'anything', null)]);
    while (caller.mesh.send(1, Buffer.alloc(100, REQUEST)));
    await expect(asks[0]!.ask(1, 'anything', 'x'.repeat(100))).rejects.toBe(errors.tooManyRequests);
    threads.replace(1);
    expect(await dead).toEqual([{ status: 'rejected', reason: errors.internal }]);
  });

  it('do not answer the successor of a thread that asked', async () => {
    let finish: (answer: string) => void = () => {};
    asks[1]!.answer(
      'slow',
      () =>
        new Promise<string>((resolve) => {
          finish = resolve;
        }),
    );
    asks[0]!.ask(1, 'slow', null).catch(() => {});
    await settle();
    const successor = threads.replace(0);
    const ends: unknown[] = [];
    // It counts its calls from the start again, so this one has the number of the one that is being answered.
    successor.calls.open(1, { succeed: () => ends.push('answered'), fail: (error) => ends.push(error) });
    finish('for the dead');
    await settle();
    expect(ends).toEqual([]);
  });

  it('have one answer a question', () => {
    asks[0]!.answer('x', () => 1);
    expect(() => asks[0]!.answer('x', () => 2)).toThrow('has an answer');
  });
});
