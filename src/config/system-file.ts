/** Small files in which a system tells about itself. */
import { readFileSync } from 'node:fs';

/** Reads one; undefined when it is not there. */
export type ReadSystemFile = (path: string) => string | undefined;

export const readSystemFile: ReadSystemFile = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

/** CPUs or memory nodes, from a list such as `0-3,8`. */
export function numbersOf(list: string): number[] {
  return list
    .trim()
    .split(',')
    .filter((range) => range !== '')
    .flatMap((range) => {
      const [first, last = first] = range.split('-').map(Number);
      return Array.from({ length: last! - first! + 1 }, (_, index) => first! + index);
    });
}

/** The CPUs that this process may use; undefined where the system does not say. */
export function allowedCpus(read: ReadSystemFile): number[] | undefined {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(read('/proc/self/status') ?? '')?.[1];
  return list === undefined ? undefined : numbersOf(list);
}
