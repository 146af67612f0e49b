import { vectorKernels } from '../vector/vector-kernels.js';

/**
 * Residuals of members that are no more, for those that go on: whoever sends it, what was left out must be sent once.
 * With as many members as before each goes on with its own; else they are dealt out and added up.
 *
 * @param saved of the former members, by rank
 * @param members how many go on
 * @returns one a member, by rank; undefined for those that begin with none
 * @throws RangeError when the residuals are of different vectors
 */
export function dealResiduals(saved: readonly Float32Array[], members: number): (Float32Array | undefined)[] {
  const { length } = saved[0] ?? [];
  const other = saved.find((residual) => residual.length !== length);
  if (other) throw new RangeError(`residuals of ${length} and ${other.length} values are of different vectors`);
  return Array.from({ length: members }, (_, rank) => {
    const [first, ...more] = saved.filter((_, former) => former % members === rank);
    if (!first) return undefined;
    const sum = first.slice();
    for (const residual of more) vectorKernels().addInto(sum, residual);
    return sum;
  });
}
