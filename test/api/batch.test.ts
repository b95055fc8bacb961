import { describe, expect, it } from 'vitest';
import { publication, read, rig } from './rig.js';

const publish = (channel: string, data: unknown = 1) => ({ publish: { channel, data } });

describe('batch', () => {
  it('answers each command under its name, in order', async () => {
    const { post, channels } = rig();
    channels.position = { offset: 1, epoch: 'e' };
    const commands = [
      publish('stream:a'),
      { history_remove: { channel: 'stream:a' } },
      publish(''),
      { presence_stats: { channel: 'stream:a' } },
      { disconnect: { user: 'u' } },
      null,
      {},
      { publish: null },
      { connections: {} },
      { info: null, rpc: { method: 'x' } },
      { broadcast: { channels: ['a', 'no:b'], data: 1 } },
    ];
    const bad = { error: { code: 107, message: 'bad request' } };
    const notFound = { error: { code: 104, message: 'not found' } };
    const ok = { offset: 1, epoch: 'e' };
    expect((await post('batch', { commands })).body).toBe(
      JSON.stringify({
        replies: [
          { publish: ok },
          { history_remove: {} },
          bad,
          { presence_stats: { num_clients: 3, num_users: 2 } },
          { disconnect: {} },
          bad,
          notFound,
          notFound,
          notFound,
          notFound,
          { broadcast: { responses: [{ result: ok }, { error: { code: 102, message: 'unknown channel' } }] } },
        ],
      }),
    );
  });

  it('takes the first of several commands in one, in the order of the methods', async () => {
    const { post, channels } = rig();
    await post('batch', { commands: [{ disconnect: { user: 'u' }, publish: { channel: 'c', data: 1 } }] });
    expect(channels.published).toHaveLength(1);
  });

  it.each(['{}', 'null', '{"commands":[]}', '{"commands":null}'])('has nothing to say to %s', async (body) => {
    expect((await rig().post('batch', body)).body).toBe('{}');
  });

  it('stays a 200 in transport error mode', async () => {
    const { post } = rig({ insecure: true, error_mode: 'transport' });
    expect((await post('batch', { commands: [publish('')] })).status).toBe(200);
  });

  it('is a 500 when one reply cannot be said in JSON', async () => {
    const { post, channels } = rig();
    channels.publications = [publication({ data: Buffer.from('{') })];
    expect((await post('batch', { commands: [publish('a'), { history: { channel: 'stream:a' } }] })).status).toBe(500);
  });

  it('does not wait between publications, but before and after other commands', async () => {
    const { start, channels } = rig();
    const held: (() => void)[] = [];
    channels.held = held;
    const commands = [
      publish('a'),
      publish('b'),
      { broadcast: { channels: ['c', 'd'], data: 1 } },
      { history: { channel: 'stream:a' } },
      publish('e'),
      publish('f'),
    ];
    const answer = start('/api/batch', JSON.stringify({ commands }));
    const started = () => [channels.published.map(({ channel }) => channel).join(''), channels.asked.length];
    expect(started()).toEqual(['abcd', 0]);
    for (const end of held.splice(0, 3)) end();
    expect(started()).toEqual(['abcd', 0]);
    held.splice(0, 1)[0]!();
    expect(started()).toEqual(['abcd', 1]);
    held.splice(0, 1)[0]!();
    expect(started()).toEqual(['abcdef', 1]);
    for (const end of held.splice(0).reverse()) end();
    expect(JSON.parse(read(await answer).body).replies.map((reply: object) => Object.keys(reply)[0])).toEqual([
      'publish',
      'publish',
      'broadcast',
      'history',
      'publish',
      'publish',
    ]);
  });

  it('starts everything at once when parallel', async () => {
    const { start, channels } = rig();
    const held: (() => void)[] = [];
    channels.held = held;
    const commands = [{ history: { channel: 'stream:a' } }, publish('a'), { presence: { channel: 'stream:a' } }];
    const answer = start('/api/batch', JSON.stringify({ commands, parallel: true }));
    expect(held).toHaveLength(3);
    for (const end of held.splice(0).reverse()) end();
    expect(read(await answer).body).toBe(
      '{"replies":[{"history":{"publications":[],"epoch":"","offset":0}},{"publish":{}},{"presence":{"presence":{}}}]}',
    );
  });

  it('runs thousands of commands without growing the stack', async () => {
    const { post, channels } = rig();
    const commands = Array.from({ length: 20_000 }, (_, i) =>
      i % 2 ? publish('a') : { presence: { channel: 'stream:a' } },
    );
    expect(JSON.parse((await post('batch', { commands })).body).replies).toHaveLength(20_000);
    expect(channels.published).toHaveLength(10_000);
  });
});
