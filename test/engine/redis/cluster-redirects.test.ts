import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ClusterShard } from '../../../src/engine/redis/cluster-shard.js';
import { errors } from '../../../src/protocol/codes.js';
import { CONNECT_TIMEOUT_MS, FakeLinks, IO_TIMEOUT_MS } from '../../support/fake-links.js';

/** Its slot is 866: with two masters at the first, with two in the other order at the second. */
const KEY = 'hello';
const TWO_LOOKS_MS = 14_000;

let cluster: FakeLinks;
let shard: ClusterShard;

beforeEach(async () => {
  vi.useFakeTimers();
  cluster = new FakeLinks();
  shard = cluster.open({ message() {}, interrupted() {} });
  await vi.advanceTimersByTimeAsync(IO_TIMEOUT_MS);
});
afterEach(() => {
  shard.close();
  vi.useRealTimers();
});

/** What became of commands, in the order in which it became known: 'a = 1', 'b failed with 100'. */
let outcomes: string[] = [];
beforeEach(() => {
  outcomes = [];
});

function queue(name: string, then = (): void => {}): void {
  const told = (outcome: string): void => {
    outcomes.push(`${name} ${outcome}`);
    then();
  };
  shard.command(KEY, [name, KEY], {
    reply: (reply) => told(`= ${reply}`),
    fail: ({ code }) => told(`failed with ${code}`),
  });
}

describe('MOVED', () => {
  it('sends the command to the new owner, and what comes later too', () => {
    queue('a');
    cluster.at(1).refuse('MOVED 866 h:2');
    queue('b');
    expect(cluster.at(2).texts).toEqual(['a hello', 'b hello']);
    cluster.at(2).reply(1);
    cluster.at(2).reply(2);
    expect(outcomes).toEqual(['a = 1', 'b = 2']);
  });

  it('holds later commands until those under way are back, so that none overtakes', () => {
    queue('a');
    queue('b');
    cluster.at(1).refuse('MOVED 866 h:2');
    queue('c');
    expect(cluster.at(2).texts).toEqual([]);
    cluster.at(1).refuse('MOVED 866 h:2');
    expect(cluster.at(2).texts).toEqual(['a hello', 'b hello', 'c hello']);
  });

  it('to a server that was no master is a takeover: what was on its way to be published is not', async () => {
    const publication = { name: 'publish', lua: '', sha: '', publishes: true };
    const publish = (name: string): void =>
      shard.script(publication, [KEY], [name], {
        reply: () => outcomes.push(`${name} published`),
        fail: ({ code }) => outcomes.push(`${name} failed with ${code}`),
      });
    publish('a');
    queue('b');
    cluster.at(1).refuse('MOVED 866 h:3');
    cluster.at(1).refuse('MOVED 866 h:3');
    publish('c');
    expect(cluster.at(3).texts).toEqual(['b hello']);
    cluster.at(3).reply(2);
    expect(outcomes.toSorted()).toEqual(['a failed with 100', 'b = 2', 'c failed with 100']);
    expect(shard.feed(KEY)).toBe('settling');
    cluster.view = { masters: [3, 2], isUsable: true };
    await vi.advanceTimersByTimeAsync(2000);
    expect(shard.feed(KEY)).toBe('up');
  });

  it('without a place to go to is a failure', () => {
    queue('a');
    cluster.at(1).refuse('MOVED 866');
    expect(outcomes).toEqual(['a failed with 100']);
  });

  it('to and fro ends with the deadline, and does not go in circles', async () => {
    queue('a');
    let sent = 0;
    const started = performance.now();
    while (outcomes.length === 0) {
      const [at, other] = cluster.at(1).sent.length > 0 ? [1, 2] : [2, 1];
      if (cluster.at(at).sent.length > 0) {
        sent++;
        cluster.at(at).refuse(`MOVED 866 h:${other}`);
      } else await vi.advanceTimersByTimeAsync(1);
    }
    expect(outcomes).toEqual(['a failed with 100']);
    expect(performance.now() - started).toBeLessThan(IO_TIMEOUT_MS + 100);
    expect(sent).toBeLessThan(IO_TIMEOUT_MS / 50 + 10);
  });

  it('by the thousand asks for the map once in a while', async () => {
    const before = cluster.asked;
    for (let i = 0; i < 1000; i++) {
      queue('a');
      const at = cluster.at(1).sent.length > 0 ? 1 : 2;
      cluster.at(at).refuse(`MOVED 866 h:${3 - at}`);
      cluster.at(3 - at).reply(1);
    }
    await vi.advanceTimersByTimeAsync(90);
    // Once of each server.
    expect(cluster.asked - before).toBe(2);
  });
});

describe('ASK', () => {
  it('sends ASKING and the command, and nothing else there', () => {
    queue('a');
    queue('b');
    cluster.at(1).refuse('ASK 866 h:2');
    cluster.at(1).reply(1);
    queue('c');
    expect(cluster.at(2).texts).toEqual(['ASKING', 'a hello']);
    expect(cluster.at(1).texts).toEqual(['c hello']);
    cluster.at(2).reply('OK');
    cluster.at(2).reply(2);
    expect(outcomes).toEqual(['b = 1', 'a = 2']);
  });
});

