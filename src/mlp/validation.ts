import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { operatorName } from '../rdd/call-site.js';
import { type EvaluateRequest, evaluateParts } from './evaluate.js';
import { ClassificationScores, type ClassificationState } from './metrics/classification.js';
import { ManyLabelScores, type ManyLabelState } from './metrics/many-label.js';
import { RegressionErrors, type RegressionSums } from './metrics/regression.js';
import { THRESHOLD } from './model.js';
import { evaluateOptionsFor, type MetricName, measured } from './selection/metric.js';

/** Weights to be judged, on rows that they were not made from. */
export interface Validation extends Pick<EvaluateRequest, 'network' | 'target' | 'features' | 'theta'> {
  readonly monitor: MetricName;
}

/** One measure of weights on a table. @throws Error when it has no rows; TypeError for a measure that such networks have not */
export async function validate(table: ArrowRDD, { monitor, ...what }: Validation): Promise<number> {
  const { target } = what;
  const ranking = evaluateOptionsFor(monitor).ranking ?? false;
  const request = { ...what, ranking, threshold: THRESHOLD, unseenLabels: 'wrong' } as const;
  const states = (await evaluateParts(table, request, operatorName('validation'))).map(({ state }) => state);
  const metrics = metricsOf();
  if (metrics.rows === 0) throw new Error('earlyStopping: the validation table has no rows');
  return measured(metrics, monitor);

  function metricsOf() {
    if (target.kind === 'values') {
      const errors = new RegressionErrors(target.width);
      for (const state of states) errors.merge(state as RegressionSums);
      return errors.metrics();
    }
    const scores =
      target.kind === 'class'
        ? new ClassificationScores(target.classes.length, ranking)
        : new ManyLabelScores(target.classes.length, THRESHOLD, ranking);
    for (const state of states) scores.merge(state as ClassificationState & ManyLabelState);
    const metrics = scores.metrics(true);
    return { ...metrics, macroF1: metrics.macro.f1 };
  }
}
