import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { directoryWith } from '../config/helpers.js';
import { gyre } from './helpers.js';

test('without a command the server starts with the file, the environment and the flags', async () => {
  const cwd = directoryWith({ 'config.json': '{"node": {"name": "a"}, "health": {"enabled": true}}' });
  const args = ['-p', '0', '--client.insecure', '--health.enabled=false', '--log.level', 'debug'];
  const { code, started } = await gyre(cwd, args, { GYRE_NODE_NAME: 'b', GYRE_HTTP_SERVER_PORT: '1' });
  expect(code).toBe(0);
  expect(started!.config).toMatchObject({
    http_server: { port: 0 },
    client: { insecure: true },
    health: { enabled: false },
    log: { level: 'debug' },
    node: { name: 'b' },
  });
  expect(started!.reload().config).toEqual(started!.config);
});

test('a configuration that cannot be used does not start a server', async () => {
  const { code, started, err } = await gyre(directoryWith({}), ['--engine.type', 'redis', '-p', 'x']);
  expect({ code, started }).toEqual({ code: 1, started: undefined });
  expect(err).toContain('error: http_server.port: wanted a whole number from 0 to 65535, found "x"');
});

test('a server that cannot start says why in one line, but a mistake in it keeps its stack', async () => {
  const fail = (error: Error) => () => {
    throw error;
  };
  const taken = await gyre(directoryWith({}), [], {}, fail(new Error('port 8000 is taken')));
  expect(taken).toMatchObject({ code: 1, err: 'error: port 8000 is taken' });
  await expect(gyre(directoryWith({}), [], {}, fail(new TypeError('x is undefined')))).rejects.toThrow(TypeError);
});

test('every flag is an option', async () => {
  const { out } = await gyre(directoryWith({}), ['--help']);
  const paths = [...out.matchAll(/--([a-z0-9_.]+) [<[]/g)].map(([, path]) => path!).filter((path) => path !== 'config');
  const known = readFileSync(new URL('../config/options.tsv', import.meta.url), 'utf8');
  expect(paths.length).toBeGreaterThan(30);
  for (const path of paths) expect(known).toContain(`\n${path}\t`);
});

test('help and version', async () => {
  const cwd = directoryWith({});
  expect(await gyre(cwd, ['--help'])).toMatchObject({ code: 0, err: '' });
  expect(await gyre(cwd, ['gentoken', '--help'])).toMatchObject({ code: 0, err: '' });
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect((await gyre(cwd, ['version'])).out).toBe(`Gyre v${version} (Node.js ${process.version})`);
});

test.each([
  [['foo'], 'there is no command "foo"; gyre --help lists them'],
  [['--bad'], "unknown option '--bad'"],
  [['checktoken'], "missing required argument 'token'"],
  [['gensubtoken'], "required option '-s, --channel <channel>' not specified"],
  [['gentoken', '-t', '1h'], 'Wanted a whole number of seconds.'],
  [['serve', '-p', '70000'], 'Wanted a port, 0 to 65535.'],
  [['serve', '-d', 'nope'], 'nope: no such directory'],
])('%j is an error', async (args, message) => {
  const { code, err } = await gyre(directoryWith({}), args);
  expect(code).toBe(1);
  expect(err).toContain(message);
});
