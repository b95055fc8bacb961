import { expect, test } from 'vitest';
import { parseListenAddress } from '../../src/config/listen-address.js';

test.each([
  [':80', { host: '', port: 80 }],
  ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
  ['gyre.local:65535', { host: 'gyre.local', port: 65535 }],
  ['[::1]:80', { host: '::1', port: 80 }],
  ['[]:80', undefined],
  ['::1:80', undefined],
  ['80', undefined],
  [':http', undefined],
  [':65536', undefined],
  ['', undefined],
])('%j', (text, address) => {
  expect(parseListenAddress(text)).toEqual(address);
});
