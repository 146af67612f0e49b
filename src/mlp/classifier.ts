import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { MLPClassificationModel } from './classification-model.js';
import { type ClassifierOptions, checkOptions, lossOfOptions } from './classifier-options.js';
import { shortList } from './columns.js';
import { type FitRequest, fitNetwork, type Lesson } from './fit-network.js';
import type { FittedNetwork } from './model.js';
import type { LossSpec } from './network.js';
import { COLUMN, checkForms, type Forms } from './options.js';
import type { Estimator, FitColumns } from './pipeline/stage.js';
import { MAX_CLASSES, type PartitionSummary, tooManyClasses } from './summarise.js';

/** The columns a classifier learns from. */
export type ClassifierColumns = Pick<FitColumns, 'features' | 'label' | 'weight'>;

const COLUMNS: Forms<FitColumns> = {
  features: COLUMN,
  label: COLUMN,
  weight: COLUMN,
  target: [() => true, ''], // of a regressor in the same pipeline
};

/**
 * A multilayer perceptron that tells classes apart, trained by a gradient task on every shard of the rows. For given
 * data, options and seed the weights are the same bits on any number of slots and executors, with or without failures.
 *
 * A label column of lists, or of vectors of zeros and ones, gives each row any of many labels.
 *
 * ```ts
 * const model = await new MLPClassifier({ hidden: [128, 64], epochs: 30, seed: 1 }).fit(train, { label: 'activity' });
 * const { accuracy } = await model.evaluate(test);
 * ```
 */
export class MLPClassifier implements Estimator<MLPClassificationModel> {
  readonly options: ClassifierOptions;

  /** @throws TypeError naming an option that is not known or has a bad value */
  constructor(options: ClassifierOptions = {}) {
    this.options = checkOptions(options);
  }

  /**
   * @param table batches with a `FixedSizeList<Float32>` column of features and a column of labels (text, numbers or lists)
   * @param columns default `features` and `label`; `weight`: a column that says how much each row counts
   * @throws TypeError for a column that is not known; Error when the table is empty or holds one class only; JobError naming
   *   column, row and partition for a feature that is no finite number or a missing label; DivergedError when the loss is no
   *   number any more
   */
  async fit(table: ArrowRDD, columns: ClassifierColumns = {}): Promise<MLPClassificationModel> {
    return this.modelOf(await fitNetwork(table, this.fitRequest(columns)));
  }

  /** What is asked of a training, for those who train several at once. */
  fitRequest(columns: FitColumns = {}): FitRequest {
    const { features = 'features', label = 'label', weight } = checkForms('MLPClassifier.fit', columns, COLUMNS);
    return {
      owner: 'MLPClassifier.fit',
      options: this.options,
      loss: typeof this.options.loss === 'function' ? this.options.loss : undefined,
      columns: { features, label, weight },
      monitor: 'logLoss',
      learn: (parts) => lessonOf(parts, label, this.options),
    };
  }

  strata({ label = 'label' }: FitColumns): string {
    return label;
  }

  modelOf(fitted: FittedNetwork): MLPClassificationModel {
    return new MLPClassificationModel(fitted);
  }
}

/** The loss of rows that have any of many labels. */
const MANY_LABELS = 'binary-cross-entropy';

/** Pure. @throws Error for one class only, and for options that do not go with the labels there are */
export function lessonOf(parts: readonly PartitionSummary[], label: string, options: ClassifierOptions): Lesson {
  const seen = parts.filter(({ rows }) => rows > 0);
  const rows = seen.reduce((sum, part) => sum + part.rows, 0);
  const counts = new Map<string, number>();
  for (const { labels } of seen)
    for (const [name, count] of Object.entries(labels)) counts.set(name, (counts.get(name) ?? 0) + count);
  // Partitions count for themselves: how many there are must not decide.
  if (counts.size > MAX_CLASSES) throw new Error(`MLPClassifier.fit: ${tooManyClasses(label)}`);
  const { labelForm, labelType } = seen[0]!;
  const common = { labelType: labelType! };
  if (labelForm !== 'class') {
    if (typeof options.loss !== 'function' && options.loss !== undefined && lossOfOptions(options).kind !== MANY_LABELS)
      throw new Error(
        `MLPClassifier.fit: loss '${lossOfOptions(options).kind}' gives each row one class, and rows of column "${label}" have any of many labels: ` +
          `leave loss out, or take '${MANY_LABELS}'`,
      );
    const classes = labelForm === 'indicators' ? [...counts.keys()] : classesOf(seen.map(({ labels }) => labels));
    if (classes.length === 0) throw new Error(`MLPClassifier.fit: no row has a label in column "${label}"`);
    const positive = weightsOf(
      options,
      classes,
      label,
      (name) => (rows - counts.get(name)!) / Math.max(1, counts.get(name)!),
    );
    const loss = { ...lossOfOptions(options, MANY_LABELS), ...(positive && { positiveWeights: positive }) };
    const target = { kind: 'labels', column: label, classes } as const;
    return { ...common, target, outputs: classes.length, loss: loss as LossSpec };
  }
  const classes = classesOf(seen.map(({ labels }) => labels));
  if (classes.length < 2)
    throw new Error(
      `MLPClassifier.fit: column "${label}" holds one class only, "${classes[0]}", in all ${rows} rows; two are needed`,
    );
  const loss = lossOfOptions(options);
  const oneOutput = loss.kind === 'binary-cross-entropy';
  if (oneOutput && classes.length > 2)
    throw new Error(
      `MLPClassifier.fit: loss 'binary-cross-entropy' tells two classes apart, and column "${label}" holds ${classes.length}: ${shortList(classes)}`,
    );
  const classWeights = weightsOf(options, classes, label, (name) => rows / (classes.length * counts.get(name)!));
  const weighty = new Set(seen.flatMap((part) => part.weightyLabels ?? Object.keys(part.labels)));
  if (classWeights && !classes.some((name, k) => classWeights[k]! > 0 && weighty.has(name)))
    throw new Error(
      `MLPClassifier.fit: no row counts: classWeights gives the weight 0 to ${classWeights.some((each) => each > 0) ? 'each class that has rows of any weight' : 'every class'} of column "${label}"`,
    );
  const target = { kind: 'class', column: label, classes } as const;
  return { ...common, target, outputs: oneOutput ? 1 : classes.length, loss, classWeights };
}

function weightsOf(
  { classWeights }: ClassifierOptions,
  classes: readonly string[],
  label: string,
  balanced: (name: string) => number,
): number[] | undefined {
  if (classWeights === undefined) return undefined;
  if (classWeights === 'balanced') return classes.map(balanced);
  const unknown = Object.keys(classWeights).find((name) => !classes.includes(name));
  if (unknown !== undefined)
    throw new Error(
      `MLPClassifier.fit: classWeights names a class "${unknown}", and column "${label}" holds ${shortList(classes)}`,
    );
  return classes.map((name) => classWeights[name] ?? 1);
}

/**
 * Distinct labels in a fixed order: numbers by value, all else, and numbers of equal value (`1`, `1.0`), by code units.
 */
export function classesOf(counts: readonly Readonly<Record<string, number>>[]): string[] {
  const names = [...new Set(counts.flatMap((labels) => Object.keys(labels)))];
  const numeric = names.every((name) => name.trim() !== '' && Number.isFinite(Number(name)));
  return names.sort((a, b) => (numeric && Number(a) - Number(b)) || (a < b ? -1 : a > b ? 1 : 0));
}
