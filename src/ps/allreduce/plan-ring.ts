import { slices } from '../slices.js';
import type { TreeNode } from '../tree.js';
import type { AllReducePlan, Message } from './plan.js';

/**
 * The plain ring (Patarasuk and Yuan 2009): N - 1 steps of scatter-reduce, N - 1 steps of all-gather, every member sends to
 * its right neighbour only. With parts of equal length D / N each member sends exactly 2 (N - 1) / N · D bytes in 2 (N - 1)
 * steps.
 *
 * Part c is summed in rank order, beginning after its owner: c + 1, c + 2, …, N - 1, 0, …, c. The bits so depend on the
 * number of members: it is not the canonical order.
 */
export function planRing(
  holdings: readonly (readonly TreeNode[])[],
  shards: number,
  length: number,
): Omit<AllReducePlan, 'merged'> {
  const members = holdings.length;
  const owned = slices(length, members);
  const around = (part: (rank: number, step: number) => number): Message[][] =>
    Array.from({ length: members - 1 }, (_, step) =>
      holdings.map((_, from) => {
        const index = (part(from, step) + 2 * members) % members;
        return { from, to: (from + 1) % members, range: owned[index]! };
      }),
    );
  return {
    ...{ algorithm: 'ring', length, shards, holdings, owned },
    reduce: around((rank, step) => rank - step - 1),
    gather: around((rank, step) => rank - step),
  };
}
