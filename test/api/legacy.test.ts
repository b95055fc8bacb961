import { describe, expect, it } from 'vitest';
import { publication, read, rig } from './rig.js';

const send = async (body: string) => (await rig().send('/api', body)).body;
const bad = '{"error":{"code":107,"message":"bad request"}}';
const notFound = '{"error":{"code":104,"message":"not found"}}';

describe('legacy API', () => {
  it('answers a line for each command, in order', async () => {
    const { send, channels } = rig();
    channels.position = { offset: 1, epoch: 'e' };
    const body =
      '{"id":1,"method":"publish","params":{"channel":"a","data":{"x": 1}}}\n' +
      '{"id":2,"method":"presence_stats","params":{"channel":"stream:a"}} {"method":"history_remove","params":{"channel":"a"}}';
    expect(await send('/api', body)).toEqual({
      status: 200,
      type: 'application/json',
      body:
        '{"id":1,"result":{"offset":1,"epoch":"e"}}\n{"id":2,"result":{"num_clients":3,"num_users":2}}\n' +
        '{"error":{"code":108,"message":"not available"}}',
    });
    expect(channels.published[0]!.data).toBe('{"x": 1}');
  });

  const numbered: [number, string][] = [
    [0, '{"channel":"c","data":1}'],
    [1, '{"channels":["c"],"data":1}'],
    [2, '{"channel":"c"}'],
    [3, '{}'],
    [4, '{"channel":"stream:c"}'],
    [5, '{"channel":"stream:c"}'],
    [6, '{"channel":"stream:c"}'],
    [7, '{"channel":"stream:c"}'],
    [8, '{}'],
    [9, '{}'],
    [11, '{"channel":"c"}'],
    [12, '{}'],
  ];
  const names = [
    'publish broadcast unsubscribe disconnect presence presence_stats history history_remove channels info rpc subscribe refresh',
  ].flatMap((all) => all.split(' '));
  it.each(numbered)('method %i is as its name', async (number, params) => {
    const byNumber = await send(`{"method":${number},"params":${params}}`);
    expect(byNumber).toBe(await send(`{"method":"${names[number]}","params":${params}}`));
    expect(byNumber).toBe(await send(`{"method":"${names[number]!.toUpperCase()}","params":${params}}`));
    expect(byNumber).toMatch(/^\{"result":/);
  });

  it.each([33, 34, 35, 36, 37, 38, 39])('method %i is not available', async (number) => {
    expect(await send(`{"method":${number},"params":{}}`)).toBe('{"error":{"code":108,"message":"not available"}}');
  });

  it.each([
    10,
    13,
    ...Array.from({ length: 19 }, (_, i) => 14 + i),
    40,
    -1,
    1000,
  ])('method %i is not found', async (n) => {
    expect(await send(`{"id":4,"method":${n},"params":{"method":"m"}}`)).toBe(notFound.replace('{', '{"id":4,'));
  });

  it.each(['connections', 'BLOCK_USER', 'send_push_notification'])('%s is not found', async (name) => {
    expect(await send(`{"method":"${name}","params":{}}`)).toBe(notFound);
  });

  it('publishes when no method is given', async () => {
    expect(await send('{"params":{"channel":"c","data":1}}')).toBe('{"result":{}}');
  });

  it('needs params for all but info', async () => {
    expect(await send('{"method":"channels"}')).toBe(bad);
    expect(await send('{"method":"info"}')).toMatch(/^\{"result":\{"nodes":/);
    expect(await send('{"method":"info","params":[]}')).toMatch(/^\{"result":\{"nodes":/);
    expect(await send('{"method":"publish","params":{"channel":1}}')).toBe(bad);
    expect(await send('null')).toBe(bad);
  });

  it.each([
    '',
    '{',
    '{"method":"nope"}',
    '{"method":""}',
    '{"method":null}',
    '{"method":1.5}',
    '{"method":true}',
    '{"method":"1"}',
    '{"id":-1}',
    '{"params":{}} x',
    '[]',
  ])('a malformed request is 400 and does nothing: %s', async (tail) => {
    const { send, channels } = rig();
    const head = '{"method":"publish","params":{"channel":"c","data":1}}';
    const answer = await send('/api', tail === '' ? '' : `${head}\n${tail}`);
    expect(answer).toEqual({ status: 400, type: 'text/plain; charset=utf-8', body: 'Bad Request\n' });
    expect(channels.published).toEqual([]);
  });

  it('answers nothing to whitespace', async () => {
    expect(await rig().send('/api', ' \n')).toEqual({ status: 200, type: 'application/json', body: '' });
  });

  it('ignores the error mode', async () => {
    const { send } = rig({ insecure: true, error_mode: 'transport' });
    expect((await send('/api', '{"method":"publish","params":{}}')).status).toBe(200);
  });

  it('is a 500 when a reply cannot be said in JSON', async () => {
    const { send, channels } = rig();
    channels.publications = [publication({ data: Buffer.from('{') })];
    expect((await send('/api', '{"method":"history","params":{"channel":"stream:c"}}')).status).toBe(500);
  });

  it('waits before anything but a publication', async () => {
    const { start, channels } = rig();
    const held: (() => void)[] = [];
    channels.held = held;
    const command = '{"params":{"channel":"c","data":1}}';
    const answer = start('/api', `${command}${command}{"method":"history","params":{"channel":"stream:c"}}`);
    expect([channels.published.length, channels.asked.length]).toEqual([2, 0]);
    for (const end of held.splice(0)) end();
    expect(channels.asked.length).toBe(1);
    held[0]!();
    expect(read(await answer).body.split('\n')).toHaveLength(3);
  });
});
