import { expect, test } from 'vitest';
import { directoryWith } from '../config/helpers.js';
import { gyre } from './helpers.js';

const config = (client: object) => directoryWith({ 'config.json': JSON.stringify({ client }) });
const cwdWithKey = () => config({ token: { hmac_secret_key: 'key' } });
const claims = (token: string) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString());

test('a connection token is signed and verified', async () => {
  const cwd = cwdWithKey();
  const { out } = await gyre(cwd, ['gentoken', '-u', '42', '-t', '60']);
  const [title, token] = out.split('\n');
  expect(title).toBe('HMAC SHA-256 JWT, user "42", expires in 1m:');
  const { sub, iat, exp } = claims(token!);
  expect(sub).toBe('42');
  expect(exp - iat).toBe(60);
  const checked = await gyre(cwd, ['checktoken', token!]);
  expect(checked.code).toBe(0);
  expect(checked.out.split('\n')[0]).toBe('valid connection token, user "42"');
});

test('a token without end and without user, and nothing else printed', async () => {
  const cwd = cwdWithKey();
  const { out: token } = await gyre(cwd, ['gentoken', '-q', '-t', '-1']);
  expect(Object.keys(claims(token))).toEqual(['iat']);
  expect((await gyre(cwd, ['checktoken', token])).out).toContain('valid connection token, anonymous user');
});

test('a subscription token is signed and verified', async () => {
  const cwd = cwdWithKey();
  const { out: token } = await gyre(cwd, ['gensubtoken', '-q', '-u', '42', '-s', 'chat:1']);
  expect(claims(token)).toMatchObject({ sub: '42', channel: 'chat:1' });
  expect((await gyre(cwd, ['checksubtoken', token])).out).toContain(
    'valid subscription token, user "42", channel "chat:1"',
  );
  expect(await gyre(cwd, ['checktoken', token])).toMatchObject({ code: 1, out: '' });
});

test('subscription tokens have a key of their own when it is enabled', async () => {
  const subscription_token = { enabled: true, hmac_secret_key: 'other' };
  const cwd = config({ token: { hmac_secret_key: 'key' }, subscription_token });
  const { out: token } = await gyre(cwd, ['gensubtoken', '-q', '-s', 'chat']);
  expect((await gyre(cwd, ['checksubtoken', token])).code).toBe(0);
  expect((await gyre(cwdWithKey(), ['checksubtoken', token])).code).toBe(1);
});

test('the user id claim is set', async () => {
  const cwd = config({ token: { hmac_secret_key: 'key', user_id_claim: 'user' } });
  const { out: token } = await gyre(cwd, ['gentoken', '-q', '-u', '42']);
  expect(claims(token).user).toBe('42');
  expect((await gyre(cwd, ['checktoken', token])).out).toContain('user "42"');
});

test('a token that is not valid is refused', async () => {
  const cwd = cwdWithKey();
  const { out: token } = await gyre(cwd, ['gentoken', '-q']);
  const forged = await gyre(cwd, ['checktoken', `${token.slice(0, -4)}AAAA`]);
  expect(forged).toMatchObject({ code: 1, out: '' });
  expect(forged.err).toMatch(/^error: the token is invalid: /);
  expect((await gyre(cwd, ['checktoken', 'abc'])).code).toBe(1);
});

test('without a key it is said which is missing', async () => {
  const { code, err } = await gyre(config({}), ['gentoken']);
  expect(code).toBe(1);
  expect(err).toContain('client.token.hmac_secret_key is not set');
  const own = await gyre(config({ subscription_token: { enabled: true } }), ['gensubtoken', '-s', 'chat']);
  expect(own.err).toContain('client.subscription_token.hmac_secret_key is not set');
});
