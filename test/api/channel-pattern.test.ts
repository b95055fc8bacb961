import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileGlob, GlobError } from '../../src/api/channel-pattern.js';

describe('channel patterns', () => {
  it.each([
    ['', '', true],
    ['', 'a', false],
    ['a', 'a', true],
    ['a', 'ab', false],
    ['*', '', true],
    ['*', 'chat:a/b.c', true],
    ['chat:*', 'chat:1', true],
    ['chat:*', 'news:1', false],
    ['*:1', 'a:1:1', true],
    ['a*b*c', 'aXbYc', true],
    ['a*b*c', 'aXbY', false],
    ['a**c', 'abc', true],
    ['?', 'a', true],
    ['?', '', false],
    ['?', '😀', true],
    ['*?x', '😀😀x', true],
    ['[abc]', 'b', true],
    ['[abc]', 'd', false],
    ['[!abc]', 'd', true],
    ['[!abc]', 'a', false],
    ['[a-c]', 'b', true],
    ['[!a-c]', 'b', false],
    ['[!a-c]', 'z', true],
    ['[a-c]', '', false],
    ['[\\]x]', ']', true],
    ['{a,b*}', 'bcd', true],
    ['{a,b*}', 'c', false],
    ['x{a,{b,c}d}y', 'xcdy', true],
    ['x{a,{b,c}d}y', 'xady', false],
    ['{a,}b', 'b', true],
    ['a,b}', 'a,b}', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['\\{a\\}', '{a}', true],
    ['$1#2.+()|^', '$1#2.+()|^', true],
  ])('%s on %s: %s', (pattern, name, expected) => {
    expect(compileGlob(pattern)(name)).toBe(expected);
  });

  it.each([
    '[',
    '[a',
    '[]',
    '[!]',
    '[c-a]',
    '[a-',
    '[a-b',
    '[a-bc]',
    '{a',
    '{a,{b}',
    '{{{{',
  ])('%s is malformed', (pattern) => {
    expect(() => compileGlob(pattern)).toThrow(GlobError);
  });

  it('refuses patterns that stand for too many', () => {
    expect(() => compileGlob('{a,b}'.repeat(9))).toThrow(GlobError);
    expect(compileGlob('{a,b}'.repeat(8))('abababab')).toBe(true);
  });

  it('takes no longer for many stars', () => {
    const matches = compileGlob(`${'*a'.repeat(60)}b`);
    expect(matches('a'.repeat(255))).toBe(false);
  });

  it('does what a regular expression does', () => {
    const parts = fc.array(fc.constantFrom('a', 'b', '*', '?', '[ab]', '[!a]', '{a,b*}'), { maxLength: 7 });
    const regexps: Record<string, string> = { '*': '.*', '?': '.', '[!a]': '[^a]', '{a,b*}': '(?:a|b.*)' };
    fc.assert(
      fc.property(parts, fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 }), (pattern, name) => {
        const expected = new RegExp(`^${pattern.map((part) => regexps[part] ?? part).join('')}$`, 's').test(name);
        expect(compileGlob(pattern.join(''))(name)).toBe(expected);
      }),
      { seed: 3, numRuns: 2_000 },
    );
  });
});
