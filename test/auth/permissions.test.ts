import { describe, expect, test } from 'vitest';
import { grantSubscription, sources } from '../../src/auth/grant.js';
import {
  type Caller,
  decideHistory,
  decidePresence,
  decidePublish,
  decideSubscribe,
  maySubscribeOnConnect,
  type SubscribeAsk,
} from '../../src/auth/permissions.js';
import { ChannelRules, type ResolvedChannel } from '../../src/auth/rules.js';
import { type SubscribeToken, TokenError } from '../../src/auth/token.js';
import { configSchema } from '../../src/config/config.js';
import { disconnects, errors } from '../../src/protocol/codes.js';

const channel = (options: object, name = 'a'): ResolvedChannel =>
  new ChannelRules(configSchema.parse({ channel: { without_namespace: options } }).channel).resolve(name)!;

const user: Caller = { user: '42', client: 'c1', insecure: false };
const anonymous: Caller = { ...user, user: '' };
const insecure: Caller = { ...user, insecure: true };
const ask: SubscribeAsk = { type: 0, positioned: false, recoverable: false, joinLeave: false };
const all: SubscribeAsk = { type: 0, positioned: true, recoverable: true, joinLeave: true };
const tokenFor = (fields: Partial<SubscribeToken> = {}): SubscribeToken => ({
  user: '42',
  channel: 'a',
  client: '',
  expireAt: 0,
  ...fields,
});
const history = { history_size: 10, history_ttl: '60s' };
const data = Buffer.from('{}');

describe('decideSubscribe: the path', () => {
  const open = { allow_subscribe_for_client: true };
  const widened = { ...open, allow_subscribe_for_anonymous: true };
  const limited = { allow_user_limited_channels: true };
  const proxied = { subscribe_proxy_enabled: true };
  const streamed = { subscribe_stream_proxy_enabled: true };
  const denied = { error: errors.permissionDenied };
  const source = (number: number) => ({ grant: expect.objectContaining({ source: number }) });

  test.each<
    [
      name: string,
      options: object,
      caller: Caller,
      token: SubscribeToken | undefined,
      expected: object,
      channel?: string,
    ]
  >([
    ['nothing allowed', {}, user, undefined, denied],
    ['open to clients', open, user, undefined, source(6)],
    ['open to clients, anonymous', open, anonymous, undefined, denied],
    ['open to anonymous too', widened, anonymous, undefined, source(6)],
    ['anonymous alone grants nothing', { allow_subscribe_for_anonymous: true }, anonymous, undefined, denied],
    ['insecure', {}, insecure, undefined, source(7)],
    ['open and insecure', open, insecure, undefined, source(6)],
    ['token', {}, user, tokenFor(), source(3)],
    ['token before all else', { ...open, ...proxied }, user, tokenFor(), source(3)],
    ['private without a token', open, user, undefined, denied, '$a'],
    ['private without a token, insecure', open, insecure, undefined, denied, '$a'],
    ['private before the proxy', proxied, user, undefined, denied, '$a'],
    ['private with a token', {}, user, tokenFor({ channel: '$a' }), source(3), '$a'],
    ['listed user', limited, user, undefined, source(5), 'a#7,42'],
    ['listed user before the proxy', { ...limited, ...proxied }, user, undefined, source(5), 'a#42'],
    ['user not listed', { ...limited, ...open }, user, undefined, denied, 'a#7'],
    ['user not listed never reaches the proxy', { ...limited, ...proxied }, user, undefined, denied, 'a#7'],
    ['user not listed never reaches the stream proxy', { ...limited, ...streamed }, user, undefined, denied, 'a#7'],
    ['user not listed, insecure', limited, insecure, undefined, source(7), 'a#7'],
    ['user not listed, with a token', limited, user, tokenFor({ channel: 'a#7' }), source(3), 'a#7'],
    ['limit not enabled', open, user, undefined, source(6), 'a#7'],
    ['empty list is the anonymous user', limited, anonymous, undefined, source(5), 'a#'],
    ['proxy', proxied, user, undefined, { ask: 'subscribe' }],
    ['proxy before permissions', { ...proxied, ...open }, insecure, undefined, { ask: 'subscribe' }],
    ['stream proxy', { ...streamed, ...open }, user, undefined, { ask: 'subscribe_stream' }],
  ])('%s', (_, options, caller, token, expected, name = 'a') => {
    expect(decideSubscribe(channel(options, name), caller, ask, token)).toEqual(expected);
  });
});

