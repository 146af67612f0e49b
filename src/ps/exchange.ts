import { addSpreads, type GradientSum, type Spread, type ValueNode } from './tree.js';

/** Sums over all rows of one step, of all members. */
export interface StepTotal {
  readonly rows: number;
  /** Sum of the rows' weights: what the sums are divided by. Equal to `rows` where rows have none. */
  readonly weight: number;
  readonly lossSum: number;
  /** Where the noise of gradients is measured. */
  readonly spread?: Spread;
  /** Likewise: squared norm of the sum of gradients, statistics left out. Of a synchronous step of all members only. */
  readonly square?: number;
}

/** The numbers of a sum, without its vector. */
export function totalOf({ rows, weight, lossSum, spread }: Omit<GradientSum, 'gradient'>): StepTotal {
  return { rows, weight, lossSum, ...(spread && { spread }) };
}

/** Along the canonical tree too, so that losses have the same bits for every number of members. */
export function addTotals(left: StepTotal, right: StepTotal): StepTotal {
  return totalOf({
    rows: left.rows + right.rows,
    weight: left.weight + right.weight,
    lossSum: left.lossSum + right.lossSum,
    spread: addSpreads(left.spread, right.spread),
  });
}

/** A node and its numbers as a row of float64, as members send them to each other and show them in shared memory. */
export const NUMBERS = 7;

export function numbersOf({ level, index, value }: ValueNode<StepTotal>): number[] {
  const { rows, weight, lossSum, spread } = value;
  return [level, index, rows, weight, lossSum, spread ? spread.shards : -1, spread?.between ?? 0];
}

export function fromNumbers(numbers: Float64Array): ValueNode<StepTotal> {
  const [level, index, rows, weight, lossSum, shards, between] = numbers as unknown as readonly [
    ...[number, number, number, number, number, number, number],
  ];
  const spread = shards < 0 ? undefined : { shards, between };
  return { level, index, value: totalOf({ rows, weight, lossSum, spread }) };
}

/** A contiguous part of a training's state: theta's range [from, from + theta.length), and the optimizer's slots over it. */
export interface RangeState {
  readonly from: number;
  readonly theta: Float32Array;
  readonly slots: readonly Float32Array[];
}

/**
 * One member's side of the merging of updates, for the steps of one round. Every member calls `step` once a step.
 * Synchronous exchanges give all members the same bits, those of the canonical tree; others say what they give.
 *
 * Failure model: when another member, or a server, is lost, every wait ends with `executor-lost` soon after the signal
 * given at the beginning is aborted, and the exchange is of no use any more.
 */
export interface Exchange {
  /**
   * @param step updates made before this one, from 0
   * @param nodes this member's subtree sums of the step; their vectors may be changed in place
   * @param theta holds the weights the sums were computed with, and, when it resolves, those after the update
   * @param rate of learning, in the place of the optimizer's own; the same for all members, in synchronous exchanges only
   */
  step(step: number, nodes: readonly ValueNode<GradientSum>[], theta: Float32Array, rate?: number): Promise<StepTotal>;
  /** Fills theta with the weights as they are: where servers did not wait for all, this member may not have seen the last. */
  pull?(theta: Float32Array): Promise<void>;
  /** The ranges this member keeps the optimizer's state of; those of all members cover theta once. */
  state(): readonly RangeState[];
  /** Payload bytes this member has sent to others since the beginning (what systems' formulas count, without headers). */
  readonly bytesSent: number;
  /** Where a member may keep theta, and compute its subtree sums in their order, to spare copies: what others read. */
  readonly homes?: { readonly theta: Float32Array; readonly sums: readonly Float32Array[] };
  /**
   * What this member's sums still owe the weights, where sums are sent sparsely; absent elsewhere. Belongs into what is
   * committed; before the first step it may be filled in from there.
   */
  readonly residual?: Float32Array;
  /** Takes leave: the others need this member no longer. */
  close(): Promise<void>;
}
