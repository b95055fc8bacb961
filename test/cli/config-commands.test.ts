import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { expect, test } from 'vitest';
import { defaultConfig } from '../../src/config/config.js';
import { readConfig } from '../../src/config/read.js';
import { directoryWith } from '../config/helpers.js';
import { gyre } from './helpers.js';

test.each([
  'json',
  'yaml',
  'toml',
])('genconfig writes a .%s that a server starts with, for its owner only', async (format) => {
  const cwd = directoryWith({});
  const path = `c.${format}`;
  expect((await gyre(cwd, ['genconfig', '-c', path])).code).toBe(0);
  expect(statSync(join(cwd, path)).mode & 0o777).toBe(0o600);
  const { code, started, err } = await gyre(cwd, ['-c', path]);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(started!.warnings).toEqual([]);
  const { client, http_api, admin } = started!.config;
  for (const key of [client.token.hmac_secret_key, http_api.key, admin.secret]) expect(key).toMatch(/^[\w-]{64}$/);
});

test('nothing is written over a file', async () => {
  const cwd = directoryWith({ 'config.json': 'mine' });
  for (const command of ['genconfig', 'defaultconfig']) {
    const { code, err } = await gyre(cwd, [command]);
    expect(code).toBe(1);
    expect(err).toBe('error: config.json exists already; name another file with --config');
  }
  expect(readFileSync(join(cwd, 'config.json'), 'utf8')).toBe('mine');
});

test.each(['json', 'yaml', 'toml'])('defaultconfig writes a .%s that is read as the defaults', async (format) => {
  const cwd = directoryWith({});
  await gyre(cwd, ['defaultconfig', '-c', `c.${format}`]);
  const { config, warnings } = readConfig({ path: `c.${format}`, cwd });
  expect(config).toEqual(defaultConfig());
  expect(warnings).toEqual([]);
});

test('defaultconfig takes values from a base, and writes nothing when dry', async () => {
  const cwd = directoryWith({ 'base.json': '{"client": {"ping_interval": "90s"}}' });
  const { out } = await gyre(cwd, ['defaultconfig', '-d', '-b', 'base.json']);
  expect(JSON.parse(out).client).toMatchObject({ ping_interval: '1m30s', pong_timeout: '8s' });
  expect((await gyre(cwd, ['checkconfig'])).err).toContain('config.json: no such file');
  expect((await gyre(cwd, ['defaultconfig', '-d', '-b', 'nope.json'])).err).toBe('error: nope.json: no such file');
  expect((await gyre(cwd, ['defaultconfig', '-c', 'c.txt'])).err).toContain('ends in .json, .yaml, .yml, .toml');
});

test('defaultenv prints variables that give the same configuration', async () => {
  const file = {
    client: { allowed_origins: ['http://a', 'http://b'], ping_interval: '90s' },
    channel: { namespaces: [{ name: 'my-chat', presence: true }, { name: 'news' }] },
    proxies: [{ name: 'ab', endpoint: 'http://x', http: { static_headers: [{ key: "It's", value: '$1 "x"' }] } }],
    http_api: { key: "it's $secret" },
  };
  const cwd = directoryWith({ 'base.json': JSON.stringify(file) });
  const { out } = await gyre(cwd, ['defaultenv', '-b', 'base.json']);
  const { config } = readConfig({ path: 'base.json', cwd });
  const expected = { ...config, proxies: [], http_api: { ...config.http_api, key: '' } };
  // Text with both kinds of quotes can be written for a shell, but not for a .env file.
  const env = parseEnv(
    out
      .split('\n')
      .filter((line) => !/_PROXIES|_API_KEY/.test(line))
      .join('\n'),
  );
  expect(readConfig({ env, cwd: directoryWith({}) }).config).toEqual(expected);
  expect(out).toContain("GYRE_CHANNEL_NAMESPACES='my-chat news'");
  expect(out).toContain('GYRE_CHANNEL_NAMESPACES_MY_CHAT_PRESENCE=true');
  expect(out).toContain('GYRE_HTTP_API_KEY="it\'s \\$secret"');
});

test('defaultenv can print only what the file sets, with the names of Centrifugo', async () => {
  const cwd = directoryWith({
    'base.json': '{"client": {"insecure": true, "concurrency": 0, "allowed_origins": ["*"]}}',
  });
  const { out } = await gyre(cwd, ['defaultenv', '-b', 'base.json', '--base-non-zero-only', '--prefix', 'CENTRIFUGO']);
  expect(out).toBe("CENTRIFUGO_CLIENT_ALLOWED_ORIGINS='*'\nCENTRIFUGO_CLIENT_INSECURE=true");
});

test('checkconfig says what is wrong, and fails on unknown options only when strict', async () => {
  const cwd = directoryWith({
    'good.json': '{}',
    'typo.json': '{"client": {"insecur": true}}',
    'bad.json': '{"broker": {"enabled": true, "type": "nats"}, "channel": {"without_namespace": {"history_size": 1}}}',
  });
  expect(await gyre(cwd, ['checkconfig', '-c', 'good.json', '-s'])).toMatchObject({
    code: 0,
    out: 'good.json: ok',
    err: '',
  });
  const typo = await gyre(cwd, ['checkconfig', '-c', 'typo.json']);
  expect(typo).toMatchObject({ code: 0, out: 'typo.json: ok' });
  expect(typo.err).toBe('warning: client.insecur: unknown option, ignored; did you mean client.insecure?');
  const strict = await gyre(cwd, ['checkconfig', '-c', 'typo.json', '-s']);
  expect(strict.code).toBe(1);
  expect(strict.err).toContain('error: typo.json: unknown options: client.insecur');
  const bad = await gyre(cwd, ['checkconfig', '-c', 'bad.json']);
  expect(bad).toMatchObject({ code: 1, out: '' });
  expect(bad.err.split('\n')).toEqual([
    'error: channel.without_namespace: history needs both history_size and history_ttl; set both or neither',
    'error: broker.type: not supported yet: only memory and Redis are',
  ]);
});

test('checkconfig lists what is supported', async () => {
  const { out } = await gyre(directoryWith({}), ['checkconfig', '--support']);
  const lines = out.split('\n');
  expect(lines).toContainEqual(expect.stringMatching(/^client\.ping_interval +supported$/));
  expect(lines).toContainEqual(expect.stringMatching(/^usage_stats\.disabled +never: no usage statistics are sent$/));
});

test('configschema prints the JSON Schema', async () => {
  const { out } = await gyre(directoryWith({}), ['configschema']);
  expect(JSON.parse(out).properties.http_server.properties.port.default).toBe(8000);
});
