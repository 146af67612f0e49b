import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { restoreFunction, shipFunction } from '../executor/closure/index.js';
import { NumberRange } from './chunks.js';
import { type Column, JoinedPairs, Pairs } from './columns.js';
import { emptyState, fuse, type RowOperator, SEGMENT_OPERATORS } from './fuse.js';
import { loopSource } from './loop-source.js';
import { CombineTable } from './shuffle/combine-table.js';

const operators: Record<string, RowOperator> = {
  add: { kind: 'map', fn: (x: number) => x + 1, name: 'map at a:1' },
  odd: { kind: 'filter', fn: (x: number) => x % 2 !== 0, name: 'filter at a:2' },
  repeat: { kind: 'flatMap', fn: (x: number) => (x % 3 === 0 ? [] : [x, x * 2]), name: 'flatMap at a:3' },
  generate: {
    kind: 'flatMap',
    fn: function* (x: number) {
      yield x;
      if (x % 2) yield -x;
    },
    name: 'flatMap at a:4',
  },
};

/** What the chain means, one operator after another over arrays. */
function reference(chain: readonly RowOperator[], rows: readonly any[]): any[] {
  let current = [...rows];
  for (const { kind, fn } of chain) {
    if (kind === 'map') current = current.map((row) => fn!(row));
    if (kind === 'filter') current = current.filter((row) => fn!(row));
    if (kind === 'flatMap') current = current.flatMap((row) => [...fn!(row)]);
  }
  return current;
}

const chains = fc
  .array(fc.constantFrom(...Object.keys(operators)), { maxLength: 8 })
  .map((names) => names.map((name) => operators[name]!));
const inputs = fc.array(fc.array(fc.integer({ min: -100, max: 100 }), { maxLength: 10 }), { maxLength: 4 });

