import type { ShippedFunction } from '../executor/closure/index.js';
import type { BackendChoice } from './backends.js';
import type { CommittedPart } from './committed.js';
import type { NumericalPlan } from './numerical-plan.js';
import type { TargetSpec } from './targets.js';

/**
 * Where a slot keeps the features of its shards: in memory; `stream`, in a file that is read row by row, the next step's while
 * this one computes; `auto`, in memory while they take less than half of `sheaf.slot.memory`. The same bits.
 */
export const RESIDENCIES = ['auto', 'memory', 'stream'] as const;
export type Residency = (typeof RESIDENCIES)[number];

/** What every slot that takes part in a training needs to know; travels once, as a signed block. */
export interface TrainingSpec {
  /** Resident id and scope of the model: `<app>/fit-3`. */
  readonly model: string;
  readonly plan: NumericalPlan;
  readonly backend: BackendChoice;
  readonly features: string;
  readonly target: TargetSpec;
  /** Column of the rows' weights; absent: 1 each. */
  readonly weight?: string;
  /** Where features lie. Default `auto`. */
  readonly residency?: Residency;
  /** A loss of the user's own, in the place of the network's. */
  readonly loss?: ShippedFunction;
  /** Whether the noise of gradients is measured: every shard's gradient is looked at before it is merged. Default false. */
  readonly measure?: boolean;
  /** Where the first weights lie; absent: they are drawn by the plan's seed. */
  readonly warmStart?: readonly CommittedPart[];
}
