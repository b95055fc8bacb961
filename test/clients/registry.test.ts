import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Client } from '../../src/clients/client.js';
import { Registry } from '../../src/clients/registry.js';

function client(id: string, user: string, session = ''): Client {
  return { id, user, session, nextOfUser: null, previousOfUser: null } as Client;
}

const ids = (clients: Client[]): string[] => clients.map(({ id }) => id).sort();

test('finds by user, narrowed by client and session', () => {
  const registry = new Registry();
  const ann = client('1', 'ann');
  const annToo = client('2', 'ann', 's');
  const nobody = client('3', '');
  for (const each of [ann, annToo, nobody]) registry.add(each);
  expect(ids(registry.find({ user: 'ann', client: '', session: '' }))).toEqual(['1', '2']);
  expect(ids(registry.find({ user: 'ann', client: '1', session: '' }))).toEqual(['1']);
  expect(ids(registry.find({ user: 'ann', client: '', session: 's' }))).toEqual(['2']);
  expect(ids(registry.find({ user: 'ann', client: '1', session: 's' }))).toEqual([]);
  expect(ids(registry.find({ user: '', client: '', session: '' }))).toEqual(['3']);
  expect(ids(registry.find({ user: '', client: '1', session: '' }))).toEqual([]);
  expect([registry.clients, registry.users]).toEqual([3, 2]);
});

test('finds everybody where an empty user means that', () => {
  const registry = new Registry();
  for (const each of [client('1', 'ann'), client('2', 'bob', 's'), client('3', '')]) registry.add(each);
  const all = { user: '', client: '', session: '', allUsers: true };
  expect(ids(registry.find(all))).toEqual(['1', '2', '3']);
  expect(ids(registry.find({ ...all, session: 's' }))).toEqual(['2']);
  expect(ids(registry.find({ ...all, client: '1' }))).toEqual(['1']);
  expect(ids(registry.find({ ...all, client: '1', session: 's' }))).toEqual([]);
  expect(ids(registry.find({ ...all, user: 'ann' }))).toEqual(['1']);
  expect(ids(registry.find({ ...all, user: 'ann', client: '2' }))).toEqual([]);
});

test('keeps every connection of every user, in any order of coming and going', () => {
  const step = fc.record({ add: fc.boolean(), id: fc.nat(20), user: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const registry = new Registry();
      const model = new Map<string, Client>();
      for (const { add, id, user } of steps) {
        const known = model.get(`${id}`);
        if (add && known === undefined) {
          const added = client(`${id}`, `u${user}`);
          registry.add(added);
          model.set(added.id, added);
        } else if (!add && known !== undefined) {
          registry.remove(known);
          registry.remove(known);
          model.delete(known.id);
        }
        for (let u = 0; u <= 3; u++) {
          const expected = [...model.values()].filter((each) => each.user === `u${u}`);
          expect(ids(registry.find({ user: `u${u}`, client: '', session: '' }))).toEqual(ids(expected));
        }
        expect(registry.clients).toBe(model.size);
        expect(registry.users).toBe(new Set([...model.values()].map((each) => each.user)).size);
      }
    }),
    { seed: 1, numRuns: 200 },
  );
});
