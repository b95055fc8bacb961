import { createHmac, createSecretKey } from 'node:crypto';
import { expect, test } from 'vitest';
import { HmacKey } from '../../src/auth/hmac.js';

const hashes = ['sha256', 'sha384', 'sha512'] as const;
/** Around the blocks of the hashes, and around the longest text that is not left to Node. */
const keyLengths = [1, 32, 63, 64, 65, 127, 128, 129, 300];
const textLengths = [0, 1, 55, 56, 64, 128, 250, 4095, 4096, 4097, 10_000];

test.each(hashes)('HMAC with %s is what Node says', (hash) => {
  for (const keyLength of keyLengths) {
    const secret = createSecretKey(Buffer.alloc(keyLength, 'secret é'));
    const key = new HmacKey(secret);
    for (const length of textLengths) {
      const text = 'eyJhbGciOi.'.repeat(1000).slice(0, length);
      expect(key.digest(hash, text)).toEqual(createHmac(hash, secret).update(text).digest());
    }
  }
});

test('one key serves all hashes, in any order', () => {
  const secret = createSecretKey(Buffer.from('benchmark'));
  const key = new HmacKey(secret);
  for (const hash of [...hashes, ...hashes.toReversed()])
    expect(key.digest(hash, 'text')).toEqual(createHmac(hash, secret).update('text').digest());
});
