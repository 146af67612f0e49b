import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { operatorName } from '../rdd/call-site.js';
import { type EvaluateRequest, judged } from './evaluate.js';
import { THRESHOLD } from './model.js';
import { evaluateOptionsFor, type MetricName, measured } from './selection/metric.js';

/** Weights to be judged, on rows that they were not made from. */
export interface Validation extends Pick<EvaluateRequest, 'network' | 'target' | 'features' | 'theta' | 'weight'> {
  readonly monitor: MetricName;
}

/** One measure of weights on a table. @throws Error when it has no rows; TypeError for a measure that such networks have not */
export async function validate(table: ArrowRDD, { monitor, ...what }: Validation): Promise<number> {
  const ranking = evaluateOptionsFor(monitor).ranking ?? false;
  const request = { ...what, ranking, threshold: THRESHOLD, unseenLabels: 'wrong' } as const;
  const { scores, areas } = await judged(table, request, {
    owner: 'earlyStopping: validation',
    name: operatorName('validation'),
  });
  const metrics = scores.metrics(true);
  return measured({ ...metrics, ...areas, ...('macro' in metrics && { macroF1: metrics.macro.f1 }) }, monitor);
}