describe('fuse', () => {
  it('means what its operators mean one after another, over any chunks and into any sink', () => {
    fc.assert(
      fc.property(chains, inputs, (chain, chunks) => {
        const expected = reference(chain, chunks.flat());
        const visited: number[] = [];
        const concat = (all: string, row: unknown) => `${all},${row}`;
        const states = [
          { sink: { kind: 'array' }, state: emptyState() },
          { sink: { kind: 'count' }, state: emptyState() },
          { sink: { kind: 'fold', fn: concat }, state: emptyState() },
          { sink: { kind: 'fold', fn: concat }, state: emptyState({ value: '' }) },
          { sink: { kind: 'foreach', fn: (row: number) => void visited.push(row) }, state: emptyState() },
        ] as const;
        for (const { sink, state } of states) {
          const loop = fuse(chain, sink, 'sink');
          for (const rows of chunks) loop(rows, state);
        }
        const [array, count, reduced, folded] = states.map(({ state }) => state);
        expect(array!.out).toEqual(expected);
        expect(count!.count).toBe(expected.length);
        expect(reduced!.started).toBe(expected.length > 0);
        if (expected.length > 0) expect(String(reduced!.accumulated)).toBe(expected.join(','));
        expect(folded!.accumulated).toBe(expected.map((row) => `,${row}`).join(''));
        expect(visited).toEqual(expected);
      }),
      { seed: 1 },
    );
  });

  it.each([
    [0.1, 0.3],
    [5, 3],
    [-7, -2],
    [-3, 1],
    [2 ** 31 - 13, 1],
    [2 ** 31 - 12, 1],
    [2 ** 53 - 20, 1],
    [2 ** 53 - 3, 1],
  ])('counts a range from %f by %f as if it were the array of its numbers', (from, step) => {
    const range = new NumberRange(from, step, 5, 7);
    const state = emptyState();
    fuse([operators.add!], { kind: 'array' }, 'sink')(range, state);
    expect(state.out).toEqual(range.toArray().map((x) => x + 1));
  });

  it('folds numbers and what they become', () => {
    const fold = (fn: (a: any, b: any) => any, chunks: unknown[][], zero?: { value: unknown }) => {
      const state = emptyState(zero);
      const loop = fuse([], { kind: 'fold', fn }, 'sink');
      for (const rows of chunks) loop(rows, state);
      return state.accumulated;
    };
    const add = (a: any, b: any) => a + b;
    expect(fold(add, [[1, 2], [3], ['x', 4], [5]])).toBe('6x45');
    expect(fold(add, [[1], [2]], { value: -0 })).toBe(3);
    expect(Object.is(fold(Math.min, [[0], [-0]]), -0)).toBe(true);
    expect(fold(add, [[Number.NaN], [1]])).toBeNaN();
    expect(fold((a) => (a === 1 ? undefined : a), [[1], [2], [3]])).toBeUndefined();
  });

  it('leaves the loop of sums wherever a result is no number, and takes it again where one is', () => {
    for (const turn of [1, 100, 700, 2_000, 99_999]) {
      const fold = (text: boolean) => (a: any, x: number) =>
        x === turn ? (text ? 'x' : a + x) : x % 1_000 === 5 ? x : a;
      for (const text of [true, false]) {
        const state = emptyState();
        const range = new NumberRange(0, 1, 0, 100_000);
        fuse([], { kind: 'fold', fn: fold(text) }, 'sink')(range, state);
        expect(state.accumulated).toBe(range.toArray().reduce(fold(text)));
      }
    }
    const later = { kind: 'fold', fn: (a: any, x: number) => (x < 90_000 ? a + x : Promise.resolve(a)) } as const;
    expect(() => fuse([], later, 'reduce at a:9')(new NumberRange(0, 1, 0, 100_000), emptyState())).toThrow(
      'the function of reduce at a:9 returned a promise',
    );
  });

  it('cuts long chains into loops of bounded length', () => {
    const chain = Array.from({ length: 10_000 }, () => operators.add!);
    const state = emptyState();
    fuse(chain, { kind: 'array' }, 'sink')([1, 2], state);
    expect(state.out).toEqual([10_001, 10_002]);
    for (const length of [SEGMENT_OPERATORS - 1, SEGMENT_OPERATORS, SEGMENT_OPERATORS + 1, 2 * SEGMENT_OPERATORS]) {
      const sum = emptyState();
      fuse(chain.slice(0, length), { kind: 'fold', fn: (a, b) => a + b }, 'sink')([0, 0, 0], sum);
      expect(sum.accumulated).toBe(3 * length);
    }
  });

  it('serves a chain that comes again with its own functions, captured values and names', () => {
    const scaled = (factor: number) =>
      restoreFunction(
        shipFunction((x: number) => {
          if (x < 0) throw new Error(`${x} times ${factor}`);
          return x * factor;
        }),
      ) as (x: number) => number;
    for (const factor of [2, 3, 5]) {
      const loop = fuse([{ kind: 'map', fn: scaled(factor), name: `map ${factor}` }], { kind: 'array' }, 'sink');
      for (const rows of [new NumberRange(0, 1, 0, 200_000), Float64Array.of(1, 2), [3, 4]]) {
        const state = emptyState();
        loop(rows, state);
        const expected = (rows instanceof NumberRange ? rows.toArray() : [...rows]).map((x) => x * factor);
        expect(state.out).toEqual(expected);
      }
      expect(() => loop([-1], emptyState())).toThrow(`-1 times ${factor} (in map ${factor})`);
    }
  });

  it('sees rows of columns as the rows they stand for', () => {
    const [keys, lefts, rights]: Column[] = [Float64Array.of(1, 2), Float64Array.of(3, 4), ['a', undefined]];
    const plain: RowOperator[] = [
      { kind: 'filter', fn: ([, [left]]) => left > 2, name: 'f' },
      { kind: 'filter', fn: ([key, [left, right]]) => key + left !== right, name: 'f' },
      { kind: 'mapValues', fn: ([left, right]) => [left + 1, right], name: 'm' },
      { kind: 'map', fn: ([key, [left, right]]) => [key, left, right], name: 'm' },
    ];
    const shipped = plain.map((each) => ({
      ...each,
      fn: restoreFunction(shipFunction(each.fn!)) as (row: any) => any,
    }));
    for (const chain of [plain, shipped])
      for (const rows of [new JoinedPairs(keys!, lefts!, rights!), new JoinedPairs(keys!, lefts!, rights!).toArray()]) {
        const state = emptyState();
        fuse(chain, { kind: 'array' }, 'sink')(rows, state);
        expect(state.out).toEqual([
          [1, 4, 'a'],
          [2, 5, undefined],
        ]);
      }
  });

  it('folds on when a result is no number any more, or has not been one', () => {
    const fn = (a: number | string, b: number | string) =>
      b === 7 || typeof a === 'string' ? `${a},${b}` : a + Number(b);
    for (const rows of [
      [1, 2, 7, 3, 4],
      ['1', 2],
      [undefined, 1],
    ])
      for (const zero of [undefined, { value: 0 }]) {
        const state = emptyState(zero);
        const loop = fuse([{ kind: 'flatMap', fn: (x) => [x, x], name: 'f' }], { kind: 'fold', fn }, 'sink');
        for (const row of rows) loop([row], state);
        const all = emptyState(zero);
        loop(rows, all);
        const twice = rows.flatMap((row) => [row, row]);
        expect(all.accumulated).toEqual(zero ? twice.reduce(fn as any, zero.value) : twice.reduce(fn as any));
        expect(state.accumulated).toEqual(all.accumulated);
      }
  });

  it('keeps apart sinks that differ only in how a key begins', () => {
    const sums = [true, false].map((creates) => {
      const table = new CombineTable();
      const state = Object.assign(emptyState(), { into: table });
      const create = creates ? { create: (x: number) => -x } : {};
      fuse([], { kind: 'combine', ...create, merge: (a, b) => a + b }, 'sink')(new Pairs([1, 1], [10, 20]), state);
      return table.get(table.locate(1));
    });
    expect(sums).toEqual([10, 30]);
  });

  it('is one loop with one call an operator', () => {
    const source = loopSource([operators.add!, operators.odd!], { kind: 'count' }, 'array');
    expect(source.match(/f\d\(/g)).toEqual(['f0(', 'f1(']);
    expect(source.match(/\bfor \(/g)).toHaveLength(1);
  });
});

describe('errors', () => {
  const boom = () => {
    throw new RangeError('boom');
  };
  const run = (chain: RowOperator[], rows: unknown[], sink: Parameters<typeof fuse>[1] = { kind: 'count' }) =>
    fuse(chain, sink, 'reduce at a:9')(rows, emptyState({ value: 0 }));

  it('name the operator whose function threw, and keep its stack', () => {
    const failing: RowOperator = { kind: 'map', fn: boom, name: 'map at a:7' };
    const { failure } = thrown(() => run([operators.add!, operators.repeat!, failing, operators.odd!], [1]));
    expect(failure).toMatchObject({ kind: 'user-error', name: 'RangeError', message: 'boom (in map at a:7)' });
    expect(failure.stack).toContain('fuse.test.ts');
    expect(thrown(() => run([operators.add!], [1], { kind: 'fold', fn: boom })).failure.message).toBe(
      'boom (in reduce at a:9)',
    );
  });

  it('name a generator that throws between its rows', () => {
    const generator: RowOperator = {
      kind: 'flatMap',
      fn: function* (x) {
        yield x;
        boom();
      },
      name: 'flatMap at a:8',
    };
    expect(thrown(() => run([generator, operators.add!, operators.odd!], [1])).failure.message).toBe(
      'boom (in flatMap at a:8)',
    );
  });

  it.each(['map', 'filter', 'flatMap'] as const)('refuse a promise from %s', (kind) => {
    const later: RowOperator = { kind, fn: () => Promise.resolve(true), name: `${kind} at a:5` };
    expect(thrown(() => run([operators.add!, later], [1])).failure.message).toBe(
      `the function of ${kind} at a:5 returned a promise: declare it "async"`,
    );
  });

  it('refuse a promise from a fold, and take rows that are null or look like nothing', () => {
    const later = { kind: 'fold', fn: () => Promise.resolve(1) } as const;
    expect(thrown(() => run([], [1], later)).failure.message).toMatch(
      /reduce at a:9 returned a promise: it must return/,
    );
    const state = emptyState();
    fuse([{ kind: 'map', fn: (x) => x, name: 'm' }], { kind: 'array' }, 's')([null, undefined, Number.NaN, {}], state);
    expect(state.out).toEqual([null, undefined, Number.NaN, {}]);
  });
});

function thrown(work: () => void): any {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
