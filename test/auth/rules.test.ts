import { describe, expect, test } from 'vitest';
import { ChannelRules } from '../../src/auth/rules.js';
import { type ChannelConfig, configSchema } from '../../src/config/config.js';

const channelConfig = (channel: object = {}): ChannelConfig => configSchema.parse({ channel }).channel;
const rules = (channel?: object): ChannelRules => new ChannelRules(channelConfig(channel));
const news = { namespaces: [{ name: 'news', presence: true }] };

describe('namespaces', () => {
  test.each<[channel: string, namespace: string | undefined]>([
    ['plain', ''],
    ['$plain', ''],
    ['news:sport', 'news'],
    ['news:sport:football', 'news'],
    ['$news:sport', 'news'],
    ['news:', 'news'],
    [':sport', ''],
    ['$:sport', ''],
    ['other:sport', undefined],
    ['$$news:sport', undefined],
  ])('%s is in %j', (channel, namespace) => {
    expect(rules(news).resolve(channel)?.namespace).toBe(namespace);
  });

  test('each has its own options, the same object for all its channels', () => {
    const shared = rules(news);
    expect(shared.resolve('news:a')?.options.presence).toBe(true);
    expect(shared.resolve('a')?.options.presence).toBe(false);
    expect(shared.resolve('news:a')?.options).toBe(shared.resolve('news:b')?.options);
  });

  test('other boundaries, and none', () => {
    expect(rules({ ...news, namespace_boundary: '::' }).resolve('news::sport')?.namespace).toBe('news');
    expect(rules({ ...news, namespace_boundary: '' }).resolve('news:sport')?.namespace).toBe('');
  });

  test('what a namespace leaves open is filled in from the section', () => {
    const resolved = rules({
      history_meta_ttl: '10s',
      publication_data_format: 'json',
      namespaces: [{ name: 'own', history_meta_ttl: '20s', publication_data_format: 'binary' }],
    });
    expect(resolved.resolve('a')?.options).toMatchObject({ history_meta_ttl: 10_000, publication_data_format: 'json' });
    expect(resolved.resolve('own:a')?.options).toMatchObject({
      history_meta_ttl: 20_000,
      publication_data_format: 'binary',
    });
  });
});

describe('names', () => {
  test.each<[channel: string, valid: boolean]>([
    ['ascii #$%', true],
    ['café', false],
    ['news:café', false],
    ['digits:123', true],
    ['digits:12a', false],
    ['$digits:123', true],
    ['any:любой', true],
  ])('%s: %s', (channel, valid) => {
    const namespaces = [
      { name: 'news' },
      { name: 'digits', channel_regex: '^[0-9]+$' },
      { name: 'any', channel_regex: '^\\pL+$' },
    ];
    const resolved = rules({ namespaces }).resolve(channel);
    expect(resolved?.validName).toBe(valid);
  });

  test('without a boundary the regex sees the whole name, private prefix included', () => {
    const anchored = rules({ without_namespace: { channel_regex: '^[a-z]+$' } });
    expect(anchored.resolve('abc')?.validName).toBe(true);
    expect(anchored.resolve('$abc')?.validName).toBe(false);
    expect(rules({ without_namespace: { channel_regex: '[0-9]' } }).resolve('a1b')?.validName).toBe(true);
  });

  test('a regex that would take backtracking forever does not', () => {
    const hostile = rules({ without_namespace: { channel_regex: '^(a+)+$' } });
    expect(hostile.resolve(`${'a'.repeat(250)}!`)?.validName).toBe(false);
  });

  test('a regex that is none fails at start and says where', () => {
    const broken = { ...channelConfig(), namespaces: [] };
    broken.without_namespace = { ...broken.without_namespace, channel_regex: '(' };
    expect(() => new ChannelRules(broken)).toThrow(/channel\.without_namespace: channel_regex/);
    const namespaced = channelConfig({ namespaces: [{ name: 'news' }] });
    const namespaces = namespaced.namespaces.map((options) => ({ ...options, channel_regex: '(?=a)' }));
    expect(() => new ChannelRules({ ...namespaced, namespaces })).toThrow(/channel namespace "news": channel_regex/);
  });

  test('length is counted in bytes', () => {
    const short = rules({ max_length: 6 });
    expect(short.tooLong('abcdef')).toBe(false);
    expect(short.tooLong('abcdefg')).toBe(true);
    expect(short.tooLong('ééé')).toBe(false);
    expect(short.tooLong('éééa')).toBe(true);
    expect(short.tooLong('€€')).toBe(false);
    expect(short.tooLong('€€a')).toBe(true);
  });
});

describe('private channels', () => {
  test('start with the prefix, if there is one', () => {
    expect(rules().resolve('$a')?.private).toBe(true);
    expect(rules().resolve('a$')?.private).toBe(false);
    expect(rules({ private_prefix: '' }).resolve('$a')?.private).toBe(false);
    expect(rules({ private_prefix: 'p!' }).resolve('p!a')?.private).toBe(true);
  });
});

describe('user-limited channels', () => {
  const limited = (channel: object = {}): ChannelRules =>
    rules({ without_namespace: { allow_user_limited_channels: true }, ...channel });

  test.each<[channel: string, users: string[] | undefined]>([
    ['plain', undefined],
    ['a#42', ['42']],
    ['a#42,7', ['42', '7']],
    ['a#1#42', ['42']],
    ['#42', ['42']],
    ['a#', ['']],
  ])('%s is for %j', (channel, users) => {
    expect(limited().resolve(channel)?.users).toEqual(users);
  });

  test('only where allowed', () => {
    expect(rules().resolve('a#42')?.users).toBeUndefined();
  });

  test('other boundaries, and none', () => {
    expect(limited({ user_boundary: '@', user_separator: ';' }).resolve('a@1;2')?.users).toEqual(['1', '2']);
    expect(limited({ user_separator: '' }).resolve('a#1,2')?.users).toEqual(['1,2']);
    expect(limited({ user_boundary: '' }).resolve('a#1')?.users).toBeUndefined();
  });
});

test('personal channels', () => {
  expect(rules().personalChannel('42', '')).toBe('#42');
  expect(rules().personalChannel('42', 'news')).toBe('news:#42');
});

test('the answer for a channel is remembered', () => {
  const cached = rules(news);
  expect(cached.resolve('news:a')).toBe(cached.resolve('news:a'));
  for (let i = 0; i < 40_000; i++) cached.resolve(`news:${i}`);
  expect(cached.resolve('news:a')).toMatchObject({ name: 'news:a', namespace: 'news' });
});
