import { Command } from 'commander';
import { configSchema } from '../config/config.js';
import { nameInEnvironment } from '../config/environment.js';
import { isLeaf, optionOf, type Shape } from '../config/fields.js';
import { loadConfig } from '../config/load.js';
import { toFile } from '../config/render.js';
import { isTree, type Tree } from '../config/tree.js';
import { CommandError, type Io } from './io.js';

interface Options {
  base?: string;
  baseNonZeroOnly?: boolean;
  prefix: string;
}

export const defaultenvCommand = (io: Io): Command =>
  new Command('defaultenv')
    .description('print every option as an environment variable with its default')
    .option('-b, --base <file>', 'file whose values are taken instead of the defaults')
    .option('--base-non-zero-only', 'print only what the base file sets')
    .option('--prefix <name>', 'first part of the names: GYRE or CENTRIFUGO', 'GYRE')
    .action(({ base, baseNonZeroOnly, prefix }: Options) => {
      const { config, meta } = loadConfig({ path: base, env: io.env, cwd: io.cwd });
      if (base && !meta.fileFound) throw new CommandError(`${base}: no such file`);
      const tree = baseNonZeroOnly ? meta.file : toFile(config);
      const lines = variables(configSchema.unwrap().shape, tree, `${prefix}_`)
        .filter(([, value]) => !(baseNonZeroOnly && ZERO.includes(value)))
        .map(([name, value]) => `${name}=${quote(value)}`);
      io.out(lines.sort().join('\n'));
    });

/** How values are written that set nothing. */
const ZERO: readonly string[] = ['', 'false', '0', '0s', '[]', '{}'];

type Variable = [name: string, value: string];

/** The variables that set what is in `tree`, which is written as a file is. */
function variables(shape: Shape, tree: Tree, prefix: string): Variable[] {
  return Object.entries(shape).flatMap(([key, schema]): Variable[] => {
    const option = optionOf(schema);
    const value = tree[key];
    if (option === undefined || value === undefined) return [];
    const name = prefix + key.toUpperCase();
    if (isLeaf(option)) return [[name, asText(option.kind, value)]];
    if (option.kind === 'section') return variables(option.shape, value as Tree, `${name}_`);
    return listVariables(option.shape, value as Tree[], name);
  });
}

/** A list whose items have names is those names, and a variable for each field of an item. */
function listVariables(shape: Shape, items: Tree[], name: string): Variable[] {
  if (!('name' in shape)) return [[name, JSON.stringify(items)]];
  const fields = items.flatMap((item) => {
    const { name: itemName, ...rest } = item;
    return variables(shape, rest, `${name}_${nameInEnvironment(String(itemName))}_`);
  });
  return [[name, items.map((item) => String(item.name)).join(' ')], ...fields];
}

function asText(kind: string, value: unknown): string {
  if (Array.isArray(value) && kind === 'strings') return value.join(' ');
  if (kind === 'duration' && typeof value === 'number') return `${value}ns`;
  return Array.isArray(value) || isTree(value) ? JSON.stringify(value) : String(value);
}

/** For a shell as well as for a `.env` file. */
function quote(value: string): string {
  if (/^[\w./:@%+=,-]+$/.test(value)) return value;
  if (!value.includes("'")) return `'${value}'`;
  return `"${value.replace(/["\\$`]/g, '\\$&')}"`;
}
