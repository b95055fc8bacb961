import { describe, expect, test } from 'vitest';
import { sources } from '../../src/auth/grant.js';
import { answered, channelProxy, errorOf, proxied } from '../support/proxied.js';
import { START_SECONDS, token } from '../support/rig.js';
import { until } from '../support/until.js';

const refusals: [string, object, number | undefined, number | undefined][] = [
  ['an error', { error: { code: 1000, message: 'no' } }, 1000, undefined],
  ['a disconnect', { disconnect: { code: 4500, reason: 'bye' } }, undefined, 4500],
  ['nonsense', { text: '{' }, 100, undefined],
  ['an HTTP error', { status: 500, text: '' }, 100, undefined],
];

describe('subscribe', () => {
  const subscribe = { id: 2, subscribe: { channel: 'a', data: { d: 1 }, positioned: true } };

  test('with the channel’s options, unless the answer has others', async () => {
    const { application, rig } = await proxied(channelProxy('subscribe', { presence: true, force_positioning: true }));
    const connection = await rig.connect();
    application.answer = () => ({
      result: {
        expire_at: START_SECONDS + 60,
        info: { i: 1 },
        data: { hello: 1 },
        override: { presence: { value: false }, force_positioning: { value: false } },
      },
    });
    expect(await answered(connection, subscribe)).toEqual([
      { id: 2, subscribe: { expires: true, ttl: 60, data: { hello: 1 } } },
    ]);
    expect(application.questions[0]).toMatchObject({
      path: '/subscribe',
      body: { client: connection.client.id, user: 'ann', channel: 'a', data: { d: 1 } },
    });
    const made = connection.client.subscriptions.get('a')!;
    expect([made.source, String(made.chanInfo), made.serverSide]).toEqual([sources.subscribeProxy, '{"i":1}', false]);
    expect(rig.channels.channel('a').presence.size).toBe(0);
    application.answer = () => ({});
    expect(await answered(connection, { id: 3, subscribe: { channel: 'b' } })).toMatchObject([
      { subscribe: { positioned: true } },
    ]);
    expect(rig.channels.channel('b').presence.size).toBe(1);
  });

  test('what the client may have otherwise does not count: only what is forced', async () => {
    const options = { allow_positioning: true, history_size: 1, history_ttl: '60s', allow_history_for_client: true };
    const { rig } = await proxied(channelProxy('subscribe', options));
    expect(await answered(await rig.connect(), subscribe)).toEqual([{ id: 2, subscribe: {} }]);
  });

  test.each(refusals)('%s', async (_what, answer, error, close) => {
    const { application, rig } = await proxied(channelProxy('subscribe'));
    application.answer = () => answer;
    const connection = await rig.connect();
    expect(errorOf(await answered(connection, subscribe))).toBe(error);
    expect(connection.closeCode).toBe(close);
    expect(connection.client.subscriptions.size).toBe(0);
  });

  test('after a refusal the channel can be asked for again', async () => {
    const { application, rig } = await proxied(channelProxy('subscribe'));
    const connection = await rig.connect();
    application.answer = () => ({ error: { code: 1000 } });
    await answered(connection, subscribe);
    application.answer = () => ({ result: {} });
    expect(await answered(connection, subscribe)).toEqual([{ id: 2, subscribe: {} }]);
  });

  test('is not asked about tokens, private and user-limited channels, and maps', async () => {
    const { application, rig } = await proxied(channelProxy('subscribe', { allow_user_limited_channels: true }));
    const connection = await rig.connect();
    const claims = { sub: 'ann', channel: 'a' };
    const say = (request: object) => answered(connection, { id: 2, subscribe: request });
    expect(await say({ channel: 'a', token: token(claims) })).toEqual([{ id: 2, subscribe: {} }]);
    expect(errorOf(await say({ channel: '$private' }))).toBe(103);
    expect(await say({ channel: 'b#ann' })).toEqual([{ id: 2, subscribe: {} }]);
    expect(errorOf(await say({ channel: 'b#bob' }))).toBe(103);
    expect(errorOf(await say({ channel: 'c', type: 1 }))).toBe(103);
    expect(application.questions).toEqual([]);
  });

  test('a second subscribe meets 105 while the first is asked about', async () => {
    const { application, rig } = await proxied((url) => ({
      ...channelProxy('subscribe')(url),
      client: { concurrency: 8 },
    }));
    application.hold();
    const connection = await rig.connect();
    connection.say({ id: 2, subscribe: { channel: 'a' } });
    await until('it is asked', () => application.waiting === 1);
    expect(errorOf(await answered(connection, { id: 3, subscribe: { channel: 'a' } }))).toBe(105);
    connection.say({ id: 4, unsubscribe: { channel: 'a' } });
    application.release();
    const messages: { id: number }[] = [];
    await until('both are answered', () => messages.push(...connection.read()) === 2);
    expect(messages).toEqual([
      { id: 2, subscribe: {} },
      { id: 4, unsubscribe: {} },
    ]);
    expect(rig.channels.members('a')).toEqual([]);
  });

  test('one after the other, in order, if there is no concurrency', async () => {
    const { application, rig } = await proxied(channelProxy('subscribe'));
    application.hold();
    const connection = await rig.connect();
    connection.say({ id: 2, subscribe: { channel: 'a' } }, { id: 3, subscribe: { channel: 'b' } });
    for (const channel of ['a', 'b']) {
      await until(`${channel} is asked about`, () => application.waiting === 1);
      expect(application.questions.at(-1)!.body.channel).toBe(channel);
      application.release();
    }
    const messages: { id: number }[] = [];
    await until('both are answered', () => messages.push(...connection.read()) === 2);
    expect(messages.map(({ id }) => id)).toEqual([2, 3]);
  });

  test('a client that is gone is not subscribed', async () => {
    const { application, rig } = await proxied(channelProxy('subscribe'));
    application.hold();
    const connection = await rig.connect();
    connection.say(subscribe);
    await until('it is asked', () => application.waiting === 1);
    connection.client.closed();
    application.release();
    await until('it is answered', () => application.inFlight === 0);
    await rig.settle();
    expect([rig.channels.calls, rig.errors]).toEqual([[], []]);
  });
});

