import type { Committed } from './committed.js';

export interface EpochReport {
  /** From 1. */
  readonly epoch: number;
  /** Mean over the epoch's rows, each counted before its step's update. */
  readonly loss: number;
}

export interface StepReport {
  /** From 1, over the whole training. */
  readonly step: number;
  /** From 1. */
  readonly epoch: number;
  /** Mean over the step's rows, before its update. */
  readonly loss: number;
  readonly rows: number;
}

/** 'stop' or false ends the training, with the epoch it is at; anything else means nothing. */
export type Verdict = unknown;

/** Who is told how a training goes, and may end it. */
export interface TrainingHooks {
  /** After every step; each is then a round trip to the driver. */
  readonly onStep?: (report: StepReport) => Verdict;
  /** The state may be read until the next epoch is over. */
  readonly onEpoch?: (report: EpochReport, state: Committed) => Verdict;
}

export const isStop = (verdict: Verdict) => verdict === 'stop' || verdict === false;
