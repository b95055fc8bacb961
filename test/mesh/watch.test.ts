import { describe, expect, it } from 'vitest';
import { WatchingDoorbell } from '../../src/mesh/watch.js';

const eventLoop = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A thread of which the test says when it is woken, and how long after its turns something comes. */
function thread() {
  let wake = (): void => {};
  let now = 0;
  const self = {
    turns: 0,
    sleeps: 0,
    looks: 0,
    due: false,
    /** Looks until something is there. */
    comesAfterLooks: Number.POSITIVE_INFINITY,
    woken: () => wake(),
    /** The event loop gets to the turn that is due. */
    async run() {
      self.due = false;
      turn.runNow();
      await eventLoop();
    },
    async hear() {
      self.woken();
      await self.run();
    },
    bell: undefined as unknown as WatchingDoorbell,
  };
  const turn = {
    get due() {
      return self.due;
    },
    schedule: () => {
      self.due = true;
    },
    runNow: () => {
      self.turns++;
      self.looks = 0;
      self.bell.arm(() => self.looks++ >= self.comesAfterLooks);
    },
  };
  const inner = { ring() {}, arm: () => void self.sleeps++, close() {} };
  const open = (wakes: () => void) => {
    wake = wakes;
    return inner;
  };
  self.bell = new WatchingDoorbell(turn, open, () => (now += 0.001));
  return self;
}

/** One for which something has always come at once, until it no longer sleeps. */
async function practised() {
  const one = thread();
  one.comesAfterLooks = 1;
  while (!one.due) await one.hear();
  return one;
}

describe('a doorbell that watches', () => {
  it('tries less than one sleep in a thousand where nothing comes', async () => {
    const one = thread();
    let watched = 0;
    for (let i = 0; i < 10_240; i++) {
      await one.hear();
      if (one.looks > 0) watched++;
    }
    expect(watched).toBe(10);
    expect(one.sleeps).toBe(10_240);
  });

  it('does not watch after turns that other threads have not caused, or not alone', async () => {
    const one = thread();
    for (let i = 0; i < 3000; i++) {
      one.due = true;
      if (i % 2 > 0) one.woken();
      await one.run();
      expect(one.looks).toBe(0);
    }
    expect(one.sleeps).toBe(3000);
  });

  it('sleeps no more where something comes each time, and lets the event loop go on', async () => {
    const one = await practised();
    const { sleeps, turns } = one;
    for (let loops = 0; loops < 50; loops++) {
      expect(one.due).toBe(true);
      await one.run();
    }
    expect(one.sleeps).toBe(sleeps);
    expect(one.turns - turns).toBeGreaterThan(200);
  });

  it('gives up at the first misses', async () => {
    const one = await practised();
    one.comesAfterLooks = Number.POSITIVE_INFINITY;
    let watched = 0;
    for (let i = 0; i < 500; i++) {
      if (one.due) await one.run();
      else await one.hear();
      if (one.looks > 0) watched++;
    }
    expect(watched).toBeLessThan(6);
  });

  it('does not watch where something else wants a turn meanwhile', async () => {
    const one = await practised();
    const ran = one.run();
    one.due = true;
    await ran;
    expect(one.looks).toBe(0);
  });

  it('is silent after it was closed', async () => {
    const one = await practised();
    const ran = one.run();
    one.bell.close();
    await ran;
    expect(one.looks).toBe(0);
  });
});
