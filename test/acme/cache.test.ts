import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DirectoryCache, MemoryCache } from '../../src/acme/cache.js';
import { temporaryDirectory } from './helpers.js';

const mode = (path: string): number => statSync(path).mode & 0o777;

describe.each([
  ['in a directory', () => new DirectoryCache(join(temporaryDirectory(), 'a', 'b'))],
  ['in memory', () => new MemoryCache()],
])('a cache %s', (_, create) => {
  test('keeps what it is given', () => {
    const cache = create();
    expect(cache.get('chat.example.org')).toBeUndefined();
    cache.put('chat.example.org', 'one');
    cache.put('chat.example.org', 'two');
    cache.put('acme_account+key', 'key');
    expect([cache.get('chat.example.org'), cache.get('acme_account+key')]).toEqual(['two', 'key']);
    cache.delete('chat.example.org');
    cache.delete('chat.example.org');
    expect(cache.get('chat.example.org')).toBeUndefined();
  });
});

test('only this user reads the directory and its files, also where the directory was there before', () => {
  const directory = join(temporaryDirectory(), 'cache');
  mkdirSync(directory);
  chmodSync(directory, 0o755);
  new DirectoryCache(directory).put('key', 'secret');
  expect([mode(directory), mode(join(directory, 'key'))]).toEqual([0o700, 0o600]);
  expect(readdirSync(directory)).toEqual(['key']);
});

test('names do not leave the directory', () => {
  const cache = new DirectoryCache(temporaryDirectory());
  for (const name of ['../key', 'a/b', '..', '.']) {
    expect(() => cache.put(name, '')).toThrow('not a name');
    expect(() => cache.get(name)).toThrow('not a name');
  }
});

test('what cannot be read is not taken for missing', () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'key'));
  expect(() => new DirectoryCache(directory).get('key')).toThrow('EISDIR');
});
