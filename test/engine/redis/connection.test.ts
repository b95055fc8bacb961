/** What real servers do not do on demand. */
import { afterEach, expect, it } from 'vitest';
import type { ServerOptions } from '../../../src/engine/redis/options.js';
import { type Answer, bulks, FakeRedis, polite } from '../../support/fake-redis.js';
import { until } from '../../support/until.js';
import { ShardRig, standalone } from './shard-rig.js';

const closing: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closing.splice(0).reverse()) close();
});

async function open(answer: Answer, server: Partial<ServerOptions> = {}): Promise<{ fake: FakeRedis; rig: ShardRig }> {
  const fake = await new FakeRedis(answer).start();
  const rig = new ShardRig(standalone(fake, server), { canaryIntervalMs: 60_000 });
  closing.push(
    () => fake.stop(),
    () => rig.shard.close(),
  );
  return { fake, rig };
}

const reasons = ({ logged }: ShardRig): string[] => logged.map(({ reason }) => String(reason));

it.each([true, false])('RESP3 is never asked for (resp2: %s)', async (resp2) => {
  const { fake, rig } = await open(polite, { resp2, user: 'u', password: 'p', db: 2, clientName: 'n' });
  await until('connected', () => rig.logged.filter(({ msg }) => msg === 'Redis connected').length === 2);
  const introduction = [['AUTH', 'u', 'p'], ['SELECT', '2'], ['CLIENT', 'SETNAME', 'n'], ['PING']];
  expect(fake.commands.filter(([name]) => name !== 'SUBSCRIBE').slice(0, 4)).toEqual(introduction);
  expect(fake.commands.flat()).not.toContain('HELLO');
});

it('a server that does not know AUTH and repeats its arguments does not get the password into the log', async () => {
  const { rig } = await open(
    ([name, ...args]) => `-ERR unknown command '${name}', with args beginning with: '${args.join("' '")}' \r\n`,
    { user: 'bob', password: 's3cret' },
  );
  await until('said', () => reasons(rig).includes("AUTH refused: ERR unknown command 'AUTH'"));
  expect(JSON.stringify(rig.logged)).not.toContain('s3cret');
});

it('a server that does not answer the handshake', async () => {
  const { rig } = await open(() => undefined, { ioTimeoutMs: 100 });
  await until('said', () => reasons(rig).includes('no answer to the handshake within 100 ms'));
});

it('a server that is loading its data is not used until it has', async () => {
  const { fake, rig } = await open(() => '-LOADING Redis is loading the dataset in memory\r\n');
  await until('said', () => reasons(rig).includes('PING refused: LOADING Redis is loading the dataset in memory'));
  expect(await rig.codeOf(rig.call('GET', 'k'))).toBe(100);
  fake.answer = polite;
  await until('used', async () => (await rig.codeOf(rig.call('GET', 'k'))) === 0);
});

it('bytes that are not RESP end the handshake, or the connection with all that waits on it', async () => {
  const { fake, rig } = await open(() => 'HTTP/1.1 400 Bad Request\r\n\r\n');
  await until('said', () => reasons(rig).some((reason) => reason.startsWith('a reply cannot start with byte')));
  fake.answer = polite;
  await until('connected', async () => (await rig.codeOf(rig.call('GET', 'k'))) === 0);
  fake.answer = ([name]) => (name === 'GET' ? '!\r\n' : '+OK\r\n');
  expect(await Promise.all([rig.codeOf(rig.call('GET', 'k')), rig.codeOf(rig.call('SET', 'k'))])).toEqual([100, 100]);
  expect(reasons(rig).some((reason) => reason.includes('not RESP'))).toBe(true);
});

it('a reply that nobody asked for ends the connection: whose the next is would be a guess', async () => {
  const { fake, rig } = await open(polite);
  await until('connected', async () => (await rig.codeOf(rig.call('GET', 'k'))) === 0);
  fake.answer = () => '+one\r\n+two\r\n';
  expect(await rig.call('GET', 'k')).toBe('one');
  await until('dropped', () => reasons(rig).includes('a reply that nobody asked for'));
});

const NOSCRIPT = '-NOSCRIPT No matching script.\r\n';
const named = (name: string) => ({ name, lua: `return '${name}'`, sha: name.padEnd(40, '0'), publishes: false });

async function forgetful(): Promise<{ fake: FakeRedis; rig: ShardRig; evaluated: () => string[] }> {
  const { fake, rig } = await open(polite);
  await until('connected', async () => (await rig.codeOf(rig.call('PING'))) === 0);
  const evaluated = () => fake.commands.flatMap(([name, sha]) => (name === 'EVALSHA' ? [sha![0]!] : []));
  return { fake, rig, evaluated };
}

