import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { showLimits } from '../../src/observe/limits.js';
import { createLog } from '../../src/observe/log.js';
import { findShortages, type Needs } from '../../src/observe/shortages.js';
import { readSystemLimits } from '../../src/observe/system-limits.js';
import { directoryWith } from '../config/helpers.js';

const GIB = 2 ** 30;
/** A Linux host with defaults of 2026, and 2 NUMA nodes of 2 cores each. */
const host: Record<string, string> = {
  '/proc/self/limits':
    'Limit                     Soft Limit           Hard Limit           Units     \n' +
    'Max cpu time              unlimited            unlimited            seconds   \n' +
    'Max open files            524288               524288               files     \n',
  '/proc/self/status': 'Name:\tnode\nCpus_allowed_list:\t0-1\n',
  '/proc/self/cgroup': '0::/system.slice/gyre.service\n',
  '/proc/sys/fs/nr_open': '1048576\n',
  '/proc/sys/fs/file-max': '9223372036854775807\n',
  '/proc/sys/net/core/somaxconn': '4096\n',
  '/proc/sys/net/ipv4/tcp_max_syn_backlog': '2048\n',
  '/proc/sys/net/ipv4/ip_local_port_range': '32768\t60999\n',
  '/proc/sys/net/ipv4/tcp_mem': '287898\t383866\t575796\n',
  '/sys/devices/system/node/online': '0-1\n',
  '/sys/devices/system/node/node0/cpulist': '0-1\n',
  '/sys/devices/system/node/node1/cpulist': '2-3\n',
};

const unknown = () => undefined;
const limitsOf = (changes: Record<string, string> = {}, machineBytes = 64 * GIB) => {
  const files = { ...host, ...changes };
  return readSystemLimits((path) => files[path], machineBytes, unknown);
};

const small: Needs = {
  workers: 2,
  cores: 2,
  ringsBytes: 9 << 20,
  connectionLimit: 0,
  loopbackOnly: true,
  pid: 42,
};
const shortagesOf = (needs: Partial<Needs>, changes?: Record<string, string>, machineBytes?: number) =>
  findShortages(limitsOf(changes, machineBytes), { ...small, ...needs });
const names = (...args: Parameters<typeof shortagesOf>) => shortagesOf(...args).map(({ name }) => name);
const openFiles = (count: number | string) => ({
  '/proc/self/limits': `Max open files            ${count}                ${count}                files     \n`,
});

describe('reading', () => {
  test('a Linux host', () => {
    expect(limitsOf()).toEqual({
      openFiles: 524_288,
      openFilesMax: 1_048_576,
      systemFiles: 2 ** 63,
      acceptQueue: 4096,
      synQueue: 2048,
      ports: [32_768, 60_999],
      tracked: undefined,
      tcpPages: [287_898, 383_866, 575_796],
      memoryBytes: 64 * GIB,
      memoryIsCgroups: false,
      numaNodes: [0],
    });
  });

  test('a system that tells nothing', () => {
    const limits = readSystemLimits(unknown, GIB, () => 10_240);
    expect(limits).toMatchObject({ openFiles: 10_240, ports: undefined, tcpPages: undefined, numaNodes: [] });
    expect(findShortages(readSystemLimits(unknown, GIB, unknown), small)).toEqual([]);
  });

  test('this system, whichever it is', () => {
    expect(readSystemLimits().openFiles).toBeGreaterThan(0);
    expect(readSystemLimits(unknown).openFiles).toBeGreaterThan(0);
  });

  test('memory by cgroup, where it is less than the machine has', () => {
    const v2 = limitsOf({ '/sys/fs/cgroup/system.slice/memory.max': `${GIB}\n` });
    expect(v2).toMatchObject({ memoryBytes: GIB, memoryIsCgroups: true });
    const v1 = (bytes: string) =>
      limitsOf({ '/proc/self/cgroup': '4:memory:/docker/1\n', '/sys/fs/cgroup/memory/memory.limit_in_bytes': bytes });
    expect(v1('2147483648\n').memoryBytes).toBe(2 * GIB);
    expect(v1('9223372036854771712\n')).toMatchObject({ memoryBytes: 64 * GIB, memoryIsCgroups: false });
    expect(limitsOf({ '/sys/fs/cgroup/memory.max': 'max\n' }).memoryIsCgroups).toBe(false);
  });
});

