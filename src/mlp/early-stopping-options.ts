import { ArrowRDD } from '../rdd/arrow-rdd.js';
import { AMOUNT, COLUMN, COUNT, checkForms, checkStratify, FLAG, type Forms, oneOf } from './options.js';
import type { MetricName } from './selection/metric.js';

/** When a training ends before its last epoch. */
export interface EarlyStoppingOptions {
  /**
   * Rows to judge by, which are not trained on: a table, or a share of the rows that are given. Default 0.1. A table with labels that
   * were not seen in training is refused, as by `evaluate`; of a share such rows count as wrong, with a warning.
   */
  readonly validation?: ArrowRDD | number;
  /** Of a share: column whose equal values stay together. */
  readonly group?: string;
  /**
   * Of a share of a classifier's rows: whether it has the classes in the same shares as all rows, as in scikit-learn's MLPClassifier.
   * By default it has where that can be, which is not with `group` and of rows with many labels; `true` is refused there.
   */
  readonly stratify?: boolean;
  /** What is looked at: a measure of `evaluate`. Default `logLoss`; of regressions `rmse`. */
  readonly monitor?: MetricName;
  /** Epochs without a better value after which the training ends. Default 10. */
  readonly patience?: number;
  /** By how much a value must be better to count. Default 1e-4. */
  readonly minDelta?: number;
  /** Whether the model has the weights of the best epoch, not those of the last. Default true. */
  readonly restoreBest?: boolean;
}

const FORMS: Omit<Forms<EarlyStoppingOptions>, 'monitor'> = {
  validation: [
    (value) => value instanceof ArrowRDD || (Number.isFinite(value) && value > 0 && value < 1),
    'a table, or a number above 0 and below 1',
  ],
  group: COLUMN,
  stratify: FLAG,
  patience: COUNT,
  minDelta: AMOUNT,
  restoreBest: FLAG,
};

/** @param measures that the models have @throws TypeError naming the option */
export function checkEarlyStopping(
  owner: string,
  options: boolean | EarlyStoppingOptions | undefined,
  measures: readonly MetricName[],
): void {
  if (typeof options !== 'object') return;
  checkForms(`earlyStopping of ${owner}`, options, { ...FORMS, monitor: oneOf(...measures) });
  if (options.group !== undefined && options.validation instanceof ArrowRDD)
    throw new TypeError(`earlyStopping of ${owner}: group belongs to a share of the rows; a validation table is given`);
  if (options.stratify && options.validation instanceof ArrowRDD)
    throw new TypeError(
      `earlyStopping of ${owner}: stratify belongs to a share of the rows; a validation table is given`,
    );
  checkStratify(`earlyStopping of ${owner}`, options);
}
