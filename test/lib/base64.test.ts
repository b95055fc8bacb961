import { describe, expect, it } from 'vitest';
import { decodeBase64 } from '../../src/lib/base64.js';

describe('base64', () => {
  it.each([
    ['', ''],
    ['YQ==', 'a'],
    ['YWI=', 'ab'],
    ['YWJj', 'abc'],
    ['YW\r\nJj\n', 'abc'],
  ])('decodes %j', (text, expected) => {
    expect(decodeBase64(text)?.toString()).toBe(expected);
  });

  it.each(['YQ', 'YQ=', 'Y', 'YQ==YQ==', '=', '====', 'Y Q=', 'Y_-=', 'Yé=='])('refuses %j', (text) => {
    expect(decodeBase64(text)).toBeUndefined();
  });
});
