import type { ArrowRDD } from '../../rdd/arrow-rdd.js';
import { operatorName } from '../../rdd/call-site.js';
import { requireTable } from '../evaluate.js';
import { checkForms, checkStratify, FLAG, type Form, requireOption } from '../options.js';
import type { Estimator, FitColumns, Transformer } from '../pipeline/stage.js';
import { chosen, runTrials, SELECTION_FORMS, SelectedModel, type SelectionOptions, stratification } from './select.js';
import { kFolds } from './splits.js';

export interface CrossValidatorOptions<P extends object, M extends Transformer> extends SelectionOptions<P, M> {
  /** Parts, each held out once. Default 3, as Spark. */
  readonly folds?: number;
  /**
   * Whether the folds of a classifier have its classes in the same shares, as scikit-learn's StratifiedKFold. By default they have where
   * that can be, which is not with `group` and of rows with many labels; `true` is refused there.
   */
  readonly stratify?: boolean;
}

const FOLDS: Form = [(value) => Number.isSafeInteger(value) && value >= 2, 'a whole number of at least 2'];

/**
 * Chooses among parameters by k-fold cross-validation: each combination is fitted k times, each time measured on the part
 * that it has not seen; the best by the mean is fitted again on all rows. Which rows are held out depends on the seed and the
 * rows' order alone. Folds of a classifier have its classes in the same shares. Cache the table: every trial reads it.
 *
 * ```ts
 * const validator = new CrossValidator({
 *   estimator: (params) => new Pipeline([new StandardScaler(), new MLPClassifier({ epochs: 10, ...params })]),
 *   grid: paramGrid({ hidden: [[16], [64]], l2: [0, 1e-3] }),
 *   metric: 'accuracy',
 *   folds: 5,
 *   group: 'person',
 * });
 * const { bestParams, avgMetrics, bestModel } = await validator.fit(table.cache(), { label: 'activity' });
 * ```
 */
export class CrossValidator<P extends object, M extends Transformer> implements Estimator<CrossValidatorModel<P, M>> {
  /** @throws TypeError for an option that is not known, missing or of a bad value */
  constructor(readonly options: CrossValidatorOptions<P, M>) {
    checkForms('CrossValidator', options, { ...SELECTION_FORMS, folds: FOLDS, stratify: FLAG });
    requireOption('CrossValidator', options, 'estimator');
    requireOption('CrossValidator', options, 'metric');
    checkStratify('CrossValidator', options);
  }

  /** @throws Error for fewer rows, or groups, than folds, and a class of one row; what the estimators throw, but for a training that diverges */
  async fit(table: ArrowRDD, columns: FitColumns = {}): Promise<CrossValidatorModel<P, M>> {
    const { estimator, metric, folds = 3, group, seed = 0 } = this.options;
    const name = operatorName('CrossValidator.fit');
    requireTable('CrossValidator.fit', table);
    const strata = stratification('CrossValidator.fit', this.options, columns);
    const splits = await kFolds(table, folds, { group, ...strata, seed, name });
    const { params, metrics } = await runTrials(this.options, splits, columns);
    const best = chosen(metrics.map(mean), metric);
    const bestModel = await estimator(params[best]!).fit(table, columns);
    return new CrossValidatorModel(bestModel, params, best, metrics);
  }
}

export class CrossValidatorModel<P extends object, M extends Transformer> extends SelectedModel<P, M> {
  constructor(
    bestModel: M,
    params: readonly P[],
    bestIndex: number,
    /** By combination, then by fold; NaN where the training diverged. */
    readonly foldMetrics: readonly (readonly number[])[],
  ) {
    super(bestModel, params, bestIndex);
  }

  /** Mean over the folds, by combination. */
  get avgMetrics(): number[] {
    return this.foldMetrics.map(mean);
  }

  /** Deviation (population) over the folds, by combination. */
  get stdMetrics(): number[] {
    return this.foldMetrics.map((values) => {
      const centre = mean(values);
      return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
    });
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
