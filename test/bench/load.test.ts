/** The load generators, tiny, against a real server: they must go on working and must notice what is missing. */
import { execFile } from 'node:child_process';
import { beforeAll, describe, expect, test } from 'vitest';
import { API_KEY, startServer, type TestServer, TOKEN_KEY } from '../support/server.js';

let server: TestServer;

beforeAll(async () => {
  const recoverable = { history_size: 100, history_ttl: '60s', force_recovery: true };
  server = await startServer({
    channel: {
      namespaces: [
        { name: 'bench', allow_subscribe_for_client: true, ...recoverable },
        { name: 'plain', allow_subscribe_for_client: true },
      ],
    },
  });
  return () => server.stop();
});

interface Run {
  code: number | string | undefined;
  result: Record<string, unknown>;
}

function run(script: string, ...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    const command = [`scripts/bench/${script}`, '--url', server.http, '--secret', TOKEN_KEY, ...args];
    execFile(process.execPath, command, (error, stdout) => {
      const [line] = stdout.split('\n').filter((text) => text.startsWith('{'));
      resolve({ code: error?.code ?? 0, result: JSON.parse(line ?? '{}') as Record<string, unknown> });
    });
  });
}

const FANOUT = ['--key', API_KEY, '--subscribers', '6', '--rate', '20', '--seconds', '1'];

// They read the server's CPU time and memory from /proc.
describe.runIf(process.platform === 'linux')('load generators', () => {
  test('fan-out counts every delivery', async () => {
    const { code, result } = await run('fanout.mjs', ...FANOUT);
    expect({ code, ...result }).toMatchObject({ code: 0, void: false, faults: 0, deliveries: 120 });
    expect(result.cpu_us_per_delivery).toEqual(expect.any(Number));
  });

  test('fan-out over a channel without offsets is void', async () => {
    const { code, result } = await run('fanout.mjs', ...FANOUT, '--channel', 'plain:fanout');
    expect({ code, void: result.void }).toEqual({ code: 1, void: true });
  });

  test('idle connections are counted and stay', async () => {
    const { code, result } = await run(
      'idle.mjs',
      '--connections',
      '20',
      '--steps',
      '2',
      '--settle',
      '0',
      '--seconds',
      '1',
    );
    expect({ code, ...result }).toMatchObject({ code: 0, void: false, connections: 20, lost: 0 });
  });
});
