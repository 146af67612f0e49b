import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { type FitRequest, fitNetwork, type Lesson } from './fit-network.js';
import type { FittedNetwork } from './model.js';
import type { LossSpec } from './network.js';
import { checkNetworkOptions, NETWORK_FORMS, type NetworkOptions } from './network-options.js';
import { COLUMN, COLUMNS, checkForms, FLAG, type Form, type Forms } from './options.js';
import type { Estimator, FitColumns } from './pipeline/stage.js';
import { MLPRegressionModel } from './regression-model.js';
import { ColumnMoments } from './scaler.js';
import { VALUE_METRICS } from './selection/metric.js';
import type { PartitionSummary } from './summarise.js';
import type { CustomLoss } from './tfjs/custom-loss.js';
import { checkTraining, TRAINING_FORMS, type TrainingOptions } from './training-options.js';

type RegressionLoss = Extract<LossSpec, { kind: 'mean-squared-error' | 'mean-absolute-error' | 'huber' }>;

export interface RegressorOptions extends NetworkOptions, TrainingOptions {
  /** Default `mean-squared-error`. A function of (scaled) predictions and targets gives the losses of rows; slower. */
  readonly loss?: RegressionLoss['kind'] | RegressionLoss | CustomLoss;
  /**
   * Whether the network learns targets of mean 0 and deviation 1, which its predictions are brought back from: the learning rate
   * then fits targets of any unit. Losses are those of the scaled targets, measures those of the real ones. Default true.
   */
  readonly scaleTargets?: boolean;
}

const LOSSES: readonly string[] = [
  'mean-squared-error',
  'mean-absolute-error',
  'huber',
] satisfies RegressionLoss['kind'][];
const LOSS: Form = [
  (value) =>
    typeof value === 'function' || LOSSES.includes(typeof value === 'object' && value !== null ? value.kind : value),
  `'${LOSSES.join("', '")}', { kind: 'huber', delta }, or a function (predictions, labels, tf) => tensor`,
];

const FORMS: Forms<RegressorOptions> = { ...NETWORK_FORMS, ...TRAINING_FORMS, loss: LOSS, scaleTargets: FLAG };

/** The columns a regressor learns from. */
export type RegressorColumns = Pick<FitColumns, 'features' | 'target' | 'weight'>;

const FIT_COLUMNS: Forms<FitColumns> = {
  features: COLUMN,
  target: [
    (value) => COLUMN[0](value) || (COLUMNS[0](value) && new Set(value).size === value.length),
    "a column's name, or an array of them, each once",
  ],
  weight: COLUMN,
  label: [() => true, ''], // of a classifier in the same pipeline
};

/**
 * A multilayer perceptron that predicts numbers, one a row or several, trained as `MLPClassifier` is, to the same bits on any
 * number of slots and executors.
 *
 * ```ts
 * const model = await new MLPRegressor({ hidden: [64, 64], epochs: 50 }).fit(train, { target: 'price' });
 * const { rmse, r2 } = await model.evaluate(test);
 * const predicted = model.transform(houses); // with a column `prediction`
 * ```
 */
export class MLPRegressor implements Estimator<MLPRegressionModel> {
  readonly options: RegressorOptions;

  /** @throws TypeError naming an option that is not known or has a bad value */
  constructor(options: RegressorOptions = {}) {
    checkForms('MLPRegressor', options, FORMS);
    checkTraining('MLPRegressor', options, VALUE_METRICS);
    if (typeof options.earlyStopping === 'object' && options.earlyStopping.stratify)
      throw new TypeError(
        'earlyStopping of MLPRegressor: stratify: true needs classes; values have none: leave it out',
      );
    checkNetworkOptions('MLPRegressor', options, 1, namedLoss(options));
    this.options = options;
  }

  /**
   * @param table batches with a `FixedSizeList<Float32>` column of features and columns of targets: numbers, or vectors of them
   * @param columns default `features` and `target`; `weight`: a column that says how much each row counts
   * @throws TypeError for a column that is not known; Error when the table is empty; JobError naming column, row and partition
   *   for a feature or target that is no finite number; DivergedError when the loss is no number any more
   */
  async fit(table: ArrowRDD, columns: RegressorColumns = {}): Promise<MLPRegressionModel> {
    return this.modelOf(await fitNetwork(table, this.fitRequest(columns)));
  }

  /** What is asked of a training, for those who train several at once. */
  fitRequest(columns: FitColumns = {}): FitRequest {
    const { features = 'features', target = 'target', weight } = checkForms('MLPRegressor.fit', columns, FIT_COLUMNS);
    const targets = typeof target === 'string' ? [target] : target;
    return {
      owner: 'MLPRegressor.fit',
      options: this.options,
      loss: typeof this.options.loss === 'function' ? this.options.loss : undefined,
      columns: { features, targets, weight },
      monitor: 'rmse',
      learn: (parts) => lessonOf(parts, targets, this.options),
    };
  }

  modelOf(fitted: FittedNetwork): MLPRegressionModel {
    return new MLPRegressionModel(fitted);
  }
}

/** With a function the predictions are values too. */
function namedLoss({ loss = 'mean-squared-error' }: RegressorOptions): RegressionLoss['kind'] | RegressionLoss {
  return typeof loss === 'function' ? 'mean-squared-error' : loss;
}

/** Pure. @throws Error when rows have targets of several widths */
function lessonOf(parts: readonly PartitionSummary[], columns: readonly string[], options: RegressorOptions): Lesson {
  const { scaleTargets = true } = options;
  const moments = parts.flatMap(({ targets }) =>
    targets === null ? [] : [ColumnMoments.fromBytes(Buffer.from(targets, 'base64'))],
  );
  const widths = [...new Set(moments.map((each) => each.columns))];
  if (widths.length > 1)
    throw new Error(
      `MLPRegressor.fit: ${columns.join(', ')} hold ${widths.join(' and ')} values a row; all rows need the same`,
    );
  const { mean, deviation } = moments.reduce((all, each) => all.merge(each)).finish();
  const scaling = scaleTargets ? { mean: [...mean], deviation: [...deviation] } : {};
  return {
    target: { kind: 'values', columns, width: widths[0]!, ...scaling },
    outputs: widths[0]!,
    loss: namedLoss(options),
  };
}
