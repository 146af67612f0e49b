import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { operatorName } from '../rdd/call-site.js';
import { type Judgement, judged } from './evaluate.js';
import type { ClassificationMetrics, ClassificationScores } from './metrics/classification.js';
import { type ConfusionMatrix, denseCounts } from './metrics/confusion.js';
import { formatConfusion } from './metrics/confusion-table.js';
import type { ManyLabelMetrics, ManyLabelScores } from './metrics/many-label.js';
import { formatManyLabels } from './metrics/many-label-table.js';
import { type FittedNetwork, MLPModel, THRESHOLD } from './model.js';
import { COLUMN, checkForms, FLAG, type Forms, oneOf } from './options.js';
import { ofGivenRows, plainBatch } from './pipeline/plain-batch.js';
import type { PlainRow } from './pipeline/stage.js';
import type { Label } from './predictions.js';

export interface EvaluateOptions {
  /** Column that says how much each row counts, in all measures, as scikit-learn's sample_weight: a number of at least 0. Default: all alike. */
  readonly weight?: string;
  /**
   * What to do with rows whose label was not seen in training. Default `error`; `wrong` counts them as wrong answers, in
   * a class of their own, the last.
   */
  readonly unseenLabels?: 'error' | 'wrong';
  /**
   * Whether to measure areas under curves, `rocAuc` and `prAuc`: exact, for which a score a row comes to the driver; of more than two
   * classes by a second pass over the table. Default: where classes are two.
   */
  readonly ranking?: boolean;
  /** Of many labels: one is predicted from this probability on. Default 0.5. */
  readonly threshold?: number;
}

/** How well a classifier's answers are; of one that gives many labels a row, some measures mean that, as `ManyLabelMetrics` says. */
export interface Evaluation
  extends Omit<ClassificationMetrics, 'micro'>,
    Partial<Pick<ManyLabelMetrics, 'micro' | 'hammingLoss'>> {
  readonly macroF1: number;
  readonly classes: readonly string[];
  /** Labels that were not seen in training. */
  readonly unseenLabels: readonly string[];
  /**
   * Counts (or weights), true class by row, predicted class by column. Of many labels: a row a label, with its true negatives, false
   * positives, false negatives and true positives. Of more than 1000 classes the square of them is not made: reading it throws a
   * RangeError, and `confusionCounts` holds what is not 0.
   */
  readonly confusion: readonly (readonly number[])[];
  /** Those that are not 0, in the order of the classes: as many as rows at most. Absent where rows have many labels. */
  readonly confusionCounts?: readonly ConfusionCount[];
  /** The counts as text. */
  readonly table: string;
}

/** How many rows (or what weight of them) of a class were taken for one. */
export interface ConfusionCount {
  readonly actual: string;
  readonly predicted: string;
  readonly count: number;
}

/** More classes have no matrix: of 1000 it is a million numbers. */
const MAX_MATRIX = 1000;

/** Name of the class that stands for all labels that were not seen in training. */
const UNSEEN = '(unseen)';

const FORMS: Forms<EvaluateOptions> = {
  weight: COLUMN,
  unseenLabels: oneOf('error', 'wrong'),
  ranking: FLAG,
  threshold: [(value) => Number.isFinite(value) && value >= 0 && value <= 1, 'a probability, from 0 to 1'],
};

/** A fitted network that tells classes apart: one a row, or, of a column of lists, any of many. */
export class MLPClassificationModel extends MLPModel<Label | Label[], Evaluation> {
  protected readonly stage = 'MLPClassifier';

  /** In the order of the network's probabilities. */
  get classes(): readonly string[] {
    return this.target.kind === 'values' ? [] : this.target.classes;
  }

  /** Name of the column. */
  get label(): string {
    return this.target.kind === 'values' ? '' : this.target.column;
  }

  /**
   * Probabilities of the classes, in their order, of plain rows.
   * @throws TypeError for rows without features, or with one that is not a finite number
   */
  async predictProba(rows: readonly PlainRow[]): Promise<number[][]> {
    return ofGivenRows(() => this.outputsOf(plainBatch(rows, this.features)));
  }

  /**
   * Predicts every row of a table on the executors and counts.
   * @throws TypeError for what is no table; Error when it has no rows, or none of any weight; JobError for a row without a label, with a
   *   label not seen in training, or with a feature that is not a finite number
   */
  async evaluate(table: ArrowRDD, options: EvaluateOptions = {}): Promise<Evaluation> {
    const { weight, unseenLabels = 'error', threshold = THRESHOLD } = checkForms('evaluate', options, FORMS);
    const { network, features, target, theta, classes } = this;
    if (options.threshold !== undefined && target.kind !== 'labels')
      throw new TypeError(
        'evaluate: threshold is for rows of many labels; of classes the most probable one is predicted: take predictProba, or the column probability, to decide otherwise',
      );
    const ranking = options.ranking ?? (target.kind === 'class' && classes.length === 2);
    const request = { network, features, target, theta, weight, unseenLabels, ranking, threshold };
    const where = { owner: 'MLPModel.evaluate', name: operatorName('MLPModel.evaluate') };
    const judgement = await judged(table, request, where);
    return target.kind === 'labels' ? ofManyLabels(judgement, classes) : ofClasses(judgement, classes);
  }

  static fromJSON(json: Omit<FittedNetwork, 'theta'>, [theta]: readonly Float32Array[]): MLPClassificationModel {
    return new MLPClassificationModel({ ...json, theta: theta! });
  }
}

function ofClasses({ scores, unseen, areas }: Judgement, seen: readonly string[]): Evaluation {
  const classes = unseen.length > 0 ? [...seen, UNSEEN] : seen;
  const own = scores as ClassificationScores;
  const metrics = own.metrics(unseen.length > 0);
  const matrix = own.confusion(unseen.length > 0);
  const evaluation = {
    ...{ ...metrics, ...areas, macroF1: metrics.macro.f1, classes, unseenLabels: unseen },
    get confusionCounts() {
      return matrix.cells.map(({ actual, predicted, count }) => ({
        ...{ actual: classes[actual]!, predicted: classes[predicted]!, count },
      }));
    },
    get table() {
      return formatConfusion(matrix, classes);
    },
  };
  // One that would throw is not among what is copied, printed or made JSON of.
  const enumerable = classes.length <= MAX_MATRIX;
  let rows: number[][] | undefined;
  const get = () => {
    rows ??= rowsOf(matrix);
    return rows;
  };
  return Object.defineProperty(evaluation as Omit<Evaluation, 'confusion'>, 'confusion', {
    enumerable,
    get,
  }) as Evaluation;
}

/** @throws RangeError for too many classes */
function rowsOf(matrix: ConfusionMatrix): number[][] {
  const { classes } = matrix;
  if (classes > MAX_MATRIX)
    throw new RangeError(
      `a confusion matrix of ${classes} classes would be ${classes ** 2} numbers: read confusionCounts, those that are not 0, or perClass`,
    );
  const counts = denseCounts(matrix);
  return Array.from({ length: classes }, (_, k) => [...counts.subarray(k * classes, (k + 1) * classes)]);
}

function ofManyLabels({ scores, unseen, areas }: Judgement, classes: readonly string[]): Evaluation {
  const own = scores as ManyLabelScores;
  const metrics = own.metrics();
  return {
    ...{ ...metrics, ...areas, macroF1: metrics.macro.f1, classes, unseenLabels: unseen },
    confusion: own.confusion(),
    get table() {
      return formatManyLabels(metrics, classes);
    },
  };
}
