import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../src/lib/clock.js';
import { RecordKind } from '../../src/mesh/records.js';
import { createReplacementWires } from '../../src/mesh/wires.js';
import { createThreads, TestThread } from './threads.js';

const KIND = 31;
const record = (label: string, bytes = label.length + 1): Buffer => {
  const out = Buffer.alloc(bytes, ' ');
  out[0] = KIND;
  out.write(label, 1, 'latin1');
  return out;
};

let close = (): void => {};
afterEach(() => close());

function create(workers: number, ringBytes = 4096) {
  const created = createThreads(workers, ringBytes);
  close = created.close;
  return created;
}

function listen(thread: TestThread): string[] {
  const heard: string[] = [];
  thread.mesh.on(KIND, (reader, from) => heard.push(`${from}:${reader.rest().toString('latin1').trim()}`));
  return heard;
}

describe('the mesh', () => {
  it('carries records between all slots, main and oneself included', () => {
    const { threads, settle } = create(2);
    const heard = threads.map(listen);
    for (const thread of threads)
      for (const to of threads) thread.mesh.send(to.mesh.self, record(`to ${to.mesh.self}`));
    settle();
    expect(heard.map((records) => records.sort())).toEqual(
      [0, 1, 2].map((to) => [0, 1, 2].map((from) => `${from}:to ${to}`)),
    );
  });

  it('never runs a handler inside the call that sends, also not to oneself', () => {
    const { threads } = create(1);
    const [thread] = threads as [TestThread];
    const heard = listen(thread);
    thread.mesh.send(0, record('a'));
    expect(heard).toEqual([]);
    expect(thread.scheduled).toBe(1);
    thread.mesh.drain();
    expect(heard).toEqual(['0:a']);
  });

  it('handles what a thread has sent to itself, and nothing else, when it says so', () => {
    const { threads, settle } = create(1);
    const [thread, other] = threads as [TestThread, TestThread];
    const heard = listen(thread);
    other.mesh.send(0, record('a'));
    other.mesh.publish();
    thread.mesh.send(0, record('b'));
    thread.mesh.drainOwn();
    expect(heard).toEqual(['0:b']);
    settle();
    expect(heard).toEqual(['0:b', '1:a']);
  });

  it.each(['drain', 'drainOwn'] as const)('handles at once what a thread sends to itself while handling: %s', (how) => {
    const { threads } = create(1);
    const [thread] = threads as [TestThread];
    let seen = 0;
    thread.mesh.on(KIND, () => {
      if (++seen < 10) thread.mesh.send(0, record('again'));
    });
    thread.mesh.send(0, record('first'));
    thread.mesh[how]();
    expect(seen).toBe(10);
  });

  it('handles in one turn what a thread sends to itself while handling', () => {
    const { threads } = create(1);
    const [thread] = threads as [TestThread];
    let seen = 0;
    thread.mesh.on(KIND, () => {
      if (++seen < 10) thread.mesh.send(0, record('again'));
    });
    thread.mesh.send(0, record('first'));
    thread.turn();
    expect(seen).toBe(10);
    expect(thread.leftWork).toBe(false);
  });

  it('lets sockets have their turn where that never ends, and says that there is work', () => {
    const { threads } = create(1);
    const [thread] = threads as [TestThread];
    let seen = 0;
    thread.mesh.on(KIND, () => {
      seen++;
      thread.mesh.send(0, record('again'));
    });
    thread.mesh.send(0, record('first'));
    thread.turn();
    expect(seen).toBe(16);
    expect(thread.leftWork).toBe(true);
  });

  it('rings only those who got something new, and never itself', () => {
    const { threads } = create(2);
    const [thread] = threads as [TestThread];
    thread.turn();
    expect(thread.rung).toEqual([]);
    thread.mesh.send(0, record('a'));
    thread.mesh.send(2, record('b'));
    thread.mesh.publish();
    expect(thread.rung).toEqual([2]);
    thread.mesh.publish();
    expect(thread.rung).toEqual([2]);
  });

  it('looks again later while it owes something, one call at a time', () => {
    const { threads } = create(2);
    const [sender, receiver] = threads as [TestThread, TestThread];
    const heard = listen(receiver);
    let sent = 0;
    while (sender.mesh.send(1, record(`${sent}`, 500))) sent++;
    sender.mesh.mustSend(1, record('owed', 500));
    sender.turn();
    sender.turn();
    const scheduled = sender.scheduled;
    expect(sender.runLater()).toBe(1);
    expect(sender.scheduled).toBe(scheduled + 1);
    receiver.turn();
    sender.turn();
    receiver.turn();
    expect(heard.at(-1)).toBe('0:owed');
    expect(heard).toHaveLength(sent + 1);
    expect(sender.runLater()).toBe(0);
  });

  it('keeps large records in order and gives their bytes back', () => {
    const { threads, settle } = create(2);
    const [sender, receiver] = threads as [TestThread, TestThread];
    const heard: string[] = [];
    receiver.mesh.on(KIND, (reader, from) => heard.push(`${from}:${reader.rest().length}`));
    for (const bytes of [10, 100_000, 20, 513, 30]) sender.mesh.send(1, record('', bytes + 1));
    settle();
    expect(heard).toEqual(['0:10', '0:100000', '0:20', '0:513', '0:30']);
    expect(new Int32Array(sender.wires.outgoing[1]!.oversizeBytes)[0]).toBe(0);
  });

  it('takes one handler a kind, and objects to a record that nobody handles', () => {
    const { threads } = create(1);
    const [thread] = threads as [TestThread];
    listen(thread);
    expect(() => listen(thread)).toThrow('has a handler');
    thread.mesh.send(0, Buffer.of(RecordKind.publication));
    expect(() => thread.mesh.drain()).toThrow('no handler');
    // It counts as consumed.
    thread.mesh.drain();
  });

  it('still reads the rings that it had not come to when a handler threw', () => {
    const { threads } = create(3);
    const [a, b, c] = threads as [TestThread, TestThread, TestThread];
    c.turn();
    let fails = true;
    const heard: number[] = [];
    c.mesh.on(KIND, (_, from) => {
      if (fails) throw new Error('broken');
      heard.push(from);
    });
    for (const thread of [a, b]) {
      thread.mesh.send(2, record('lost'));
      thread.mesh.send(2, record('read'));
      thread.mesh.publish();
    }
    expect(() => c.mesh.drain()).toThrow('broken');
    fails = false;
    c.mesh.drain();
    expect(heard).toEqual([0, 1, 1]);
  });

  it('reads what it is not woken for when it is awake, and does not sleep before', () => {
    const { threads } = create(2);
    const [a, b] = threads as [TestThread, TestThread];
    const heard = listen(b);
    b.turn();
    a.mesh.mustSend(1, record('quiet'), false);
    a.mesh.publish();
    expect(a.rung).toEqual([]);
    b.mesh.publish();
    expect(b.leftWork).toBe(true);
    b.turn();
    expect(heard).toEqual(['0:quiet']);
    expect(b.leftWork).toBe(false);
  });

  describe('when a thread is replaced', () => {
    it('forgets what was under way in either direction and goes on with the new one', () => {
      const { threads, settle, replace } = create(2);
      const [a, b] = threads as [TestThread, TestThread];
      const heardByA = listen(a);
      const heardByOld = listen(b);
      const replaced: number[] = [];
      a.mesh.onReplaced((slot) => replaced.push(slot));
      a.mesh.send(1, record('to the old one'));
      a.mesh.send(1, record('large', 10_000));
      a.mesh.publish();
      b.mesh.send(0, record('from the old one'));
      b.mesh.publish();

      const successor = replace(1);
      const heardByNew = listen(successor);
      expect(replaced).toEqual([1]);
      a.mesh.send(1, record('to the new one'));
      a.mesh.send(1, record('large', 10_000));
      successor.mesh.send(0, record('from the new one'));
      settle();
      expect(heardByOld).toEqual([]);
      expect(heardByNew).toEqual(['0:to the new one', '0:large']);
      expect(heardByA).toEqual(['1:from the new one']);
    });

    it('reads what the new one sent before its wires were known here', () => {
      const { threads } = create(2);
      const [a] = threads as [TestThread];
      const heard = listen(a);
      a.turn();
      const { wires, rewires } = createReplacementWires(1, 2, 4096, a.wires.bells);
      const successor = new TestThread(wires, new ManualClock(0));
      successor.mesh.send(0, record('early'));
      successor.turn();
      a.turn();
      expect(heard).toEqual([]);
      a.mesh.replace(rewires.get(0)!);
      a.turn();
      expect(heard).toEqual(['1:early']);
      successor.mesh.close();
    });

    it('reads what was sent to it while its predecessor had yet to end', () => {
      const { threads } = create(2);
      const [a, old] = threads as [TestThread, TestThread];
      const { wires, rewires } = createReplacementWires(1, 2, 4096, a.wires.bells);
      a.mesh.replace(rewires.get(0)!);
      a.mesh.send(1, record('early'));
      a.turn();
      old.turn();
      const successor = new TestThread(wires, new ManualClock(0));
      const heard = listen(successor);
      successor.turn();
      expect(heard).toEqual(['0:early']);
      successor.mesh.close();
    });

    it('does not owe its successor what the old one did not take', () => {
      const { threads, settle, replace } = create(2);
      const [a] = threads as [TestThread];
      while (a.mesh.send(1, record('x', 500)));
      a.mesh.mustSend(1, record('owed'));
      const heard = listen(replace(1));
      expect(a.mesh.link(1).owes).toBe(false);
      settle();
      expect(heard).toEqual([]);
    });

    it('a second time as well, and two at once', () => {
      const { threads, settle, replace } = create(3);
      const [a] = threads as [TestThread];
      replace(1);
      replace(2);
      const first = listen(replace(1));
      const second = listen(threads[2]!);
      a.mesh.send(1, record('one'));
      threads[1]!.mesh.send(2, record('two'));
      threads[2]!.mesh.send(1, record('three'));
      settle();
      expect(first.sort()).toEqual(['0:one', '2:three']);
      expect(second).toEqual(['1:two']);
    });
  });
});
