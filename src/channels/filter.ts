/**
 * Tags filters: which publications of a channel a subscriber wants, judged by their tags alone.
 *
 * A filter comes from a client as a tree and is compiled once, at subscribe. Matching then costs a lookup and a compare
 * per leaf; it can not fail.
 */
import type { FilterNode } from '../protocol/messages.js';

export type Tags = Readonly<Record<string, string>>;

/** A compiled tags filter. */
export interface TagsFilter {
  /** Equal for filters that match the same publications by construction: members with equal keys share a class. */
  readonly key: string;
  matches(tags: Tags | undefined): boolean;
}

/** The filter is malformed: 107. */
export class FilterError extends Error {
  override readonly name = 'FilterError';
}

export const MAX_FILTER_DEPTH_LEVELS = 32;
export const MAX_FILTER_NODES = 1000;

type Test = (tags: Tags) => boolean;
type TestValue = (value: string) => boolean;

const NO_TAGS: Tags = Object.freeze(Object.create(null));

/** Compares of a present tag with `val`. A missing tag fails them all. */
const scalarCompares: Readonly<Record<string, (val: string) => TestValue>> = {
  eq: (val) => (tag) => tag === val,
  sw: (val) => (tag) => tag.startsWith(val),
  ew: (val) => (tag) => tag.endsWith(val),
  ct: (val) => (tag) => tag.includes(val),
  gt: decimalCompare((tag, val) => tag > val),
  gte: decimalCompare((tag, val) => tag >= val),
  lt: decimalCompare((tag, val) => tag < val),
  lte: decimalCompare((tag, val) => tag <= val),
};

/** @throws FilterError */
export function compileFilter(node: FilterNode): TagsFilter {
  const { key, test } = new Compiler().compile(node, 1);
  return { key, matches: (tags) => test(tags ?? NO_TAGS) };
}

interface Compiled {
  /** Canonical: order does not count among the children of a group and among `vals`. */
  readonly key: string;
  readonly test: Test;
}

class Compiler {
  #nodes = 0;

  compile(node: FilterNode, level: number): Compiled {
    if (++this.#nodes > MAX_FILTER_NODES) throw new FilterError(`more than ${MAX_FILTER_NODES} nodes`);
    if (level > MAX_FILTER_DEPTH_LEVELS) throw new FilterError(`more than ${MAX_FILTER_DEPTH_LEVELS} levels`);
    if (node.op === '') return compileLeaf(node);
    const children = node.nodes.map((child) => this.compile(child, level + 1));
    const tests = children.map((child) => child.test);
    // Plain nesting: quoting the children's keys again would double them at every level.
    const key = `${node.op}(${children.map((child) => child.key).sort()})`;
    switch (node.op) {
      case 'and':
        if (tests.length === 0) throw new FilterError('"and" needs nodes');
        return { key, test: (tags) => tests.every((test) => test(tags)) };
      case 'or':
        if (tests.length === 0) throw new FilterError('"or" needs nodes');
        return { key, test: (tags) => tests.some((test) => test(tags)) };
      case 'not': {
        const [only, ...others] = tests;
        if (only === undefined || others.length > 0) throw new FilterError('"not" needs exactly one node');
        return { key, test: (tags) => !only(tags) };
      }
      default:
        throw new FilterError('unknown op');
    }
  }
}

function compileLeaf({ cmp, key, val, vals }: FilterNode): Compiled {
  const isSet = cmp === 'in' || cmp === 'nin';
  const isExistence = cmp === 'ex' || cmp === 'nex';
  if (!isSet && !isExistence && cmp !== 'neq' && !Object.hasOwn(scalarCompares, cmp)) {
    throw new FilterError('unknown cmp');
  }
  if (isSet !== vals.length > 0) throw new FilterError(`"${cmp}" ${isSet ? 'needs' : 'takes no'} vals`);
  const isScalar = !isSet && !isExistence;
  if (isScalar !== (val !== '')) throw new FilterError(`"${cmp}" ${isScalar ? 'needs' : 'takes no'} val`);
  if (key === '' && !isExistence) throw new FilterError(`"${cmp}" needs a key`);
  if (isSet) return compileSet(cmp, key, vals);
  return { key: JSON.stringify([cmp, key, val]), test: compileTest(cmp, key, val) };
}

/** A missing tag counts as the empty string here. */
function compileSet(cmp: string, key: string, vals: readonly string[]): Compiled {
  const set = new Set(vals);
  const wanted = cmp === 'in';
  return {
    key: JSON.stringify([cmp, key, [...set].sort()]),
    test: (tags) => set.has(tagOf(tags, key) ?? '') === wanted,
  };
}

function compileTest(cmp: string, key: string, val: string): Test {
  if (cmp === 'ex') return (tags) => tagOf(tags, key) !== undefined;
  if (cmp === 'nex') return (tags) => tagOf(tags, key) === undefined;
  if (cmp === 'neq') return (tags) => tagOf(tags, key) !== val;
  const test = scalarCompares[cmp]!(val);
  return (tags) => {
    const tag = tagOf(tags, key);
    return tag !== undefined && test(tag);
  };
}

const tagOf = (tags: Tags, key: string): string | undefined => (Object.hasOwn(tags, key) ? tags[key] : undefined);

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d{1,19}))?$/;
const FRACTION_DIGITS = 19;
const MAX_DECIMAL_CHARS = 200;

/** Exact, however many digits: prices and ids do not fit doubles. What is not a decimal compares as false. */
function decimalCompare(holds: (tag: bigint, val: bigint) => boolean): (val: string) => TestValue {
  return (text) => {
    const val = parseDecimal(text);
    if (val === undefined) return () => false;
    return (tag) => {
      const value = parseDecimal(tag);
      return value !== undefined && holds(value, val);
    };
  };
}

/** In units of 10^-19. */
function parseDecimal(text: string): bigint | undefined {
  const match = text.length <= MAX_DECIMAL_CHARS ? DECIMAL.exec(text) : null;
  if (match === null) return undefined;
  const [, sign, integer, fraction = ''] = match;
  const units = BigInt(integer + fraction.padEnd(FRACTION_DIGITS, '0'));
  return sign === '-' ? -units : units;
}