describe('decideSubscribe: refusals', () => {
  const expired = new TokenError('expired', 'token expired');
  const invalid = new TokenError('invalid', 'signature is not valid');
  const open = { allow_subscribe_for_client: true };

  test.each([
    ['unknown channel before a bad token', undefined, ask, expired, { error: errors.unknownChannel }],
    ['bad name before a bad token', channel(open, 'é'), ask, invalid, { error: errors.badRequest }],
    ['expired token', channel(open), ask, expired, { error: errors.tokenExpired }],
    ['invalid token', channel(open), ask, invalid, { error: errors.permissionDenied }],
    ['token of another user', channel(open), ask, tokenFor({ user: '7' }), { disconnect: disconnects.invalidToken }],
    [
      'token of another channel',
      channel(open),
      ask,
      tokenFor({ channel: 'b' }),
      { disconnect: disconnects.invalidToken },
    ],
    [
      'token of another client',
      channel(open),
      ask,
      tokenFor({ client: 'c2' }),
      { disconnect: disconnects.invalidToken },
    ],
    ['token of this client', channel(open), ask, tokenFor({ client: 'c1' }), { grant: expect.anything() }],
    [
      'map asked in a stream channel',
      channel(open),
      { ...ask, type: 1 },
      undefined,
      { error: errors.permissionDenied },
    ],
    [
      'shared poll asked in a stream channel',
      channel(open),
      { ...ask, type: 4 },
      undefined,
      { error: errors.notAvailable },
    ],
    ['a type there is not', channel(open), { ...ask, type: 9 }, undefined, { error: errors.permissionDenied }],
    [
      'stream named as such',
      channel({ ...open, subscription_type: 'stream' }),
      ask,
      undefined,
      { grant: expect.anything() },
    ],
  ])('%s', (_, resolved, asked, token, expected) => {
    expect(decideSubscribe(resolved, user, asked, token)).toEqual(expected);
  });

  // Channel kinds beyond streams are not configurable, so these are made by hand.
  test.each([
    ['stream asked in a map channel', 'map', 0, errors.permissionDenied],
    ['users asked in a clients channel', 'map_clients', 3, errors.permissionDenied],
    ['stream asked in a shared poll channel', 'shared_poll', 0, errors.badRequest],
  ])('%s', (_, subscription_type, type, error) => {
    const stream = channel(open);
    const other = { ...stream, options: { ...stream.options, subscription_type } } as ResolvedChannel;
    expect(decideSubscribe(other, user, { ...ask, type }, undefined)).toEqual({ error });
  });
});

