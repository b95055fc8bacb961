/** Commands in any interleaving with a slot that is opened, moved key by key, and closed, there and back. */
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FakeLinks } from '../../support/fake-links.js';

const KEYS = ['a{hello}', 'b{hello}', 'c{hello}'];
const ROOM_FOR_LOOKS_MS = 7000;

/** Two servers and one slot, as Redis has it: one key after the other goes from its owner to the other server. */
class MovingSlot {
  owner = 1;
  isOpen = false;
  /** Carried out, by key. */
  readonly log = new Map<string, number[]>();
  private readonly places = new Map<string, number>();
  private isAsking = false;

  constructor(private readonly cluster: FakeLinks) {}

  get other(): number {
    return 3 - this.owner;
  }

  /** Carry out or refuse the next command that a server got. */
  serve(port: number): void {
    const link = this.cluster.links.get(port);
    if (link === undefined || link.sent.length === 0) return;
    const { text, handler } = link.take();
    const isAsking = this.isAsking && port === this.other;
    if (port === this.other) this.isAsking = text === 'ASKING';
    const [key, value] = text.split(' ') as [string, string];
    if (text === 'ASKING') handler.reply('OK');
    else if (port !== this.owner && !(isAsking && this.isOpen)) handler.refused!(`MOVED 866 h:${this.owner}`);
    else if (port === this.owner && this.isOpen && this.places.get(key) !== port) {
      handler.refused!(`ASK 866 h:${this.other}`);
    } else {
      this.places.set(key, port);
      this.log.set(key, [...(this.log.get(key) ?? []), Number(value)]);
      handler.reply(Number(value));
    }
  }

  migrate(key: string): void {
    if (this.isOpen && this.places.has(key)) this.places.set(key, this.other);
  }

  /** What the new owner had before is served before: nothing that it refused is overtaken by what it now takes. */
  close(): void {
    if (!this.isOpen) return;
    while (this.sentTo(this.other) > 0) this.serve(this.other);
    for (const key of KEYS) this.migrate(key);
    this.isOpen = false;
    this.owner = this.other;
    this.isAsking = false;
    this.cluster.view = { masters: [this.owner, this.other], isUsable: true };
  }

  serveAll(): void {
    while (this.sentTo(1) + this.sentTo(2) > 0) {
      this.serve(1);
      this.serve(2);
    }
  }

  private sentTo(port: number): number {
    return this.cluster.links.get(port)?.sent.length ?? 0;
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('queue' as const), key: fc.constantFrom(...KEYS) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('serve' as const), port: fc.constantFrom(1, 2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('migrate' as const), key: fc.constantFrom(...KEYS) }) },
  { weight: 1, arbitrary: fc.constantFrom(...(['open', 'close', 'look'] as const)).map((kind) => ({ kind })) },
);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('commands of a key are carried out once each, in their order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 120 }), async (steps) => {
      const cluster = new FakeLinks();
      const slot = new MovingSlot(cluster);
      const shard = cluster.open({ message() {}, interrupted() {} });
      await vi.advanceTimersByTimeAsync(ROOM_FOR_LOOKS_MS);
      const queued = new Map<string, number[]>();
      const answered: number[] = [];
      let count = 0;
      for (const one of steps) {
        switch (one.kind) {
          case 'serve':
            slot.serve(one.port);
            break;
          case 'migrate':
            slot.migrate(one.key);
            break;
          case 'open':
            slot.isOpen = true;
            break;
          case 'close':
            slot.close();
            break;
          case 'look':
            await vi.advanceTimersByTimeAsync(100);
            break;
          case 'queue': {
            const value = count++;
            queued.set(one.key, [...(queued.get(one.key) ?? []), value]);
            shard.command(one.key, [one.key, String(value)], {
              reply: (reply) => answered.push(Number(reply)),
              fail: () => answered.push(Number.NaN),
            });
          }
        }
      }
      slot.close();
      for (let turn = 0; turn < 50; turn++) {
        slot.serveAll();
        await vi.advanceTimersByTimeAsync(50);
      }
      shard.close();
      expect(slot.log).toEqual(queued);
      expect(answered.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    }),
    { seed: 7, numRuns: 300 },
  );
});
