import { slices } from '../slices.js';
import type { TreeNode } from '../tree.js';
import type { AllReducePlan, Message } from './plan.js';

/**
 * Sliced owners: member r owns slice r of the vector. It receives the other members' subtree sums of its slice, adds
 * them along the canonical tree, makes the update and sends the new weights back to all: a reduce-scatter and an
 * all-gather in one step each, with the optimizer's state sharded (ZeRO stage 1, Rajbhandari et al. 2020, section 5.1).
 *
 * With one subtree a member and slices of equal length D / N, a member sends 2 (N - 1) / N · D bytes in 2 steps of N - 1
 * messages.
 *
 * @param holdings subtree roots of each member (`subtreeRoots` of its shards)
 * @param shards leaves of the tree
 * @param length elements of the vector
 */
export function planSliced(
  holdings: readonly (readonly TreeNode[])[],
  shards: number,
  length: number,
): Omit<AllReducePlan, 'merged'> {
  const owned = slices(length, holdings.length);
  const ranks = holdings.map((_, rank) => rank);
  const pairs = (message: (from: number, to: number) => Message) =>
    ranks.flatMap((from) => ranks.filter((to) => to !== from).map((to) => message(from, to)));
  const reduce = pairs((from, to) => ({ from, to, range: owned[to]!, nodes: holdings[from]! })).filter(
    ({ nodes }) => nodes!.length > 0,
  );
  const gather = pairs((from, to) => ({ from, to, range: owned[from]! })).filter(({ range }) => range.to > range.from);
  return { algorithm: 'sliced', length, shards, holdings, reduce: [reduce], owned, gather: [gather] };
}
