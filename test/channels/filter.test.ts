import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileFilter, FilterError, MAX_FILTER_DEPTH_LEVELS, MAX_FILTER_NODES } from '../../src/channels/filter.js';
import type { FilterNode } from '../../src/protocol/messages.js';

const node = (fields: Partial<FilterNode>): FilterNode => ({
  op: '',
  key: '',
  cmp: '',
  val: '',
  vals: [],
  nodes: [],
  ...fields,
});
const leaf = (cmp: string, key: string, ...vals: string[]): FilterNode =>
  cmp === 'in' || cmp === 'nin' ? node({ cmp, key, vals }) : node({ cmp, key, val: vals[0] ?? '' });
const group = (op: string, ...nodes: FilterNode[]): FilterNode => node({ op, nodes });

describe('leaves', () => {
  test.each<[cmp: string, vals: string[], tag: string | undefined, expected: boolean]>([
    ['eq', ['a'], 'a', true],
    ['eq', ['a'], 'A', false],
    ['eq', ['a'], undefined, false],
    ['neq', ['a'], 'a', false],
    ['neq', ['a'], 'b', true],
    ['neq', ['a'], undefined, true],
    ['in', ['a', 'b'], 'b', true],
    ['in', ['a', 'b'], 'c', false],
    ['in', ['a', 'b'], undefined, false],
    ['in', ['a', ''], undefined, true],
    ['nin', ['a', 'b'], 'b', false],
    ['nin', ['a', 'b'], 'c', true],
    ['nin', ['a', 'b'], undefined, true],
    ['ex', [], '', true],
    ['ex', [], undefined, false],
    ['nex', [], '', false],
    ['nex', [], undefined, true],
    ['sw', ['ab'], 'abc', true],
    ['sw', ['bc'], 'abc', false],
    ['sw', ['a'], undefined, false],
    ['ew', ['bc'], 'abc', true],
    ['ew', ['ab'], 'abc', false],
    ['ew', ['a'], undefined, false],
    ['ct', ['b'], 'abc', true],
    ['ct', ['d'], 'abc', false],
    ['ct', ['a'], undefined, false],
    ['gt', ['42'], '42.0000000000000000001', true],
    ['gt', ['42'], '42', false],
    ['gt', ['9'], '10', true],
    ['gt', ['-2'], '-1', true],
    ['gte', ['42'], '042.00', true],
    ['gte', ['42'], '41.99999999', false],
    ['lt', ['9007199254740993'], '9007199254740992', true],
    ['lt', ['0'], '-0', false],
    ['lte', ['0'], '+0', true],
    ['lte', ['1'], undefined, false],
    ['gt', ['1'], 'two', false],
    ['lt', ['1'], '', false],
    ['lt', ['1'], '.5', false],
    ['lt', ['1'], '0.', false],
    ['lt', ['1'], '1e-3', false],
    ['lt', ['1'], ' 0', false],
    ['lt', ['1'], '0.00000000000000000001', false],
    ['gt', ['one'], '2', false],
    ['gt', ['1'], '9'.repeat(200), true],
    ['gt', ['1'], '9'.repeat(201), false],
  ])('%s %j on tag %j: %s', (cmp, vals, tag, expected) => {
    const filter = compileFilter(leaf(cmp, 'k', ...vals));
    expect(filter.matches(tag === undefined ? { other: 'a' } : { k: tag })).toBe(expected);
  });

  test('no tags at all are missing tags, and inherited properties are none', () => {
    expect(compileFilter(leaf('nex', 'k')).matches(undefined)).toBe(true);
    expect(compileFilter(leaf('ex', 'constructor')).matches({})).toBe(false);
    expect(compileFilter(leaf('ex', '__proto__')).matches({})).toBe(false);
  });
});

describe('groups', () => {
  const yes = leaf('ex', 'here');
  const no = leaf('nex', 'here');
  test.each<[name: string, filter: FilterNode, expected: boolean]>([
    ['and of true', group('and', yes, yes), true],
    ['and with one false', group('and', yes, no), false],
    ['or of false', group('or', no, no), false],
    ['or with one true', group('or', no, yes), true],
    ['not true', group('not', yes), false],
    ['nested', group('and', yes, group('or', no, group('not', no))), true],
  ])('%s', (_, filter, expected) => {
    expect(compileFilter(filter).matches({ here: '' })).toBe(expected);
  });
});

