import type { LossSpec } from './network.js';
import { checkNetworkOptions, NETWORK_FORMS, type NetworkOptions } from './network-options.js';
import { AMOUNT, checkForms, type Form, type Forms } from './options.js';
import { CLASS_METRICS } from './selection/metric.js';
import type { CustomLoss } from './tfjs/custom-loss.js';
import { checkTraining, TRAINING_FORMS, type TrainingOptions } from './training-options.js';

type ClassificationLoss = Extract<LossSpec, { kind: 'softmax-cross-entropy' | 'binary-cross-entropy' }>;

export interface ClassifierOptions extends NetworkOptions, TrainingOptions {
  /**
   * Default `softmax-cross-entropy`, one output a class; with `binary-cross-entropy` two classes are told by one output. Of a
   * column of lists, whose rows have any of many labels, it is `binary-cross-entropy`, and no other is taken. A function of the classes' probabilities
   * and of zeros and ones at the labels gives the losses of rows; slower.
   */
  readonly loss?: ClassificationLoss['kind'] | ClassificationLoss | CustomLoss;
  /** In [0, 1): as part of the loss. Default 0. */
  readonly labelSmoothing?: number;
  /**
   * How much rows of a class count, by its name, those not named 1; `balanced`: rows / (classes x rows of the class), so that
   * all classes count alike. Of many labels: how much it counts that a row has the label. Default: all rows alike.
   */
  readonly classWeights?: 'balanced' | Readonly<Record<string, number>>;
}

const LOSSES: readonly string[] = [
  'softmax-cross-entropy',
  'binary-cross-entropy',
] satisfies ClassificationLoss['kind'][];
const LOSS: Form = [
  (value) =>
    typeof value === 'function' || LOSSES.includes(typeof value === 'object' && value !== null ? value.kind : value),
  `'${LOSSES.join("' or '")}', { kind, labelSmoothing }, or a function (predictions, labels, tf) => tensor`,
];
const WEIGHTS: Form = [
  (value) =>
    value === 'balanced' ||
    (typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(AMOUNT[0])),
  "'balanced', or an object of numbers of at least 0 by class",
];

const FORMS: Forms<ClassifierOptions> = {
  ...NETWORK_FORMS,
  ...TRAINING_FORMS,
  loss: LOSS,
  labelSmoothing: [(value) => Number.isFinite(value) && value >= 0 && value < 1, 'a number from 0 to below 1'],
  classWeights: WEIGHTS,
};

/**
 * Before any data is read: a long job must not fail late for a typing error.
 * @throws TypeError naming the option, what it must be and what it is
 */
export function checkOptions(options: ClassifierOptions): ClassifierOptions {
  checkForms('MLPClassifier', options, FORMS);
  if (typeof options.loss === 'function' && options.labelSmoothing !== undefined)
    throw new TypeError('MLPClassifier: labelSmoothing is part of the losses by name, and loss is a function');
  checkTraining('MLPClassifier', options, CLASS_METRICS);
  checkNetworkOptions('MLPClassifier', options, 2, lossOfOptions(options));
  return options;
}

/** Pure. A function's outputs are those of softmax. @param kind in the place of the option's */
export function lossOfOptions(
  { loss, labelSmoothing }: ClassifierOptions,
  kind?: ClassificationLoss['kind'],
): LossSpec {
  const given = typeof loss === 'object' ? loss : { kind: typeof loss === 'string' ? loss : 'softmax-cross-entropy' };
  return { ...given, kind: kind ?? given.kind, ...(labelSmoothing !== undefined && { labelSmoothing }) } as LossSpec;
}
