import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeValue, encodeValue } from '../executor/closure/index.js';
import { type AccumulatorOps, opsOf, shippedOps } from './accumulator-ops.js';

/** Adds the values in several tasks, whose sums travel, and merges them. */
function total<T, V>(ops: AccumulatorOps<T, any, V>, tasks: readonly (readonly T[])[]): V {
  const sums = tasks.map((values) => values.reduce((sum, value) => ops.add(sum, value), ops.zero()));
  return ops.value(sums.reduce((a, b) => ops.merge(a, decodeValue(encodeValue(b))), ops.zero()));
}

describe('a long', () => {
  const ops = opsOf({ kind: 'long' });

  it('adds exactly, in whatever parts, beyond what a double holds', () => {
    const whole = fc.maxSafeInteger();
    fc.assert(
      fc.property(fc.array(fc.array(whole)), (tasks) => {
        const exact = tasks.flat().reduce((sum, value) => sum + BigInt(value), 0n);
        expect(total(ops, tasks)).toBe(Number(exact));
      }),
      { seed: 1 },
    );
  });

  it('refuses what is no whole number', () => {
    for (const value of [0.5, 2 ** 53, Number.NaN, '1', 1n, undefined])
      expect(() => ops.add(ops.zero(), value)).toThrow(/a longAccumulator adds whole numbers, not /);
  });
});

describe('a double', () => {
  const ops = opsOf({ kind: 'double' });

  it('adds numbers, special ones too', () => {
    expect(total(ops, [[0.5, 0.25], [], [1]])).toBe(1.75);
    expect(total(ops, [[Number.POSITIVE_INFINITY], [1]])).toBe(Number.POSITIVE_INFINITY);
    expect(total(ops, [[Number.NaN]])).toBeNaN();
  });

  it('refuses what is no number', () => {
    expect(() => ops.add(ops.zero(), '1')).toThrow("a doubleAccumulator adds numbers, not '1'");
  });
});

it('a collection keeps values in order, and gives a copy', () => {
  const ops = opsOf({ kind: 'collection' });
  expect(total(ops, [['a'], [], ['b', { c: 1 }]])).toEqual(['a', 'b', { c: 1 }]);
  const list = ops.add(ops.zero(), 1);
  ops.value(list).push(2);
  expect(list).toEqual([1]);
});

describe("the user's own", () => {
  const merge = (a: Set<number>, b: Set<number>) => new Set([...a, ...b]);
  const start = new Set([0]);
  const { ops, reference } = shippedOps(start, (set, x) => set.add(x), merge, 'accumulator at job.ts:1');

  it('begins each time with a copy of zero', () => {
    ops.add(ops.zero(), 1);
    expect(ops.zero()).toEqual(new Set([0]));
    expect(start).toEqual(new Set([0]));
    expect(
      total(ops, [
        [1, 2],
        [2, 3],
      ]),
    ).toEqual(new Set([0, 1, 2, 3]));
  });

  it('is the same in tasks', () => {
    const there = opsOf(reference);
    expect(there.add(there.add(there.zero(), 4), 5)).toEqual(new Set([0, 4, 5]));
  });

  it('refuses functions that promise a sum', () => {
    const late = shippedOps(
      0,
      async (a, b) => a + b,
      (a) => a,
      'accumulator',
    ).ops;
    expect(() => late.add(0, 1)).toThrow('the function add of an accumulator must return its result at once');
  });
});
