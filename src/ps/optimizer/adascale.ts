import { type GradientNorms, gradientMoments, type MomentsState, MovingMoments } from './noise-scale.js';

/** JSON; for checkpoints. */
export interface AdaScaleState {
  readonly moments: MomentsState;
  readonly progress: number;
}

export interface AdaScaleStep {
  /** What the learning rate is multiplied by: from 1 to the batch as a multiple of the base. */
  readonly gain: number;
  /** Steps with the base batch that all steps before this one are worth: where the schedule stands. */
  readonly progress: number;
}

/**
 * AdaScale SGD (Johnson et al. 2020, algorithm 1): a schedule made for steps of `baseBatch` rows is used with larger ones. The
 * gain of a step with S times the base batch is `r = (σ² + μ²) / (σ²/S + μ²)`, with σ² the variance of a gradient over the base
 * batch and μ² the squared norm of the true one: S where noise rules (linear scaling), 1 where there is none. Both are moving
 * averages whose memory, `1 - S/1000`, is that of the paper's section on practice. Training is over once the progress is as
 * long as the schedule.
 *
 * ```ts
 * const { gain, progress } = adaScale.step(norms);
 * owner.update(theta, sum, weight, step, { rate: gain * learningRateAt(spec, 1 + Math.floor(progress), stepsPerEpoch) });
 * ```
 */
export class AdaScale {
  readonly #moments: MovingMoments;
  #progress: number;

  /** @param baseBatch rows a step that the learning rate and its schedule were made for */
  constructor(
    readonly baseBatch: number,
    state?: AdaScaleState,
  ) {
    this.#moments = new MovingMoments(state?.moments);
    this.#progress = state?.progress ?? 0;
  }

  /** One step. Before anything is known of the noise the gain is 1. */
  step(norms: GradientNorms): AdaScaleStep {
    const weight = Array.from(norms.shardWeights).reduce((sum, each) => sum + each, 0);
    const scale = weight / this.baseBatch;
    const moments = gradientMoments(norms);
    if (moments) this.#moments.add(moments, Math.max(1 - scale / 1000, 0));
    const gain = this.#gain(scale);
    const progress = this.#progress;
    this.#progress += gain;
    return { gain, progress };
  }

  /** Steps with the base batch that all steps so far are worth. */
  get progress(): number {
    return this.#progress;
  }

  state(): AdaScaleState {
    return { moments: this.#moments.state(), progress: this.#progress };
  }

  #gain(scale: number): number {
    const moments = this.#moments.get();
    if (!moments) return Math.min(scale, 1);
    const variance = Math.max(moments.variance, 0) / this.baseBatch;
    const square = Math.max(moments.square, 0);
    const gain = (variance + square) / (variance / scale + square);
    return Number.isFinite(gain)
      ? Math.min(Math.max(gain, Math.min(scale, 1)), Math.max(scale, 1))
      : Math.min(scale, 1);
  }
}
