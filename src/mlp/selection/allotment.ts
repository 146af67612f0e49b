import { keyedRandom, shuffledIndices } from '../../rdd/random.js';
import { drawnBelow } from './ranks.js';

/**
 * Pure: how many rows of each class are held out, so that they are a share of all rows. Each class gives its share, rounded
 * down, then those with the largest remainders a row more (Hamilton's method); the seed decides between equal ones. A class
 * keeps at least one row, to be learnt from; what it cannot give others give, as far as they can.
 * @param sizes rows of each class, at least 1
 * @param share above 0 and below 1
 * @returns rows of each class, ⌊rows · share⌋ in all unless fewer can be spared
 * @example allotment([107, 12, 1], 0.25, 0) // => [27, 3, 0]
 */
export function allotment(sizes: readonly number[], share: number, seed: number): number[] {
  const held = sizes.map((size) => Math.min(drawnBelow(size, share), size - 1));
  let missing = wanted(sizes, share) - sumOf(held);
  const order = [...shuffledIndices(sizes.length, keyedRandom(seed, 'allotment'))];
  order.sort((a, b) => sizes[b]! * share - held[b]! - (sizes[a]! * share - held[a]!));
  while (missing > 0) {
    const open = order.filter((k) => held[k]! < sizes[k]! - 1).slice(0, missing);
    if (open.length === 0) break;
    for (const k of open) held[k]!++;
    missing -= open.length;
  }
  return held;
}

/** Rows that a share of all of them is. */
export function wanted(sizes: readonly number[], share: number): number {
  return drawnBelow(sumOf(sizes), share);
}

export const sumOf = (values: readonly number[]) => values.reduce((sum, each) => sum + each, 0);
