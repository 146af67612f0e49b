/**
 * DynSGD (Jiang et al. 2017): an update computed from weights that `staleness` updates have changed since counts for
 * `1 / (staleness + 1)` of a fresh one, so that slow workers disturb less.
 *
 * @param staleness updates applied to the weights between the worker's pull and its push; 0 is fresh
 */
export function dynSgdScale(staleness: number): number {
  return 1 / (Math.max(staleness, 0) + 1);
}
