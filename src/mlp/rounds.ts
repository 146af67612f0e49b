import type { SumBlock } from '../ps/sum-blocks.js';
import type { Committed } from './committed.js';

/**
 * Ways to merge gradients; `sheaf.aggregation` takes the same. `tree`: by tasks, recoverable from lineage; `ps`: parameter
 * servers; `allreduce`: among the slots.
 */
export const AGGREGATIONS = ['tree', 'ps', 'allreduce'] as const;
export type Aggregation = (typeof AGGREGATIONS)[number];

/** Sums over all rows of one step. */
export interface StepLoss {
  readonly rows: number;
  readonly weight: number;
  readonly lossSum: number;
  /** Where a loss that is no number came from, when that is known. */
  readonly parts?: readonly { readonly level: number; readonly index: number; readonly lossSum: number }[];
}

export interface RoundResult {
  /** Updates made when the pending sums are applied. */
  readonly step: number;
  /** Sums that the replicas have not applied yet. */
  readonly pending: readonly SumBlock[];
}

/** How gradients become updates: the one interface of the aggregation modes. A round is some steps without the driver. */
export interface Rounds {
  /** After the cluster has formed a generation. */
  begin(committed: Committed): Promise<void>;
  /** @throws TaskSetError with `executor-lost` when a member or server is lost: the trainer forms a new generation */
  run(from: number, steps: number, onStep: (step: number, loss: StepLoss) => void): Promise<RoundResult>;
  /** Makes the state after the last round durable. */
  commit(result: RoundResult): Promise<Committed>;
}
