import { vectorKernels } from '../vector/vector-kernels.js';
import type { Segment } from './range-optimizer.js';

/**
 * The L2 penalty as part of the function that L-BFGS minimises (other optimizers have it in their step): adds `l2 theta` to the
 * kernels' part of a mean gradient, in place, and gives `l2 |W|² / 2`, to be added to the mean loss.
 *
 * @param segments of all of theta
 */
export function addPenalty(
  l2: number,
  segments: readonly Segment[],
  theta: Float32Array,
  gradient: Float32Array,
): number {
  if (l2 === 0) return 0;
  const { addScaled, dot } = vectorKernels();
  let square = 0;
  for (const { from, to, kind } of segments) {
    if (kind !== 'kernel') continue;
    const kernel = theta.subarray(from, to);
    addScaled(gradient.subarray(from, to), l2, kernel);
    square += dot(kernel, kernel);
  }
  return (l2 * square) / 2;
}
