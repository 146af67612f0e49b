import type { Spread } from '../tree.js';
import { vectorKernels } from '../vector/vector-kernels.js';
import type { Segment } from './range-optimizer.js';

/** What passes through the merge of one step anyway: a `StepTotal` of a step that was measured. */
export interface GradientNorms {
  readonly rows: number;
  /** Sum of the rows' weights. */
  readonly weight: number;
  readonly spread: Spread;
  /** Squared norm of the SUM of gradients over all rows. */
  readonly square: number;
}

/** Of one gradient shard's sum of gradients over rows of so much weight. */
export function shardSpread(square: number, weight: number): Spread {
  return weight > 0 ? { shards: 1, between: square / weight } : { shards: 0, between: 0 };
}

/** Of the gradient of one row: its mean is the true gradient G. */
export interface GradientMoments {
  /** Trace of the covariance, tr(Σ). */
  readonly variance: number;
  /** |G|². May come out negative where noise hides the gradient. */
  readonly square: number;
}

/**
 * The squared norm of a whole gradient sum, statistics left out, in float64 and in a fixed order: of a shard's sum, where it
 * lies, before it is merged.
 */
export function gradientSquare(segments: readonly Segment[], sum: Float32Array): number {
  const { dot } = vectorKernels();
  let square = 0;
  for (const { from, to, kind } of segments) {
    if (kind === 'statistic') continue;
    const part = sum.subarray(from, to);
    square += dot(part, part);
  }
  return square;
}

/**
 * Unbiased estimates of both moments from one step. With sums s_g over w_g rows, and s over w in all, the mean square between
 * n shards, `Σ |s_g|²/w_g - |s|²/w`, is (n - 1) tr(Σ) in the mean, and `|s|²/w²` is |G|² + tr(Σ)/w. For shards of one weight
 * it is the estimate of McCandlish et al. 2018 (appendix A.1) with b = w/n, B = w, and AdaScale's. The variance is given per
 * row of the mean weight.
 *
 * @returns undefined when fewer than two shards have rows, and when gradients are no numbers any more
 */
export function gradientMoments({ rows, weight, spread, square }: GradientNorms): GradientMoments | undefined {
  const { shards, between } = spread;
  if (shards < 2 || !Number.isFinite(between) || !Number.isFinite(square)) return undefined;
  const variance = (between - square / weight) / (shards - 1);
  return { variance: (variance * rows) / weight, square: square / weight ** 2 - variance / weight };
}

/** JSON; for checkpoints. */
export interface MomentsState {
  readonly variance: number;
  readonly square: number;
  /** Weight of all that was averaged: 0 before the first. */
  readonly total: number;
}

/** Moments averaged over steps, each apart, as only their averages have a meaningful ratio; without bias from the beginning. */
export class MovingMoments {
  #variance = 0;
  #square = 0;
  #total = 0;

  constructor(state?: MomentsState) {
    if (state) [this.#variance, this.#square, this.#total] = [state.variance, state.square, state.total];
  }

  /** @param decay share of the former average that stays, of at least 0 and below 1 */
  add({ variance, square }: GradientMoments, decay: number): void {
    this.#variance = decay * this.#variance + (1 - decay) * variance;
    this.#square = decay * this.#square + (1 - decay) * square;
    this.#total = decay * this.#total + (1 - decay);
  }

  /** undefined before the first step. */
  get(): GradientMoments | undefined {
    if (this.#total === 0) return undefined;
    return { variance: this.#variance / this.#total, square: this.#square / this.#total };
  }

  state(): MomentsState {
    return { variance: this.#variance, square: this.#square, total: this.#total };
  }
}

/**
 * The gradient noise scale tr(Σ) / |G|² (McCandlish et al. 2018, "simple"), in rows: batches far below it lose little by
 * growing, batches far above it gain little.
 *
 * ```ts
 * const noise = new NoiseScale();
 * noise.add(total); // of every step
 * noise.rows(); // 800: a batch of 800 rows is half way
 * ```
 */
export class NoiseScale {
  readonly #moments: MovingMoments;

  /** @param decay of the averages. Default 0.99 @param state of an earlier one */
  constructor(
    readonly decay = 0.99,
    state?: MomentsState,
  ) {
    this.#moments = new MovingMoments(state);
  }

  /** A step with fewer than two shards tells nothing. */
  add(norms: GradientNorms): void {
    const moments = gradientMoments(norms);
    if (moments) this.#moments.add(moments, this.decay);
  }

  /** undefined before the first step that tells something; Infinity where the gradient is lost in noise. */
  rows(): number | undefined {
    const moments = this.#moments.get();
    if (!moments) return undefined;
    return moments.square > 0 ? Math.max(moments.variance, 0) / moments.square : Infinity;
  }

  state(): MomentsState {
    return this.#moments.state();
  }
}
