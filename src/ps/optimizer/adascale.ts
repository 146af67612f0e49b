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
 * averages whose memory, `1 - S/1000`, is that of the paper's section on practice; here over the steps before, so that nobody
 * waits for a step's own norms before its update. Training is over once the progress is as long as the schedule.
 *
 * ```ts
 * const { gain, progress } = adaScale.next(batch);
 * owner.update(theta, sum, weight, step, { rate: gain * learningRateAt(spec, 1 + Math.floor(progress), stepsPerEpoch) });
 * adaScale.add(total, batch);
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

  /** Of a step of so many rows. Before anything is known of the noise the gain is 1. */
  next(batch: number): AdaScaleStep {
    return { gain: this.#gain(batch / this.baseBatch), progress: this.#progress };
  }

  /** After a step of so many rows. */
  add(norms: GradientNorms, batch: number): void {
    const scale = batch / this.baseBatch;
    this.#progress += this.#gain(scale);
    const moments = gradientMoments(norms);
    if (moments) this.#moments.add(moments, Math.max(1 - scale / 1000, 0));
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
