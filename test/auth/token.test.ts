import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  type ConnectToken,
  type SubscribeToken,
  TokenError,
  type TokenExtras,
  type TokenOptions,
  TokenVerifier,
} from '../../src/auth/token.js';
import { ManualClock } from '../../src/lib/clock.js';
import { ecdsa, eddsa, hmac, hmacToken, makeToken, rsa, SECRET, tokenOptions } from './make-token.js';

const NOW = 1_700_000_000;
const clock = new ManualClock(NOW * 1000 + 500);

const verifier = (options: Partial<TokenOptions> = { hmac_secret_key: SECRET }, extras: TokenExtras = {}) =>
  new TokenVerifier(tokenOptions(options), { clock, ...extras });

const connect = (token: string, options?: Partial<TokenOptions>, extras?: TokenExtras): ConnectToken =>
  verifier(options, extras).verifyConnect(token) as ConnectToken;
const connectClaims = (claims: object | string): ConnectToken => connect(hmacToken(claims));
const subscribeClaims = (claims: object | string): SubscribeToken =>
  verifier().verifySubscribe(hmacToken(claims)) as SubscribeToken;

/** The kind and message of the refusal. */
function refusal(verify: () => unknown): [kind: string, message: string] {
  try {
    verify();
  } catch (error) {
    if (error instanceof TokenError) return [error.kind, error.message];
    throw error;
  }
  throw new Error('the token was accepted');
}
const kind = (verify: () => unknown): string => refusal(verify)[0];

describe('HMAC', () => {
  test.each([256, 384, 512])('HS%i', (bits) => {
    const token = makeToken({ alg: `HS${bits}` }, { sub: '42' }, hmac(SECRET, bits));
    expect(connect(token).user).toBe('42');
    expect(kind(() => connect(token, { hmac_secret_key: 'another' }))).toBe('invalid');
    expect(kind(() => connect(token, {}))).toBe('invalid');
  });

  test('a signature that is off by one bit, cut short, or missing', () => {
    const token = hmacToken({ sub: '42' });
    const [signed, signature] = [
      token.slice(0, token.lastIndexOf('.') + 1),
      Buffer.from(token.split('.')[2]!, 'base64url'),
    ];
    signature[31]! ^= 1;
    expect(kind(() => connect(signed + signature.toString('base64url')))).toBe('invalid');
    expect(kind(() => connect(signed + signature.subarray(0, 31).toString('base64url')))).toBe('invalid');
    expect(kind(() => connect(signed))).toBe('invalid');
  });

  test('claims changed after signing', () => {
    const [header, , signature] = hmacToken({ sub: '42' }).split('.');
    const claims = Buffer.from('{"sub":"43"}').toString('base64url');
    expect(kind(() => connect(`${header}.${claims}.${signature}`))).toBe('invalid');
  });

  test.each([
    'none',
    'None',
    'HS1',
    'hs256',
    '',
    'EdDSA',
    'PS256',
    '__proto__',
    'constructor',
  ])('no algorithm %j', (alg) => {
    expect(kind(() => connect(makeToken({ alg }, { sub: '42' }, hmac())))).toBe('invalid');
    expect(kind(() => connect(makeToken({ alg }, { sub: '42' }, () => Buffer.alloc(0))))).toBe('invalid');
  });

  describe('rotation', () => {
    const rotated = (until: number, claims: object, secret = 'old'): (() => ConnectToken) => {
      const options = {
        hmac_secret_key: SECRET,
        hmac_previous_secret_key: 'old',
        hmac_previous_secret_key_valid_until: until,
      };
      return () => connect(hmacToken(claims, secret), options);
    };

    test('the previous key is accepted, without an end or up to it', () => {
      expect(rotated(0, { sub: '42' })().user).toBe('42');
      expect(rotated(NOW, { sub: '42' })().user).toBe('42');
      expect(rotated(NOW, { sub: '42', iat: NOW })().user).toBe('42');
    });

    test('not after its end, whatever the token says about its age', () => {
      expect(kind(rotated(NOW - 1, { sub: '42' }))).toBe('invalid');
      expect(kind(rotated(NOW - 1, { sub: '42', iat: NOW - 100 }))).toBe('invalid');
    });

    test('not in tokens issued after its end', () => {
      expect(kind(rotated(NOW + 10, { sub: '42', iat: NOW + 11 }))).toBe('invalid');
    });

    test('the end does not concern the present key, and a third key is none', () => {
      expect(rotated(NOW - 1, { sub: '42' }, SECRET)().user).toBe('42');
      expect(kind(rotated(0, { sub: '42' }, 'older'))).toBe('invalid');
    });
  });
});

