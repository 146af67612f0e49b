import type { Consistency } from '../ps/server/consistency.js';
import type { Committed } from './committed.js';

export interface EpochReport {
  /** From 1. */
  readonly epoch: number;
  /** Mean over the epoch's rows, each counted before its step's update. */
  readonly loss: number;
  /** Rows of a step in this epoch. */
  readonly batch?: number;
  /**
   * Where the noise of gradients is measured: the gradient noise scale at the epoch's end, in rows (McCandlish et al. 2018).
   * Infinity where the gradient is lost in noise.
   */
  readonly noiseScale?: number;
  /** Likewise: rows a second that count, throughput times statistical efficiency (Pollux, Qiao et al. 2021). */
  readonly goodput?: number;
}

export interface StepReport {
  /** From 1, over the whole training. */
  readonly step: number;
  /** From 1. */
  readonly epoch: number;
  /** Mean over the step's rows, before its update. NaN where all of them weigh nothing: such a step makes no update. */
  readonly loss: number;
  readonly rows: number;
  /** Where the noise of gradients is measured: the gradient noise scale so far, in rows. */
  readonly noiseScale?: number;
}

/** 'stop' or false ends the training there, losses are of whole epochs; other texts are refused, anything else means nothing. */
export type Verdict = unknown;

/** What a callback may change of the training that it is told of. */
export interface TrainingControl {
  /**
   * How far slots may be apart from here on, until it is changed again: of parameter servers. From or to `sync` it changes
   * with the next round: the next step where there is an `onStep`, else the next commit, at the latest the epoch's. A training that goes on
   * from a checkpoint begins with what was set before it, not with `consistency`.
   *
   * @throws TypeError for what is no consistency; where slots exchange otherwise, or `consistencyOf` says it
   * @example onEpoch: ({ epoch }, training) => training.setConsistency(epoch < 5 ? 'async' : 'sync')
   */
  setConsistency(consistency: Consistency): void;
}

/** Who is told how a training goes, and may end it. */
export interface TrainingHooks {
  /** After every step; each is then a round trip to the driver. */
  readonly onStep?: (report: StepReport, training: TrainingControl) => Verdict;
  /**
   * Before a training goes on from a checkpoint: how many epochs are over.
   * @param state absent in the middle of an epoch
   */
  readonly onResume?: (epochs: number, state: Committed | undefined) => Verdict;
  /** @param state where it survives an executor, once it is there; it may be read until the next epoch is over */
  readonly onEpoch?: (report: EpochReport, state: () => Promise<Committed>, training: TrainingControl) => Verdict;
}

export const isStop = (verdict: Verdict) => verdict === 'stop' || verdict === false;

/**
 * What was meant to end a training must do so.
 * @returns the verdict
 * @throws TypeError for a text other than 'stop', and for a promise of `onStep`, which nobody waits for
 */
export function checkVerdict(owner: string, callback: 'onStep' | 'onEpoch', verdict: Verdict): Verdict {
  const ends = "return 'stop' or false to end the training, nothing to go on";
  if (typeof verdict === 'string' && verdict !== 'stop')
    throw new TypeError(`${owner}: ${callback} returned '${verdict}'; ${ends}`);
  if (callback === 'onEpoch' || typeof (verdict as PromiseLike<unknown> | undefined)?.then !== 'function')
    return verdict;
  Promise.resolve(verdict).catch(() => {}); // the error to come says what is wrong
  throw new TypeError(
    `${owner}: onStep returned a promise, and steps do not wait: make it synchronous, or use onEpoch`,
  );
}
