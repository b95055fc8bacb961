import { isLeaf, type Leaf, type Option, optionOf, type Shape } from './fields.js';

/** Values by option name, as read from a file and not checked yet. */
export type Tree = Record<string, unknown>;
export type Path = readonly (string | number)[];

export interface LeafVisit {
  path: Path;
  kind: Option['kind'];
  leaf: Leaf;
  /** Undefined when the tree says nothing about the option. */
  value: unknown;
  /** Puts another value in its place. */
  set(value: unknown): void;
}

export const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Calls `visit` for every option of `shape`, and for those of each list item that is in `tree`, in schema order. */
export function eachLeaf(shape: Shape, tree: Tree, visit: (at: LeafVisit) => void, path: Path = []): void {
  for (const [key, schema] of Object.entries(shape)) {
    const option = optionOf(schema);
    if (option === undefined) continue;
    const value = tree[key];
    const here = [...path, key];
    if (isLeaf(option)) {
      const set = (next: unknown) => {
        tree[key] = next;
      };
      visit({ path: here, kind: option.kind, leaf: option.leaf, value, set });
    } else if (option.kind === 'section') {
      eachLeaf(option.shape, isTree(value) ? value : {}, visit, here);
    } else if (Array.isArray(value)) {
      value.forEach((item, i) => {
        if (isTree(item)) eachLeaf(option.shape, item, visit, [...here, i]);
      });
    }
  }
}

/** Every path of the schema; the items of a list are written `namespaces[]`. */
export function* eachPath(shape: Shape, prefix = ''): Generator<{ path: string; option: Option }> {
  for (const [key, schema] of Object.entries(shape)) {
    const option = optionOf(schema);
    if (option === undefined) continue;
    const path = prefix + key;
    yield { path, option };
    if (option.kind === 'section') yield* eachPath(option.shape, `${path}.`);
    if (option.kind === 'list') yield* eachPath(option.shape, `${path}[].`);
  }
}

/** The option at `path`, or the last one on the way to it. */
export function optionAt(shape: Shape, path: Path): Option | undefined {
  let found: Option | undefined;
  let inside: Shape = shape;
  for (const step of path) {
    if (typeof step === 'number') continue;
    const schema = inside[step];
    const option = schema && optionOf(schema);
    if (option === undefined) return found;
    found = option;
    if (isLeaf(option)) return found;
    inside = option.shape;
  }
  return found;
}

/** `channel.namespaces["chat"].history_ttl`: items are shown by name where they have one. */
export function showPath(path: Path, tree: Tree): string {
  let text = '';
  let at: unknown = tree;
  for (const step of path) {
    at = (at as Tree | undefined)?.[step];
    text = typeof step === 'number' ? showItem(text, at, step) : showKey(text, step);
  }
  return text;
}

export const showKey = (parent: string, key: string): string => (parent === '' ? key : `${parent}.${key}`);

export function showItem(parent: string, item: unknown, position: number): string {
  const name = isTree(item) ? item.name : undefined;
  return `${parent}[${typeof name === 'string' && name !== '' ? JSON.stringify(name) : position}]`;
}

/** A path with positions and names of items taken out, as `eachPath` writes it. */
export const plainPath = (path: Path): string =>
  path.reduce<string>((text, step) => (typeof step === 'number' ? `${text}[]` : showKey(text, step)), '');

export function typeName(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

const LONGEST_SHOWN = 60;

/** What was found in place of a wanted value; nothing of a secret. */
export function describeValue(value: unknown, secret: boolean): string {
  if (typeof value === 'object') return typeName(value);
  if (secret) return `${typeName(value)} (not shown)`;
  const text = JSON.stringify(value) ?? String(value);
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}