describe('public keys', () => {
  const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString();
  const rsaKeys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const curves = { 256: 'P-256', 384: 'P-384', 512: 'P-521' } as const;

  test.each([256, 384, 512])('RS%i', (bits) => {
    const token = makeToken({ alg: `RS${bits}` }, { sub: '42' }, rsa(rsaKeys.privateKey, bits));
    expect(connect(token, { rsa_public_key: pem(rsaKeys.publicKey) }).user).toBe('42');
    expect(kind(() => connect(`${token.slice(0, -8)}AAAAAAAA`, { rsa_public_key: pem(rsaKeys.publicKey) }))).toBe(
      'invalid',
    );
    expect(kind(() => connect(token))).toBe('invalid');
  });

  test.each([256, 384, 512] as const)('ES%i', (bits) => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: curves[bits] });
    const token = makeToken({ alg: `ES${bits}` }, { sub: '42' }, ecdsa(privateKey, bits));
    expect(connect(token, { ecdsa_public_key: pem(publicKey) }).user).toBe('42');
    expect(kind(() => connect(`${token.slice(0, -8)}AAAAAAAA`, { ecdsa_public_key: pem(publicKey) }))).toBe('invalid');
    expect(kind(() => connect(`${token.slice(0, -8)}`, { ecdsa_public_key: pem(publicKey) }))).toBe('invalid');
  });

  test('an ECDSA key checks only the algorithm of its curve', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const token = makeToken({ alg: 'ES384' }, { sub: '42' }, ecdsa(privateKey, 384));
    expect(kind(() => connect(token, { ecdsa_public_key: pem(publicKey) }))).toBe('invalid');
  });

  test('a public key never serves as an HMAC secret', () => {
    const key = pem(rsaKeys.publicKey);
    const token = makeToken({ alg: 'HS256' }, { sub: '42' }, hmac(key));
    expect(kind(() => connect(token, { rsa_public_key: key }))).toBe('invalid');
    expect(kind(() => connect(token, { rsa_public_key: key, hmac_secret_key: SECRET }))).toBe('invalid');
  });

  test('EdDSA is for JWKS only', () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    expect(
      kind(() => connect(makeToken({ alg: 'EdDSA' }, { sub: '42' }, eddsa(privateKey)), { hmac_secret_key: SECRET })),
    ).toBe('invalid');
  });

  test('several kinds of keys at once', () => {
    const options = { hmac_secret_key: SECRET, rsa_public_key: pem(rsaKeys.publicKey) };
    expect(connect(hmacToken({ sub: '1' }), options).user).toBe('1');
    expect(connect(makeToken({ alg: 'RS256' }, { sub: '2' }, rsa(rsaKeys.privateKey)), options).user).toBe('2');
  });
});

describe('what is not a token', () => {
  const [header, claims, signature] = hmacToken({ sub: '42' }).split('.') as [string, string, string];
  test.each([
    ['empty', ''],
    ['text', 'not a token'],
    ['two parts', `${header}.${claims}`],
    ['four parts', `${header}.${claims}.${signature}.${signature}`],
    ['padding', `${header}.${claims}.${signature}=`],
    ['other base64', `${header}.${claims}.${signature.slice(1)}+`],
    ['whitespace', ` ${header}.${claims}.${signature}`],
    ['a line end', `${header}.${claims}.${signature}\n`],
    ['a header that is not JSON', `${Buffer.from('{"alg"').toString('base64url')}.${claims}.${signature}`],
    ['claims that are not JSON', hmacToken('{"sub":')],
    ['claims that are no object', hmacToken('"42"')],
    ['claims with a tail', hmacToken('{"sub":"42"} {}')],
    [
      'claims that are not UTF-8',
      makeToken({ alg: 'HS256' }, '', hmac()).replace(
        '..',
        `.${Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]).toString('base64url')}.`,
      ),
    ],
  ])('%s', (_, token) => {
    expect(kind(() => connect(token, undefined, { skipSignatureVerify: true }))).toBe('invalid');
  });
});

