import { type AverageMetrics, type ClassMetrics, ratio, weightedMean } from './confusion.js';
import { ProbabilityLosses, type ProbabilitySums } from './probability-losses.js';
import type { Areas } from './ranking.js';
import { type SparseSums, WeightSums } from './weight-sums.js';

/** What a partition's rows add to the judgement of a classifier of many labels, as it is sent. */
export interface ManyLabelState {
  readonly rows: number;
  /** Weights of rows: by label, true positives, false positives, false negatives; after them of all rows, and of those all of whose labels are right. */
  readonly counts: SparseSums;
  readonly losses: ProbabilitySums;
}

/** Measures of a classifier that gives a row any number of labels, as scikit-learn defines them, in float64. */
export interface ManyLabelMetrics extends Record<'micro' | 'macro' | 'weighted', AverageMetrics>, Partial<Areas> {
  readonly rows: number;
  /** Share of rows all of whose labels are right. */
  readonly accuracy: number;
  /** Share of labels, over all rows, that are wrong. */
  readonly hammingLoss: number;
  readonly perClass: readonly ClassMetrics[];
  /** Mean over rows and labels. */
  readonly logLoss: number;
  readonly brier: number;
}

/** Counts and sums over rows; those of partitions merge in any order to the same bits. */
export class ManyLabelScores {
  rows = 0;
  readonly #counts = new WeightSums();
  readonly #losses = new ProbabilityLosses();

  /** @param threshold a label is predicted from this probability on */
  constructor(
    readonly labels: number,
    readonly threshold: number,
  ) {}

  /** Of all rows. */
  get weight(): number {
    return this.#counts.get(3 * this.labels);
  }

  /**
   * @param truth rows x labels, 0 or 1
   * @param probabilities likewise
   * @param weights of the rows; absent: 1 each
   * @param spoiled whether a row has labels besides, which nobody can predict: it is not all right
   */
  add(
    truth: ArrayLike<number>,
    probabilities: Float32Array,
    weights?: Float64Array,
    spoiled: (row: number) => boolean = () => false,
  ): this {
    const { labels, threshold } = this;
    const counts = this.#counts;
    const rows = truth.length / labels;
    for (let row = 0; row < rows; row++) {
      const weight = weights?.[row] ?? 1;
      let wrong = 0;
      for (let k = 0; k < labels; k++) {
        const actual = truth[row * labels + k] === 1;
        const predicted = probabilities[row * labels + k]! >= threshold;
        if (predicted) counts.add(3 * k + (actual ? 0 : 1), weight);
        else if (actual) counts.add(3 * k + 2, weight);
        if (actual !== predicted) wrong++;
      }
      counts.add(3 * labels, weight);
      if (wrong === 0 && !spoiled(row)) counts.add(3 * labels + 1, weight);
    }
    this.rows += rows;
    this.#losses.addLabels(truth, probabilities, labels, weights);
    return this;
  }

  toState(): ManyLabelState {
    return { rows: this.rows, counts: this.#counts.toState(), losses: this.#losses.toState() };
  }

  merge({ rows, counts, losses }: ManyLabelState): this {
    this.rows += rows;
    this.#counts.merge(counts);
    this.#losses.merge(losses);
    return this;
  }

  /** By label: true negatives, false positives, false negatives, true positives (scikit-learn's multilabel_confusion_matrix). */
  confusion(): number[][] {
    return Array.from({ length: this.labels }, (_, k) => {
      const [right, added, missed] = this.#of(k);
      return [this.weight - right - added - missed, added, missed, right];
    });
  }

  metrics(_unseen = false): ManyLabelMetrics {
    const { labels, weight } = this;
    const counts = Array.from({ length: labels }, (_, k) => this.#of(k));
    const perClass = counts.map((each) => measures(...each));
    const [right, added, missed] = [0, 1, 2].map((i) => counts.reduce((sum, each) => sum + each[i]!, 0)) as Counts;
    const { precision, recall, f1 } = measures(right, added, missed);
    return {
      rows: this.rows,
      accuracy: ratio(this.#counts.get(3 * labels + 1), weight),
      hammingLoss: ratio(added + missed, weight * labels),
      perClass,
      micro: { precision, recall, f1 },
      macro: weightedMean(perClass, () => 1),
      weighted: weightedMean(perClass, ({ support }) => support),
      logLoss: this.#losses.logLoss,
      brier: this.#losses.brier,
    };
  }

  #of(label: number): Counts {
    return [0, 1, 2].map((i) => this.#counts.get(3 * label + i)) as Counts;
  }
}

/** True positives, false positives, false negatives. */
type Counts = [right: number, added: number, missed: number];

function measures(right: number, added: number, missed: number): ClassMetrics {
  return {
    precision: ratio(right, right + added),
    recall: ratio(right, right + missed),
    f1: ratio(2 * right, 2 * right + added + missed),
    support: right + missed,
  };
}
