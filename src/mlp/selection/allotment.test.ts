import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allotment } from './allotment.js';

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 });
const shares = fc.double({ min: 0.01, max: 0.99, noNaN: true });
const sumOf = (values: readonly number[]) => values.reduce((sum, each) => sum + each, 0);

describe('rows of each class that are held out', () => {
  it('are the share of all rows, and leave each class a row', () => {
    fc.assert(
      fc.property(sizes, shares, fc.nat(9), (rows, share, seed) => {
        const held = allotment(rows, share, seed);
        const spare = sumOf(rows) - rows.length;
        expect(sumOf(held)).toBe(Math.min(Math.floor(sumOf(rows) * share + 1e-9), spare));
        expect(held.every((each, k) => each >= 0 && each < rows[k]!)).toBe(true);
        expect(allotment(rows, share, seed)).toEqual(held);
      }),
    );
  });

  it('are the share of each class, but for a row, where each can give it', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 10, max: 90 }), { minLength: 1 }), shares, (rows, share) => {
        fc.pre(rows.every((size) => Math.ceil(size * share) < size));
        for (const [k, held] of allotment(rows, share, 1).entries())
          expect(Math.abs(held - rows[k]! * share)).toBeLessThan(1 + 1e-6);
      }),
    );
  });

  it('come by the largest remainders; others give what a class of one row cannot', () => {
    expect(allotment([107, 12, 1], 0.25, 0)).toEqual([27, 3, 0]);
    expect(allotment([19, 15, 6], 0.1, 0)).toEqual([2, 1, 1]);
    expect(allotment([1, 1, 1, 7], 0.4, 0)).toEqual([0, 0, 0, 4]);
    expect(allotment([1, 1, 1], 0.9, 0)).toEqual([0, 0, 0]);
  });

  it('come from tiny classes too, drawn by the seed', () => {
    const tiny = new Array<number>(50).fill(2);
    expect(sumOf(allotment(tiny, 0.1, 1))).toBe(10);
    expect(allotment(tiny, 0.1, 1)).not.toEqual(allotment(tiny, 0.1, 2));
  });
});
