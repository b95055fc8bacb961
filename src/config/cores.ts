import { availableParallelism } from 'node:os';
import { cgroupCores } from './cgroup.js';
import type { WorkersConfig } from './config.js';
import { allowedCpus, type ReadSystemFile, readSystemFile } from './system-file.js';

export interface WorkerPlan {
  /** Worker threads to start. */
  count: number;
  /** How many of them own channels. */
  owners: number;
  /** How many can run at a time. */
  cores: number;
  /** Why, for the log: `4: 8 cores by affinity, cgroup quota 4.0`. */
  reason: string;
}

/** Decides how many workers run: as many as asked for, or one for each core that this process may use. */
export function planWorkers(
  workers: Pick<WorkersConfig, 'count' | 'owners'>,
  read: ReadSystemFile = readSystemFile,
  parallelism: number = availableParallelism(),
): WorkerPlan {
  const available = countCores(read, parallelism);
  const cores = available.count;
  const { count, reason } = workers.count > 0 ? { count: workers.count, reason: 'workers.count' } : available;
  const owners = workers.owners > 0 ? Math.min(workers.owners, count) : count;
  return { count, owners, cores, reason: `${count}: ${reason}${owners < count ? `, ${owners} own channels` : ''}` };
}

function countCores(read: ReadSystemFile, parallelism: number): { count: number; reason: string } {
  const affinity = allowedCpus(read)?.length ?? parallelism;
  const quota = cgroupCores(read);
  const cores = `${affinity} core${affinity === 1 ? '' : 's'} by affinity`;
  if (quota === undefined) return { count: affinity, reason: cores };
  // A part of a core is left over: with a thread more than the quota allows, all of them would be throttled.
  const count = Math.max(1, Math.min(affinity, Math.floor(quota)));
  return { count, reason: `${cores}, cgroup quota ${quota.toFixed(1)}` };
}
