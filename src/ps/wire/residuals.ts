import { vectorKernels } from '../vector/vector-kernels.js';

/**
 * Whose residuals a member goes on with: whoever sends it, what was left out must be sent once. With as many members as
 * before each goes on with its own; else they are dealt out, to be added up (`sumOf`).
 *
 * @param saved of the former members, by rank
 * @param members how many go on
 * @param rank of one of them
 * @example inherited(['a', 'b', 'c'], 2, 0) // ['a', 'c']
 */
export function inherited<T>(saved: readonly T[], members: number, rank: number): T[] {
  return saved.filter((_, former) => former % members === rank);
}

/** In a vector of its own, added in their order; undefined for none. @throws RangeError when they are of different lengths */
export function sumOf(residuals: readonly Float32Array[]): Float32Array | undefined {
  const [first, ...more] = residuals;
  if (!first) return undefined;
  const sum = first.slice();
  for (const residual of more) {
    if (residual.length !== sum.length)
      throw new RangeError(`residuals of ${sum.length} and ${residual.length} values are of different vectors`);
    vectorKernels().addInto(sum, residual);
  }
  return sum;
}
