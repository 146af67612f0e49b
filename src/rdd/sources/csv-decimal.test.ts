import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nearestQuotient, POWERS_OF_TEN } from './csv-decimal.js';

/** Digits, at most 18 of them, with the point before the last `decimals`. */
function parse(digits: string, decimals: number): number {
  const high = digits.slice(0, 9);
  const low = digits.slice(9);
  return nearestQuotient(Number(high), POWERS_OF_TEN[low.length]!, Number(low), POWERS_OF_TEN[decimals]!);
}

describe('nearestQuotient', () => {
  it('is the double that JavaScript reads', () => {
    const digits = fc.stringMatching(/^\d{1,18}$/);
    fc.assert(
      fc.property(digits, fc.nat(20), (text, decimals) => parse(text, decimals) === Number(`${text}e-${decimals}`)),
      { numRuns: 20_000, seed: 1 },
    );
  });

  it('is the double of which the digits were printed', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.001, max: 0.999, noNaN: true }), (value) => {
        const [, decimals] = value.toFixed(18).split('.');
        expect(parse(decimals!, 18)).toBe(Number(value.toFixed(18)));
      }),
      { numRuns: 5_000, seed: 2 },
    );
  });

  it.each([
    ['900719925474099300', 2], // 2^53 + 1, halfway: down to even
    ['900719925474099500', 2], // 2^53 + 3, halfway: up to even
    ['900719925474099301', 2],
    ['900719925474099299', 2],
    ['450359962737049650', 3], // halfway with one bit behind the point
    ['450359962737049750', 3],
    ['999999999999999999', 0],
    ['999999999999999999', 20],
    ['000000000000000001', 20],
    ['000000000000000000', 5],
  ])('rounds %s behind %i decimals once', (digits, decimals) => {
    expect(parse(digits, decimals)).toBe(Number(`${digits}e-${decimals}`));
  });
});
