/** What a fit with telling steps answers, beside its times. */
export interface Course {
  readonly epochSeconds: readonly number[];
  /** Mean loss of each step, before its update. */
  readonly stepLosses: readonly number[];
  /** Slots' milliseconds with gradients, over the milliseconds that they were there. */
  readonly computeShare: number;
}

/** Steps whose mean is the loss at their end: a single step's loss says little. */
const WINDOW = 8;

/**
 * Seconds until the loss was as low; steps of an epoch are taken to last alike, because their times are not told.
 * @returns undefined when it never was
 */
export function secondsTo(target: number, { stepLosses, epochSeconds }: Course): number | undefined {
  const steps = stepLosses.length / epochSeconds.length;
  for (let end = WINDOW; end <= stepLosses.length; end++) {
    const mean = stepLosses.slice(end - WINDOW, end).reduce((a, b) => a + b, 0) / WINDOW;
    if (!(mean <= target)) continue;
    const whole = Math.min(Math.floor(end / steps), epochSeconds.length);
    const before = epochSeconds.slice(0, whole).reduce((a, b) => a + b, 0);
    return before + (end / steps - whole) * (epochSeconds[whole] ?? 0);
  }
  return undefined;
}
