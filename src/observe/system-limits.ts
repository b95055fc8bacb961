/** What the system lets this process have. */
import { totalmem } from 'node:os';
import { cgroupMemoryBytes } from '../config/cgroup.js';
import { allowedCpus, numbersOf, type ReadSystemFile, readSystemFile } from '../config/system-file.js';

/** Undefined is what the system does not tell: macOS hardly anything, containers only what is their own. */
export interface SystemLimits {
  /** Sockets count as files. Node.js raises the soft limit to the hard one at its start, so there is one number. */
  readonly openFiles: number | undefined;
  /** `fs.nr_open`: the most that {@link openFiles} can be raised to. */
  readonly openFilesMax: number | undefined;
  /** `fs.file-max`: of all processes. */
  readonly systemFiles: number | undefined;
  /** `net.core.somaxconn`: longest queue of connections that wait to be accepted. */
  readonly acceptQueue: number | undefined;
  /** `net.ipv4.tcp_max_syn_backlog`: of those whose handshake is not over. */
  readonly synQueue: number | undefined;
  /** `net.ipv4.ip_local_port_range`, both included. */
  readonly ports: readonly [first: number, last: number] | undefined;
  /** `net.netfilter.nf_conntrack_max`, where the firewall follows connections. */
  readonly tracked: number | undefined;
  /** `net.ipv4.tcp_mem`: pages of all sockets' queues at which there is pressure, and at most. */
  readonly tcpPages: readonly [low: number, pressure: number, max: number] | undefined;
  /** The machine's, or less by cgroup. */
  readonly memoryBytes: number;
  readonly memoryIsCgroups: boolean;
  /** Numbers of the NUMA nodes with cores that this process may use. */
  readonly numaNodes: readonly number[];
}

export function readSystemLimits(
  read: ReadSystemFile = readSystemFile,
  machineBytes: number = totalmem(),
  openFilesElsewhere: () => number | undefined = openFilesByReport,
): SystemLimits {
  const numbers = (path: string): number[] | undefined => read(path)?.trim().split(/\s+/).map(Number);
  const sysctl = (name: string): number[] | undefined => numbers(`/proc/sys/${name}`);
  const [first, last] = sysctl('net/ipv4/ip_local_port_range') ?? [];
  const [low, pressure, max] = sysctl('net/ipv4/tcp_mem') ?? [];
  const cgroupBytes = cgroupMemoryBytes(read) ?? Number.POSITIVE_INFINITY;
  return {
    openFiles: openFilesByProc(read) ?? openFilesElsewhere(),
    openFilesMax: sysctl('fs/nr_open')?.[0],
    systemFiles: sysctl('fs/file-max')?.[0],
    acceptQueue: sysctl('net/core/somaxconn')?.[0],
    synQueue: sysctl('net/ipv4/tcp_max_syn_backlog')?.[0],
    ports: first === undefined || last === undefined ? undefined : [first, last],
    tracked: sysctl('net/netfilter/nf_conntrack_max')?.[0],
    tcpPages: low === undefined || pressure === undefined || max === undefined ? undefined : [low, pressure, max],
    memoryBytes: Math.min(machineBytes, cgroupBytes),
    memoryIsCgroups: cgroupBytes < machineBytes,
    numaNodes: numaNodes(read),
  };
}

function openFilesByProc(read: ReadSystemFile): number | undefined {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(read('/proc/self/limits') ?? '')?.[1];
  return soft === undefined ? undefined : toCount(soft);
}

/** For systems without /proc. It takes a few ms, and would hold up worker threads if there were any yet. */
function openFilesByReport(): number | undefined {
  const report = process.report?.getReport() as { userLimits?: { open_files?: { soft: number | string } } } | undefined;
  const soft = report?.userLimits?.open_files?.soft;
  return soft === undefined ? undefined : toCount(soft);
}

const toCount = (limit: number | string): number => (limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit));

function numaNodes(read: ReadSystemFile): number[] {
  const allowed = new Set(allowedCpus(read));
  const nodes = numbersOf(read('/sys/devices/system/node/online') ?? '');
  return nodes.filter((node) =>
    numbersOf(read(`/sys/devices/system/node/node${node}/cpulist`) ?? '').some((cpu) => allowed.has(cpu)),
  );
}
