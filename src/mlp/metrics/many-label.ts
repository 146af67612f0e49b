import { type AverageMetrics, type ClassMetrics, ratio, weightedMean } from './confusion.js';
import { ProbabilityLosses, type ProbabilitySums } from './probability-losses.js';
import { averagePrecision, mergeRanked, type RankedScores, rankedScores, rocAuc } from './ranking.js';

/** What a partition's rows add to the judgement of a classifier of many labels, as it is sent. */
export interface ManyLabelState {
  readonly rows: number;
  /** Rows all of whose labels are right. */
  readonly exact: number;
  /** By label: true positives, false positives, false negatives. */
  readonly counts: Float64Array;
  readonly losses: ProbabilitySums;
  readonly ranked: readonly RankedScores[];
}

/** Measures of a classifier that gives a row any number of labels, as scikit-learn defines them, in float64. */
export interface ManyLabelMetrics extends Record<'micro' | 'macro' | 'weighted', AverageMetrics> {
  readonly rows: number;
  /** Share of rows all of whose labels are right. */
  readonly accuracy: number;
  /** Share of labels, over all rows, that are wrong. */
  readonly hammingLoss: number;
  readonly perClass: readonly ClassMetrics[];
  /** Mean over rows and labels. */
  readonly logLoss: number;
  readonly brier: number;
  /** Mean over the labels that some rows have and some lack. Absent without ranking. */
  readonly rocAuc?: number;
  readonly prAuc?: number;
}

/** Counts and sums over rows; those of partitions merge in any order to the same bits. */
export class ManyLabelScores {
  #rows = 0;
  #exact = 0;
  readonly #counts: Float64Array;
  readonly #losses = new ProbabilityLosses();
  #ranked: RankedScores[][] = [];

  /**
   * @param threshold a label is predicted from this probability on
   * @param ranking whether the scores are kept, 4 bytes a row and label, for areas under curves
   */
  constructor(
    readonly labels: number,
    readonly threshold: number,
    readonly ranking: boolean,
  ) {
    this.#counts = new Float64Array(3 * labels);
  }

  /**
   * @param truth rows x labels, 0 or 1
   * @param probabilities likewise
   * @param spoiled whether a row has labels besides, which nobody can predict: it is not all right
   */
  add(truth: ArrayLike<number>, probabilities: Float32Array, spoiled: (row: number) => boolean = () => false): this {
    const { labels, threshold } = this;
    const rows = truth.length / labels;
    for (let row = 0; row < rows; row++) {
      let wrong = 0;
      for (let k = 0; k < labels; k++) {
        const actual = truth[row * labels + k] === 1;
        const predicted = probabilities[row * labels + k]! >= threshold;
        if (predicted) this.#counts[3 * k + (actual ? 0 : 1)]!++;
        else if (actual) this.#counts[3 * k + 2]!++;
        if (actual !== predicted) wrong++;
      }
      if (wrong === 0 && !spoiled(row)) this.#exact++;
    }
    this.#rows += rows;
    this.#losses.addLabels(truth, probabilities);
    if (this.ranking) this.#ranked.push(rankedLabels(truth, probabilities, labels, rows));
    return this;
  }

  toState(): ManyLabelState {
    const [rows, exact, counts] = [this.#rows, this.#exact, this.#counts];
    return { rows, exact, counts, losses: this.#losses.toState(), ranked: this.ranked() };
  }

  merge({ rows, exact, counts, losses, ranked }: ManyLabelState): this {
    this.#rows += rows;
    this.#exact += exact;
    for (let i = 0; i < counts.length; i++) this.#counts[i]! += counts[i]!;
    this.#losses.merge(losses);
    if (ranked.length > 0) this.#ranked.push([...ranked]);
    return this;
  }

  /** Scores by label; empty without ranking. */
  ranked(): RankedScores[] {
    if (this.#ranked.length > 1) {
      const parts = this.#ranked;
      this.#ranked = [parts[0]!.map((_, k) => mergeRanked(parts.map((part) => part[k]!)))];
    }
    return this.#ranked[0] ?? [];
  }

  /** By label: true negatives, false positives, false negatives, true positives (scikit-learn's multilabel_confusion_matrix). */
  confusion(): number[][] {
    return Array.from({ length: this.labels }, (_, k) => {
      const [right, added, missed] = this.#counts.subarray(3 * k, 3 * k + 3) as unknown as [number, number, number];
      return [this.#rows - right - added - missed, added, missed, right];
    });
  }

  metrics(_unseen = false): ManyLabelMetrics {
    const perClass = Array.from({ length: this.labels }, (_, k) =>
      measures(...([...this.#counts.subarray(3 * k, 3 * k + 3)] as [number, number, number])),
    );
    const totals = [0, 0, 0] as [number, number, number];
    this.#counts.forEach((count, i) => {
      totals[i % 3]! += count;
    });
    const { precision, recall, f1 } = measures(...totals);
    const ranked = this.ranked().filter(({ positives, negatives }) => positives.length > 0 && negatives.length > 0);
    const mean = (area: (each: RankedScores) => number) =>
      ranked.reduce((sum, each) => sum + area(each), 0) / ranked.length;
    return {
      rows: this.#rows,
      accuracy: ratio(this.#exact, this.#rows),
      hammingLoss: ratio(totals[1] + totals[2], this.#rows * this.labels),
      perClass,
      micro: { precision, recall, f1 },
      macro: weightedMean(perClass, () => 1),
      weighted: weightedMean(perClass, ({ support }) => support),
      logLoss: this.#losses.logLoss,
      brier: this.#losses.brier,
      ...(this.ranking && { rocAuc: mean(rocAuc), prAuc: mean(averagePrecision) }),
    };
  }
}

function measures(right: number, added: number, missed: number): ClassMetrics {
  return {
    precision: ratio(right, right + added),
    recall: ratio(right, right + missed),
    f1: ratio(2 * right, 2 * right + added + missed),
    support: right + missed,
  };
}

function rankedLabels(truth: ArrayLike<number>, probabilities: Float32Array, labels: number, rows: number) {
  const scores = new Float32Array(rows);
  return Array.from({ length: labels }, (_, k) => {
    for (let row = 0; row < rows; row++) scores[row] = probabilities[row * labels + k]!;
    return rankedScores(scores, (row) => truth[row * labels + k] === 1);
  });
}
