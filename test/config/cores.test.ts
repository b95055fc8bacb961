import { expect, test } from 'vitest';
import { planWorkers } from '../../src/config/cores.js';

const automatic = { count: 0, owners: 0 };
const system = (files: Record<string, string>) => (path: string) => files[path];
const affinity = (list: string) => ({ '/proc/self/status': `Name:\tnode\nCpus_allowed_list:\t${list}\nThreads:\t1\n` });

test('as many as the affinity allows', () => {
  expect(planWorkers(automatic, system(affinity('0-3,8')), 64)).toEqual({
    count: 5,
    owners: 5,
    cores: 5,
    reason: '5: 5 cores by affinity',
  });
  expect(planWorkers(automatic, system(affinity('7')), 64).reason).toBe('1: 1 core by affinity');
});

test('where the system has no /proc, what Node.js says', () => {
  expect(planWorkers(automatic, system({}), 10).count).toBe(10);
});

test('no more than a cgroup v2 quota, whole cores only', () => {
  const plan = (max: string) =>
    planWorkers(
      automatic,
      system({ ...affinity('0-7'), '/proc/self/cgroup': '0::/a/b\n', '/sys/fs/cgroup/a/b/cpu.max': max }),
      8,
    );
  expect(plan('400000 100000\n')).toEqual({
    count: 4,
    owners: 4,
    cores: 4,
    reason: '4: 8 cores by affinity, cgroup quota 4.0',
  });
  expect(plan('250000 100000\n').count).toBe(2);
  expect(plan('50000 100000\n').count).toBe(1);
  expect(plan('1600000 100000\n').count).toBe(8);
  expect(plan('max 100000\n').reason).toBe('8: 8 cores by affinity');
});

test('the tightest quota of the groups above counts, and the root in a container', () => {
  const files = { ...affinity('0-7'), '/proc/self/cgroup': '0::/a/b\n' };
  const above = { '/sys/fs/cgroup/a/cpu.max': '300000 100000', '/sys/fs/cgroup/a/b/cpu.max': '600000 100000' };
  expect(planWorkers(automatic, system({ ...files, ...above }), 8).count).toBe(3);
  expect(planWorkers(automatic, system({ ...files, '/sys/fs/cgroup/cpu.max': '200000 100000' }), 8).count).toBe(2);
});

test('a cgroup v1 quota counts too', () => {
  const plan = (quota: string) =>
    planWorkers(
      automatic,
      system({
        ...affinity('0-7'),
        '/proc/self/cgroup': '5:memory:/x\n4:cpu,cpuacct:/docker/1\n',
        '/sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us': quota,
        '/sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us': '100000\n',
      }),
      8,
    );
  expect(plan('300000\n').count).toBe(3);
  expect(plan('-1\n').count).toBe(8);
});

test('what is configured is taken', () => {
  expect(planWorkers({ count: 16, owners: 4 }, system(affinity('0')), 1)).toEqual({
    count: 16,
    owners: 4,
    cores: 1,
    reason: '16: workers.count, 4 own channels',
  });
  expect(planWorkers({ count: 0, owners: 9 }, system(affinity('0-1')), 2).owners).toBe(2);
});
