import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyedRandom, shuffledIndices } from '../rdd/random.js';
import { ExactSums, scaledToNumber } from './exact-sum.js';

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

/** A float64 as a multiple of 2^-1074. */
function scaled(value: number): bigint {
  const bits = new DataView(Float64Array.of(value).buffer).getBigUint64(0, true);
  const exponent = (bits >> 52n) & 0x7ffn;
  const fraction = bits & 0xfffffffffffffn;
  const magnitude = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
  return bits >> 63n ? -magnitude : magnitude;
}

function sumOf(values: readonly number[]): ExactSums {
  const sums = new ExactSums(1);
  for (const value of values) sums.add(0, value);
  return sums;
}

describe('ExactSums', () => {
  it('equals the sum in integers of any size', () => {
    fc.assert(
      fc.property(fc.array(finite), (values) => {
        expect(sumOf(values).scaled(0)).toBe(values.reduce((total, value) => total + scaled(value), 0n));
      }),
    );
  });

  it('rounds one value to itself, and two as the processor does', () => {
    fc.assert(
      fc.property(finite, finite, (a, b) => {
        expect(sumOf([a]).sum(0)).toBe(a === 0 ? 0 : a);
        expect(sumOf([a, b]).sum(0)).toBe(a + b === 0 ? 0 : a + b);
      }),
    );
  });

  it('loses nothing to cancellation, and rounds ties to even', () => {
    expect(sumOf([1e300, 1, -1e300]).sum(0)).toBe(1);
    expect(sumOf([2 ** 53, 1]).sum(0)).toBe(2 ** 53);
    expect(sumOf([2 ** 53, 1, 2 ** -1074]).sum(0)).toBe(2 ** 53 + 2);
    expect(sumOf([2 ** 53 + 2, 1]).sum(0)).toBe(2 ** 53 + 4);
    expect(sumOf(Array.from({ length: 10 }, () => 0.1)).sum(0)).toBe(1);
    expect(sumOf([Number.MAX_VALUE, Number.MAX_VALUE]).sum(0)).toBe(Number.POSITIVE_INFINITY);
    expect(sumOf([Number.MAX_VALUE, Number.MAX_VALUE, -Number.MAX_VALUE]).sum(0)).toBe(Number.MAX_VALUE);
    expect(sumOf([-5e-324, 5e-324, -5e-324]).sum(0)).toBe(-5e-324);
    expect(sumOf([]).sum(0)).toBe(0);
  });

  it('is the same for every order and partitioning, down to its text', () => {
    fc.assert(
      fc.property(
        fc.array(finite, { minLength: 1 }),
        fc.integer(),
        fc.integer({ min: 1, max: 5 }),
        (values, seed, parts) => {
          const shuffled = [...shuffledIndices(values.length, keyedRandom(seed, 'order'))].map((i) => values[i]!);
          const partitions = Array.from({ length: parts }, (_, part) =>
            sumOf(shuffled.filter((_v, i) => i % parts === part)),
          );
          const merged = new ExactSums(1);
          for (const partition of partitions) merged.merge(ExactSums.fromText(partition.toText()));
          expect(merged.toText()).toBe(sumOf(values).toText());
          expect(merged.sum(0)).toBe(sumOf(values).sum(0));
        },
      ),
    );
  });

  it('keeps columns apart, and passes carries on in time', () => {
    const rows = 600_000;
    const matrix = new Float64Array(2 * rows);
    for (let row = 0; row < rows; row++) matrix.set([1 + 2 ** -52, -(2 ** 31 + 1)], 2 * row);
    const sums = new ExactSums(2);
    sums.addRows(matrix, rows);
    sums.addRows(matrix, rows);
    expect(sums.sum(0)).toBe(1_200_000 * (1 + 2 ** -52));
    expect(sums.sum(1)).toBe(-1_200_000 * (2 ** 31 + 1));
  });

  it('squares float32 exactly', () => {
    const matrix = Float32Array.of(0.1, 3e38, -1e-45, 1e20);
    const sums = new ExactSums(2);
    sums.addSquaresOfRows(matrix, 2);
    expect(sums.scaled(0)).toBe(scaled(matrix[0]! ** 2) + scaled(matrix[2]! ** 2));
    expect(sums.scaled(1)).toBe(scaled(matrix[1]! ** 2) + scaled(matrix[3]! ** 2));
  });

  it('carries values that are not finite through', () => {
    const sums = new ExactSums(3);
    sums.addRows(
      Float64Array.of(1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 1, Number.POSITIVE_INFINITY),
      2,
    );
    const copy = ExactSums.fromText(sums.toText());
    expect([0, 1, 2].map((column) => copy.sum(column))).toEqual([Number.NaN, Number.POSITIVE_INFINITY, Number.NaN]);
  });

  it('refuses sizes that do not fit', () => {
    expect(() => new ExactSums(2).merge(new ExactSums(3))).toThrow('3 columns into sums of 2');
    expect(() => new ExactSums(2).addRows(new Float32Array(5), 2)).toThrow('2 rows of 2 columns need 4 values, got 5');
    expect(() => ExactSums.fromText('["xp1"]')).toThrow(SyntaxError);
  });
});

describe('scaledToNumber', () => {
  it('scales by powers far apart', () => {
    expect(scaledToNumber(3n << 3000n, -3001)).toBe(1.5);
    expect(scaledToNumber(-1n, 1023)).toBe(-(2 ** 1023));
    expect(scaledToNumber(1n, -3000)).toBe(0);
  });
});
