import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { halves, keptTo, listed, separateCores } from '../../scripts/bench/lib/cores.mjs';

test('a list of cores is read as the kernel writes it', () => {
  expect(listed('0-3,8,10-11')).toEqual([0, 1, 2, 3, 8, 10, 11]);
  expect(listed('5')).toEqual([5]);
});

test('the generator has the larger half; one core cannot be halved', () => {
  expect(halves([0, 1, 2])).toEqual({ server: [0], generator: [1, 2] });
  expect(halves([4, 5, 8, 9])).toEqual({ server: [4, 5], generator: [8, 9] });
  expect(halves([3])).toBeUndefined();
});

test('a command without cores is as it was', () => {
  expect(keptTo(undefined, ['a', 'b'])).toEqual(['a', 'b']);
});

test.runIf(separateCores())('a command with cores runs on those, and nowhere else', () => {
  const { server } = separateCores()!;
  const [program, ...args] = keptTo(server, ['grep', 'Cpus_allowed_list', '/proc/self/status']);
  const allowed = execFileSync(program!, args, { encoding: 'utf8' }).trim().split(/\s+/)[1]!;
  expect(listed(allowed)).toEqual(server);
});
