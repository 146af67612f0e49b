/** What a fit answers, beside its times. */
export interface Course {
  readonly epochSeconds: readonly number[];
  /** Mean loss of each epoch's steps, before their updates. */
  readonly losses: readonly number[];
  /** Slots' milliseconds with gradients, over the milliseconds that they were there. */
  readonly computeShare: number;
}

/**
 * Seconds until the loss was as low: an epoch's mean is taken to be the loss in the middle of its time, and the loss to fall
 * evenly from one middle to the next. (Losses of single steps would have to be asked for, and slots that tell the driver of
 * each step wait for each other in all of them.)
 * @returns undefined when it never was
 */
export function secondsTo(target: number, { losses, epochSeconds }: Course): number | undefined {
  let before: { readonly at: number; readonly loss: number } | undefined;
  let begun = 0;
  for (const [epoch, loss] of losses.entries()) {
    const at = begun + epochSeconds[epoch]! / 2;
    if (loss <= target) return before ? at - ((at - before.at) * (target - loss)) / (before.loss - loss) : at;
    before = { at, loss };
    begun += epochSeconds[epoch]!;
  }
  return undefined;
}
