import { describe, expect, it } from 'vitest';
import { type Flushable, Turn } from '../../src/lib/turn.js';

/** A turn whose end comes when the test says so. */
function manualTurn(rounds: { before?(): void; after?(): void } = {}) {
  const deferred: (() => void)[] = [];
  const turn = new Turn(
    { before: () => rounds.before?.(), after: () => rounds.after?.() },
    (run) => void deferred.push(run),
  );
  return { turn, deferred, end: () => deferred.shift()!() };
}

const flushing = (flush: () => void): Flushable => ({ flush });

describe('a turn', () => {
  it('is deferred once, however often it is asked for', () => {
    const { turn, deferred } = manualTurn();
    turn.schedule();
    turn.schedule();
    turn.touch(flushing(() => {}));
    expect(deferred).toHaveLength(1);
  });

  it('runs before, the touched in their order, after', () => {
    const ran: string[] = [];
    const { turn, end } = manualTurn({
      before: () => {
        ran.push('before');
        turn.touch(flushing(() => ran.push('touched by before')));
      },
      after: () => ran.push('after'),
    });
    turn.touch(flushing(() => ran.push('first')));
    turn.touch(flushing(() => ran.push('second')));
    end();
    expect(ran).toEqual(['before', 'first', 'second', 'touched by before', 'after']);
  });

  it('flushes what a flush touches in the same run', () => {
    let depth = 0;
    const { turn, deferred, end } = manualTurn();
    const item = flushing(() => {
      if (++depth < 5) turn.touch(item);
    });
    turn.touch(item);
    end();
    expect(depth).toBe(5);
    expect(deferred).toEqual([]);
  });

  it('forgets what it flushed', () => {
    let flushed = 0;
    const { turn, end } = manualTurn();
    turn.touch(flushing(() => flushed++));
    end();
    turn.schedule();
    end();
    expect(flushed).toBe(1);
  });

  it('is not run again for what is scheduled before `after`, which sees it', () => {
    const { turn, deferred, end } = manualTurn({ before: () => turn.schedule() });
    turn.touch(flushing(() => turn.schedule()));
    end();
    expect(deferred).toEqual([]);
  });

  it('runs again when `after` asks for it', () => {
    let rounds = 0;
    const { turn, deferred, end } = manualTurn({
      after: () => {
        if (++rounds < 3) turn.schedule();
      },
    });
    turn.schedule();
    while (deferred.length > 0) end();
    expect(rounds).toBe(3);
  });

  it('flushes what `after` touches in the next run', () => {
    let flushed = 0;
    let touched = false;
    const item = flushing(() => flushed++);
    const { turn, deferred, end } = manualTurn({
      after: () => {
        if (!touched) turn.touch(item);
        touched = true;
      },
    });
    turn.schedule();
    end();
    expect(flushed).toBe(0);
    expect(deferred).toHaveLength(1);
    end();
    expect(flushed).toBe(1);
  });

  it('goes on with the rest in another run after a flush that throws', () => {
    const ran: string[] = [];
    const { turn, deferred, end } = manualTurn({ after: () => ran.push('after') });
    turn.touch(flushing(() => ran.push('first')));
    turn.touch(
      flushing(() => {
        throw new Error('broken');
      }),
    );
    turn.touch(flushing(() => ran.push('third')));
    expect(end).toThrow('broken');
    expect(deferred).toHaveLength(1);
    end();
    expect(ran).toEqual(['first', 'third', 'after']);
  });

  it('can be scheduled again after `before` or `after` threw', () => {
    for (const broken of ['before', 'after'] as const) {
      let failing = true;
      let flushed = 0;
      const { turn, deferred, end } = manualTurn({
        [broken]: () => {
          if (failing) throw new Error('broken');
        },
      });
      turn.touch(flushing(() => flushed++));
      expect(end).toThrow('broken');
      failing = false;
      turn.schedule();
      expect(deferred).toHaveLength(1);
      end();
      expect(flushed).toBe(1);
    }
  });

  it('runs at the end of the turn of the event loop', async () => {
    const ran: string[] = [];
    await new Promise<void>((resolve) => {
      const turn = new Turn({ before: () => ran.push('turn'), after: resolve });
      turn.schedule();
      Promise.resolve().then(() => ran.push('microtask'));
    });
    expect(ran).toEqual(['microtask', 'turn']);
  });
});
