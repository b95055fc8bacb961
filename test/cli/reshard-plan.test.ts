import { expect, test } from 'vitest';
import { directoryWith } from '../config/helpers.js';
import { gyre, type Outcome } from './helpers.js';

const redis = (address: string[], rest: object = {}) => ({ engine: { type: 'redis', redis: { address, ...rest } } });

async function plan(old: object, now: object, ...args: string[]): Promise<Outcome> {
  const channels = Array.from({ length: 2000 }, (_, i) => `room:${i}`).join('\n');
  const files = { 'old.json': JSON.stringify(old), 'new.json': JSON.stringify(now), 'channels.txt': channels };
  return gyre(directoryWith(files), ['reshard-plan', '-c', 'old.json', '-c', 'new.json', ...args]);
}

const three = ['redis://:secret@a:1', 'b:1', 'c:1'];
const four = [...three, 'd:1'];

async function warnings(old: object, now: object): Promise<{ code: number; warnings: string[] }> {
  const { code, out } = await plan(old, now, '--json', '--channels', 'channels.txt');
  return { code, warnings: JSON.parse(out).broker.warnings };
}

test('a fourth shard with the former list named: a quarter moves, to it alone, and keeps its history', async () => {
  const { code, out, err } = await plan(redis(three), redis(four, { previous_address: three }));
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out.split('\n')).toEqual([
    expect.stringMatching(/^broker: 2[3-7]\.\d % of 100000 made-up channel names move to another shard$/),
    '',
    expect.stringMatching(/^shard {2}place +before +after +leave +arrive$/),
    expect.stringMatching(/^0 {6}a:1\/0 {2}stays +3\d\.\d % +2\d\.\d % +\d\.\d % +0\.0 %$/),
    expect.stringMatching(/^1 {6}b:1\/0 {2}stays /),
    expect.stringMatching(/^2 {6}c:1\/0 {2}stays /),
    expect.stringMatching(/^3 {6}d:1\/0 {2}added +0\.0 % +2\d\.\d % +0\.0 % +2\d\.\d %$/),
    '',
    'from  to  channels',
    expect.stringMatching(/^[012] {5}3 {7}\d{4} +\d\.\d %$/),
    expect.stringMatching(/^[012] {5}3 {7}\d{4} +\d\.\d %$/),
    expect.stringMatching(/^[012] {5}3 {7}\d{4} +\d\.\d %$/),
  ]);
});

test('without the former list it fails, and says what to do', async () => {
  const { code, out, err } = await plan(redis(three), redis(four));
  expect(code).toBe(2);
  expect(out).toMatch(/move to another shard, and lose their history$/m);
  expect(out).toContain(
    'warning: channels that move lose their history: set engine.redis.previous_address to the former list',
  );
  expect(err).toBe('error: channels would lose their history');
  expect(out).not.toContain('secret');
});

test('as JSON, of given channels', async () => {
  const { code, out } = await plan(redis(three), redis(three.slice(0, 2)), '--json', '--channels', 'channels.txt');
  expect(code).toBe(2);
  const { broker, ...others } = JSON.parse(out);
  expect(others).toEqual({});
  expect(broker).toMatchObject({ channels: 2000, keepsHistory: false });
  expect(broker.shards.map((it: { status: string }) => it.status)).toEqual(['stays', 'stays', 'removed']);
  expect(broker.shards[2]).toMatchObject({ name: '2', after: 0, leave: broker.moved, arrive: 0 });
  expect(broker.moves.every((move: { from: string }) => move.from === '2')).toBe(true);
});

test('nothing moves when a list is reordered with its names', async () => {
  const reordered = ['redis://b:1?shard_name=1', 'redis://a:1?shard_name=0', 'redis://c:1?shard_name=2'];
  expect(await warnings(redis(three), redis(reordered))).toEqual({ code: 0, warnings: [] });
  expect(await warnings(redis(three), redis(reordered, { previous_address: three }))).toEqual({
    code: 0,
    warnings: ['no channel moves: engine.redis.previous_address is not needed'],
  });
});

