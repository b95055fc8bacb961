import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Subscription } from '../../src/clients/subscription.js';
import { Subscriptions } from '../../src/clients/subscriptions.js';

/** The set looks at nothing but the channel. */
const subscription = (channel: string): Subscription => ({ channel }) as Subscription;

test('behaves as a map by channel, small or large', () => {
  const step = fc.record({ add: fc.boolean(), channel: fc.nat(40).map((n) => `c${n}`) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const set = new Subscriptions();
      const model = new Map<string, Subscription>();
      for (const { add, channel } of steps) {
        const known = model.get(channel);
        if (add && known === undefined) {
          const added = subscription(channel);
          set.add(added);
          model.set(channel, added);
        } else if (!add) {
          expect(set.delete(known ?? subscription(channel))).toBe(model.delete(channel));
        }
        expect(set.get(channel)).toBe(model.get(channel));
        expect(set.size).toBe(model.size);
      }
      expect(new Set(set.all())).toEqual(new Set(model.values()));
    }),
    { seed: 1, numRuns: 200 },
  );
});