describe('time', () => {
  test.each<[name: string, claims: object, expected: string]>([
    ['no times', {}, 'ok'],
    ['exp to come', { exp: NOW + 1 }, 'ok'],
    ['exp a fraction to come', { exp: NOW + 0.6 }, 'ok'],
    ['exp a fraction ago', { exp: NOW + 0.4 }, 'expired'],
    ['exp now', { exp: NOW + 0.5 }, 'expired'],
    ['exp past', { exp: NOW }, 'expired'],
    ['exp zero', { exp: 0 }, 'expired'],
    ['exp in quotes', { exp: String(NOW + 1) }, 'ok'],
    ['exp in quotes, past', { exp: String(NOW) }, 'expired'],
    ['exp null', { exp: null }, 'ok'],
    ['exp of another type', { exp: true }, 'invalid'],
    ['exp not a number', { exp: 'tomorrow' }, 'invalid'],
    ['nbf past', { nbf: NOW }, 'ok'],
    ['nbf to come', { nbf: NOW + 1 }, 'expired'],
    ['nbf now', { nbf: NOW + 0.5 }, 'expired'],
    ['iat to come', { iat: NOW + 1000 }, 'ok'],
    ['iat of another type', { iat: {} }, 'invalid'],
    ['expire_at does not prolong the token', { exp: NOW, expire_at: NOW + 100 }, 'expired'],
    ['expire_at past', { expire_at: NOW - 100 }, 'ok'],
    ['expire_at with a fraction', { expire_at: NOW + 0.5 }, 'invalid'],
  ])('%s', (_, claims, expected) => {
    const outcome = (verify: () => unknown): string => {
      try {
        verify();
        return 'ok';
      } catch (error) {
        return (error as TokenError).kind;
      }
    };
    expect(outcome(() => connectClaims(claims))).toBe(expected);
    expect(outcome(() => subscribeClaims({ channel: 'a', ...claims }))).toBe(expected);
  });

  test.each<[claims: object, expireAt: number]>([
    [{}, 0],
    [{ exp: NOW + 10 }, NOW + 10],
    [{ exp: NOW + 10.9 }, NOW + 10],
    [{ exp: NOW + 10, expire_at: NOW + 20 }, NOW + 20],
    [{ exp: NOW + 10, expire_at: 0 }, 0],
    [{ exp: NOW + 10, expire_at: -5 }, 0],
    [{ exp: NOW + 10, expire_at: null }, NOW + 10],
    [{ expire_at: NOW - 100 }, NOW - 100],
  ])('%j ends at %i', (claims, expireAt) => {
    expect(connectClaims(claims).expireAt).toBe(expireAt);
    expect(subscribeClaims({ channel: 'a', ...claims }).expireAt).toBe(expireAt);
  });

  test('a bad signature is told before an expired one', () => {
    expect(kind(() => connect(hmacToken({ exp: NOW }, 'another')))).toBe('invalid');
  });
});

describe('issuer and audience', () => {
  const check = (options: Partial<TokenOptions>, claims: object) => () =>
    connect(hmacToken(claims), { hmac_secret_key: SECRET, ...options });

  test.each<[name: string, options: Partial<TokenOptions>, claims: object, accepted: boolean]>([
    ['issuer', { issuer: 'me' }, { iss: 'me' }, true],
    ['another issuer', { issuer: 'me' }, { iss: 'you' }, false],
    ['no issuer', { issuer: 'me' }, {}, false],
    ['issuer regex', { issuer_regex: '^acme-' }, { iss: 'acme-1' }, true],
    ['issuer regex is not anchored', { issuer_regex: 'acme' }, { iss: 'the-acme-1' }, true],
    ['issuer regex fails', { issuer_regex: '^acme-' }, { iss: 'the-acme-1' }, false],
    ['issuer regex, no issuer', { issuer_regex: '^acme-' }, {}, false],
    ['audience', { audience: 'gyre' }, { aud: 'gyre' }, true],
    ['one of several audiences', { audience: 'gyre' }, { aud: ['other', 'gyre'] }, true],
    ['another audience', { audience: 'gyre' }, { aud: ['other'] }, false],
    ['no audience', { audience: 'gyre' }, {}, false],
    ['audience regex', { audience_regex: '^gy' }, { aud: ['other', 'gyre'] }, true],
    ['audience regex fails', { audience_regex: '^gy' }, { aud: ['other'] }, false],
    ['audience regex, no audience', { audience_regex: '' + '.*' }, {}, false],
    ['audience of another type', {}, { aud: 7 }, false],
    ['audience with a number', {}, { aud: ['gyre', 7] }, false],
    ['audience null', {}, { aud: null }, false],
  ])('%s', (_, options, claims, accepted) => {
    if (accepted) expect(check(options, claims)().user).toBe('');
    else expect(kind(check(options, claims))).toBe('invalid');
  });

  test('are checked even where signatures are not', () => {
    const extras = { skipSignatureVerify: true };
    expect(kind(() => connect(hmacToken({ iss: 'you' }, 'another'), { issuer: 'me' }, extras))).toBe('invalid');
  });
});

