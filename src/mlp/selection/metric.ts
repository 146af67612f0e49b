import { shown } from '../../rdd/arguments.js';
import type { ArrowRDD } from '../../rdd/arrow-rdd.js';
import { isModel, type Transformer } from '../pipeline/stage.js';

/** Measures of `evaluate` by which models are chosen, and which way is better. */
const DIRECTIONS = {
  accuracy: 'max',
  macroF1: 'max',
  rocAuc: 'max',
  prAuc: 'max',
  logLoss: 'min',
  brier: 'min',
  hammingLoss: 'min',
  rmse: 'min',
  mse: 'min',
  mae: 'min',
  r2: 'max',
  explainedVariance: 'max',
} as const;
export type MetricName = keyof typeof DIRECTIONS;
export const METRICS = Object.keys(DIRECTIONS) as MetricName[];
/** Of regressions; all others are of classes. */
export const VALUE_METRICS: readonly MetricName[] = ['rmse', 'mse', 'mae', 'r2', 'explainedVariance'];
export const CLASS_METRICS = METRICS.filter((name) => !VALUE_METRICS.includes(name));

/** A measure of `evaluate` by its name, or one of one's own. */
export type Metric =
  | MetricName
  | {
      readonly name: string;
      readonly direction: 'max' | 'min';
      /** Of a fitted model on held-out rows. */
      measure(model: any, validation: ArrowRDD): number | Promise<number>;
    };

export function isMetric(metric: unknown): metric is Metric {
  if (typeof metric === 'string') return Object.hasOwn(DIRECTIONS, metric);
  const { name, direction, measure } = (metric ?? {}) as Record<string, unknown>;
  return typeof name === 'string' && (direction === 'max' || direction === 'min') && typeof measure === 'function';
}

export function directionOf(metric: Metric): 'max' | 'min' {
  return typeof metric === 'string' ? DIRECTIONS[metric] : metric.direction;
}

export function nameOf(metric: Metric): string {
  return typeof metric === 'string' ? metric : metric.name;
}

/** What has to be asked of `evaluate` for this measure. */
export function evaluateOptionsFor(metric: string): { readonly ranking?: true } {
  return metric === 'rocAuc' || metric === 'prAuc' ? { ranking: true } : {};
}

/**
 * @param weight column of the rows' weights: what is measured by name is weighed as what is learnt
 * @throws TypeError when the model cannot be judged, or by other measures only, or a measure of one's own gives no number
 */
export async function measure(
  metric: Metric,
  model: Transformer,
  validation: ArrowRDD,
  weight?: string,
): Promise<number> {
  if (typeof metric !== 'string') {
    const value: unknown = await metric.measure(model, validation);
    if (typeof value === 'number') return value;
    throw new TypeError(
      `the measure "${metric.name}" gave ${shown(value)}; it must return a number, or a promise of one`,
    );
  }
  if (!isModel(model))
    throw new TypeError(`${shown(model)} cannot be judged by "${metric}": it has no evaluate method`);
  return measured(
    (await model.evaluate(validation, {
      ...evaluateOptionsFor(metric),
      ...(weight !== undefined && { weight }),
    })) as object,
    metric,
  );
}

/** @throws TypeError naming the measures there are */
export function measured(measures: object, metric: string): number {
  const value = (measures as Record<string, unknown>)[metric];
  if (typeof value === 'number') return value;
  const there = METRICS.filter((name) => typeof (measures as Record<string, unknown>)[name] === 'number');
  throw new TypeError(`this model is not measured by "${metric}"; there are ${there.join(', ')}`);
}

/** The place of the best value; the first of equals; -1 where all are NaN. */
export function bestOf(values: readonly number[], direction: 'max' | 'min'): number {
  let best = -1;
  values.forEach((value, k) => {
    if (Number.isNaN(value)) return;
    const better = best < 0 || (direction === 'max' ? value > values[best]! : value < values[best]!);
    if (better) best = k;
  });
  return best;
}
