import type { Range } from './optimizer/range-optimizer.js';

/**
 * Elements over which a global number (a norm) is summed at once, in float64; the sums of chunks are added in order. Owners'
 * ranges begin at multiples of it, so that the number has the same bits whoever computes its parts.
 */
export const CHUNK = 4096;

/**
 * Cuts a vector into one contiguous range a member, at multiples of `CHUNK`, as equal as that allows; some are empty when
 * there are more members than chunks.
 *
 * @example slices(10_000, 2) // [{ from: 0, to: 4096 }, { from: 4096, to: 10_000 }]
 */
export function slices(length: number, members: number): Range[] {
  const chunks = Math.ceil(length / CHUNK);
  const bound = (rank: number) => Math.min(Math.floor((chunks * rank) / members) * CHUNK, length);
  return Array.from({ length: members }, (_, rank) => ({ from: bound(rank), to: bound(rank + 1) }));
}
