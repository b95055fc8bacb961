import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/bench/micro.mjs', import.meta.url));
const run = (...args: string[]) => promisify(execFile)(process.execPath, [script, ...args]);

interface Row {
  name: string;
  bytes: number;
  [measure: string]: unknown;
}

it('measures every candidate at every size and reports as JSON on the last line', async () => {
  const briefly = ['--rounds', '100', '--repeats', '1', '--milliseconds', '5', '--warmup-operations', '1000'];
  const args = ['--records', '1000', ...briefly, '--ring', '70000'];
  const { stdout } = await run(...args);
  const report = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Record<string, Row[]>;
  expect(report).toMatchObject({ bench: 'micro', records: 1000, rounds: 100, repeats: 1, ring: 65_536 });
  const rows = (part: string, measure: string): string[] =>
    report[part]!.map((row) => {
      expect(row[measure]).toBeGreaterThan(0);
      return row.bytes === undefined ? row.name : `${row.name} ${row.bytes}`;
    });
  const all = (names: string[]): string[] => [256, 2048].flatMap((bytes) => names.map((name) => `${name} ${bytes}`));
  expect(rows('oneThread', 'nsPerRecord')).toEqual(all(['ring', 'ringbuf.js', 'MessagePort']));
  expect(rows('oneWay', 'recordsPerSecond')).toEqual(all(['mesh', 'ringbuf.js', 'MessagePort', 'MessagePort batched']));
  expect(rows('roundTrip', 'p50Us')).toEqual(['mesh 256', 'MessagePort 256']);
  for (const { p50Us, p99Us } of report.roundTrip!) expect(p99Us).toBeGreaterThanOrEqual(p50Us as number);
  expect(rows('codecs', 'ns')).toContain('encode a push, Protobuf');
  expect(rows('hashing', 'ns')).toContain('hash ring');
  expect(rows('classes', 'ns')).toContain('deliver to 100');
  expect(rows('timers', 'ns')).toContain('move a deadline');
  expect(rows('tokens', 'ns')).toContain('verify a token');
  expect(rows('hop', 'cpuUs')).toEqual(['64 at a time', '1 at a time']);
  expect(rows('publish', 'ns')).toContain('batch of 100');
  expect(rows('redis', 'cpuUs')).toEqual(['publish', 'publish with history', 'receive']);
}, 60_000);

it('names an option that it cannot use', async () => {
  await expect(run('--records', 'many')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/--records must be an integer from 1/),
  });
  await expect(run('--part', 'sums')).rejects.toMatchObject({ code: 2, stderr: expect.stringMatching(/--part/) });
});
