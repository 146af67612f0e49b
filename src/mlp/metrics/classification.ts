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
import type { Areas } from './ranking.js';
import { type SparseSums, WeightSums } from './weight-sums.js';

/** What a partition's rows add to the judgement of a classifier, as it is sent. */
export interface ClassificationState {
  /** Weights of the rows by cell, `true * (classes + 1) + predicted`; labels not seen in training are one class more, the last. */
  readonly cells: SparseSums;
  readonly losses: ProbabilitySums;
}

/** Measures of a classifier, as scikit-learn defines them, in float64. */
export interface ClassificationMetrics extends Record<'macro' | 'weighted', AverageMetrics>, Partial<Areas> {
  readonly rows: number;
  readonly accuracy: number;
  readonly perClass: readonly ClassMetrics[];
  readonly logLoss: number;
  readonly brier: number;
}

/** Counts and sums over rows; those of partitions merge in any order to the same bits. Memory: of the cells that occur. */
export class ClassificationScores {
  readonly #cells = new WeightSums();
  readonly #losses = new ProbabilityLosses();

  /** @param classes outputs of the network */
  constructor(readonly classes: number) {}

  get rows(): number {
    return this.#losses.rows;
  }

  /** Of all rows. */
  get weight(): number {
    return this.#losses.weight;
  }

  /**
   * @param truth class numbers; `classes` for a label that was not seen in training
   * @param probabilities rows x classes
   * @param weights of the rows; absent: 1 each
   */
  add(truth: ArrayLike<number>, probabilities: Float32Array, weights?: Float64Array): this {
    const { classes } = this;
    for (const [row, predicted] of argmaxRows(probabilities, classes).entries())
      this.#cells.add(truth[row]! * (classes + 1) + predicted, weights?.[row] ?? 1);
    this.#losses.addClasses(truth, probabilities, classes, weights);
    return this;
  }

  toState(): ClassificationState {
    return { cells: this.#cells.toState(), losses: this.#losses.toState() };
  }

  merge({ cells, losses }: ClassificationState): this {
    this.#cells.merge(cells);
    this.#losses.merge(losses);
    return this;
  }

  /** @param unseen whether labels not seen in training have a row and column of their own, the last */
  confusion(unseen = false): ConfusionMatrix {
    const size = this.classes + 1;
    const shown = unseen ? size : this.classes;
    const cells = Array.from(this.#cells.keys(), (key) => {
      const [actual, predicted] = [Math.floor(key / size), key % size];
      return { actual, predicted, count: this.#cells.get(key) };
    });
    return { classes: shown, cells: cells.filter(({ actual }) => actual < shown) };
  }

  metrics(unseen = false): ClassificationMetrics {
    const matrix = this.confusion(unseen);
    const perClass = classMetrics(matrix);
    return {
      rows: this.#losses.rows,
      accuracy: accuracy(matrix),
      perClass,
      ...averageMetrics(matrix, perClass),
      logLoss: this.#losses.logLoss,
      brier: this.#losses.brier,
    };
  }
}
