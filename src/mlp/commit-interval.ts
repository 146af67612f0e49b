import { optimizerSlots } from '../ps/optimizer/optimizer.js';
import { layoutOf } from './layout.js';
import { type NumericalPlan, updatesPerEpoch } from './numerical-plan.js';

/** What a training knows of itself, in seconds. */
export interface CommitCosts {
  /** Of a commit: ending the round, writing the state, beginning the next round. */
  readonly commit: number;
  /** Of an update. */
  readonly step: number;
  /** In rounds so far, those that were lost too. */
  readonly trained: number;
  /** Times that something was lost. */
  readonly losses: number;
  /** Of these, since the last commit. */
  readonly fruitless: number;
}

/** A training that has lost nothing yet counts as one that lost something once, after its first minute. */
const PRIOR_SECONDS = 60;

/** What commits may take of the time while nothing has been lost: what they insure against is the prior's word only. */
const SHARE = 0.02;

/** Clocks tell no less. */
const LEAST_SECONDS = 0.001;

/**
 * Updates up to the next commit. Commits at an interval T take the share C/T of the time, and a loss takes T/2 on average; the
 * sum is least at T = sqrt(2 C M), M being the mean time between losses (Young, CACM 17(9), 1974; the terms of higher order in
 * C/M, Daly 2006, do not matter to an M that is itself an estimate). Each loss in a row without a commit halves it, as what was
 * measured has proven too optimistic: a training gets on as long as something fits between two losses.
 *
 * @param left updates up to the commit that is due anyway, at least 1; they are divided evenly
 * @returns from 1 to `left`
 */
export function stepsToCommit(left: number, { commit, step, trained, losses, fruitless }: CommitCosts): number {
  const mean = (trained + PRIOR_SECONDS) / (losses + 1);
  const best = Math.sqrt(2 * commit * mean) / 2 ** fruitless;
  const span = left * step;
  const most = losses === 0 ? Math.floor((SHARE * span) / commit) : Number.POSITIVE_INFINITY;
  return Math.ceil(left / Math.max(1, Math.min(Math.round(span / best), most)));
}

/** Before anything is measured, on one slot of a usual processor; what is too much by far is made good by halving. */
const FLOPS = 5e10;
const BYTES_PER_SECOND = 1e9;
const MESSAGES_SECONDS = 0.005;

/** Of a training that has not begun. */
export function guessCosts(plan: NumericalPlan): CommitCosts {
  const { network, update, rows, local, shards } = plan;
  const { length } = layoutOf(network);
  const states = 1 + (local?.kind === 'elastic' ? shards : 0);
  const bytes = 4 * length * (1 + optimizerSlots(update.optimizer).length) * states;
  return {
    commit: MESSAGES_SECONDS + bytes / BYTES_PER_SECOND,
    step: (6 * length * rows) / updatesPerEpoch(plan) / FLOPS, // two operations a weight and product, three products
    ...{ trained: 0, losses: 0, fruitless: 0 },
  };
}

/**
 * Measures a training from commit to commit, and says when the next one is to be.
 *
 * @example
 * interval.begin();
 * const { besidesMs } = await rounds.run(step, interval.steps(left), …);
 * interval.ran(steps, besidesMs);
 * await commit();
 * interval.committed();
 */
export class CommitInterval {
  #costs: CommitCosts;
  #measured = false;
  /** Since the last commit, or the beginning of what is lost. */
  #begun: number | undefined;
  #ended = 0;
  /** Of the last round. */
  #besidesMs = 0;
  #steps = 0;
  #stepsMs = 0;

  /** @param now milliseconds */
  constructor(
    plan: NumericalPlan,
    readonly now: () => number,
  ) {
    this.#costs = guessCosts(plan);
  }

  get costs(): CommitCosts {
    return this.#costs;
  }

  /** Updates up to the next commit, of those `left` up to the one that is due anyway. */
  steps(left: number): number {
    return stepsToCommit(left, this.#costs);
  }

  /** The first round up to a commit begins. */
  begin(): void {
    this.#begun = this.#ended = this.now();
    this.#steps = this.#stepsMs = this.#besidesMs = 0;
  }

  /** A round is over. @param besidesMs of the time since the last one, or the beginning, what was not spent on updates */
  ran(steps: number, besidesMs = 0): void {
    const ended = this.now();
    this.#steps += steps;
    this.#stepsMs += Math.max(0, ended - this.#ended - besidesMs);
    this.#ended = ended;
    this.#besidesMs = besidesMs;
  }

  /** The state after the last round is saved. */
  committed(): void {
    const ms = this.now() - this.#ended + this.#besidesMs;
    const seconds = Math.max(ms / 1000, LEAST_SECONDS);
    const { commit, losses } = this.#costs;
    const step = this.#stepsMs / 1000 / Math.max(1, this.#steps);
    const smoothed = this.#measured ? (commit + seconds) / 2 : seconds;
    this.#costs = { commit: smoothed, step, trained: this.#trained(), losses, fruitless: 0 };
    this.#measured = true;
  }

  /** Something is lost. @returns how often in a row, without a commit */
  lost(): number {
    const { losses, fruitless } = this.#costs;
    this.#costs = { ...this.#costs, trained: this.#trained(), losses: losses + 1, fruitless: fruitless + 1 };
    return this.#costs.fruitless;
  }

  #trained(): number {
    const begun = this.#begun ?? this.now();
    this.#begun = undefined;
    return this.#costs.trained + Math.max(0, this.now() - begun) / 1000;
  }
}
