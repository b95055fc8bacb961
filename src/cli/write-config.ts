import { writeFileSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { stringify as toToml } from 'smol-toml';
import { stringify as toYaml } from 'yaml';
import type { Tree } from '../config/tree.js';
import { CommandError } from './io.js';

const formats: Readonly<Record<string, (tree: Tree) => string>> = {
  '.json': (tree) => `${JSON.stringify(tree, null, 2)}\n`,
  '.yaml': (tree) => toYaml(tree),
  '.yml': (tree) => toYaml(tree),
  '.toml': (tree) => `${toToml(tree)}\n`,
};

/**
 * A configuration in the format that the extension of `path` names.
 *
 * @throws CommandError when it names none.
 */
export function formatFor(path: string, tree: Tree): string {
  const format = formats[extname(path).toLowerCase()];
  if (format === undefined) {
    throw new CommandError(`${path}: the name of a configuration file ends in ${Object.keys(formats).join(', ')}`);
  }
  return format(tree);
}

/**
 * Writes a file that only its owner can read: it holds keys.
 *
 * @throws CommandError when there is a file already, which stays as it is.
 */
export function writeNew(path: string, text: string, cwd: string): void {
  try {
    writeFileSync(resolve(cwd, path), text, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new CommandError(`${path} exists already; name another file with --config`);
    throw new CommandError(`${path} cannot be written (${code})`);
  }
}
