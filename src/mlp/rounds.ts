import type { Range } from '../ps/optimizer/range-optimizer.js';
import type { Consistency } from '../ps/server/consistency.js';
import type { Committed } from './committed.js';
import type { Learnt } from './learners/learner.js';

/**
 * Ways to merge gradients; `sheaf.aggregation` takes the same. `tree`: by tasks, recoverable from lineage; `ps`: parameter
 * servers; `allreduce`: among the slots.
 */
export const AGGREGATIONS = ['tree', 'ps', 'allreduce'] as const;
export type Aggregation = (typeof AGGREGATIONS)[number];

/** Sums over all rows of one step. */
export interface StepLoss extends Learnt {
  /** Where a loss that is no number came from, when that is known. */
  readonly parts?: readonly { readonly level: number; readonly index: number; readonly lossSum: number }[];
}

export interface RoundResult {
  /** Updates made. */
  readonly step: number;
  readonly cost?: RoundCost;
  /** Of the round's time, what members did not spend on updates: messages, making a commit ready. Absent: nothing. */
  readonly besidesMs?: number;
}

/** What a round took, added up over its members. */
export interface RoundCost {
  /** Payload sent. */
  readonly bytes: number;
  readonly computeMs: number;
  /** Merging, updating and waiting for others. */
  readonly exchangeMs: number;
}

export function addCosts(left: RoundCost, right: RoundCost): RoundCost {
  return {
    bytes: left.bytes + right.bytes,
    computeMs: left.computeMs + right.computeMs,
    exchangeMs: left.exchangeMs + right.exchangeMs,
  };
}

/** How gradients become updates: the one interface of the aggregation modes. A round is some steps without the driver. */
export interface Rounds {
  /**
   * Of theta: what each member updates, by rank; absent: each all of it, or none of it.
   * @param members gradient shards of each
   * @param hosts of each
   */
  ranges?(members: readonly (readonly number[])[], hosts: readonly string[]): readonly Range[];
  /** After the cluster has formed a generation. */
  begin(committed: Committed): Promise<void>;
  /**
   * @param commits whether a commit follows: what it needs may be made ready
   * @throws TaskSetError with `executor-lost` when a member or server is lost: the trainer forms a new generation
   */
  run(
    from: number,
    steps: number,
    onStep: (step: number, loss: StepLoss) => void,
    commits: boolean,
  ): Promise<RoundResult>;
  /** Makes the state after so many updates, the last round's, durable; without `copy`, so that it survives an executor. */
  commit(step: number): Promise<Committed>;
  /**
   * Makes what was committed last survive an executor, while training goes on. @returns where it lies then
   * @throws TaskSetError as `run`
   */
  copy?(committed: Committed): Promise<Committed>;
  /** Whether what is done from an update on outlives a loss without a commit; absent: never. */
  salvages?(step: number): boolean;
  /**
   * After a loss: a state that is newer than what was committed, where the mode keeps one.
   * @returns undefined when all goes on from the last commit
   */
  salvage?(): Promise<Committed | undefined>;
  /** Of modes where members may be apart. @see TrainingControl */
  setConsistency?(consistency: Consistency): void;
  /** What that was last told; absent: nothing. */
  readonly consistencySet?: Consistency;
}
