import type { NumericalPlan } from './numerical-plan.js';
import type { StepLoss } from './rounds.js';

/** The loss, or a weight, is no number any more. The last good weights are kept. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError';
  constructor(
    message: string,
    /** In which it was noticed, from 1. */
    readonly epoch: number,
    /** The weights of the last commit with which the loss was still a number; the initial weights when there is none. */
    readonly lastGoodTheta: Float32Array,
  ) {
    super(message);
  }
}

/** Noticed in the update after `step` ones; without a loss: its weights are no numbers. */
export class Diverged extends Error {
  constructor(
    readonly step: number,
    readonly loss?: StepLoss,
  ) {
    super('diverged');
  }
}

/**
 * @param kept the last good weights, after how many updates, and, where these end an epoch, after how many epochs; default: as the
 *   plan says
 * @param epoch in which it was noticed, from 1; default: as the plan says
 */
export function divergedError(
  { step, loss }: Diverged,
  plan: NumericalPlan,
  kept: { readonly theta: Float32Array; readonly step: number; readonly epochs?: number },
  epoch = Math.floor(step / plan.stepsPerEpoch) + 1,
): DivergedError {
  const { epochs = kept.step / plan.stepsPerEpoch } = kept;
  const what = loss ? `the loss became ${loss.lossSum}` : 'weights became infinite or NaN';
  const bad = loss?.parts?.filter(({ lossSum }) => !Number.isFinite(lossSum)) ?? [];
  const shards = bad.map(({ level, index }) => shardRange(level, index, plan.shards)).join(', ');
  const where = shards ? `, in gradient shard ${shards}` : '';
  const message =
    `${what} in epoch ${epoch} of ${plan.epochs} (update ${step + 1})${where}: try a smaller learning rate, ` +
    `or scale the features; this error's lastGoodTheta holds ${described(kept.step, epochs)}`;
  return new DivergedError(message, epoch, kept.theta);
}

function described(step: number, epochs: number): string {
  if (step === 0) return 'the initial weights, as no epoch went well';
  return Number.isSafeInteger(epochs) ? `the weights after epoch ${epochs}` : `the weights after update ${step}`;
}

function shardRange(level: number, index: number, shards: number): string {
  const first = index * 2 ** level;
  const last = Math.min(first + 2 ** level, shards) - 1;
  return first === last ? String(first) : `${first} to ${last}`;
}

/** Whether weights are all numbers. */
export const allFinite = (values: Float32Array) => values.every(Number.isFinite);
