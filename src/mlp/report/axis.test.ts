import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { axisOf, shortNumber } from './axis.js';

const numbers = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 });

describe('axisOf', () => {
  it('has room for every value, and a handful of ticks', () => {
    fc.assert(
      fc.property(numbers, fc.boolean(), (values, tight) => {
        const { ticks, place } = axisOf(values, { tight });
        for (const value of values) {
          expect(place(value)).toBeGreaterThanOrEqual(-1e-6);
          expect(place(value)).toBeLessThanOrEqual(1 + 1e-6);
        }
        expect(ticks.length).toBeLessThan(13);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('has round ticks', () => {
    expect(axisOf([0.12, 0.38]).ticks).toEqual([0.1, 0.2, 0.3, 0.4]);
    expect(axisOf([1, 30], { tight: true, whole: true, linear: true }).ticks).toEqual([10, 20, 30]);
    expect(axisOf([1, 2, 3], { tight: true, whole: true, linear: true }).ticks).toEqual([1, 2, 3]);
  });

  it('is logarithmic over more than a factor of 30', () => {
    expect(axisOf([0.02, 1.8])).toMatchObject({ logarithmic: true, ticks: [0.01, 0.1, 1, 10] });
    expect(axisOf([0, 1.8]).logarithmic).toBe(false);
  });

  it('labels ticks so that they can be told apart', () => {
    expect(axisOf([16, 16]).labels).toEqual(['15', '20']);
    expect(axisOf([0.520101, 0.520139]).labels).toEqual(['0.5201', '0.52011', '0.52012', '0.52013', '0.52014']);
    fc.assert(
      fc.property(numbers, fc.boolean(), (values, tight) => {
        const { ticks, labels } = axisOf(values, { tight });
        expect(new Set(labels).size).toBe(ticks.length);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('stands for one value, and for none', () => {
    expect(axisOf([3]).place(3)).toBeLessThanOrEqual(1);
    expect(axisOf([], { tight: true }).ticks.length).toBeGreaterThan(0);
  });
});

it.each([
  [0, '0'],
  [0.15000000000000002, '0.15'],
  [9999, '9999'],
  [1234567, '1.23M'],
  [-50000, '-50k'],
  [0.00001, '1e-5'],
])('shortNumber(%d)', (value, short) => expect(shortNumber(value)).toBe(short));
