import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ExactSums } from '../exact-sum.js';
import { WeightSums } from './weight-sums.js';

const sumOf = (weights: readonly number[]) => {
  const sums = new WeightSums();
  for (const weight of weights) sums.add(3, weight);
  return sums;
};

describe('WeightSums', () => {
  const weight = fc.oneof(
    fc.integer({ min: 0, max: 9 }),
    fc.double({ min: 0, max: 1e9, noNaN: true }),
    fc.constantFrom(2 ** 53, 2 ** 53 - 1, 1e-300, 0.1),
  );

  it('are the correctly rounded sums, in any order and from any parts', () => {
    fc.assert(
      fc.property(fc.array(weight, { maxLength: 40 }), fc.nat(), (weights, cut) => {
        const exact = new ExactSums(1);
        for (const each of weights) exact.add(0, each);
        expect(sumOf(weights).get(3)).toBe(exact.sum(0));
        const at = cut % (weights.length + 1);
        const merged = sumOf(weights.slice(at).reverse());
        merged.merge(sumOf(weights.slice(0, at)).toState());
        expect(merged.get(3)).toBe(exact.sum(0));
      }),
    );
  });

  it('hold the keys that occur', () => {
    const sums = new WeightSums();
    sums.add(1e8, 2);
    sums.add(5, 0.5);
    sums.add(7, 0);
    expect([...sums.keys()]).toEqual([5, 1e8]);
    expect([sums.get(1e8), sums.get(6)]).toEqual([2, 0]);
  });
});