describe('publish', () => {
  const publish = { id: 2, publish: { channel: 'a', data: { d: 1 } } };
  const published = (rig: { channels: { published: { channel: string; publication: object; call: object }[] } }) =>
    rig.channels.published.map(({ publication, ...rest }) => ({
      ...publication,
      ...rest,
      data: String((publication as { data: Buffer }).data),
    }));

  test('as it was sent, without the namespace’s delta', async () => {
    const { application, rig } = await proxied(channelProxy('publish', { delta_publish: true }));
    const connection = await rig.connect('ann', { info: { n: 1 } });
    for (const answer of [{ result: {} }, {}]) {
      application.answer = () => answer;
      expect(await answered(connection, publish)).toEqual([{ id: 2, publish: {} }]);
    }
    expect(application.questions[0]).toMatchObject({
      path: '/publish',
      body: { client: connection.client.id, user: 'ann', channel: 'a', data: { d: 1 } },
    });
    const call = { skipHistory: false, idempotencyKey: '', version: 0, versionEpoch: '', delta: false };
    expect(published(rig)).toMatchObject([
      { channel: 'a', data: '{"d":1}', info: { user: 'ann', client: connection.client.id }, call },
      { channel: 'a', data: '{"d":1}', call },
    ]);
  });

  test('as the application wants it', async () => {
    const { application, rig } = await proxied(channelProxy('publish'));
    const connection = await rig.connect();
    const result = {
      data: { mine: 1 },
      b64data: Buffer.from('not this').toString('base64'),
      skip_history: true,
      tags: { t: 'x' },
      idempotency_key: 'key',
      delta: true,
      version: 5,
      version_epoch: 'e',
    };
    application.answer = () => ({ result });
    await answered(connection, publish);
    application.answer = () => ({ result: { b64data: Buffer.from('"this"').toString('base64') } });
    await answered(connection, publish);
    expect(published(rig)).toMatchObject([
      {
        data: '{"mine":1}',
        tags: { t: 'x' },
        version: 5,
        call: { skipHistory: true, idempotencyKey: 'key', delta: true, version: 5, versionEpoch: 'e' },
      },
      { data: '"this"' },
    ]);
  });

  test.each(refusals)('%s', async (_what, answer, error, close) => {
    const { application, rig } = await proxied(channelProxy('publish', { allow_publish_for_client: true }));
    application.answer = () => answer;
    const connection = await rig.connect();
    expect(errorOf(await answered(connection, publish))).toBe(error);
    expect(connection.closeCode).toBe(close);
    expect(rig.channels.published).toEqual([]);
  });

  test('is not asked about data that the channel does not take', async () => {
    const { application, rig } = await proxied(channelProxy('publish', { publication_data_format: 'json_object' }));
    expect(errorOf(await answered(await rig.connect(), { id: 2, publish: { channel: 'a', data: [1] } }))).toBe(107);
    expect(application.questions).toEqual([]);
  });

  test('what the application let through is published though the client is gone', async () => {
    const { application, rig } = await proxied(channelProxy('publish'));
    application.hold();
    const connection = await rig.connect();
    connection.say(publish);
    await until('it is asked', () => application.waiting === 1);
    connection.client.closed();
    application.release();
    await until('it is published', () => rig.channels.published.length === 1);
    expect(published(rig)).toMatchObject([{ data: '{"d":1}', info: { user: 'ann' } }]);
  });
});