describe('what is too low', () => {
  test('nothing on a small machine with the defaults of its system', () => {
    expect(shortagesOf({})).toEqual([]);
  });

  test('open files, with the command that raises them for this very process', () => {
    const [shortage, ...others] = shortagesOf({}, openFiles(4096));
    expect(others).toEqual([]);
    expect(shortage).toMatchObject({ name: 'open_files', value: 4096, wanted: 65_536 });
    expect(shortage!.fix).toBe(
      'sudo prlimit --pid 42 --nofile=65536:65536; to stay: LimitNOFILE=65536 (systemd), --ulimit nofile=65536:65536 (docker run)',
    );
    expect(names({}, openFiles(65_536))).toEqual([]);
    expect(names({}, openFiles('unlimited'))).toEqual([]);
  });

  test('open files for as many connections as are configured, and some more', () => {
    const wanted = 500_000 + 1024 + 2 * 64;
    const changes = { '/proc/sys/net/ipv4/tcp_mem': '1 2 4000000' };
    const needs = { connectionLimit: 500_000, loopbackOnly: false };
    expect(shortagesOf(needs, { ...changes, ...openFiles(wanted - 1) })).toMatchObject([{ wanted }]);
    expect(names(needs, { ...changes, ...openFiles(wanted) })).toEqual([]);
  });

  test('beyond fs.nr_open that comes first', () => {
    const fix = shortagesOf({ connectionLimit: 2_000_000 }).find(({ name }) => name === 'open_files')!.fix;
    expect(fix).toMatch(/^sudo sysctl -w fs\.nr_open=2001152 && sudo prlimit --pid 42 --nofile=2001152:2001152;/);
  });

  test('without fs.nr_open it is not Linux', () => {
    const [shortage] = findShortages(
      readSystemLimits(unknown, GIB, () => 256),
      small,
    );
    expect(shortage!.fix).toBe('ulimit -n 65536');
  });

  test('a large host is meant for a million connections, unless fewer are configured', () => {
    const needs = { workers: 16, cores: 16, loopbackOnly: false };
    expect(names(needs)).toEqual(['open_files', 'net.ipv4.tcp_mem']);
    expect(names({ ...needs, connectionLimit: 100_000 })).toEqual([]);
  });

  test('queues that are shorter than the one that is asked for', () => {
    const changes = {
      '/proc/sys/net/core/somaxconn': '128\n',
      '/proc/sys/net/ipv4/tcp_max_syn_backlog': '256\n',
    };
    expect(shortagesOf({}, changes)).toMatchObject([
      {
        name: 'net.core.somaxconn',
        value: 128,
        fix: 'sudo sysctl -w net.core.somaxconn=4096, and start the server again',
      },
      {
        name: 'net.ipv4.tcp_max_syn_backlog',
        value: 256,
        fix: 'sudo sysctl -w net.ipv4.tcp_max_syn_backlog=4096, and start the server again',
      },
    ]);
  });

  test('ports, only where every connection comes from this machine', () => {
    const fix = "sudo sysctl -w net.ipv4.ip_local_port_range='1024 65535'";
    expect(shortagesOf({ connectionLimit: 28_233 })).toMatchObject([{ value: 28_232, wanted: 28_233, fix }]);
    expect(names({ connectionLimit: 28_232 })).toEqual([]);
    expect(names({ connectionLimit: 28_233, loopbackOnly: false })).toEqual([]);
    const all = { '/proc/sys/net/ipv4/ip_local_port_range': '1024 65535' };
    expect(names({ connectionLimit: 100_000 }, all)).toEqual([]);
  });

  test('connections that a firewall follows, files of all processes, pages of TCP', () => {
    const needs = { connectionLimit: 300_000, loopbackOnly: false };
    const changes = {
      '/proc/sys/net/netfilter/nf_conntrack_max': '262144',
      '/proc/sys/fs/file-max': '300000',
      '/proc/sys/net/ipv4/tcp_mem': '100000 150000 200000',
    };
    expect(shortagesOf(needs, changes)).toMatchObject([
      { name: 'fs.file-max', value: 300_000, wanted: 301_152, fix: 'sudo sysctl -w fs.file-max=602304' },
      { name: 'net.netfilter.nf_conntrack_max', value: 262_144, wanted: 300_000 },
      { name: 'net.ipv4.tcp_mem', fix: "sudo sysctl -w net.ipv4.tcp_mem='300000 450000 600000'" },
    ]);
  });

  test('memory for the connections that are allowed', () => {
    const needs = { connectionLimit: 200_000, loopbackOnly: false };
    const cgroup = { '/sys/fs/cgroup/memory.max': `${GIB}\n` };
    const [shortage] = shortagesOf(needs, cgroup);
    // 100 MiB, 2 * 32, 9 for rings, 10 KiB a connection
    expect(shortage).toMatchObject({ name: 'memory', value: GIB, wanted: (173 << 20) + 200_000 * 10_240 });
    expect(shortage!.fix).toBe(
      'MemoryMax=2127M (systemd), --memory=2127m (docker run), or client.connection_limit: 87142',
    );
    expect(names({ ...needs, connectionLimit: 87_142 }, cgroup)).toEqual([]);
    expect(shortagesOf(needs, {}, GIB)[0]!.fix).toBe('client.connection_limit: 87142');
  });

  test('memory for workers and rings alone', () => {
    const [shortage] = shortagesOf({ ringsBytes: GIB }, {}, GIB);
    expect(shortage!.fix).toBe('a smaller workers.count or workers.ring_size');
  });

  test('cores', () => {
    expect(shortagesOf({ workers: 4 })).toMatchObject([
      { name: 'cores', value: 2, wanted: 4, fix: 'workers.count: 0' },
    ]);
  });

  test('workers on several NUMA nodes', () => {
    const everywhere = { '/proc/self/status': 'Cpus_allowed_list:\t0,3\n' };
    const [shortage] = shortagesOf({}, everywhere);
    expect(shortage).toMatchObject({ name: 'numa_nodes', value: 2 });
    expect(shortage!.fix).toBe(
      'numactl --cpunodebind=0 --membind=0 gyre -c node0.json; numactl --cpunodebind=1 --membind=1 gyre -c node1.json',
    );
  });
});

