/** What the control groups that this process is in allow it: the smallest of its own group's limits and those above it. */
import { join } from 'node:path';
import type { ReadSystemFile } from './system-file.js';

const ROOT = '/sys/fs/cgroup';

/** In cores; undefined when there is no quota. */
export function cgroupCores(read: ReadSystemFile): number | undefined {
  return smallest(read, 'cpu', {
    v2: (directory) => {
      // `max 100000` or `<quota> <period>`, both in microseconds.
      const [quota, period] = (read(join(directory, 'cpu.max')) ?? '').trim().split(' ');
      return ratio(quota, period);
    },
    // A quota of -1 means none.
    v1: (directory) => ratio(read(join(directory, 'cpu.cfs_quota_us')), read(join(directory, 'cpu.cfs_period_us'))),
  });
}

/** Undefined when there is no limit; without one, version 1 shows more than any machine has. */
export function cgroupMemoryBytes(read: ReadSystemFile): number | undefined {
  return smallest(read, 'memory', {
    v2: (directory) => positive(read(join(directory, 'memory.max'))),
    v1: (directory) => positive(read(join(directory, 'memory.limit_in_bytes'))),
  });
}

type LimitOf = (directory: string) => number | undefined;

function smallest(read: ReadSystemFile, controller: string, { v1, v2 }: { v1: LimitOf; v2: LimitOf }) {
  const limits: number[] = [];
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const [id, controllers, path] = line.split(':');
    if (path === undefined) continue;
    if (id === '0') limits.push(...upwards(ROOT, path, v2));
    else if (controllers!.split(',').includes(controller)) {
      limits.push(...upwards(join(ROOT, controllers!), path, v1));
      limits.push(...upwards(join(ROOT, controller), path, v1));
    }
  }
  return limits.length > 0 ? Math.min(...limits) : undefined;
}

/** In a container the path may lead outside of what is mounted; the root, which is the container's own, remains. */
function upwards(root: string, path: string, limitOf: LimitOf): number[] {
  const limits: number[] = [];
  for (let at = join('/', path); ; at = join(at, '..')) {
    const limit = limitOf(join(root, at));
    if (limit !== undefined) limits.push(limit);
    if (at === '/') return limits;
  }
}

const ratio = (quota: string | undefined, period: string | undefined): number | undefined =>
  positive(String(Number(quota) / Number(period)));

function positive(text: string | undefined): number | undefined {
  const number = Number(text);
  return number > 0 && Number.isFinite(number) ? number : undefined;
}
