import { configSchema } from './config.js';
import type { Findings } from './config-error.js';
import { parseDuration } from './duration.js';
import { isLeaf, type Leaf, type Option, optionOf, type Shape } from './fields.js';
import { suggestPath } from './suggest.js';
import { eachPath, isTree, showItem, showKey, type Tree, typeName } from './tree.js';

/**
 * Brings what a file says to the form that the schema checks: names in lower case, nulls and unknown names (warned
 * about) gone, and the loose types that Centrifugo accepts made exact: `port: "8000"` and `insecure: "true"` work.
 *
 * @param at where `raw` is, as shown in messages; empty for the whole file.
 */
export function tidy(shape: Shape, raw: Tree, findings: Findings, at = ''): Tree {
  const tree: Tree = {};
  for (const [writtenKey, value] of Object.entries(raw)) {
    const key = writtenKey.toLowerCase();
    const schema = Object.hasOwn(shape, key) ? shape[key] : undefined;
    if (schema === undefined) {
      findings.unknown.push(showKey(at, key));
      findings.warnings.push(unknownKey(shape, at, key));
    } else if (value !== null) {
      const option = optionOf(schema);
      const tidied = option ? tidyValue(option, value, findings, showKey(at, key)) : value;
      if (tidied !== undefined) tree[key] = tidied;
    }
  }
  return tree;
}

function tidyValue(option: Option, value: unknown, findings: Findings, at: string): unknown {
  if (isLeaf(option)) {
    const exact = exactType(option.kind, value);
    if (!meansDefault(option.leaf, exact)) return exact;
    const zero = `${at}: ${JSON.stringify(value)} in a file means the default, ${JSON.stringify(option.leaf.default)}`;
    findings.warnings.push(`${zero}; to really set it use the environment or a flag`);
    return undefined;
  }
  if (option.kind === 'section') {
    if (isTree(value)) return tidy(option.shape, value, findings, at);
    findings.problems.push(`${at}: wanted an object, found ${typeName(value)}`);
    return undefined;
  }
  if (Array.isArray(value) && value.every(isTree)) {
    return value.map((item, i) => tidy(option.shape, item, findings, showItem(at, item, i)));
  }
  findings.problems.push(`${at}: wanted a list of objects, found ${typeName(value)}`);
  return undefined;
}

/**
 * The value with the type of its kind where it can be read so, else unchanged for the schema to refuse.
 * Strings become numbers and booleans, numbers become strings, one string becomes a list of one.
 */
export function exactType(kind: Option['kind'], value: unknown): unknown {
  switch (kind) {
    case 'bool':
      return typeof value === 'string' ? (parseBool(value) ?? value) : value;
    case 'int':
      return typeof value === 'string' && value.trim() !== '' ? (wholeNumber(value) ?? value) : value;
    case 'text':
    case 'pem':
    case 'choice':
      return typeof value === 'number' ? String(value) : value;
    case 'strings':
      if (typeof value === 'string') return value === '' ? [] : [value];
      return Array.isArray(value) ? value.map((item) => (typeof item === 'number' ? String(item) : item)) : value;
    case 'stringMap':
      return isTree(value) ? lowerKeys(value) : value;
    default:
      return value;
  }
}

/** The spellings of Go's strconv.ParseBool. */
function parseBool(text: string): boolean | undefined {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False', ''].includes(text)) return false;
  return undefined;
}

function wholeNumber(text: string): number | undefined {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}

const lowerKeys = (map: Tree): Tree =>
  Object.fromEntries(Object.entries(map).map(([key, value]) => [key.toLowerCase(), value]));

/** In a file, as in Centrifugo, nothing tells an empty value from one that is not there. */
function meansDefault(leaf: Leaf, value: unknown): boolean {
  return isZero(value) && !isZero(leaf.default);
}

function isZero(value: unknown): boolean {
  if (typeof value === 'string') return value === '' || parseDuration(value) === 0;
  return value === 0 || value === false || (Array.isArray(value) && value.length === 0);
}

let knownPaths: string[] | undefined;

function unknownKey(shape: Shape, at: string, key: string): string {
  knownPaths ??= [...eachPath(configSchema.unwrap().shape)].map(({ path }) => path);
  const parent = at === '' ? '' : `${at}.`;
  const meant = suggestPath(parent, key, Object.keys(shape), knownPaths);
  return `${parent}${key}: unknown option, ignored${meant ? `; did you mean ${meant}?` : ''}`;
}
