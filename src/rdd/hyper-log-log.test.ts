import { describe, expect, it } from 'vitest';
import { estimate, mergeRegisters, noteValue, precisionFor } from './hyper-log-log.js';

function sketch(values: Iterable<unknown>, precision: number): Uint8Array {
  const registers = new Uint8Array(2 ** precision);
  for (const value of values) noteValue(registers, value, precision);
  return registers;
}

const KINDS: Record<string, (i: number, seed: number) => unknown> = {
  integers: (i, seed) => i + seed * 1e6,
  fractions: (i, seed) => (i + 0.5) / (seed + 3),
  texts: (i, seed) => `user-${seed}-${i}`,
  pairs: (i, seed) => [i % 100, Math.floor(i / 100), seed],
};

describe.each(Object.keys(KINDS))('HyperLogLog of %s', (kind) => {
  it('errs as little as its relative standard deviation says, from few values to many', () => {
    const precision = precisionFor(0.03);
    for (const distinct of [10, 300, 3000, 30_000]) {
      const errors = Array.from({ length: 12 }, (_, seed) => {
        const values = Array.from({ length: distinct }, (_, i) => KINDS[kind]!(i, seed));
        return estimate(sketch(values, precision), precision) / distinct - 1;
      });
      const rms = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length);
      // The root mean square of 12 normal errors stays below 1.6 times their deviation in 99.9 % of cases.
      expect(rms).toBeLessThan(0.03 * 1.6);
      expect(Math.abs(errors.reduce((a, b) => a + b) / errors.length)).toBeLessThan((0.03 * 3.3) / Math.sqrt(12));
    }
  });
});

describe('HyperLogLog', () => {
  it('counts equal values once, and parts as the whole', () => {
    const values = Array.from({ length: 5000 }, (_, i) => i % 700);
    const whole = sketch(values, 10);
    expect(mergeRegisters(sketch(values.slice(0, 900), 10), sketch(values.slice(800), 10))).toEqual(whole);
    expect(sketch(new Set(values), 10)).toEqual(whole);
    expect(sketch([-0], 4)).toEqual(sketch([0], 4));
    expect(estimate(sketch([], 10), 10)).toBe(0);
    expect(estimate(sketch(['a', 1, '1', null, [1]], 12), 12)).toBe(5);
  });

  it('takes the precision that the relative deviation needs', () => {
    expect([0.9, 0.05, 0.01, 0.0003].map(precisionFor)).toEqual([4, 9, 14, 24]);
  });
});