describe('a server without slots', () => {
  it('stays open as long as commands are sent on to it', async () => {
    queue('a');
    cluster.at(1).refuse('ASK 866 h:3');
    const link = cluster.at(3);
    link.reply('OK');
    link.reply(1);
    for (let i = 0; i < 5; i++) {
      await vi.advanceTimersByTimeAsync(TWO_LOOKS_MS / 4);
      queue('a');
      cluster.at(1).refuse('ASK 866 h:3');
      expect(cluster.at(3).texts).toEqual(['ASKING', 'a hello']);
      cluster.at(3).reply('OK');
      cluster.at(3).reply(1);
    }
    expect(cluster.at(3)).toBe(link);
    await vi.advanceTimersByTimeAsync(2 * TWO_LOOKS_MS);
    expect(link.isClosed).toBe(true);
  });
});

describe('TRYAGAIN and CLUSTERDOWN', () => {
  it.each(['TRYAGAIN Multiple keys', 'CLUSTERDOWN The cluster is down'])('%s: after a pause', async (text) => {
    queue('a');
    cluster.at(1).refuse(text);
    queue('b');
    expect(cluster.at(1).texts).toEqual([]);
    await vi.advanceTimersByTimeAsync(100);
    expect(cluster.at(1).texts).toEqual(['a hello', 'b hello']);
  });

  it('again and again, until the deadline', async () => {
    queue('a');
    const started = performance.now();
    while (outcomes.length === 0) {
      if (cluster.at(1).sent.length > 0) cluster.at(1).refuse('TRYAGAIN');
      else await vi.advanceTimersByTimeAsync(1);
    }
    expect(outcomes).toEqual(['a failed with 100']);
    expect(cluster.logged).toEqual([[{ error: 'TRYAGAIN', alsoRefused: 0 }, 'Redis refused a command']]);
    expect(performance.now() - started).toBeGreaterThan(IO_TIMEOUT_MS);
    expect(performance.now() - started).toBeLessThan(IO_TIMEOUT_MS + 100);
  });
});

describe('a new map', () => {
  it('holds commands until those at the old owner are answered', async () => {
    queue('a');
    cluster.view = { masters: [2, 1], isUsable: true };
    await vi.advanceTimersByTimeAsync(TWO_LOOKS_MS);
    queue('b');
    expect(cluster.at(2).texts).toEqual([]);
    cluster.at(1).reply(1);
    expect(cluster.at(2).texts).toEqual(['b hello']);
  });

  it('keeps the link to a server that left until its commands are answered', async () => {
    queue('a');
    cluster.view = { masters: [2], isUsable: true };
    await vi.advanceTimersByTimeAsync(TWO_LOOKS_MS);
    expect(cluster.at(1).isClosed).toBe(false);
    cluster.at(1).reply(1);
    expect(cluster.at(1).isClosed).toBe(true);
    expect(outcomes).toEqual(['a = 1']);
  });

  it('is not taken from a server that is cut off, if another is not', async () => {
    cluster.views.set(1, { masters: [1], isUsable: false });
    await vi.advanceTimersByTimeAsync(5 * TWO_LOOKS_MS);
    expect(cluster.at(2).isClosed).toBe(false);
    expect(shard.healthy).toBe(true);
    cluster.views.set(2, { masters: [1], isUsable: false });
    await vi.advanceTimersByTimeAsync(TWO_LOOKS_MS);
    expect(cluster.at(2).isClosed).toBe(true);
  });

  it('is found by the seeds when no server that was known is left', async () => {
    shard.close();
    cluster = new FakeLinks();
    shard = cluster.open({ message() {}, interrupted() {} }, [9]);
    await vi.advanceTimersByTimeAsync(TWO_LOOKS_MS);
    expect(cluster.at(9).isClosed).toBe(true);
    cluster.view = { masters: [3, 4], isUsable: true };
    for (const port of [1, 2]) cluster.at(port).connected = false;
    await vi.advanceTimersByTimeAsync(TWO_LOOKS_MS);
    queue('a');
    expect(cluster.at(3).texts).toEqual(['a hello']);
    expect(shard.healthy).toBe(true);
  });

  it('is asked for when a command failed', async () => {
    queue('a');
    const before = cluster.asked;
    cluster.at(1).take().handler.fail(errors.internal);
    await vi.advanceTimersByTimeAsync(100);
    expect(cluster.asked).toBeGreaterThan(before);
  });

  it('is asked for once at a time', async () => {
    for (const port of [1, 2]) cluster.at(port).answersAboutMap = false;
    const asked = vi.spyOn(cluster.at(1), 'command');
    for (let i = 0; i < 10; i++) {
      shard.command(KEY, ['a', KEY], { reply() {}, fail() {} });
      cluster.at(1).take().handler.fail(errors.internal);
      await vi.advanceTimersByTimeAsync(TWO_LOOKS_MS);
    }
    expect(asked.mock.calls.filter(([[name]]) => name === 'CLUSTER')).toHaveLength(2);
  });

  it('is not held up by a server that hangs', async () => {
    cluster.at(1).answersAboutMap = false;
    cluster.view = { masters: [1, 3], isUsable: true };
    await vi.advanceTimersByTimeAsync(TWO_LOOKS_MS);
    expect(cluster.at(3).isClosed).toBe(false);
  });

  it('without some slots fails their commands, and is not healthy', async () => {
    cluster.view = { masters: [], isUsable: true };
    await vi.advanceTimersByTimeAsync(TWO_LOOKS_MS);
    queue('a');
    expect(outcomes).toEqual(['a failed with 100']);
    expect(shard.healthy).toBe(false);
  });
});

