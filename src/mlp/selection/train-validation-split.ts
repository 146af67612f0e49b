import type { ArrowRDD } from '../../rdd/arrow-rdd.js';
import { operatorName } from '../../rdd/call-site.js';
import { requireTable } from '../evaluate.js';
import { checkForms, checkStratify, FLAG, type Form, requireOption } from '../options.js';
import type { Estimator, FitColumns, Transformer } from '../pipeline/stage.js';
import { chosen, runTrials, SELECTION_FORMS, SelectedModel, type SelectionOptions, stratification } from './select.js';
import { holdOut } from './splits.js';

export interface TrainValidationSplitOptions<P extends object, M extends Transformer> extends SelectionOptions<P, M> {
  /** Share of the rows to train on; the others are held out. Default 0.75, as Spark. */
  readonly trainRatio?: number;
  /**
   * Whether both parts have a classifier's classes in the same shares, as scikit-learn's StratifiedShuffleSplit. By default they have
   * where that can be, which is not with `group` and of rows with many labels; `true` is refused there.
   */
  readonly stratify?: boolean;
}

export const SHARE: Form = [
  (value) => Number.isFinite(value) && value > 0 && value < 1,
  'a number above 0 and below 1',
];

/**
 * Chooses among parameters by one held-out part of the rows: cheaper than `CrossValidator`, and less certain. The best is
 * fitted again on all rows.
 *
 * ```ts
 * const { bestParams } = await new TrainValidationSplit({
 *   estimator: (params) => new MLPRegressor({ epochs: 20, ...params }),
 *   grid: paramGrid({ hidden: [[], [32]] }),
 *   metric: 'rmse',
 * }).fit(table, { target: 'price' });
 * ```
 */
export class TrainValidationSplit<P extends object, M extends Transformer>
  implements Estimator<TrainValidationSplitModel<P, M>>
{
  /** @throws TypeError for an option that is not known, missing or of a bad value */
  constructor(readonly options: TrainValidationSplitOptions<P, M>) {
    checkForms('TrainValidationSplit', options, { ...SELECTION_FORMS, trainRatio: SHARE, stratify: FLAG });
    requireOption('TrainValidationSplit', options, 'estimator');
    requireOption('TrainValidationSplit', options, 'metric');
    checkStratify('TrainValidationSplit', options);
  }

  /** @throws what the estimators throw, but for a training that diverges */
  async fit(table: ArrowRDD, columns: FitColumns = {}): Promise<TrainValidationSplitModel<P, M>> {
    const { estimator, metric, trainRatio = 0.75, group, seed = 0 } = this.options;
    const name = operatorName('TrainValidationSplit.fit');
    requireTable('TrainValidationSplit.fit', table);
    const strata = stratification('TrainValidationSplit.fit', this.options, columns);
    const split = await holdOut(table, 1 - trainRatio, { group, ...strata, seed, name });
    const { params, metrics } = await runTrials(this.options, [split], columns);
    const values = metrics.map(([value]) => value!);
    const best = chosen(values, metric);
    const bestModel = await estimator(params[best]!).fit(table, columns);
    return new TrainValidationSplitModel(bestModel, params, best, values);
  }
}

export class TrainValidationSplitModel<P extends object, M extends Transformer> extends SelectedModel<P, M> {
  constructor(
    bestModel: M,
    params: readonly P[],
    bestIndex: number,
    /** By combination; NaN where the training diverged. */
    readonly validationMetrics: readonly number[],
  ) {
    super(bestModel, params, bestIndex);
  }
}
