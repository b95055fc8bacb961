import type { Findings } from './config-error.js';
import { isLeaf, optionOf, type Shape } from './fields.js';
import { nearest } from './suggest.js';
import { exactType, tidy } from './tidy.js';
import { isTree, showItem, showKey, type Tree } from './tree.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The first that is set wins. */
export const PREFIXES = ['GYRE_', 'CENTRIFUGO_'] as const;

/** Kubernetes sets variables such as GYRE_PORT_8000_TCP and GYRE_SERVICE_HOST in pods next to a service "gyre". */
const KUBERNETES = /^(?:GYRE|CENTRIFUGO)(?:_[A-Z0-9_]+)?_(?:PORT|SERVICE_)/;
/** Not options: parts of values of string maps. */
const VARIABLE = /^(?:GYRE|CENTRIFUGO)_VAR_/;

/** How the name of a list item is written in the name of a variable. */
export const nameInEnvironment = (name: string): string => name.toUpperCase().replace(/[.-]/g, '_');

/**
 * Puts what the environment says over `tree`. Variables are named by the option's path: `GYRE_CLIENT_PING_INTERVAL`;
 * an empty one is not set. Lists of objects are JSON, or names whose fields have variables of their own:
 * `GYRE_CHANNEL_NAMESPACES="chat news" GYRE_CHANNEL_NAMESPACES_CHAT_PRESENCE=true`.
 */
export class EnvironmentReader {
  readonly known = new Set<string>();
  /** Which variable set the option at a shown path. */
  readonly origins = new Map<string, string>();

  /** @param given paths set by flags, which the environment does not change. */
  constructor(
    private readonly environment: Environment,
    private readonly given: ReadonlySet<string>,
    private readonly findings: Findings,
  ) {}

  apply(shape: Shape, tree: Tree, prefix = '', at = ''): void {
    for (const [key, schema] of Object.entries(shape)) {
      const option = optionOf(schema);
      if (option === undefined) continue;
      const name = prefix + key.toUpperCase();
      const path = showKey(at, key);
      if (option.kind === 'section') {
        const inside = isTree(tree[key]) ? tree[key] : {};
        this.apply(option.shape, inside, `${name}_`, path);
        if (Object.keys(inside).length > 0) tree[key] = inside;
        continue;
      }
      const found = this.look(name);
      if (isLeaf(option)) {
        if (found === undefined || this.given.has(path)) continue;
        this.origins.set(path, found.name);
        tree[key] = this.read(option.kind, found);
      } else {
        if (found !== undefined) tree[key] = this.readList(option.shape, tree[key], found);
        if ('name' in option.shape && Array.isArray(tree[key])) this.applyItems(option.shape, tree[key], name, path);
      }
    }
  }

  private applyItems(shape: Shape, items: unknown[], name: string, path: string): void {
    items.forEach((item, i) => {
      if (!isTree(item) || typeof item.name !== 'string') return;
      this.apply(shape, item, `${name}_${nameInEnvironment(item.name)}_`, showItem(path, item, i));
    });
  }

  private look(name: string): { name: string; text: string } | undefined {
    for (const prefix of PREFIXES) this.known.add(prefix + name);
    for (const prefix of PREFIXES) {
      const text = this.environment[prefix + name];
      if (text) return { name: prefix + name, text };
    }
    return undefined;
  }

  private read(kind: Parameters<typeof exactType>[0], found: { name: string; text: string }): unknown {
    if (kind === 'strings') return found.text.split(/\s+/).filter((word) => word !== '');
    if (kind === 'stringMap') return this.readJson(found, 'a JSON object of strings');
    return exactType(kind, found.text);
  }

  private readList(shape: Shape, present: unknown, found: { name: string; text: string }): unknown {
    if ('name' in shape && !found.text.trimStart().startsWith('[')) {
      const items = Array.isArray(present) ? present : [];
      const names = found.text.split(/\s+/).filter((name) => name !== '' && !items.some((item) => item.name === name));
      return [...items, ...names.map((name) => ({ name }))];
    }
    const items = this.readJson(found, 'a JSON array of objects');
    if (Array.isArray(items) && items.every(isTree)) {
      return items.map((item, i) => tidy(shape, item, this.findings, showItem(found.name, item, i)));
    }
    if (items !== undefined) this.findings.problems.push(`${found.name}: wanted a JSON array of objects`);
    return present;
  }

  private readJson(found: { name: string; text: string }, wanted: string): unknown {
    try {
      return JSON.parse(found.text);
    } catch {
      this.findings.problems.push(`${found.name}: wanted ${wanted}, found text that is not JSON`);
      return undefined;
    }
  }

  /** Warns about variables that look like options and are none; call it after `apply`. */
  warnUnknown(): void {
    for (const [name, text] of Object.entries(this.environment)) {
      const prefix = PREFIXES.find((each) => name.startsWith(each));
      if (prefix === undefined || !text || this.known.has(name)) continue;
      if (KUBERNETES.test(name) || VARIABLE.test(name)) continue;
      const meant = nearest(name, this.known);
      this.findings.warnings.push(`${name}: unknown variable, ignored${meant ? `; did you mean ${meant}?` : ''}`);
    }
  }
}
