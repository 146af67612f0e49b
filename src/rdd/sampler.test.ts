import { expect, it } from 'vitest';
import { keyedRandom } from './random.js';
import { drawIndices, perPartition, poisson } from './sampler.js';

it.each([0, 0.2, 3, 100])('Poisson numbers have mean and variance %d', (mean) => {
  const random = keyedRandom(1, 'poisson');
  const draws = Array.from({ length: 20_000 }, () => poisson(mean, random));
  const found = draws.reduce((a, b) => a + b, 0) / draws.length;
  const variance = draws.reduce((a, b) => a + (b - found) ** 2, 0) / draws.length;
  expect(Math.abs(found - mean)).toBeLessThanOrEqual(4 * Math.sqrt(mean / 20_000));
  expect(Math.abs(variance - mean)).toBeLessThanOrEqual(0.06 * mean);
});

it('every row is drawn equally often, and stands equally often in every place', () => {
  const seen = Array.from({ length: 5 }, () => new Array<number>(3).fill(0));
  for (let seed = 0; seed < 6000; seed++)
    for (const [place, index] of drawIndices(5, 3, false, seed).entries()) seen[index]![place]!++;
  for (const count of seen.flat()) expect(Math.abs(count - 1200)).toBeLessThan(150);
});

it('draws without replacement no row twice, and all when there are few', () => {
  expect(drawIndices(4, 10, false, 1).sort()).toEqual([0, 1, 2, 3]);
  expect(drawIndices(0, 3, true, 1)).toEqual([]);
  expect(drawIndices(2, 50, true, 1)).toHaveLength(50);
});

it('row numbers are found in their partitions', () => {
  expect(perPartition([7, 0, 3, 3], [2, 0, 2, 5])).toEqual([
    { first: 0, rows: [0] },
    { first: 2, rows: [] },
    { first: 2, rows: [1] },
    { first: 4, rows: [3] },
  ]);
});
