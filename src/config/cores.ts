import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { WorkersConfig } from './config.js';

export interface WorkerPlan {
  /** Worker threads to start. */
  count: number;
  /** How many of them own channels. */
  owners: number;
  /** Why, for the log: `4: 8 cores by affinity, cgroup quota 4.0`. */
  reason: string;
}

/** Reads a small file of the system; undefined when it is not there. */
export type ReadSystemFile = (path: string) => string | undefined;

const readSystemFile: ReadSystemFile = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

/** Decides how many workers run: as many as asked for, or one for each core that this process may use. */
export function planWorkers(
  workers: Pick<WorkersConfig, 'count' | 'owners'>,
  read: ReadSystemFile = readSystemFile,
  parallelism: number = availableParallelism(),
): WorkerPlan {
  const { count, reason } =
    workers.count > 0 ? { count: workers.count, reason: 'workers.count' } : countCores(read, parallelism);
  const owners = workers.owners > 0 ? Math.min(workers.owners, count) : count;
  return { count, owners, reason: `${count}: ${reason}${owners < count ? `, ${owners} own channels` : ''}` };
}

function countCores(read: ReadSystemFile, parallelism: number): { count: number; reason: string } {
  const affinity = coresByAffinity(read) ?? parallelism;
  const quota = cgroupQuota(read);
  const cores = `${affinity} core${affinity === 1 ? '' : 's'} by affinity`;
  if (quota === undefined) return { count: affinity, reason: cores };
  // A part of a core is left over: with a thread more than the quota allows, all of them would be throttled.
  const count = Math.max(1, Math.min(affinity, Math.floor(quota)));
  return { count, reason: `${cores}, cgroup quota ${quota.toFixed(1)}` };
}

/** From a list such as `0-3,8`. */
function coresByAffinity(read: ReadSystemFile): number | undefined {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(read('/proc/self/status') ?? '')?.[1];
  return list?.split(',').reduce((sum, range) => {
    const [first, last = first] = range.split('-').map(Number);
    return sum + last! - first! + 1;
  }, 0);
}

const CGROUP_ROOT = '/sys/fs/cgroup';

/** The smallest CPU quota of this process's cgroup and those above it, in cores; undefined when there is none. */
function cgroupQuota(read: ReadSystemFile): number | undefined {
  const quotas: number[] = [];
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const [id, controllers, path] = line.split(':');
    if (path === undefined) continue;
    if (id === '0') quotas.push(...quotasUpwards(CGROUP_ROOT, path, (directory) => quotaV2(directory, read)));
    else if (controllers!.split(',').includes('cpu')) {
      const root = join(CGROUP_ROOT, controllers!);
      quotas.push(...quotasUpwards(root, path, (directory) => quotaV1(directory, read)));
      quotas.push(...quotasUpwards(join(CGROUP_ROOT, 'cpu'), path, (directory) => quotaV1(directory, read)));
    }
  }
  return quotas.length > 0 ? Math.min(...quotas) : undefined;
}

/** In a container the path may lead outside of what is mounted; the root, which is the container's own, remains. */
function quotasUpwards(root: string, path: string, quotaOf: (directory: string) => number | undefined): number[] {
  const quotas: number[] = [];
  for (let at = join('/', path); ; at = join(at, '..')) {
    const quota = quotaOf(join(root, at));
    if (quota !== undefined) quotas.push(quota);
    if (at === '/') return quotas;
  }
}

/** `cpu.max` is `max 100000` or `<quota> <period>`, both in microseconds. */
function quotaV2(directory: string, read: ReadSystemFile): number | undefined {
  const [quota, period] = (read(join(directory, 'cpu.max')) ?? '').trim().split(' ');
  return ratio(quota, period);
}

/** A quota of -1 means none. */
function quotaV1(directory: string, read: ReadSystemFile): number | undefined {
  return ratio(read(join(directory, 'cpu.cfs_quota_us')), read(join(directory, 'cpu.cfs_period_us')));
}

function ratio(quota: string | undefined, period: string | undefined): number | undefined {
  const cores = Number(quota) / Number(period);
  return cores > 0 && Number.isFinite(cores) ? cores : undefined;
}
