import { describe, expect, it } from 'vitest';
import { errors } from '../../src/protocol/codes.js';
import { rig } from './rig.js';

describe('routes', () => {
  const METHODS =
    'batch broadcast channels disconnect history history_remove info map_clear map_publish map_read_state ' +
    'map_read_stream map_remove map_stats presence presence_stats publish refresh rpc shared_poll_publish subscribe unsubscribe';

  it.each([
    ['/api', '/api'],
    ['/api/', '/api'],
    ['/v1/server', '/v1/server'],
  ])('are under the prefix %s', (handler_prefix, prefix) => {
    const { routes } = rig({ handler_prefix });
    expect(routes.map(({ path }) => path).sort()).toEqual([
      prefix,
      ...METHODS.split(' ').map((name) => `${prefix}/${name}`),
    ]);
  });

  it('are at the root without a prefix', () => {
    const paths = rig({ handler_prefix: '/' }).routes.map(({ path }) => path);
    expect(paths).toContain('/');
    expect(paths).toContain('/publish');
  });

  it('are none when disabled', () => {
    expect(rig({ disabled: true }).routes).toEqual([]);
  });

  it.each(['get', 'put', 'options', 'head'])('take POST only, not %s, whoever asks', async (method) => {
    const { send } = rig({ key: 'secret' });
    expect(await send('/api/info', '{}', { method })).toEqual({ status: 405, type: undefined, body: '' });
    expect((await send('/api', '{}', { method })).status).toBe(405);
  });
});

describe('key', () => {
  const UNAUTHORIZED = { status: 401, type: undefined, body: '' };
  const ask = (config: Parameters<typeof rig>[0], headers: Record<string, string>, query = '') =>
    rig(config).send('/api/info', '{}', { headers, query });

  it.each([
    ['X-API-Key', { 'x-api-key': 'secret' }, ''],
    ['Authorization', { authorization: 'apikey secret' }, ''],
    ['Authorization in any case and spacing', { authorization: ' ApiKey   secret ' }, ''],
    ['query', {}, 'a=b&api_key=secret'],
    ['query in spite of a wrong header', { 'x-api-key': 'wrong' }, 'api_key=secret'],
  ])('is taken from %s', async (_, headers, query) => {
    expect((await ask({ key: 'secret' }, headers as Record<string, string>, query)).status).toBe(200);
  });

  it.each([
    ['none', {}, ''],
    ['another', { 'x-api-key': 'Secret' }, ''],
    ['shorter', { 'x-api-key': 'secre' }, ''],
    ['longer', { 'x-api-key': 'secrets' }, ''],
    ['shorter with zero bytes', { 'x-api-key': 'secre\0' }, ''],
    ['another scheme', { authorization: 'bearer secret' }, ''],
    ['scheme alone', { authorization: 'apikey' }, ''],
    ['too many words', { authorization: 'apikey secret secret' }, ''],
    ['Authorization behind a wrong X-API-Key', { 'x-api-key': 'wrong', authorization: 'apikey secret' }, ''],
    ['wrong query', {}, 'api_key=wrong'],
    ['empty query', {}, 'api_key='],
  ])('is refused: %s', async (_, headers, query) => {
    expect(await ask({ key: 'secret' }, headers as Record<string, string>, query)).toEqual(UNAUTHORIZED);
  });

  it('lets nobody in when empty, whatever is shown', async () => {
    expect(await ask({ key: '' }, {})).toEqual(UNAUTHORIZED);
    expect(await ask({ key: '' }, { 'x-api-key': '' }, 'api_key=')).toEqual(UNAUTHORIZED);
  });

  it('is not asked for when insecure', async () => {
    expect((await ask({ key: 'secret', insecure: true }, {})).status).toBe(200);
  });

  it('may hold any text', async () => {
    expect((await ask({ key: 'schlüssel✓' }, { 'x-api-key': 'schlüssel✓' })).status).toBe(200);
    expect((await ask({ key: 'a&b c' }, {}, 'api_key=a%26b+c')).status).toBe(200);
  });

  it('guards the legacy route', async () => {
    expect(await rig({ key: 'secret' }).send('/api', '{"method":"info"}')).toEqual(UNAUTHORIZED);
  });
});

describe('error mode', () => {
  const transport = { headers: { 'x-centrifugo-error-mode': 'transport' } };
  const cases: [string, string, unknown, number, string][] = [
    ['102', 'publish', { channel: 'no:c', data: 1 }, 404, '{"code":102,"message":"unknown channel"}'],
    ['104', 'rpc', { method: 'm' }, 404, '{"code":104,"message":"not found"}'],
    ['107', 'publish', {}, 400, '{"code":107,"message":"bad request"}'],
    ['108', 'presence', { channel: 'c' }, 400, '{"code":108,"message":"not available"}'],
    [
      '112',
      'history',
      { channel: 'stream:c', since: { offset: 1, epoch: 'other' } },
      416,
      '{"code":112,"message":"unrecoverable position"}',
    ],
  ];
  it.each(cases)('%s by header and by configuration', async (_, method, body, status, text) => {
    const expected = { status, type: 'application/json', body: text };
    expect(await rig().post(method, body, transport)).toEqual(expected);
    expect(await rig({ insecure: true, error_mode: 'transport' }).post(method, body)).toEqual(expected);
    expect((await rig().post(method, body, { headers: { 'x-centrifugo-error-mode': 'other' } })).status).toBe(200);
  });

  it.each([
    [errors.internal, '{"code":100,"message":"internal server error"}'],
    [errors.tooManyRequests, '{"code":111,"message":"too many requests"}'],
  ])('is 500 for the rest', async (error, body) => {
    const { post, channels } = rig();
    channels.error = error;
    const answer = await post('publish', { channel: 'c', data: 1 }, transport);
    expect(answer).toEqual({ status: 500, type: 'application/json', body });
  });

  it('does not change success', async () => {
    const { post } = rig();
    expect((await post('publish', { channel: 'c', data: 1 }, transport)).body).toBe('{"result":{}}');
  });
});