it('while scripts that the server forgot are still being refused, nothing is sent', async () => {
  const { fake, rig, evaluated } = await forgetful();
  let refuseSecond = (): void => {};
  fake.answer = ([name, sha], say) => {
    if (name !== 'EVALSHA') return polite([name!], say);
    if (sha!.startsWith('a')) return NOSCRIPT;
    refuseSecond = () => say(NOSCRIPT);
    return undefined;
  };
  const answers = [rig.run(named('a'), ['k']), rig.call('GET', 'k'), rig.run(named('b'), ['k'])];
  await answers[1];
  answers.push(rig.run(named('c'), ['k']));
  // Had it been sent, it would have arrived before this connection is through its handshake.
  const other = new ShardRig(standalone(fake), { canaryIntervalMs: 60_000 });
  closing.push(() => other.shard.close());
  await until('connected', async () => (await other.codeOf(other.call('PING'))) === 0);
  expect(evaluated()).toEqual(['a', 'b']);
  fake.answer = polite;
  refuseSecond();
  await Promise.all(answers);
  expect(evaluated()).toEqual(['a', 'b', 'a', 'b', 'c']);
});

it('scripts that wait to be repeated fail with the connection', async () => {
  const { fake, rig } = await forgetful();
  fake.answer = ([name, sha], say) => {
    if (name !== 'EVALSHA') return polite([name!], say);
    return sha!.startsWith('a') ? NOSCRIPT : undefined;
  };
  const codes = ['a', 'b'].map((name) => rig.codeOf(rig.run(named(name), ['k'])));
  await until('under way', () => fake.commands.some(([name, sha]) => name === 'EVALSHA' && sha!.startsWith('b')));
  fake.disconnect();
  expect(await Promise.all(codes)).toEqual([100, 100]);
});

const confirmation = (channel: string): string => `*3\r\n$9\r\nsubscribe\r\n$${channel.length}\r\n${channel}\r\n:1\r\n`;

it('a channel that is being subscribed again: who asks for it waits, who gave it up hears nothing', async () => {
  let confirm: (() => void)[] = [];
  const subscribing: Answer = ([name, ...channels], say) => {
    if (name !== 'SUBSCRIBE') return polite([name!], say);
    for (const channel of channels) confirm.push(() => say(confirmation(channel)));
    return undefined;
  };
  const { fake, rig } = await open(subscribing);
  await until('first subscribed', () => confirm.length === 1);
  const first = ['a', 'b'].map((channel) => rig.shard.subscribe(channel));
  await until('both subscribed', () => confirm.length === 3);
  for (const say of confirm) say();
  await Promise.all(first);

  confirm = [];
  fake.disconnect();
  await until('subscribed again', () => confirm.length === 3);
  rig.shard.unsubscribe('a');
  let confirmed = false;
  const again = rig.shard.subscribe('b').then(() => {
    confirmed = true;
  });
  await new Promise(setImmediate);
  expect(confirmed).toBe(false);
  for (const say of confirm) say();
  await again;
  expect(rig.interrupted).toEqual(['b']);
});

it('connections that stand are not healthy before a canary has come back over them', async () => {
  let deliver = (_channel: string): void => {};
  const delivering: Answer = ([name, channel], say) => {
    if (name === 'SUBSCRIBE') {
      deliver = (to) => say(bulks('message', to, ''));
      return confirmation(channel!);
    }
    if (name === 'PUBLISH') deliver(channel!);
    return polite([name!], say);
  };
  const { fake, rig } = await open(delivering);
  await rig.healthy();
  const published = () => fake.commands.filter(([name]) => name === 'PUBLISH').length;
  const before = published();
  fake.answer = (command, say) => (command[0] === 'PUBLISH' ? ':0\r\n' : delivering(command, say));
  fake.disconnect();
  await until('published in vain', () => published() > before);
  expect(rig.shard.healthy).toBe(false);
});

it('a script that the server does not know even after it was loaded fails', async () => {
  const unknown: Answer = ([name], say) => (name === 'EVALSHA' ? NOSCRIPT : polite([name!], say));
  const { fake, rig } = await open(unknown);
  await until('connected', async () => (await rig.codeOf(rig.call('GET', 'k'))) === 0);
  expect(await rig.codeOf(rig.run({ name: 's', lua: 'return 1', sha: '0'.repeat(40), publishes: false }, ['k']))).toBe(
    100,
  );
  expect(fake.commands.filter(([name]) => name === 'EVALSHA')).toHaveLength(2);
});

it('the errors of a server that refuses everything do not flood the log', async () => {
  const { rig } = await open(([name]) => (name === 'PING' ? '+PONG\r\n' : '-OOM command not allowed\r\n'));
  await until('connected', () => rig.logged.filter(({ msg }) => msg === 'Redis connected').length >= 1);
  const codes = await Promise.all(Array.from({ length: 1000 }, () => rig.codeOf(rig.call('SET', 'k', 'v'))));
  expect(new Set(codes)).toEqual(new Set([100]));
  expect(rig.logged.filter(({ msg }) => msg === 'Redis refused a command').length).toBeLessThan(3);
});

it('closing while a connection is being made leaves nothing behind', async () => {
  const { fake, rig } = await open(() => undefined);
  await until('dialled', () => fake.commands.length >= 2);
  rig.shard.close();
  await until('closed', () => fake.connections === 0);
  expect(rig.logged.filter(({ level }) => level >= 40)).toEqual([]);
});
