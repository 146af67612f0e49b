import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seeded } from '../../../test/support/seeded.js';
import { orderOfNumbers, sortNumbers } from './radix-sort.js';

const compare = (a: number, b: number) => +Number.isNaN(a) - +Number.isNaN(b) || (a < b ? -1 : a > b ? 1 : 0);

/** More than are compared, made of the given ones and of others around them. */
function many(given: readonly number[], seed: number): number[] {
  const random = seeded(seed);
  return Array.from(
    { length: 40_000 },
    (_, i) => given[i % (given.length + 1)] ?? (random() - 0.5) * 10 ** (random() * 40 - 20),
  );
}

describe.each([
  ['few', (given: number[]) => given],
  ['many', (given: number[]) => many(given, given.length)],
])('%s numbers', (_, make) => {
  it('are put into order, equal ones in their old order', () => {
    fc.assert(
      fc.property(fc.array(fc.double(), { maxLength: 20 }), fc.boolean(), (given, descending) => {
        const numbers = make(given);
        const rows = [...numbers.keys()];
        rows.sort(
          (a, b) => (descending ? compare(numbers[b]!, numbers[a]!) : compare(numbers[a]!, numbers[b]!)) || a - b,
        );
        const keys = Float64Array.from(numbers);
        expect([...orderOfNumbers(keys, descending)]).toEqual(rows);
        const sorted = [...sortNumbers(keys, descending)].map((x) => x + 0);
        expect(sorted).toEqual(rows.map((row) => numbers[row]! + 0));
        expect([...keys]).toEqual(numbers);
      }),
      { seed: 1, numRuns: make([]).length > 0 ? 8 : 100 },
    );
  });
});
