import { ExactSums } from '../exact-sum.js';

/** Probabilities are kept this far from 0 and 1, as scikit-learn does with float64 ones: a logarithm must be finite. */
const CLIP = 2 ** -52;

/** Sums as text that can be sent. */
export interface ProbabilitySums {
  readonly rows: number;
  readonly sums: string;
}

/**
 * Log loss and Brier score of probabilities, by exact sums: the same bits for every order and partitioning of the rows.
 */
export class ProbabilityLosses {
  rows = 0;
  /** Of losses, of squares, and of weights. */
  readonly #sums = new ExactSums(3);

  /**
   * Rows with one class of several.
   * @param truth class numbers; those beyond the probabilities (classes never seen) count as probability 0
   * @param probabilities rows x classes
   * @param weights of the rows; absent: 1 each
   */
  addClasses(
    truth: ArrayLike<number>,
    probabilities: Float32Array,
    classes: number,
    weights?: ArrayLike<number>,
  ): void {
    for (let row = 0; row < truth.length; row++) {
      const first = row * classes;
      const own = truth[row]!;
      let squares = own < classes ? 0 : 1;
      for (let k = classes === 2 ? 1 : 0; k < classes; k++)
        squares += (probabilities[first + k]! - (k === own ? 1 : 0)) ** 2;
      this.#add(own < classes ? probabilities[first + own]! : 0, squares, weights?.[row] ?? 1);
    }
  }

  /**
   * Rows of labels that are there or not, each with its probability: every one counts as a row.
   * @param truth 0 or 1, rows x labels
   * @param weights of the rows; absent: 1 each
   */
  addLabels(truth: ArrayLike<number>, probabilities: Float32Array, labels: number, weights?: ArrayLike<number>): void {
    for (let i = 0; i < truth.length; i++) {
      const p = probabilities[i]!;
      this.#add(truth[i] ? p : 1 - p, (p - truth[i]!) ** 2, weights?.[Math.floor(i / labels)] ?? 1);
    }
  }

  #add(own: number, squares: number, weight: number): void {
    this.#sums.add(0, -Math.log(Math.min(Math.max(own, CLIP), 1 - CLIP)) * weight);
    this.#sums.add(1, squares * weight);
    this.#sums.add(2, weight);
    this.rows++;
  }

  /** Of all rows. */
  get weight(): number {
    return this.#sums.sum(2);
  }

  toState(): ProbabilitySums {
    return { rows: this.rows, sums: this.#sums.toText() };
  }

  merge(state: ProbabilitySums): this {
    this.rows += state.rows;
    this.#sums.merge(ExactSums.fromText(state.sums));
    return this;
  }

  /** Mean of -log(probability of what is true). NaN for no rows, or none of any weight. */
  get logLoss(): number {
    return this.#sums.sum(0) / this.weight;
  }

  /**
   * Mean squared difference of probabilities and truth (Brier 1950): summed over the classes where they are more than two, of
   * one of them where they are two. NaN for no rows.
   */
  get brier(): number {
    return this.#sums.sum(1) / this.weight;
  }
}