describe('skipSignatureVerify', () => {
  const extras = { skipSignatureVerify: true };
  test('accepts any key and any algorithm, but not any claims', () => {
    expect(connect(hmacToken({ sub: '42' }, 'another'), {}, extras).user).toBe('42');
    expect(
      connect(
        makeToken({ alg: 'none' }, { sub: '42' }, () => Buffer.alloc(0)),
        {},
        extras,
      ).user,
    ).toBe('42');
    expect(kind(() => connect(hmacToken({ exp: NOW }, 'another'), {}, extras))).toBe('expired');
  });

  test('fetches no keys', () => {
    const options = { jwks_public_endpoint: 'http://127.0.0.1:1/' };
    expect(connect(hmacToken({ sub: '42' }), options, extras).user).toBe('42');
  });
});

describe('connection claims', () => {
  test('all of them', () => {
    const token = connectClaims({
      sub: '42',
      info: { name: 'Ann' },
      meta: { plan: 1 },
      jti: 'x',
      unknown: [1, { a: 2 }],
    });
    expect(token.user).toBe('42');
    expect(token.info?.toString()).toBe('{"name":"Ann"}');
    expect(token.meta?.toString()).toBe('{"plan":1}');
    expect(token.subs.size).toBe(0);
  });

  test('none of them', () => {
    expect(connectClaims({})).toEqual({ user: '', expireAt: 0, info: undefined, meta: undefined, subs: new Map() });
  });

  test('JSON payloads are kept exactly as signed', () => {
    const info = '{ "b":12345678901234567890.10, "a" : [1e400, "\\u00e9é"],\n"b":2}';
    const token = connectClaims(
      `{"sub":"1","info":${info},"meta": ${info} ,"subs":{"a":{"info":${info},"data":${info}}}}`,
    );
    expect(token.info?.toString()).toBe(info);
    expect(token.meta?.toString()).toBe(info);
    expect(token.subs.get('a')?.info?.toString()).toBe(info);
    expect(token.subs.get('a')?.data?.toString()).toBe(info);
  });

  test('payloads own their memory', () => {
    expect(connectClaims({ info: 'x' }).info?.buffer.byteLength).toBe(3);
    expect(connectClaims({ b64info: 'AAEC' }).info?.buffer.byteLength).toBe(3);
  });

  test.each([
    '{"b64info":"AP8=","info":{"a":1}}',
    '{"info":{"a":1},"b64info":"AP8="}',
  ])('b64info wins: %s', (claims) => {
    expect([...connectClaims(claims).info!]).toEqual([0x00, 0xff]);
  });

  test('an empty b64info is none', () => {
    expect(connectClaims({ b64info: '', info: 1 }).info?.toString()).toBe('1');
  });

  test('channels', () => {
    expect([...connectClaims({ channels: ['a', 'b', 'a'] }).subs]).toEqual([
      ['a', {}],
      ['b', {}],
    ]);
  });

  test('subs win over channels', () => {
    const token = connectClaims({
      channels: ['c'],
      subs: {
        a: {
          info: 1,
          b64data: 'AAE=',
          data: 2,
          override: { presence: { value: true }, join_leave: {}, force_recovery: null },
        },
        b: { override: { force_positioning: { value: true }, force_push_join_leave: { value: false } } },
        constructor: null,
      },
    });
    expect([...token.subs.keys()]).toEqual(['a', 'b', 'constructor']);
    expect(token.subs.get('a')).toMatchObject({
      info: Buffer.from('1'),
      data: Buffer.from([0, 1]),
      override: { presence: true, joinLeave: false, forceRecovery: undefined },
    });
    expect(token.subs.get('b')?.override).toEqual({ forcePositioning: true, forcePushJoinLeave: false });
    expect(token.subs.get('constructor')).toEqual({});
  });

  test('empty subs leave channels', () => {
    expect([...connectClaims({ channels: ['c'], subs: {} }).subs.keys()]).toEqual(['c']);
  });

  test.each<[string, object]>([
    ['channel', { channel: 'a' }],
    ['sub that is a number', { sub: 42 }],
    ['channels that are no list', { channels: 'a' }],
    ['channels of numbers', { channels: [1] }],
    ['subs that are a list', { subs: [] }],
    ['an override that is no object', { subs: { a: { override: true } } }],
    ['an override without its object', { subs: { a: { override: { presence: true } } } }],
    ['b64info that is not base64', { b64info: 'a*b=' }],
    ['b64info without padding', { b64info: 'AA' }],
    ['b64data that is not base64', { subs: { a: { b64data: '$' } } }],
  ])('refused: %s', (_, claims) => {
    expect(kind(() => connectClaims(claims))).toBe('invalid');
  });
});

