import { subtreeRoots, type TreeNode } from '../tree.js';
import type { Algorithm, AllReducePlan } from './plan.js';
import { planHalvingDoubling } from './plan-halving.js';
import { planRing } from './plan-ring.js';
import { planSliced } from './plan-sliced.js';

type Planner = (
  holdings: readonly (readonly TreeNode[])[],
  shards: number,
  length: number,
) => Omit<AllReducePlan, 'merged'>;

const PLANNERS: Readonly<Record<Algorithm, Planner>> = {
  sliced: planSliced,
  'halving-doubling': planHalvingDoubling,
  ring: planRing,
};

export interface AllReduceShape {
  /** Gradient shards of each member, by rank. */
  readonly members: readonly (readonly number[])[];
  /** G, all gradient shards. */
  readonly shards: number;
  /** Elements of theta. */
  readonly length: number;
  /**
   * Each member adds up all it has before it sends. Default: true for the ring, else false. Lossy wire formats need it, as
   * they keep one residual a member; the bits then depend on the number of members.
   */
  readonly merged?: boolean;
}

/**
 * What every member sends to whom in a step of training. All members make the same plan from the same arguments.
 *
 * @example planAllReduce('sliced', { members: [[0, 1], [2, 3]], shards: 4, length: 8192 }).owned
 * // [{ from: 0, to: 4096 }, { from: 4096, to: 8192 }]: what each one's RangeOptimizer is made for
 */
export function planAllReduce(
  algorithm: Algorithm,
  { members, shards, length, merged = algorithm === 'ring' }: AllReduceShape,
): AllReducePlan {
  const plan = PLANNERS[algorithm];
  if (!merged) {
    const holdings = members.map((own) => subtreeRoots(own, shards));
    return { ...plan(holdings, shards, length), merged };
  }
  const holdings = members.map((own, index) => (own.length > 0 ? [{ level: 0, index }] : []));
  return { ...plan(holdings, members.length, length), merged };
}