describe('decideSubscribe: flags', () => {
  const open = { allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true };
  const flags = (options: object, caller = user, asked = all, token?: SubscribeToken) => {
    const decision = decideSubscribe(channel({ ...open, ...options }), caller, asked, token);
    if (!('grant' in decision)) throw new Error('not granted');
    const { positioned, recoverable, pushJoinLeave } = decision.grant;
    return [positioned && 'positioned', recoverable && 'recoverable', pushJoinLeave && 'joinLeave'].filter(Boolean);
  };

  test.each<[name: string, options: object, expected: string[]]>([
    ['nothing allowed', history, []],
    ['positioning allowed', { ...history, allow_positioning: true }, ['positioned']],
    ['recovery allowed implies position', { ...history, allow_recovery: true }, ['positioned', 'recoverable']],
    ['history for clients', { ...history, allow_history_for_client: true }, ['positioned', 'recoverable']],
    ['history for subscribers', { ...history, allow_history_for_subscriber: true }, ['positioned', 'recoverable']],
    ['history for anonymous alone', { ...history, allow_history_for_anonymous: true }, []],
    ['join/leave off', { presence: true, allow_presence_for_client: true }, []],
    ['join/leave on, presence not permitted', { join_leave: true, presence: true }, []],
    ['presence for clients', { join_leave: true, allow_presence_for_client: true }, ['joinLeave']],
    ['presence for subscribers', { join_leave: true, allow_presence_for_subscriber: true }, ['joinLeave']],
  ])('asked for all: %s', (_, options, expected) => {
    expect(flags(options)).toEqual(expected);
    expect(flags(options, user, all, tokenFor())).toEqual(expected);
  });

  test('anonymous clients need both halves of a permission', () => {
    expect(flags({ ...history, allow_history_for_client: true }, anonymous)).toEqual([]);
    const both = { ...history, allow_history_for_client: true, allow_history_for_anonymous: true };
    expect(flags(both, anonymous)).toEqual(['positioned', 'recoverable']);
  });

  test('insecure may everything the channel has', () => {
    expect(flags(history, insecure)).toEqual(['positioned', 'recoverable']);
    expect(flags({ ...history, join_leave: true }, insecure)).toEqual(['positioned', 'recoverable', 'joinLeave']);
  });

  test('forced on everyone, asked or not', () => {
    expect(flags({ ...history, force_positioning: true }, user, ask)).toEqual(['positioned']);
    expect(flags({ ...history, force_recovery: true }, user, ask)).toEqual(['positioned', 'recoverable']);
    expect(flags({ join_leave: true, force_push_join_leave: true }, user, ask)).toEqual(['joinLeave']);
  });

  test('not asked, not granted', () => {
    expect(
      flags({ ...history, allow_positioning: true, allow_recovery: true, allow_history_for_client: true }, user, ask),
    ).toEqual([]);
  });

  test('a token overrides what the channel forces, not what the client may ask for', () => {
    const off = { forceRecovery: false, forcePositioning: false, forcePushJoinLeave: false };
    const forced = { ...history, force_recovery: true, force_positioning: true };
    expect(flags(forced, user, ask, tokenFor({ override: off }))).toEqual([]);
    expect(flags({ ...forced, allow_recovery: true }, user, all, tokenFor({ override: off }))).toEqual([
      'positioned',
      'recoverable',
    ]);
    expect(flags({}, user, ask, tokenFor({ override: { forcePositioning: true } }))).toEqual(['positioned']);
  });
});

describe('grantSubscription', () => {
  test('is the channel’s options where nothing else is said', () => {
    const options = { ...history, presence: true, join_leave: true, force_recovery: true };
    expect(grantSubscription(channel(options), sources.connectionToken)).toEqual({
      source: 1,
      expireAt: 0,
      clientSideRefresh: true,
      info: undefined,
      data: undefined,
      positioned: true,
      recoverable: true,
      recoveryMode: 'stream',
      autoCacheRecover: false,
      emitPresence: true,
      emitJoinLeave: true,
      pushJoinLeave: false,
    });
  });

  test('takes info, data, expiry and overrides over', () => {
    const info = Buffer.from('{"a":1}');
    const granted = grantSubscription(channel({ presence: true }), sources.subscribeProxy, {
      info,
      data,
      expireAt: 99,
      override: { presence: false, joinLeave: true, forcePushJoinLeave: true, forceRecovery: true },
    });
    expect(granted).toMatchObject({ info, data, expireAt: 99, recoverable: true, positioned: true });
    expect(granted).toMatchObject({ emitPresence: false, emitJoinLeave: true, pushJoinLeave: true });
  });

  test('recovers the newest publication unasked only in cache mode and where recovery is on', () => {
    const cache = { ...history, force_recovery: true, force_recovery_mode: 'cache', auto_cache_recover: true };
    const granted = (options: object, forceRecovery?: boolean) =>
      grantSubscription(channel(options), sources.serverApi, { override: { forceRecovery } });
    expect(granted(cache)).toMatchObject({ recoveryMode: 'cache', autoCacheRecover: true });
    expect(granted(cache, false).autoCacheRecover).toBe(false);
    expect(granted({ ...cache, auto_cache_recover: false }).autoCacheRecover).toBe(false);
  });

  test('the server refreshes where the sub refresh proxy does', () => {
    expect(
      grantSubscription(channel({ sub_refresh_proxy_enabled: true }), sources.subscribeProxy).clientSideRefresh,
    ).toBe(false);
  });
});

