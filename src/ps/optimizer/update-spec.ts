import type { OptimizerSpec } from './optimizer.js';
import { type Schedule, scheduleFactor } from './schedule.js';

/**
 * Everything that turns a sum of gradients into an update; part of the numerical plan. With g the mean gradient of a step:
 *
 * 1. g is scaled so that its norm over all of theta is at most `clipNorm` (PyTorch's clip_grad_norm_), or each of its elements
 *    is brought into ±`clipValue`;
 * 2. on kernels, `l2 theta + l1 sign(theta)` is added: the gradients of l2 |W|² / 2 and l1 |W|₁;
 * 3. kernels are multiplied by `1 - rate weightDecay`: decoupled from the gradient, for every optimizer (Loshchilov and
 *    Hutter 2019);
 * 4. the optimizer makes its step, with the rate of `learningRateAt`.
 *
 * Biases and normalisation's scales are not decayed. Statistics only follow: `theta -= (1 - momentum) g`.
 */
export interface UpdateSpec {
  readonly optimizer: OptimizerSpec;
  /** Default constant. */
  readonly schedule?: Schedule;
  /** The learning rate is that for `baseBatchSize` rows a step, and grows with the rows there are. Default: does not. */
  readonly batchScaling?: BatchScaling;
  /** Largest magnitude of an element of the mean gradient. Default: none. Not together with `clipNorm`. */
  readonly clipValue?: number;
  /** Largest norm of the mean gradient over all of theta. Default: none. */
  readonly clipNorm?: number;
  /** Default 0. */
  readonly l1?: number;
  /** Default 0. */
  readonly l2?: number;
  /** Default 0; with `adamw` its own. */
  readonly weightDecay?: number;
}

/** `linear`: rate * batch / base (Goyal et al. 2017, with warm-up); `sqrt`: its root (Krizhevsky 2014; for Adam). */
export interface BatchScaling {
  readonly rule: 'linear' | 'sqrt';
  readonly batchSize: number;
  readonly baseBatchSize: number;
}

/**
 * The learning rate of one step: the optimizer's, scaled by the batch, times the schedule's factor. Pure.
 *
 * @param step counts from 1
 * @param stepsPerEpoch needed where the schedule counts in epochs
 * @throws RangeError when it is needed and absent; TypeError for l-bfgs, which has none
 * @example
 * const optimizer = { kind: 'sgd', learningRate: 0.1 } as const;
 * learningRateAt({ optimizer, schedule: { kind: 'step', every: { epochs: 30 } } }, 3001, 100) // 0.01
 */
export function learningRateAt(spec: UpdateSpec, step: number, stepsPerEpoch?: number): number {
  const { optimizer, schedule, batchScaling } = spec;
  if (optimizer.kind === 'l-bfgs') throw new TypeError('l-bfgs has no learning rate');
  const factor = schedule ? scheduleFactor(schedule, step, stepsPerEpoch) : 1;
  return optimizer.learningRate * (batchScaling ? batchFactor(batchScaling) : 1) * factor;
}

function batchFactor({ rule, batchSize, baseBatchSize }: BatchScaling): number {
  const ratio = batchSize / baseBatchSize;
  return rule === 'linear' ? ratio : Math.sqrt(ratio);
}

/** What kernels lose a step, as a multiple of the rate. */
export function weightDecayOf({ optimizer, weightDecay }: UpdateSpec): number {
  if (weightDecay !== undefined) return weightDecay;
  return optimizer.kind === 'adamw' ? (optimizer.weightDecay ?? 0.004) : 0;
}

/**
 * Clipping by global norm: the factor that the mean gradient is multiplied by, as PyTorch's clip_grad_norm_ computes it.
 *
 * @param chunkSums sums of squares of the gradient SUM, of all chunks of theta in order (`RangeOptimizer.norms`)
 * @param weight what the sum is divided by
 */
export function clipScale(clipNorm: number, chunkSums: Iterable<number>, weight: number): number {
  const norm = Math.sqrt(sumInOrder(chunkSums)) / weight;
  return Math.min(clipNorm / (norm + 1e-6), 1);
}

/** What a step multiplies the mean gradient by: 1 without clipping by norm, and then nobody is asked for the norms. */
export function stepScale({ clipNorm }: UpdateSpec, chunkSums: () => Iterable<number>, weight: number): number {
  return clipNorm === undefined ? 1 : clipScale(clipNorm, chunkSums(), weight);
}

/** Chunk after chunk: the order that makes a global number the same everywhere. */
export function sumInOrder(chunkSums: Iterable<number>): number {
  let sum = 0;
  for (const part of chunkSums) sum += part;
  return sum;
}
