/** What Linux says about other processes. Elsewhere CPU and memory of servers are not measured. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

let ticksPerSecond;
const seconds = (ticks) => {
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  return Number(ticks) / ticksPerSecond;
};

/** CPU seconds in a `stat` file of /proc: that of a process counts all its threads. */
function cpuOf(path) {
  const stat = readFileSync(path, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user, system] = [seconds(fields[11]), seconds(fields[12])];
  return { user, system, total: user + system };
}

/** CPU seconds used by all threads of a process since its start. */
export const cpuSeconds = (pid) => cpuOf(`/proc/${pid}/stat`);

/** CPU seconds by thread: name, and what it used since its start. */
export const threadCpuSeconds = (pid) =>
  readdirSync(`/proc/${pid}/task`).map((id) => ({
    id,
    name: readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim(),
    ...cpuOf(`/proc/${pid}/task/${id}/stat`),
  }));

/** Resident set size in bytes. */
export function rssBytes(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)[1]) * 1024;
}

/** The process that listens on a local TCP port; undefined if there is none, or none that this user may look into. */
export function listenerPid(port) {
  const sockets = new Set(['tcp', 'tcp6'].flatMap((table) => listeningSockets(table, port)));
  if (sockets.size === 0) return undefined;
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).find((pid) => openFiles(pid).some((file) => sockets.has(file)));
}

const LISTEN = '0A';

function listeningSockets(table, port) {
  const suffix = `:${Number(port).toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = attempt(() => readFileSync(`/proc/net/${table}`, 'utf8'), '')
    .split('\n')
    .slice(1);
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, local, , state]) => state === LISTEN && local.endsWith(suffix))
    .map((fields) => `socket:[${fields[9]}]`);
}

function openFiles(pid) {
  const folder = `/proc/${pid}/fd`;
  return attempt(() => readdirSync(folder), []).map((fd) => attempt(() => readlinkSync(`${folder}/${fd}`), ''));
}

/** For what may be gone by now, or belong to somebody else. */
function attempt(read, otherwise) {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