test('what keeps history from being found again', async () => {
  const lost = 'channels that move lose their history: set engine.redis.previous_address to the former list';
  expect(await warnings(redis(['a:1', 'b:1']), redis(['b:1', 'a:1']))).toEqual({
    code: 2,
    warnings: [
      lost,
      'the shard at a:1/0 is renamed from "0" to "1", which moves its channels; keep shard_name=0',
      'the shard at b:1/0 is renamed from "1" to "0", which moves its channels; keep shard_name=1',
    ],
  });
  expect(await warnings(redis(['a:1', 'b:1']), redis(['x:1', 'b:1']))).toEqual({
    code: 2,
    warnings: [lost, 'the shard "0" goes from a:1/0 to x:1/0; without previous_address move its data too'],
  });
  expect(await warnings(redis(three), redis(['a:1', 'b:1'], { previous_address: ['a:1', 'x:1', 'y:1'] }))).toEqual({
    code: 2,
    warnings: [
      'the shard "1" (b:1/0) is not in engine.redis.previous_address: its history is lost',
      'the shard "2" (c:1/0) is not in engine.redis.previous_address: its history is lost',
    ],
  });
  expect(await warnings(redis(three), redis(four, { previous_address: ['b:1', 'a:1', 'c:1'] }))).toEqual({
    code: 2,
    warnings: ['engine.redis.previous_address is not the former list (order, names, weights): history is lost'],
  });
  expect(await warnings(redis(['a:1']), redis(['a:1'], { prefix: 'other' }))).toEqual({
    code: 2,
    warnings: ['the prefix changes: every channel starts anew, without history and presence'],
  });
});

test('a name that goes to another place is shown with both', async () => {
  const { out } = await plan(redis(['a:1', 'b:1']), redis(['x:1', 'b:1']), '--json', '--channels', 'channels.txt');
  const { moves, moved } = JSON.parse(out).broker;
  expect(moves).toEqual([{ from: '0 (a:1/0)', to: '0 (x:1/0)', channels: moved }]);
});

test('from jump to the ring', async () => {
  const changes = 'sharding changes from "jump" to "ring": most channels move';
  const jump = { sharding: 'jump' };
  expect(
    await warnings(redis(three, jump), redis(three, { previous_address: three, previous_sharding: 'jump' })),
  ).toEqual({ code: 0, warnings: [changes] });
  expect(await warnings(redis(three, jump), redis(four, { previous_address: three }))).toEqual({
    code: 2,
    warnings: ['engine.redis.previous_sharding must be "jump": history is lost', changes],
  });
});

test('jump goes by number', async () => {
  const jump = { sharding: 'jump' };
  expect(await warnings(redis(three, jump), redis(four, { ...jump, previous_address: three }))).toEqual({
    code: 0,
    warnings: [],
  });
  const { warnings: found } = await warnings(redis(three, jump), redis(['b:1', 'c:1'], jump));
  expect(found).toContain(
    'with sharding "jump" shards can be added and removed at the end of the list only; here others change their number',
  );
});

test('presence in another Redis is looked at too', async () => {
  const presence_manager = { enabled: true, type: 'redis', redis: { address: ['p:1', 'q:1'] } };
  const { code, out } = await plan(redis(three), { ...redis(three), presence_manager });
  expect(code).toBe(0);
  expect(out).toMatch(/^broker: 0\.0 % /);
  expect(out).toMatch(/^presence: 100\.0 % of 100000 made-up channel names move to another shard$/m);
});

test('what it cannot compare', async () => {
  expect((await plan({}, redis(three))).err).toBe('error: the first configuration does not use Redis');
  expect((await plan(redis(three), redis(['x']))).err).toBe(
    'error: engine.redis.address[0]: is neither a URL nor host:port',
  );
  expect((await plan(redis(three), redis(four), '--channels', 'none.txt')).err).toBe('error: none.txt: no such file');
  const one = await gyre(directoryWith({ 'old.json': '{}' }), ['reshard-plan', '-c', 'old.json']);
  expect(one).toMatchObject({ code: 1, err: 'error: give two configurations: -c old.json -c new.json' });
});