describe('a server', () => {
  it('that is not well makes the shard so', () => {
    expect(shard.healthy).toBe(true);
    cluster.at(2).healthy = false;
    expect(shard.healthy).toBe(false);
  });

  it('that is new is waited for', async () => {
    cluster.slow.add(3);
    cluster.view = { masters: [3], isUsable: true };
    queue('a');
    cluster.at(1).refuse('MOVED 866 h:3');
    queue('b');
    await vi.advanceTimersByTimeAsync(CONNECT_TIMEOUT_MS / 2);
    cluster.at(3).connected = true;
    await vi.advanceTimersByTimeAsync(100);
    expect(cluster.at(3).texts).toEqual(['a hello', 'b hello']);
  });

  it('that does not come fails commands once it had its time', async () => {
    cluster.slow.add(3);
    cluster.view = { masters: [3], isUsable: true };
    queue('a');
    cluster.at(1).refuse('MOVED 866 h:3');
    queue('b');
    await vi.advanceTimersByTimeAsync(CONNECT_TIMEOUT_MS + 100);
    expect(outcomes).toEqual(['a failed with 100', 'b failed with 100']);
    queue('c');
    expect(outcomes).toHaveLength(3);
  });

  it('that lost a command is not sent it again', () => {
    queue('a');
    cluster.at(1).take().handler.fail(errors.internal);
    expect(outcomes).toEqual(['a failed with 100']);
    expect([...cluster.at(1).sent, ...cluster.at(2).sent]).toEqual([]);
  });
});

describe('what waits', () => {
  it('is bounded', async () => {
    const megabyte = new Uint8Array(1024 * 1024);
    for (const round of [1, 2]) {
      queue('a');
      cluster.at(1).refuse('TRYAGAIN');
      for (let i = 0; i < 20; i++) {
        shard.command(KEY, ['SET', KEY, megabyte], {
          reply() {},
          fail: ({ code }) => outcomes.push(`failed with ${code}`),
        });
      }
      expect(outcomes).toEqual(Array(5 * round).fill('failed with 111'));
      await vi.advanceTimersByTimeAsync(100);
      for (const { handler } of cluster.at(1).sent.splice(0)) handler.reply(1);
      outcomes = outcomes.filter((outcome) => outcome !== 'a = 1');
    }
  });

  it('fails when the shard is closed', () => {
    queue('a');
    queue('b');
    cluster.at(1).refuse('TRYAGAIN');
    queue('c');
    shard.close();
    expect(outcomes.sort()).toEqual(['a failed with 100', 'b failed with 100', 'c failed with 100']);
  });

  it('stays in order when whoever hears of a failure queues more', async () => {
    queue('a', () => queue('d'));
    cluster.at(1).refuse('TRYAGAIN');
    queue('b');
    queue('c');
    cluster.at(1).connected = false;
    await vi.advanceTimersByTimeAsync(60);
    expect(outcomes.slice(0, 3)).toEqual(['a failed with 100', 'b failed with 100', 'c failed with 100']);
  });

  it('keeps its arguments, whatever becomes of those it was given', () => {
    const borrowed = Buffer.from('value');
    shard.command(KEY, ['SET', KEY, borrowed], { reply() {}, fail() {} });
    borrowed.fill('x');
    cluster.at(1).refuse('MOVED 866 h:2');
    expect(cluster.at(2).texts).toEqual(['SET hello value']);
  });
});

describe('a shard has settled', () => {
  async function isSettled(): Promise<boolean> {
    return Promise.race([shard.settled.then(() => true), Promise.resolve(false)]);
  }

  it('when each of its masters has', async () => {
    expect(await isSettled()).toBe(false);
    cluster.at(1).settle();
    expect(await isSettled()).toBe(false);
    cluster.at(2).settle();
    await shard.settled;
  });

  it('without a master, when the time to connect is over', async () => {
    shard.close();
    cluster.slow.add(7);
    shard = cluster.open({ message() {}, interrupted() {} }, [7]);
    await vi.advanceTimersByTimeAsync(CONNECT_TIMEOUT_MS - 1);
    expect(await isSettled()).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await shard.settled;
    expect(shard.healthy).toBe(false);
  });
});
