import { createPrivateKey, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { MemoryCache } from '../../src/acme/cache.js';
import { Challenges } from '../../src/acme/challenges.js';
import { Issuer } from '../../src/acme/issuer.js';
import { AcmeServer } from '../support/acme-server.js';
import { Authority } from '../support/certificates.js';

let authority: Authority;
let acme: AcmeServer;
let cache: MemoryCache;
let challenges: Challenges;

beforeAll(async () => {
  authority = new Authority();
  acme = await AcmeServer.start(authority);
});
afterAll(() => {
  acme.close();
  authority.close();
});
beforeEach(async () => {
  cache = new MemoryCache();
  challenges = new Challenges(cache);
  acme.challengePort = await challenges.listen({ host: '127.0.0.1', port: 0 });
  acme.refusing = false;
  return () => challenges.close();
});

const issuer = (email = '') => new Issuer({ directoryUrl: acme.directoryUrl, email }, cache, challenges);

test('a certificate has all names, its key, and the one that leads to the authority', async () => {
  const { key, cert } = await issuer().issue(['chat.example.org', 'example.org']);
  const leaf = new X509Certificate(cert);
  expect(leaf.subjectAltName).toBe('DNS:chat.example.org, DNS:example.org');
  expect(leaf.checkPrivateKey(createPrivateKey(key))).toBe(true);
  expect(leaf.verify(new X509Certificate(authority.cert).publicKey)).toBe(true);
  expect(cert.endsWith(authority.cert)).toBe(true);
  expect(key).toContain('BEGIN EC PRIVATE KEY');
});

test('the account is made once, with the address that was given, and challenges are gone afterwards', async () => {
  const before = acme.accounts.length;
  const first = await issuer('ops@example.org').issue(['chat.example.org']);
  const second = await issuer('ops@example.org').issue(['chat.example.org']);
  expect(acme.accounts.length - before).toBe(1);
  expect(acme.accounts.at(-1)!.contact).toEqual(['mailto:ops@example.org']);
  expect(second.key).not.toBe(first.key);
  expect([...cache.keys()]).toEqual(['acme_account+key']);
});

test('an authority that refuses, or cannot reach this machine, is an error that says so', async () => {
  acme.refusing = true;
  await expect(issuer().issue(['chat.example.org'])).rejects.toThrow('too many certificates for this name');
  acme.refusing = false;
  challenges.close();
  await expect(issuer().issue(['chat.example.org'])).rejects.toThrow('the answer is wrong');
  expect([...cache.keys()]).toEqual(['acme_account+key']);
});