describe('maySubscribeOnConnect', () => {
  const open = { allow_subscribe_for_client: true };
  const limited = { allow_user_limited_channels: true };
  test.each<[name: string, options: object, caller: Caller, expected: boolean, channel?: string]>([
    ['nothing allowed', {}, user, false],
    ['open', open, user, true],
    ['open, anonymous', open, anonymous, false],
    ['insecure', {}, insecure, true],
    ['private', open, insecure, false, '$a'],
    ['bad name', open, insecure, false, 'é'],
    ['proxied', { ...open, subscribe_proxy_enabled: true }, insecure, false],
    ['listed', limited, user, true, 'a#42'],
    ['not listed', { ...limited, ...open }, user, false, 'a#7'],
    ['anonymous is never listed', limited, anonymous, false, 'a#'],
    ['anonymous is never listed, but insecure', limited, { ...anonymous, insecure: true }, true, 'a#'],
  ])('%s', (_, options, caller, expected, name = 'a') => {
    expect(maySubscribeOnConnect(channel(options, name), caller)).toBe(expected);
  });
});

describe('decidePublish', () => {
  const denied = { error: errors.permissionDenied };
  const allowed = { allowed: true };
  const stream = { subscribe_stream_proxy_enabled: true };
  test.each<[name: string, options: object, caller: Caller, subscribed: boolean, expected: object]>([
    ['nothing allowed', {}, user, true, denied],
    ['for clients', { allow_publish_for_client: true }, user, false, allowed],
    ['for clients, anonymous', { allow_publish_for_client: true }, anonymous, true, denied],
    ['for subscribers, not subscribed', { allow_publish_for_subscriber: true }, user, false, denied],
    ['for subscribers, subscribed', { allow_publish_for_subscriber: true }, user, true, allowed],
    ['for subscribers, anonymous', { allow_publish_for_subscriber: true }, anonymous, true, denied],
    ['for anonymous alone', { allow_publish_for_anonymous: true }, anonymous, true, denied],
    [
      'for clients and anonymous',
      { allow_publish_for_client: true, allow_publish_for_anonymous: true },
      anonymous,
      false,
      allowed,
    ],
    ['insecure', {}, insecure, false, allowed],
    ['proxy first', { publish_proxy_enabled: true, allow_publish_for_client: true }, user, true, { ask: 'publish' }],
    [
      'stream proxy, one way',
      { ...stream, allow_publish_for_client: true },
      insecure,
      true,
      { error: errors.notAvailable },
    ],
    [
      'stream proxy, both ways',
      { ...stream, subscribe_stream_proxy_bidirectional: true },
      user,
      true,
      { ask: 'subscribe_stream' },
    ],
  ])('%s', (_, options, caller, subscribed, expected) => {
    expect(decidePublish(channel(options), caller, subscribed, data)).toEqual(expected);
  });

  test('unknown channel, bad name and bad data come before permissions', () => {
    expect(decidePublish(undefined, user, true, data)).toEqual({ error: errors.unknownChannel });
    expect(decidePublish(channel({}, 'é'), user, true, data)).toEqual({ error: errors.badRequest });
    expect(decidePublish(channel({}), user, true, Buffer.alloc(0))).toEqual({ error: errors.badRequest });
    const json = channel({ publication_data_format: 'json', publish_proxy_enabled: true });
    expect(decidePublish(json, user, true, Buffer.from('{'))).toEqual({ error: errors.badRequest });
  });
});

describe.each([
  ['presence', decidePresence, { presence: true }],
  ['history', decideHistory, history],
] as const)('%s', (what, decide, on) => {
  const option = (who: string) => ({ ...on, [`allow_${what}_for_${who}`]: true });
  test.each<[name: string, options: object, caller: Caller, subscribed: boolean, expected: object | undefined]>([
    ['off', {}, insecure, true, errors.notAvailable],
    ['nothing allowed', on, user, true, errors.permissionDenied],
    ['for clients', option('client'), user, false, undefined],
    ['for clients, anonymous', option('client'), anonymous, true, errors.permissionDenied],
    ['for clients and anonymous', { ...option('client'), ...option('anonymous') }, anonymous, false, undefined],
    ['for subscribers, not subscribed', option('subscriber'), user, false, errors.permissionDenied],
    ['for subscribers, subscribed', option('subscriber'), user, true, undefined],
    ['for anonymous alone', option('anonymous'), anonymous, true, errors.permissionDenied],
    ['insecure', on, insecure, false, undefined],
  ])('%s', (_, options, caller, subscribed, expected) => {
    expect(decide(channel(options), caller, subscribed)).toEqual(expected);
  });

  test('unknown channel and bad name first', () => {
    expect(decide(undefined, user, true)).toBe(errors.unknownChannel);
    expect(decide(channel(on, 'é'), insecure, true)).toBe(errors.badRequest);
  });
});
