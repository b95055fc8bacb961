import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { parse as parseToml, TomlError } from 'smol-toml';
import { LineCounter, parseDocument } from 'yaml';
import { ConfigError } from './config-error.js';
import { isTree, type Tree } from './tree.js';

/** Parses text or throws a ConfigError that says where it is wrong and shows nothing of it: it may hold secrets. */
type Parse = (text: string, path: string) => unknown;

const parsers: Readonly<Record<string, Parse>> = {
  '.json': parseJsonText,
  '.yaml': parseYamlText,
  '.yml': parseYamlText,
  '.toml': parseTomlText,
};

export const FILE_EXTENSIONS = Object.keys(parsers);

/**
 * Reads a configuration file in the format its extension names.
 *
 * @returns what is in it, or undefined when there is no such file.
 * @throws ConfigError when it cannot be read or parsed.
 */
export function readConfigFile(path: string): Tree | undefined {
  const parse = parsers[extname(path).toLowerCase()];
  if (parse === undefined) {
    throw new ConfigError([`${path}: the name of a configuration file ends in ${FILE_EXTENSIONS.join(', ')}`]);
  }
  const text = readText(path);
  if (text === undefined) return undefined;
  const tree = parse(text, path) ?? {};
  if (!isTree(tree)) throw new ConfigError([`${path}: wanted an object at the top`]);
  return tree;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new ConfigError([`${path}: cannot be read (${code})`]);
  }
}

const refuse = (path: string, format: string, where: string): never => {
  throw new ConfigError([`${path}: not valid ${format}${where}`]);
};

function parseJsonText(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return refuse(path, 'JSON', whereInJson(text, (error as SyntaxError).message));
  }
}

/** V8 gives a position, or quotes ten characters before and after the fault, with "..." where more is left out. */
function whereInJson(text: string, message: string): string {
  const position = /at position (\d+)/.exec(message);
  if (position) return whereAt(text, Number(position[1]));
  const quoted = /, (\.\.\.)?"([\s\S]*?)"(?:\.\.\.)? is not valid JSON$/.exec(message);
  if (quoted) return quoted[1] ? whereAt(text, text.indexOf(quoted[2]!) + 10) : ', near its beginning';
  return ': it ends too early';
}

function whereAt(text: string, offset: number): string {
  const before = text.slice(0, offset).split('\n');
  return `, line ${before.length} column ${before.at(-1)!.length + 1}`;
}

function parseYamlText(text: string, path: string): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines });
  const fault = document.errors[0];
  if (fault === undefined) return document.toJS();
  const { line, col } = lines.linePos(fault.pos[0]);
  return refuse(path, 'YAML', `, line ${line} column ${col}: ${fault.code.toLowerCase().replaceAll('_', ' ')}`);
}

function parseTomlText(text: string, path: string): unknown {
  try {
    return parseToml(text);
  } catch (error) {
    return refuse(path, 'TOML', error instanceof TomlError ? `, line ${error.line} column ${error.column}` : '');
  }
}
