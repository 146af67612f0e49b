import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addMoment, mergeMoments, noMoments, StatCounter } from './stat-counter.js';

const momentsOf = (values: readonly number[]) => values.reduce(addMoment, noMoments());

it('moments of parts merge to those of the whole', () => {
  const values = fc.array(fc.integer({ min: -1000, max: 1000 }), { maxLength: 30 });
  const property = fc.property(values, values, (a, b) => {
    const merged = mergeMoments(momentsOf(a), momentsOf(b));
    const both = new StatCounter(momentsOf(a)).merge(new StatCounter(momentsOf(b)));
    const all = new StatCounter(momentsOf([...a, ...b]));
    for (const name of Object.keys(all) as ('mean' | 'variance')[])
      expect(both[name]).toSatisfy(
        (found: number) => Object.is(found, all[name]) || Math.abs(found - all[name]) < 1e-6,
      );
    for (const [i, value] of momentsOf([...a, ...b]).entries())
      expect(merged[i]).toSatisfy((found: number) => found === value || Math.abs(found - value) < 1e-6);
  });
  fc.assert(property, { seed: 1 });
});

it('a small part changes a large one only a little', () => {
  const [count, mean, m2] = mergeMoments(momentsOf(new Array(1000).fill(5)), momentsOf([6]));
  expect([count, mean]).toEqual([1001, 5 + 1 / 1001]);
  expect(m2).toBeCloseTo(1000 / 1001, 12);
});

it('statistics of nothing are what Spark says', () => {
  expect({ ...new StatCounter(noMoments()) }).toEqual({
    ...{ count: 0, mean: 0, sum: 0, min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY },
    ...{ variance: Number.NaN, sampleVariance: Number.NaN, stdev: Number.NaN, sampleStdev: Number.NaN },
  });
});

it('NaN is in everything', () => {
  const { min, max, mean } = new StatCounter(momentsOf([1, Number.NaN, 2]));
  expect([min, max, mean]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
});
