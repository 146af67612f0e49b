import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { operatorName } from '../rdd/call-site.js';
import { judged } from './evaluate.js';
import type { RegressionErrors, RegressionMetrics } from './metrics/regression.js';
import { type FittedNetwork, MLPModel, THRESHOLD } from './model.js';
import { COLUMN, checkForms } from './options.js';
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
   * @param options `weight`: a column that says how much each row counts, as scikit-learn's sample_weight
   * @throws TypeError for what is no table; Error when it has no rows, or none of any weight; JobError for a row without a target, or
   *   with a feature that is not a finite number
   */
  async evaluate(table: ArrowRDD, options: { readonly weight?: string } = {}): Promise<RegressionEvaluation> {
    const { weight } = checkForms('MLPRegressionModel.evaluate', options, { weight: COLUMN });
    const { network, features, target, theta } = this;
    const request = { network, features, target, theta, weight, ranking: false, threshold: THRESHOLD } as const;
    const owner = 'MLPRegressionModel.evaluate';
    const where = { owner, name: operatorName(owner) };
    const { scores } = await judged(table, { ...request, unseenLabels: 'error' }, where);
    const errors = scores as RegressionErrors;
    return {
      ...errors.metrics(),
      targets: Array.from({ length: network.outputs }, (_, k) => errors.target(k)),
    };
  }

  static fromJSON(json: Omit<FittedNetwork, 'theta'>, [theta]: readonly Float32Array[]): MLPRegressionModel {
    return new MLPRegressionModel({ ...json, theta: theta! });
  }
}
