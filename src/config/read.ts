import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { type Config, configSchema } from './config.js';
import { Findings } from './config-error.js';
import { type Environment, EnvironmentReader } from './environment.js';
import { isLeaf, type Shape } from './fields.js';
import { readConfigFile } from './file.js';
import { exactType, tidy } from './tidy.js';
import { describeValue, eachLeaf, isTree, optionAt, type Path, showPath, type Tree } from './tree.js';

/** Where a configuration comes from; later fields win over earlier ones. */
export interface Sources {
  /** Configuration file, relative to `cwd`. Without it no file is read. */
  path?: string | undefined;
  /** Variables of the process; the file `.env` in `cwd` adds those that are not set. By default none. */
  env?: Environment;
  /** Values by option path (`http_server.port`), as given on the command line. */
  flags?: Readonly<Record<string, string | boolean>>;
  /** Directory that `path` and `.env` are looked for in. */
  cwd?: string;
}

export interface Meta {
  /** Absolute path of the file, if one was asked for. */
  path: string | undefined;
  fileFound: boolean;
  /** Paths of options in the file that do not exist. */
  unknown: string[];
  /** What the file says, tidied: only options it sets. */
  file: Tree;
}

export interface ReadConfig {
  config: Config;
  warnings: string[];
  meta: Meta;
}

const shape: Shape = configSchema.unwrap().shape;
const LOG_LEVELS: readonly string[] = configSchema.unwrap().shape.log.unwrap().shape.level.unwrap().options;

/**
 * Reads a configuration from its sources and checks names and types, but not whether the options go together (see
 * `loadConfig`). It has no side effect: the environment of the process stays as it is.
 *
 * @throws ConfigError
 */
export function readConfig(sources: Sources): ReadConfig {
  const { env = {}, flags = {}, cwd = process.cwd() } = sources;
  const path = sources.path ? resolve(cwd, sources.path) : undefined;
  const findings = new Findings();
  const environment = { ...readDotEnv(cwd), ...env };

  const raw = path ? readConfigFile(path) : undefined;
  if (path && raw === undefined) {
    findings.warnings.push(`${path}: no such file; using environment variables, flags and defaults`);
  }
  const file = tidy(shape, raw ?? {}, findings);
  const tree = structuredClone(file);
  const reader = new EnvironmentReader(environment, new Set(Object.keys(flags)), findings);
  reader.apply(shape, tree);
  reader.warnUnknown();
  applyFlags(tree, flags);
  expandVariables(tree, environment, findings);
  replaceUnknownLogLevel(tree, findings);

  const config = parse(tree, reader.origins, findings);
  return {
    config,
    warnings: findings.warnings,
    meta: { path, fileFound: raw !== undefined, unknown: findings.unknown, file },
  };
}

function readDotEnv(cwd: string): Environment {
  try {
    return parseEnv(readFileSync(join(cwd, '.env'), 'utf8'));
  } catch {
    return {};
  }
}

function applyFlags(tree: Tree, flags: Readonly<Record<string, string | boolean>>): void {
  for (const [path, value] of Object.entries(flags)) {
    const steps = path.split('.');
    const key = steps.pop()!;
    let at = tree;
    for (const step of steps) {
      if (!isTree(at[step])) at[step] = {};
      at = at[step] as Tree;
    }
    const option = optionAt(shape, path.split('.'));
    at[key] = option ? exactType(option.kind, value) : value;
  }
}

const VARIABLE = /\$\{((?:GYRE|CENTRIFUGO)_VAR_[^}]+)\}/g;

function expandVariables(tree: Tree, environment: Environment, findings: Findings): void {
  eachLeaf(shape, tree, ({ kind, value, set, path }) => {
    if (kind !== 'stringMap' || value === undefined) return;
    const expand = (text: string) =>
      text.replace(VARIABLE, (whole, name: string) => {
        const found = environment[name];
        if (found === undefined) {
          findings.problems.push(`${showPath(path, tree)}: the environment variable ${name} is not set`);
        }
        return found ?? whole;
      });
    set(mapTexts(value, expand));
  });
}

/** Applies `change` to the values, not to the names, of a string map in either of its forms. */
function mapTexts(map: unknown, change: (text: string) => string): unknown {
  const changeOne = (value: unknown) => (typeof value === 'string' ? change(value) : value);
  if (Array.isArray(map)) {
    return map.map((pair: unknown) => (isTree(pair) ? { ...pair, value: changeOne(pair.value) } : pair));
  }
  if (!isTree(map)) return map;
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, changeOne(value)]));
}

/** A level that does not exist must not keep a server from starting. */
function replaceUnknownLogLevel(tree: Tree, findings: Findings): void {
  const log = tree.log;
  if (!isTree(log) || typeof log.level !== 'string') return;
  const level = log.level.toLowerCase();
  log.level = LOG_LEVELS.includes(level) ? level : 'info';
  if (!LOG_LEVELS.includes(level)) {
    findings.warnings.push(`log.level: unknown level ${describeValue(level, false)}; using "info"`);
  }
}

function parse(tree: Tree, origins: ReadonlyMap<string, string>, findings: Findings): Config {
  const result = configSchema.safeParse(tree);
  if (!result.success) {
    const seen = new Set(result.error.issues.map(({ path }) => problemAt(path as Path, tree, origins)));
    findings.problems.push(...seen);
  }
  findings.throwProblems();
  return result.data!;
}

/** One line: where, what is wanted there, what was found; values of secrets are not shown. */
function problemAt(issuePath: Path, tree: Tree, origins: ReadonlyMap<string, string>): string {
  const option = optionAt(shape, issuePath);
  const path = option && isLeaf(option) ? upToLeaf(issuePath) : issuePath;
  const shown = showPath(path, tree);
  const origin = origins.get(shown);
  const value = path.reduce<unknown>((at, step) => (at as Tree | undefined)?.[step], tree);
  const wanted = option && isLeaf(option) ? option.leaf.wanted : 'an object';
  const found = describeValue(value, option !== undefined && isLeaf(option) && option.leaf.secret);
  return `${origin ? `${origin} (${shown})` : shown}: wanted ${wanted}, found ${found}`;
}

/** An issue inside a list of strings or a map is told of the whole option. */
function upToLeaf(path: Path): Path {
  for (let end = 1; end < path.length; end++) {
    const option = optionAt(shape, path.slice(0, end));
    if (typeof path[end - 1] === 'string' && option && isLeaf(option)) return path.slice(0, end);
  }
  return path;
}
