import {
  type AverageMetrics,
  accuracy,
  argmaxRows,
  averageMetrics,
  type ClassMetrics,
  type ConfusionMatrix,
  classMetrics,
} from './confusion.js';
import { ProbabilityLosses, type ProbabilitySums } from './probability-losses.js';
import { averagePrecision, mergeRanked, type RankedScores, rankedScores, rocAuc } from './ranking.js';

/** What a partition's rows add to the judgement of a classifier, as it is sent. */
export interface ClassificationState {
  /**
   * Confusion counts that are not 0, as [cell, count]: cell `true * size + predicted` of `size = classes + 1`; labels not
   * seen in training are that one class more, the last.
   */
  readonly cells: readonly (readonly [cell: number, count: number])[];
  readonly losses: ProbabilitySums;
  /** Of each class against all others (of the second one alone where classes are two); empty where no ranking is asked for. */
  readonly ranked: readonly RankedScores[];
}

/** Measures of a classifier, as scikit-learn defines them, in float64. */
export interface ClassificationMetrics extends Record<'macro' | 'weighted', AverageMetrics> {
  readonly rows: number;
  readonly accuracy: number;
  readonly perClass: readonly ClassMetrics[];
  readonly logLoss: number;
  readonly brier: number;
  /** Area under the ROC curve; of several classes the mean over those with rows, each against all others. Absent without ranking. */
  readonly rocAuc?: number;
  /** Area under the precision-recall curve (average precision), likewise. */
  readonly prAuc?: number;
}

/** Counts and sums over rows; those of partitions merge in any order to the same bits. */
export class ClassificationScores {
  readonly #cells = new Map<number, number>();
  readonly #losses = new ProbabilityLosses();
  #ranked: RankedScores[][] = [];

  /**
   * @param classes outputs of the network
   * @param ranking whether the scores are kept, 4 bytes a row and class, for areas under curves
   */
  constructor(
    readonly classes: number,
    readonly ranking: boolean,
  ) {}

  /**
   * @param truth class numbers; `classes` for a label that was not seen in training
   * @param probabilities rows x classes
   */
  add(truth: ArrayLike<number>, probabilities: Float32Array): this {
    const { classes } = this;
    for (const [row, predicted] of argmaxRows(probabilities, classes).entries())
      this.#count(truth[row]! * (classes + 1) + predicted, 1);
    this.#losses.addClasses(truth, probabilities, classes);
    if (this.ranking) this.#ranked.push(rankedClasses(truth, probabilities, classes));
    return this;
  }

  toState(): ClassificationState {
    return { cells: [...this.#cells], losses: this.#losses.toState(), ranked: this.ranked() };
  }

  merge({ cells, losses, ranked }: ClassificationState): this {
    for (const [cell, count] of cells) this.#count(cell, count);
    this.#losses.merge(losses);
    if (ranked.length > 0) this.#ranked.push([...ranked]);
    return this;
  }

  /** Scores of each class against all others; of the second one alone where classes are two; empty without ranking. */
  ranked(): RankedScores[] {
    if (this.#ranked.length > 1) {
      const parts = this.#ranked;
      this.#ranked = [parts[0]!.map((_, k) => mergeRanked(parts.map((part) => part[k]!)))];
    }
    return this.#ranked[0] ?? [];
  }

  /** @param unseen whether labels not seen in training have a row and column of their own, the last */
  confusion(unseen = false): ConfusionMatrix {
    const size = this.classes + 1;
    const shown = unseen ? size : this.classes;
    const counts = new Float64Array(shown ** 2);
    for (const [cell, count] of this.#cells) {
      const [actual, predicted] = [Math.floor(cell / size), cell % size];
      if (actual < shown) counts[actual * shown + predicted] = count;
    }
    return { classes: shown, counts };
  }

  metrics(unseen = false): ClassificationMetrics {
    const matrix = this.confusion(unseen);
    const ranked = this.ranked().filter(({ positives, negatives }) => positives.length > 0 && negatives.length > 0);
    const mean = (area: (each: RankedScores) => number) =>
      ranked.reduce((sum, each) => sum + area(each), 0) / ranked.length;
    return {
      rows: this.#losses.rows,
      accuracy: accuracy(matrix),
      perClass: classMetrics(matrix),
      ...averageMetrics(matrix),
      logLoss: this.#losses.logLoss,
      brier: this.#losses.brier,
      ...(this.ranking && { rocAuc: mean(rocAuc), prAuc: mean(averagePrecision) }),
    };
  }

  #count(cell: number, count: number): void {
    this.#cells.set(cell, (this.#cells.get(cell) ?? 0) + count);
  }
}

function rankedClasses(truth: ArrayLike<number>, probabilities: Float32Array, classes: number): RankedScores[] {
  const scored = classes === 2 ? [1] : Array.from({ length: classes }, (_, k) => k);
  const scores = new Float32Array(truth.length);
  return scored.map((k) => {
    for (let row = 0; row < scores.length; row++) scores[row] = probabilities[row * classes + k]!;
    return rankedScores(scores, (row) => truth[row] === k);
  });
}
