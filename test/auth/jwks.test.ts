import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TokenError, type TokenExtras, type TokenOptions, TokenVerifier } from '../../src/auth/token.js';
import { ManualClock } from '../../src/lib/clock.js';
import { ecdsa, eddsa, hmac, makeToken, rsa, tokenOptions } from './make-token.js';

const HOUR_MS = 3_600_000;

const rsaKeys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const otherRsaKeys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ecKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const edKeys = generateKeyPairSync('ed25519');

const jwk = (key: KeyObject, fields: object = {}): object => ({
  ...key.export({ format: 'jwk' }),
  kid: 'k1',
  use: 'sig',
  ...fields,
});
const rsaToken = (claims: object = { sub: '42' }, kid = 'k1', keys = rsaKeys): string =>
  makeToken({ alg: 'RS256', kid }, claims, rsa(keys.privateKey));

let server: Server;
let base: string;
/** Paths asked for, in order. */
let requests: string[];
/** What the server answers: a key set, or what to do with the response. */
let answer: (path: string) => object[] | ((response: ServerResponse) => void);
let clock: ManualClock;

beforeEach(async () => {
  requests = [];
  answer = () => [jwk(rsaKeys.publicKey)];
  clock = new ManualClock(1_700_000_000_000);
  server = createServer((request, response) => {
    requests.push(request.url!);
    const what = answer(request.url!);
    if (typeof what === 'function') what(response);
    else response.end(JSON.stringify({ keys: what }));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

const verifier = (options: Partial<TokenOptions> = {}, extras: TokenExtras = {}): TokenVerifier =>
  new TokenVerifier(tokenOptions({ jwks_public_endpoint: `${base}/jwks`, ...options }), { clock, ...extras });

/** Accepted, or the message of the refusal. */
async function outcome(verify: () => unknown): Promise<string> {
  try {
    await verify();
    return 'accepted';
  } catch (error) {
    if (error instanceof TokenError && error.kind === 'invalid') return error.message;
    throw error;
  }
}

describe('keys', () => {
  test.each<[name: string, set: () => object[], token: () => string, accepted: boolean]>([
    ['RSA', () => [jwk(rsaKeys.publicKey)], () => rsaToken(), true],
    ['RSA, alg named', () => [jwk(rsaKeys.publicKey, { alg: 'RS256' })], () => rsaToken(), true],
    ['RSA, another alg named', () => [jwk(rsaKeys.publicKey, { alg: 'RS512' })], () => rsaToken(), false],
    [
      'EC',
      () => [jwk(ecKeys.publicKey)],
      () => makeToken({ alg: 'ES256', kid: 'k1' }, {}, ecdsa(ecKeys.privateKey)),
      true,
    ],
    [
      'EC, alg of another curve',
      () => [jwk(ecKeys.publicKey)],
      () => makeToken({ alg: 'ES384', kid: 'k1' }, {}, ecdsa(ecKeys.privateKey, 384)),
      false,
    ],
    [
      'EdDSA',
      () => [jwk(edKeys.publicKey)],
      () => makeToken({ alg: 'EdDSA', kid: 'k1' }, {}, eddsa(edKeys.privateKey)),
      true,
    ],
    [
      'the right one of several',
      () => [jwk(otherRsaKeys.publicKey, { kid: 'k0' }), jwk(rsaKeys.publicKey)],
      () => rsaToken(),
      true,
    ],
    [
      'a key of unknown kind beside it',
      () => [{ kty: 'new', kid: 'k0', use: 'sig' }, 7 as never, null as never, jwk(rsaKeys.publicKey)],
      () => rsaToken(),
      true,
    ],
    ['signed by another key', () => [jwk(otherRsaKeys.publicKey)], () => rsaToken(), false],
    ['another kid', () => [jwk(rsaKeys.publicKey, { kid: 'k2' })], () => rsaToken(), false],
    ['for encryption', () => [jwk(rsaKeys.publicKey, { use: 'enc' })], () => rsaToken(), false],
    ['for nothing in particular', () => [jwk(rsaKeys.publicKey, { use: undefined })], () => rsaToken(), false],
    [
      'a symmetric key',
      () => [{ kty: 'oct', k: 'AAAA', kid: 'k1', use: 'sig' }],
      () => makeToken({ alg: 'HS256', kid: 'k1' }, {}, hmac(Buffer.alloc(3))),
      false,
    ],
    [
      'an RSA key as HMAC secret',
      () => [jwk(rsaKeys.publicKey)],
      () => makeToken({ alg: 'HS256', kid: 'k1' }, {}, hmac(rsaKeys.publicKey.export({ type: 'spki', format: 'pem' }))),
      false,
    ],
    ['no keys', () => [], () => rsaToken(), false],
  ])('%s', async (_, set, token, accepted) => {
    answer = set;
    const result = await outcome(() => verifier().verifyConnect(token()));
    if (accepted) expect(result).toBe('accepted');
    else expect(result).toMatch(/signature|not in the JWKS/);
  });

  test('a token must name its key, and nothing is asked if it does not', async () => {
    const token = makeToken({ alg: 'RS256' }, {}, rsa(rsaKeys.privateKey));
    expect(await outcome(() => verifier().verifyConnect(token))).toMatch(/kid/);
    expect(requests).toEqual([]);
  });

  test('configured keys do not count beside a key set', async () => {
    const verify = verifier({ hmac_secret_key: 'secret' });
    const token = makeToken({ alg: 'HS256', kid: 'k1' }, {}, hmac('secret'));
    expect(await outcome(() => verify.verifyConnect(token))).toMatch(/signature/);
  });

  test('subscription tokens too', async () => {
    const token = await verifier().verifySubscribe(rsaToken({ sub: '42', channel: 'a' }));
    expect(token).toMatchObject({ user: '42', channel: 'a' });
  });

  test('claims are still checked after the wait', async () => {
    await expect(verifier().verifyConnect(rsaToken({ exp: 1 }))).rejects.toMatchObject({ kind: 'expired' });
  });
});

describe('cache', () => {
  test('a known key is used at once', async () => {
    const verify = verifier();
    expect(verify.verifyConnect(rsaToken())).toBeInstanceOf(Promise);
    await verify.verifyConnect(rsaToken());
    expect(verify.verifyConnect(rsaToken())).toMatchObject({ user: '42' });
    expect(requests).toEqual(['/jwks']);
  });

  test('one request brings all keys of the set', async () => {
    answer = () => [jwk(rsaKeys.publicKey), jwk(otherRsaKeys.publicKey, { kid: 'k2' })];
    const verify = verifier();
    await verify.verifyConnect(rsaToken());
    expect(verify.verifyConnect(rsaToken({}, 'k2', otherRsaKeys))).toMatchObject({ user: '' });
    expect(requests).toHaveLength(1);
  });

  test('a key in use stays, one that is not is asked for again after an hour', async () => {
    const verify = verifier();
    await verify.verifyConnect(rsaToken());
    for (let i = 0; i < 3; i++) {
      clock.advance(HOUR_MS - 1);
      verify.verifyConnect(rsaToken());
    }
    expect(requests).toHaveLength(1);
    clock.advance(HOUR_MS);
    await verify.verifyConnect(rsaToken());
    expect(requests).toHaveLength(2);
  });

  test('a key not seen before is asked for at once, so that keys can be changed', async () => {
    const verify = verifier();
    await verify.verifyConnect(rsaToken());
    answer = () => [jwk(otherRsaKeys.publicKey, { kid: 'k2' })];
    await verify.verifyConnect(rsaToken({}, 'k2', otherRsaKeys));
    expect(requests).toHaveLength(2);
  });

  test('many tokens share one request', async () => {
    const verify = verifier();
    const tokens = Array.from({ length: 50 }, (_, i) => verify.verifyConnect(rsaToken({ sub: String(i) })));
    expect((await Promise.all(tokens)).map(({ user }) => user)).toEqual(tokens.map((_, i) => String(i)));
    expect(requests).toHaveLength(1);
  });
});

describe('failures', () => {
  test('a second attempt may succeed', async () => {
    answer = () => (requests.length === 1 ? (response) => response.writeHead(500).end() : [jwk(rsaKeys.publicKey)]);
    expect(await outcome(() => verifier().verifyConnect(rsaToken()))).toBe('accepted');
    expect(requests).toHaveLength(2);
  });

  test.each<[name: string, respond: (response: ServerResponse) => void]>([
    ['status 500', (response) => response.writeHead(500).end()],
    ['status 404', (response) => response.writeHead(404).end('{"keys":[]}')],
    ['a broken connection', (response) => response.destroy()],
    ['silence', () => {}],
    ['half an answer', (response) => response.write('{"keys":')],
    ['an endless answer', (response) => response.end(Buffer.alloc((1 << 20) + 1, ' '))],
  ])('%s, twice', async (_, respond) => {
    answer = () => respond;
    const verify = verifier({}, { jwks: { attemptTimeoutMs: 50 } });
    expect(await outcome(() => verify.verifyConnect(rsaToken()))).toBe('JWKS could not be fetched');
    expect(requests).toHaveLength(2);
    answer = () => [jwk(rsaKeys.publicKey)];
    expect(await outcome(() => verify.verifyConnect(rsaToken()))).toBe('accepted');
  });

  test.each(['no JSON', '[]', 'null', '{"keys":{}}'])('a set that is %s', async (body) => {
    answer = () => (response) => response.end(body);
    expect(await outcome(() => verifier().verifyConnect(rsaToken()))).toMatch(/JWKS/);
    expect(requests).toHaveLength(1);
  });
});

describe('templates', () => {
  const tenants = { issuer_regex: '^https://(?P<tenant>acme|globex)\\.example$' };
  const issued = (tenant: string, keys = rsaKeys): string => rsaToken({ iss: `https://${tenant}.example` }, 'k1', keys);
  const template = (options: Partial<TokenOptions> = tenants, path = '/{{tenant}}/jwks'): TokenVerifier =>
    verifier({ jwks_public_endpoint: base + path, ...options });

  test('the URL comes from the token, and keys are not shared between URLs', async () => {
    answer = (path) => [jwk((path.startsWith('/acme/') ? rsaKeys : otherRsaKeys).publicKey)];
    const verify = template();
    expect(await outcome(() => verify.verifyConnect(issued('acme')))).toBe('accepted');
    expect(await outcome(() => verify.verifyConnect(issued('globex')))).toMatch(/signature/);
    expect(await outcome(() => verify.verifyConnect(issued('globex', otherRsaKeys)))).toBe('accepted');
    expect(requests).toEqual(['/acme/jwks', '/globex/jwks']);
  });

  test('audience groups, and a token that does not match asks nothing', async () => {
    const verify = template({ audience_regex: '^app-(?<tenant>a|b)$' });
    expect(await outcome(() => verify.verifyConnect(rsaToken({ aud: ['x', 'app-b'] })))).toBe('accepted');
    expect(await outcome(() => verify.verifyConnect(rsaToken({ aud: ['app-c'] })))).toMatch(/audience/);
    expect(requests).toEqual(['/b/jwks']);
  });

  test.each<[pattern: string]>([
    ['(?P<tenant>acme|globex)'],
    ['^(?P<tenant>a(?:b|c)d)$'],
    ['(?<tenant>acme\\.com|x\\-y)'],
    ['.*(?P<other>.*)/(?P<tenant>one)'],
    ['(?P<tenant>)'],
  ])('allowed group: %s', (pattern) => {
    expect(() => template({ issuer_regex: pattern })).not.toThrow();
  });

  test.each<[pattern: string]>([
    ['(?P<tenant>.*)'],
    ['(?P<tenant>a+)'],
    ['(?P<tenant>ab?)'],
    ['(?P<tenant>a{2})'],
    ['(?P<tenant>[ab])'],
    ['(?P<tenant>\\w)'],
    ['(?P<tenant>\\d\\d)'],
    ['(?P<tenant>a(?:b*)c)'],
    ['(?P<tenant>^a$)'],
    ['(?P<tenant>\\)|.*)'],
    ['[a-z]+(?P<tenant>acme)'],
    ['\\w(?P<tenant>acme)'],
    ['\\\\\\d(?P<tenant>acme)'],
  ])('refused group: %s', (pattern) => {
    expect(() => template({ issuer_regex: pattern })).toThrow(/^issuer_regex/);
    expect(() => template({ audience_regex: pattern })).toThrow(/^audience_regex/);
    const options = { issuer_regex: pattern, insecure_skip_jwks_endpoint_safety_check: true };
    expect(() => template(options)).not.toThrow();
  });

  test('patterns that name no part of the URL may be anything', () => {
    expect(() => verifier({ issuer_regex: '^[a-z]+(?P<tenant>.*)$' })).not.toThrow();
  });

  test('a placeholder without a group fails at start', () => {
    expect(() => template({ issuer_regex: '(?P<other>a)' })).toThrow(/\{\{tenant\}\}/);
  });

  test.each([
    '..',
    '../../etc',
    '%2e%2e',
    'a/../b',
    '.',
    '',
    'a//b',
    '%zz',
    '..\\x',
  ])('a value can not climb: %j', async (value) => {
    const options = { issuer_regex: '^(?P<tenant>.*)$', insecure_skip_jwks_endpoint_safety_check: true };
    expect(await outcome(() => template(options).verifyConnect(rsaToken({ iss: value })))).toMatch(/JWKS URL/);
    expect(requests).toEqual([]);
  });

  test('a trailing slash is no climbing', async () => {
    expect(await outcome(() => template(tenants, '/{{tenant}}/').verifyConnect(issued('acme')))).toBe('accepted');
  });
});
