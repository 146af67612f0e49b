import { AdaScale, type AdaScaleState } from '../ps/optimizer/adascale.js';
import { type MomentsState, NoiseScale } from '../ps/optimizer/noise-scale.js';
import { learningRateAt } from '../ps/optimizer/update-spec.js';
import type { SearchState } from './learners/search-learner.js';
import { localStepsOf, type NumericalPlan, updatesPerEpoch } from './numerical-plan.js';
import type { StepLoss } from './rounds.js';

/** JSON; part of a checkpoint's cursor where it does not follow from the plan and the step. */
export interface PaceState {
  /** From 0. */
  readonly epoch: number;
  /** Updates before it. */
  readonly first: number;
  readonly batch: number;
  readonly noise?: MomentsState;
  readonly adaScale?: AdaScaleState;
  readonly search?: SearchState;
}

/** Steps of the numerical plan that one update covers: [from, to) of its epoch. */
export interface Place {
  /** From 0. */
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  /** With the epoch's batch and steps. */
  readonly plan: NumericalPlan;
}

/** Adaptive optimizers see a gradient's direction only: their rates grow with the root (Malladi et al. 2022; Pollux too). */
const rateFactor = (kind: string, gain: number) => (kind === 'sgd' ? gain : Math.sqrt(gain));

/**
 * Where a training stands between its updates, and what it has measured: epoch, batch, noise, learning rate. The driver and
 * every member keep one and tell it of the same totals, whose bits are equal in every synchronous mode and for every number
 * of members: so they agree without asking each other, and no clock has a part in it. Only where the batch is chosen by
 * goodput the driver measures, chooses and tells the members.
 */
export class Pace {
  #epoch: number;
  #first: number;
  #batch: number;
  #search: SearchState | undefined;
  readonly #noise: NoiseScale | undefined;
  readonly #adaScale: AdaScale | undefined;

  /**
   * @param measure whether totals tell what the noise of gradients is estimated from
   * @param step updates made before
   * @param state after them; absent: of the plan alone
   */
  constructor(
    readonly plan: NumericalPlan,
    readonly measure: boolean,
    step: number,
    state?: PaceState,
  ) {
    const updates = updatesPerEpoch(plan);
    const epoch = Math.floor(step / updates);
    const { noise, adaScale } = state ?? {};
    [this.#epoch, this.#first, this.#batch] = [state?.epoch ?? epoch, state?.first ?? epoch * updates, plan.batch];
    if (state) [this.#batch, this.#search] = [state.batch, state.search];
    this.#noise = measure ? new NoiseScale(undefined, noise) : undefined;
    this.#adaScale = plan.adaptive && new AdaScale(plan.adaptive.baseBatch, adaScale);
  }

  /** From 0. */
  get epoch(): number {
    return this.#epoch;
  }

  get over(): boolean {
    return this.#epoch >= this.plan.epochs;
  }

  /** Rows of a step. */
  get batch(): number {
    return this.#batch;
  }

  /** Updates after which the epoch is over; Infinity where a search says when. */
  get last(): number {
    if (this.plan.update.optimizer.kind === 'l-bfgs') return Number.POSITIVE_INFINITY;
    return this.#first + updatesPerEpoch(this.#epochPlan);
  }

  /** Of the gradients so far, in rows; undefined where it is not measured, or not known yet. */
  get noiseScale(): number | undefined {
    return this.#noise?.rows();
  }

  get search(): SearchState | undefined {
    return this.#search;
  }

  /** Of the update after `step` ones, which is one of this epoch. */
  place(step: number): Place {
    const plan = this.#epochPlan;
    const each = localStepsOf(plan);
    const from = (step - this.#first) * each;
    return { epoch: this.#epoch, from, to: Math.min(from + each, plan.stepsPerEpoch), plan };
  }

  /** Of the next update; undefined: the optimizer's own. */
  get rate(): number | undefined {
    if (!this.#adaScale) return undefined;
    const { update, stepsPerEpoch } = this.plan;
    const { gain, progress } = this.#adaScale.next(this.#batch);
    const rate = learningRateAt(update, 1 + Math.floor(progress), stepsPerEpoch);
    return rate * rateFactor(update.optimizer.kind, gain);
  }

  /** After an update. */
  add({ rows, weight, spread, square, search }: StepLoss): void {
    if (search) this.#search = search;
    if (!spread || square === undefined) return;
    this.#noise?.add({ rows, weight, spread, square });
    this.#adaScale?.add({ rows, weight, spread, square }, this.#batch);
  }

  /**
   * The next epoch begins after so many updates. With `adaptive.max` its batch follows the noise, growing only; by goodput
   * somebody has to `choose` it.
   */
  endEpoch(step: number): void {
    this.#epoch++;
    this.#first = step;
    const { max, growth = 2, by, batches } = this.plan.adaptive ?? {};
    if (batches) this.#batch = batches[Math.min(this.#epoch, batches.length - 1)]!;
    const noise = this.noiseScale;
    if (max === undefined || noise === undefined || by === 'goodput') return;
    this.#batch = Math.max(this.#batch, Math.min(Math.floor(noise), Math.floor(this.#batch * growth), max));
  }

  /** Between two epochs: the batch of the next one. All who keep the pace of a training must be told the same. */
  choose(batch: number): void {
    this.#batch = batch;
  }

  /** undefined where it follows from the plan and the step. */
  state(): PaceState | undefined {
    if (!this.measure && !this.#search) return undefined;
    return {
      ...{ epoch: this.#epoch, first: this.#first, batch: this.#batch },
      ...{ noise: this.#noise?.state(), adaScale: this.#adaScale?.state(), search: this.#search },
    };
  }

  get #epochPlan(): NumericalPlan {
    const { plan } = this;
    if (this.#batch === plan.batch) return plan;
    return { ...plan, batch: this.#batch, stepsPerEpoch: Math.ceil(plan.rows / this.#batch) };
  }
}