describe('subscription claims', () => {
  test('all of them', () => {
    const token = subscribeClaims({
      sub: '42',
      channel: 'a',
      client: 'c1',
      info: { a: 1 },
      b64data: 'AAE=',
      override: { presence: { value: true } },
    });
    expect(token).toMatchObject({ user: '42', channel: 'a', client: 'c1', expireAt: 0, override: { presence: true } });
    expect(token.info?.toString()).toBe('{"a":1}');
    expect([...token.data!]).toEqual([0, 1]);
  });

  test('a channel is required', () => {
    expect(kind(() => subscribeClaims({ sub: '42' }))).toBe('invalid');
    expect(kind(() => subscribeClaims({ sub: '42', exp: NOW }))).toBe('expired');
  });
});

describe('user_id_claim', () => {
  const user = (claims: object | string): string =>
    connect(hmacToken(claims), { hmac_secret_key: SECRET, user_id_claim: 'user_id' }).user;

  test.each<[claims: object | string, expected: string]>([
    [{ sub: '1', user_id: '2' }, '2'],
    [{ sub: '1' }, ''],
    [{ sub: '1', user_id: null }, ''],
    [{ sub: '1', user_id: 7 }, '7'],
    ['{"user_id":12345678901234567890}', '12345678901234567890'],
    [{ sub: '1', user_id: true }, 'true'],
    [{ sub: '1', user_id: 'a"é' }, 'a"é'],
    [{ sub: '1', User_Id: '2' }, ''],
  ])('%j: %j', (claims, expected) => {
    expect(user(claims)).toBe(expected);
  });

  test('goes for subscription tokens too', () => {
    const token = hmacToken({ sub: '1', user_id: '2', channel: 'a' });
    const verified = verifier({ hmac_secret_key: SECRET, user_id_claim: 'user_id' }).verifySubscribe(token);
    expect((verified as SubscribeToken).user).toBe('2');
  });
});

describe('options that can not be used fail at start', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ecPem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const oddCurve = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({
    type: 'spki',
    format: 'pem',
  });
  const privatePem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  test.each<[options: Partial<TokenOptions>, message: RegExp]>([
    [{ rsa_public_key: 'no key' }, /^rsa_public_key is not a public key/],
    [{ rsa_public_key: ecPem }, /^rsa_public_key is a key of another kind \(ec\)/],
    [{ ecdsa_public_key: 'no key' }, /^ecdsa_public_key is not a public key/],
    [{ ecdsa_public_key: privatePem }, /^ecdsa_public_key holds a private key/],
    [{ ecdsa_public_key: oddCurve.toString() }, /^ecdsa_public_key must be on curve/],
    [{ audience: 'a', audience_regex: 'a' }, /^audience and audience_regex exclude each other/],
    [{ issuer: 'a', issuer_regex: 'a' }, /^issuer and issuer_regex exclude each other/],
    [{ audience_regex: '(' }, /^audience_regex is not a valid regular expression/],
    [{ issuer_regex: '(?=a)' }, /^issuer_regex is not a valid regular expression/],
    [{ user_id_claim: 'user-id' }, /^user_id_claim may only/],
    [{ jwks_public_endpoint: 'ftp://example.com' }, /^jwks_public_endpoint must be/],
    [{ jwks_public_endpoint: 'example.com/jwks' }, /^jwks_public_endpoint must be/],
  ])('%j', (options, message) => {
    expect(() => verifier(options)).toThrow(message);
  });

  test('without keys nothing is accepted, but that is no mistake', () => {
    expect(kind(() => connect(hmacToken({}), {}))).toBe('invalid');
  });
});

test('no message gives away a secret or a token', () => {
  const token = hmacToken({ sub: 'confidential-user', exp: 'confidential' }, 'another');
  const [, message] = refusal(() => connect(token));
  for (const part of [SECRET, 'confidential', ...token.split('.')]) expect(message).not.toContain(part);
});