test('shown as one line, and one for each that is too low; a demo is not told what to tune', () => {
  const show = (options: object): object[] => {
    const directory = directoryWith({ 'config.json': JSON.stringify(options) });
    const file = join(directory, 'log');
    const { config } = loadConfig({ path: join(directory, 'config.json') });
    const log = createLog({ level: 'info', file }, {});
    const plan = { count: 2, owners: 2, cores: 2, reason: '' };
    showLimits(log, config, { plan, ringsBytes: 9 << 20 }, limitsOf(openFiles(1024)));
    return readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
  };
  const summary = {
    level: 30,
    msg: 'limits: 1024 open files, accept queue 512, local ports 32768-60999, 64.0 GiB memory, 1 NUMA node',
    limits: {
      open_files: 1024,
      'net.ipv4.ip_local_port_range': [32_768, 60_999],
      memory_bytes: 64 * GIB,
      numa_nodes: 1,
    },
  };
  const warning = {
    level: 40,
    msg: '1024 open files, 101152 are wanted: each connection is one',
    limit: { name: 'open_files', value: 1024, wanted: 101_152 },
    fix: expect.stringContaining(`prlimit --pid ${process.pid} --nofile=101152:101152`),
  };
  const client = { connection_limit: 100_000 };
  expect(show({ client })).toMatchObject([summary, warning]);
  expect(show({ client, dev: { demo: true } })).toMatchObject([summary]);
});
