import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configSchema } from '../../src/config/config.js';
import { expiresAtMs, serverTls } from '../../src/config/server-tls.js';
import { Authority, type Issued } from '../support/certificates.js';
import { directoryWith, problemsOf } from './helpers.js';

let authority: Authority;
let pair: Issued;

beforeAll(() => {
  authority = new Authority();
  pair = authority.issue('server');
});

afterAll(() => authority.close());

const section = (tls: object) => configSchema.parse({ http_server: { tls } }).http_server.tls;
const read = (tls: object) => serverTls(section(tls), 'tls');
const problems = (tls: object) => problemsOf(() => read({ enabled: true, ...tls }));
const base64 = (text: string) => Buffer.from(text).toString('base64');

test('what is off needs nothing', () => {
  expect(read({ cert_pem: 'nowhere' })).toBeUndefined();
});

test('files, text and base64 give the same', () => {
  const { cert, key, certPath, keyPath } = pair;
  for (const [cert_pem, key_pem, client_ca_pem] of [
    [certPath, keyPath, authority.certPath],
    [cert, key, authority.cert],
    [base64(cert), base64(key), base64(authority.cert)],
  ]) {
    const tls = read({ enabled: true, cert_pem, key_pem, client_ca_pem })!;
    expect([tls.cert, tls.key, tls.clientCa].map(String)).toEqual([cert, key, authority.cert]);
  }
});

test('without client_ca_pem clients need no certificate', () => {
  expect(read({ enabled: true, cert_pem: pair.cert, key_pem: pair.key })).not.toHaveProperty('clientCa');
});

test('files are read anew each time', () => {
  const directory = directoryWith({ 'cert.pem': pair.cert, 'key.pem': pair.key });
  const tls = { enabled: true, cert_pem: join(directory, 'cert.pem'), key_pem: join(directory, 'key.pem') };
  read(tls);
  const other = authority.issue('other');
  writeFileSync(tls.cert_pem, other.cert);
  expect(problemsOf(() => read(tls))).toEqual([expect.stringContaining('key values mismatch')]);
  writeFileSync(tls.key_pem, other.key);
  expect(String(read(tls)!.cert)).toBe(other.cert);
});

test('what is missing or wrong is named, without what it contains', () => {
  const { cert, key } = pair;
  expect(problems({})).toEqual(['tls.key_pem: must be set', 'tls.cert_pem: must be set']);
  expect(problems({ cert_pem: cert, key_pem: '/nowhere/key.pem' })).toEqual([
    'tls.key_pem: neither PEM text, nor PEM in base64, nor an existing file',
  ]);
  expect(problems({ cert_pem: cert, key_pem: authority.issue('other').key })).toEqual([
    expect.stringMatching(/^tls: cannot be used: .*key values mismatch/),
  ]);
  const damaged = key.replace(/.{8}\n-----END/, 'AAAAAAAA\n-----END');
  const [problem] = problems({ cert_pem: cert, key_pem: damaged });
  expect(problem).toMatch(/^tls: cannot be used: /);
  expect(problem).not.toContain(key.split('\n')[1]);
  const client_ca_pem = authority.cert.replace(/\n.{20}/, `\n${'A'.repeat(20)}`);
  expect(problems({ cert_pem: cert, key_pem: key, client_ca_pem })).toEqual([
    expect.stringMatching(/^tls\.client_ca_pem: cannot be used: /),
  ]);
  expect(problems({ cert_pem: cert, key_pem: key, client_ca_pem: key })).toEqual([
    'tls.client_ca_pem: cannot be used: there is no certificate in it',
  ]);
});

test('when a certificate ends', () => {
  const day = 24 * 3600 * 1000;
  const { cert, key } = authority.issue('server', { to: 3 * day });
  const expires = expiresAtMs(read({ enabled: true, cert_pem: cert, key_pem: key })!.cert);
  expect(Math.abs(expires - Date.now() - 3 * day)).toBeLessThan(day / 10);
});
