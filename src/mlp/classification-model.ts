import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { operatorName } from '../rdd/call-site.js';
import { evaluateParts } from './evaluate.js';
import {
  type ClassificationMetrics,
  ClassificationScores,
  type ClassificationState,
} from './metrics/classification.js';
import { formatConfusion } from './metrics/confusion.js';
import { type ManyLabelMetrics, ManyLabelScores, type ManyLabelState } from './metrics/many-label.js';
import { formatManyLabels } from './metrics/many-label-table.js';
import { type FittedNetwork, MLPModel, THRESHOLD } from './model.js';
import { checkForms, FLAG, type Forms, NUMBER, oneOf } from './options.js';
import { plainBatch } from './pipeline/plain-batch.js';
import type { PlainRow } from './pipeline/stage.js';
import type { Label } from './predictions.js';

export interface EvaluateOptions {
  /**
   * What to do with rows whose label was not seen in training. Default `error`; `wrong` counts them as wrong answers, in
   * a class of their own, the last.
   */
  readonly unseenLabels?: 'error' | 'wrong';
  /**
   * Whether to measure areas under curves, `rocAuc` and `prAuc`: exact, for which every score comes to the driver, 4 bytes a
   * row and class. Default: where classes are two.
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
   * Counts, true class by row, predicted class by column. Of many labels: a row a label, with its true negatives, false
   * positives, false negatives and true positives.
   */
  readonly confusion: readonly (readonly number[])[];
  /** The counts as text. */
  readonly table: string;
}

/** Name of the class that stands for all labels that were not seen in training. */
const UNSEEN = '(unseen)';

const FORMS: Forms<EvaluateOptions> = { unseenLabels: oneOf('error', 'wrong'), ranking: FLAG, threshold: NUMBER };

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
   * @throws TypeError for rows without features
   */
  async predictProba(rows: readonly PlainRow[]): Promise<number[][]> {
    return this.outputsOf(plainBatch(rows, this.features));
  }

  /**
   * Predicts every row of a table on the executors and counts.
   * @throws Error when the table has no rows; JobError for a row without a label, with a label not seen in training, or
   *   with a feature that is not a finite number
   */
  async evaluate(table: ArrowRDD, options: EvaluateOptions = {}): Promise<Evaluation> {
    const { unseenLabels = 'error', threshold = THRESHOLD } = checkForms('evaluate', options, FORMS);
    const { network, features, target, theta, classes } = this;
    const many = target.kind === 'labels';
    const ranking = options.ranking ?? (!many && classes.length === 2);
    const request = { network, features, target, theta, unseenLabels, ranking, threshold };
    const parts = await evaluateParts(table, request, operatorName('MLPModel.evaluate'));
    const unseen = [...new Set(parts.flatMap((part) => part.unseen))].sort();
    const states = parts.map(({ state }) => state);
    const evaluation = many
      ? ofManyLabels(states as ManyLabelState[], classes, threshold, ranking)
      : ofClasses(states as ClassificationState[], classes, unseen.length > 0, ranking);
    if (evaluation.rows === 0) throw new Error('MLPModel.evaluate: the table has no rows');
    return Object.assign(evaluation, { unseenLabels: unseen });
  }

  static fromJSON(json: Omit<FittedNetwork, 'theta'>, [theta]: readonly Float32Array[]): MLPClassificationModel {
    return new MLPClassificationModel({ ...json, theta: theta! });
  }
}

type Judged = Omit<Evaluation, 'unseenLabels'>;

function ofClasses(
  states: readonly ClassificationState[],
  seen: readonly string[],
  unseen: boolean,
  ranking: boolean,
): Judged {
  const scores = new ClassificationScores(seen.length, ranking);
  for (const state of states) scores.merge(state);
  const classes = unseen ? [...seen, UNSEEN] : seen;
  const metrics = scores.metrics(unseen);
  const matrix = scores.confusion(unseen);
  const confusion = classes.map((_, k) => [...matrix.counts.subarray(k * classes.length, (k + 1) * classes.length)]);
  return {
    ...metrics,
    ...{ macroF1: metrics.macro.f1, classes, confusion },
    get table() {
      return formatConfusion(matrix, classes);
    },
  };
}

function ofManyLabels(
  states: readonly ManyLabelState[],
  classes: readonly string[],
  threshold: number,
  ranking: boolean,
): Judged {
  const scores = new ManyLabelScores(classes.length, threshold, ranking);
  for (const state of states) scores.merge(state);
  const metrics = scores.metrics();
  return {
    ...metrics,
    ...{ macroF1: metrics.macro.f1, classes, confusion: scores.confusion() },
    get table() {
      return formatManyLabels(metrics, classes);
    },
  };
}
