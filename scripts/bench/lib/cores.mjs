/**
 * Keeping server and generator out of each other's way: each has cores of its own, half of those that this process may
 * use. Then the server can be driven to its limit, and what it costs does not depend on who is started first on which core.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * @typedef {{server: number[], generator: number[]}} Cores  the generator's are also those of a Redis
 * @returns {Cores | undefined} nothing where there is a single core, or no way to keep a process to some of them
 */
export function separateCores() {
  if (process.platform !== 'linux' || spawnSync('taskset', ['--version']).status !== 0) return undefined;
  const status = readFileSync('/proc/self/status', 'utf8');
  return halves(listed(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)[1]));
}

/** The generator has the larger half. @param {number[]} cores */
export function halves(cores) {
  if (cores.length < 2) return undefined;
  const half = Math.floor(cores.length / 2);
  return { server: cores.slice(0, half), generator: cores.slice(half) };
}

/** Numbers of `0-3,8`. */
export const listed = (text) =>
  text.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });

/** A command that runs on these cores only; as it is where there are none given. */
export const keptTo = (cores, command) =>
  cores === undefined ? command : ['taskset', '-c', cores.join(','), ...command];
