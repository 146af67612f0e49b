import type { Blocks } from '../../protocol/block.js';
import type { RangeState, StepTotal } from '../../ps/exchange.js';
import type { Range } from '../../ps/optimizer/range-optimizer.js';
import type { GradientSum, TreeNode, ValueNode } from '../../ps/tree.js';
import type { Committed } from '../committed.js';
import type { SearchState } from './search-learner.js';

/** What the driver is told of an update. */
export type Learnt = StepTotal & { readonly search?: SearchState };

/** What has come of an update beside its totals, which the driver adds up itself. */
export type Told = Pick<Learnt, 'square' | 'search'>;

/** Where a subtree's sum may be written, to spare a copy. */
export type Home = (node: TreeNode) => Float32Array | undefined;

/**
 * How a replica learns: what it gives to a merge, and what it makes of what has come of it. All replicas of a training have
 * the same one, and go through the same merges.
 */
export interface Learner {
  /** Whether the vector that is exchanged is the weights themselves: then they may lie where others read them. */
  readonly exchangesWeights: boolean;
  /** From a committed state, whose weights the replica has read. */
  begin(committed: Committed, blocks: Blocks): Promise<void>;
  /** This member's subtree sums for the next merge. */
  sums(shards: readonly number[], home: Home): ValueNode<GradientSum>[];
  /** After the merge: the replica's vector holds what came of it. */
  merged(total: StepTotal): Learnt;
  /** What is committed of the state over a range; the optimizer's part where there is none of one's own. */
  state?(range: Range): RangeState;
  /** What is committed besides, a shard an entry. */
  workers?(): readonly WorkerState[];
}

/** A logical worker's: its weights, then its optimizer's slots, each of theta's length. */
export interface WorkerState {
  readonly shard: number;
  readonly vectors: readonly Float32Array[];
}
