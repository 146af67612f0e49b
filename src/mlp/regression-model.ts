import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { operatorName } from '../rdd/call-site.js';
import { evaluateParts } from './evaluate.js';
import { RegressionErrors, type RegressionMetrics, type RegressionSums } from './metrics/regression.js';
import { type FittedNetwork, MLPModel, THRESHOLD } from './model.js';
import type { TargetSpec } from './targets.js';

/** How far predictions lie from the truth, in the units of the targets. */
export interface RegressionEvaluation extends RegressionMetrics {
  /** Of each value, where a row has several. */
  readonly targets: readonly RegressionMetrics[];
}

/** A fitted network that predicts numbers: one a row, or several. */
export class MLPRegressionModel extends MLPModel<number | number[], RegressionEvaluation> {
  protected readonly stage = 'MLPRegressor';

  /** Names of the columns that were learnt. */
  get targets(): readonly string[] {
    return (this.target as Extract<TargetSpec, { kind: 'values' }>).columns;
  }

  /**
   * Predicts every row of a table on the executors and measures the errors.
   * @throws Error when the table has no rows; JobError for a row without a target, or with a feature that is not a finite
   *   number
   */
  async evaluate(table: ArrowRDD): Promise<RegressionEvaluation> {
    const { network, features, target, theta } = this;
    const request = { network, features, target, theta, ranking: false, threshold: THRESHOLD } as const;
    const name = operatorName('MLPRegressionModel.evaluate');
    const parts = await evaluateParts<RegressionSums>(table, { ...request, unseenLabels: 'error' }, name);
    const errors = new RegressionErrors(network.outputs);
    for (const { state } of parts) errors.merge(state);
    if (errors.rows === 0) throw new Error('MLPRegressionModel.evaluate: the table has no rows');
    return {
      ...errors.metrics(),
      targets: Array.from({ length: network.outputs }, (_, k) => errors.target(k)),
    };
  }

  static fromJSON(json: Omit<FittedNetwork, 'theta'>, [theta]: readonly Float32Array[]): MLPRegressionModel {
    return new MLPRegressionModel({ ...json, theta: theta! });
  }
}
