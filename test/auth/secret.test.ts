import { expect, test } from 'vitest';
import { secretEquals } from '../../src/auth/secret.js';

test.each<[secret: string, given: string, equal: boolean]>([
  ['key', 'key', true],
  ['key', 'kez', false],
  ['key', 'ke', false],
  ['key', 'keykey', false],
  ['key', '', false],
  ['ключ', 'ключ', true],
])('%s and %s: %s', (secret, given, equal) => {
  expect(secretEquals(secret, given)).toBe(equal);
});