describe('malformed filters', () => {
  const deep = (levels: number): FilterNode => (levels === 1 ? leaf('ex', 'k') : group('not', deep(levels - 1)));
  const wide = (nodes: number): FilterNode => group('or', ...Array.from({ length: nodes - 1 }, () => leaf('ex', 'k')));

  test.each<[name: string, filter: FilterNode]>([
    ['unknown op', group('xor', leaf('ex', 'k'))],
    ['empty leaf', node({})],
    ['unknown cmp', leaf('like', 'k', 'v')],
    ['cmp that is a property of every object', leaf('toString', 'k', 'v')],
    ['scalar without val', leaf('eq', 'k')],
    ['scalar with vals', node({ cmp: 'eq', key: 'k', val: 'v', vals: ['v'] })],
    ['set without vals', leaf('in', 'k')],
    ['set with val', node({ cmp: 'nin', key: 'k', val: 'v', vals: ['v'] })],
    ['existence with val', leaf('ex', 'k', 'v')],
    ['existence with vals', node({ cmp: 'nex', key: 'k', vals: ['v'] })],
    ['scalar without key', leaf('eq', '', 'v')],
    ['set without key', leaf('in', '', 'v')],
    ['empty and', group('and')],
    ['empty or', group('or')],
    ['empty not', group('not')],
    ['not of two', group('not', leaf('ex', 'a'), leaf('ex', 'b'))],
    ['malformed below', group('and', leaf('ex', 'k'), group('or'))],
    ['too deep', deep(MAX_FILTER_DEPTH_LEVELS + 1)],
    ['too many nodes', wide(MAX_FILTER_NODES + 1)],
  ])('%s', (_, filter) => {
    expect(() => compileFilter(filter)).toThrow(FilterError);
  });

  test('at the limits a filter is fine, and existence needs no key', () => {
    expect(compileFilter(deep(MAX_FILTER_DEPTH_LEVELS)).matches({})).toBe(true);
    expect(compileFilter(wide(MAX_FILTER_NODES)).matches({})).toBe(false);
    expect(compileFilter(leaf('ex', '')).matches({ '': 'v' })).toBe(true);
  });
});

describe('key', () => {
  const key = (filter: FilterNode): string => compileFilter(filter).key;

  test('does not depend on order where order means nothing', () => {
    const a = leaf('eq', 'k', 'v');
    const b = leaf('in', 'k', 'x', 'y');
    expect(key(group('and', a, b))).toBe(key(group('and', leaf('in', 'k', 'y', 'x', 'y'), a)));
  });

  test('tells different filters apart', () => {
    const filters = [
      leaf('eq', 'k', 'v'),
      leaf('neq', 'k', 'v'),
      leaf('eq', 'v', 'k'),
      leaf('in', 'k', 'v'),
      leaf('in', 'k', 'v', 'w'),
      leaf('in', 'k', 'v,w'),
      group('and', leaf('eq', 'k', 'v')),
      group('or', leaf('eq', 'k', 'v')),
      group('or', leaf('eq', 'k', 'v'), leaf('eq', 'k', 'w')),
      group('not', leaf('eq', 'k', 'v')),
    ];
    expect(new Set(filters.map(key)).size).toBe(filters.length);
  });
});

test('agrees with a direct reading of the rules', () => {
  const word = fc.constantFrom('a', 'b', 'ab', '1', '2.5', '10', '-3');
  const name = fc.constantFrom('k', 'l');
  const leaves = fc.oneof(
    fc.tuple(fc.constantFrom('eq', 'neq', 'sw', 'ew', 'ct', 'gt', 'gte', 'lt', 'lte'), name, word),
    fc.tuple(fc.constantFrom('ex', 'nex'), name),
    fc.tuple(fc.constantFrom('in', 'nin'), name, word, word),
  );
  const { tree } = fc.letrec<{ tree: FilterNode }>((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      leaves.map(([cmp, key, ...vals]) => leaf(cmp!, key!, ...vals)),
      fc
        .tuple(fc.constantFrom('and', 'or'), fc.array(tie('tree'), { minLength: 1, maxLength: 3 }))
        .map(([op, nodes]) => group(op, ...nodes)),
      tie('tree').map((child) => group('not', child)),
    ),
  }));
  const naive = (filter: FilterNode, tags: Record<string, string>): boolean => {
    if (filter.op === 'and') return !filter.nodes.some((child) => !naive(child, tags));
    if (filter.op === 'or') return filter.nodes.some((child) => naive(child, tags));
    if (filter.op === 'not') return !naive(filter.nodes[0]!, tags);
    const tag = tags[filter.key];
    if (filter.cmp === 'neq') return tag !== filter.val;
    if (filter.cmp === 'nin') return tag === undefined || !filter.vals.includes(tag);
    if (filter.cmp === 'nex') return tag === undefined;
    if (tag === undefined) return false;
    // The numbers in this test are exact as doubles.
    const [x, y] = [Number(tag), Number(filter.val)];
    switch (filter.cmp) {
      case 'ex':
        return true;
      case 'eq':
        return tag === filter.val;
      case 'in':
        return filter.vals.includes(tag);
      case 'sw':
        return tag.indexOf(filter.val) === 0;
      case 'ew':
        return tag.slice(-filter.val.length) === filter.val;
      case 'ct':
        return tag.split(filter.val).length > 1;
      case 'gt':
        return x > y;
      case 'gte':
        return x >= y;
      case 'lt':
        return x < y;
      default:
        return x <= y;
    }
  };
  fc.assert(
    fc.property(tree, fc.dictionary(name, word), (filter, tags) => {
      expect(compileFilter(filter).matches(tags)).toBe(naive(filter, tags));
    }),
    { seed: 3, numRuns: 2000 },
  );
});
