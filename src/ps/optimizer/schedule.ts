import { power } from './step-plan.js';

/** A length of training. */
export type Span = { readonly steps: number } | { readonly epochs: number };

/**
 * How the learning rate changes, step by step, as a factor of the optimizer's. Lengths count from the training's first step.
 *
 * - `constant`.
 * - `step`: times `factor` (0.1) after every `every` (PyTorch's StepLR).
 * - `exponential`: times `factor` every `every`, gradually (Keras' ExponentialDecay).
 * - `piecewise`: `factors[i]` from `boundaries[i - 1]` to `boundaries[i]`; one factor more than boundaries.
 * - `cosine`: from 1 to `final` (0) over `over`, along half a cosine (Loshchilov and Hutter 2017), then stays.
 * - `polynomial`: from 1 to `final` (0) over `over`, along `(1 - progress)^power` (power 1: a line), then stays.
 * - `one-cycle`: Smith and Topin 2019 in PyTorch's form, `learningRate` the highest: from 1 / `startDivisor` (25) up during the
 *   first `rise` (0.3) of `over`, then down to 1 / (`startDivisor` `finalDivisor`) (1e4), both along cosines.
 *
 * `warmup`: factors rise along a line from `warmup.from` (0), reaching 1 in the last step of it (Goyal et al. 2017).
 * `cosine` and `polynomial` then begin, and still end at `over`; the others go on as if there had been none.
 */
export type Schedule =
  | { readonly kind: 'constant'; readonly warmup?: Warmup }
  | { readonly kind: 'step'; readonly every: Span; readonly factor?: number; readonly warmup?: Warmup }
  | { readonly kind: 'exponential'; readonly every: Span; readonly factor: number; readonly warmup?: Warmup }
  | {
      readonly kind: 'piecewise';
      readonly boundaries: readonly Span[];
      readonly factors: readonly number[];
      readonly warmup?: Warmup;
    }
  | { readonly kind: 'cosine'; readonly over: Span; readonly final?: number; readonly warmup?: Warmup }
  | {
      readonly kind: 'polynomial';
      readonly over: Span;
      readonly power?: number;
      readonly final?: number;
      readonly warmup?: Warmup;
    }
  | {
      readonly kind: 'one-cycle';
      readonly over: Span;
      readonly rise?: number;
      readonly startDivisor?: number;
      readonly finalDivisor?: number;
    };

export interface Warmup {
  readonly over: Span;
  readonly from?: number;
}

/**
 * The factor of one step; pure.
 *
 * @param step counts from 1
 * @param stepsPerEpoch needed where a length is given in epochs
 * @throws RangeError when it is needed and absent
 */
export function scheduleFactor(schedule: Schedule, step: number, stepsPerEpoch?: number): number {
  const steps = (span: Span) => stepsOf(span, stepsPerEpoch);
  const before = step - 1;
  const warmup = 'warmup' in schedule ? schedule.warmup : undefined;
  const warm = warmup ? steps(warmup.over) : 0;
  if (warmup && before < warm) {
    const { from = 0 } = warmup;
    return from + (1 - from) * Math.min(step / warm, 1);
  }
  const progress = (over: Span) => Math.min(Math.max((before - warm) / Math.max(steps(over) - warm, 1), 0), 1);
  switch (schedule.kind) {
    case 'constant':
      return 1;
    case 'step':
      return power(schedule.factor ?? 0.1, Math.floor(before / steps(schedule.every)));
    case 'exponential':
      return schedule.factor ** (before / steps(schedule.every));
    case 'piecewise':
      return schedule.factors[schedule.boundaries.filter((boundary) => steps(boundary) <= before).length]!;
    case 'cosine':
      return cosine(1, schedule.final ?? 0, progress(schedule.over));
    case 'polynomial': {
      const { final = 0 } = schedule;
      return final + (1 - final) * (1 - progress(schedule.over)) ** (schedule.power ?? 1);
    }
    case 'one-cycle': {
      const { rise = 0.3, startDivisor = 25, finalDivisor = 1e4 } = schedule;
      const last = steps(schedule.over) - 1;
      const top = Math.max(rise * (last + 1) - 1, 0);
      const low = 1 / startDivisor;
      if (before < top) return cosine(low, 1, before / top);
      return cosine(1, low / finalDivisor, Math.min((before - top) / Math.max(last - top, 1), 1));
    }
  }
}

function stepsOf(span: Span, stepsPerEpoch: number | undefined): number {
  if ('steps' in span) return span.steps;
  if (stepsPerEpoch === undefined)
    throw new RangeError('a schedule given in epochs needs the number of steps of an epoch');
  return span.epochs * stepsPerEpoch;
}

function cosine(start: number, end: number, progress: number): number {
  return end + ((start - end) * (1 + Math.cos(Math.PI * progress))) / 2;
}
