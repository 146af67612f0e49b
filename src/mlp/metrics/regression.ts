import { ExactSums, scaledToNumber } from '../exact-sum.js';

/** How far predictions lie from the truth. Over several targets: the mean of each target's. */
export interface RegressionMetrics {
  readonly rows: number;
  readonly mse: number;
  readonly rmse: number;
  readonly mae: number;
  /** Coefficient of determination: 1 - (squared errors) / (squared differences from the mean); 0 for a constant truth that is missed, 1 for one that is hit. */
  readonly r2: number;
  /** As R², but a constant error costs nothing. */
  readonly explainedVariance: number;
  readonly maxError: number;
}

/** What a partition adds, as it is sent. */
export interface RegressionSums {
  readonly rows: number;
  readonly sums: string;
  readonly maxErrors: readonly number[];
}

/** Sums of a target: the truth, its square, the error, its square, its absolute value. */
const KINDS = 5;

/** Exact sums over rows of any partitions, in any order: the same bits. Metrics as scikit-learn defines them, in float64. */
export class RegressionErrors {
  rows = 0;
  readonly #sums: ExactSums;
  readonly #maxErrors: Float64Array;

  constructor(readonly targets: number) {
    this.#sums = new ExactSums(KINDS * targets);
    this.#maxErrors = new Float64Array(targets);
  }

  /** @param truth rows x targets @param predictions likewise */
  add(truth: ArrayLike<number>, predictions: ArrayLike<number>): this {
    const { targets } = this;
    if (truth.length !== predictions.length)
      throw new RangeError(`${truth.length} true values do not go with ${predictions.length} predictions`);
    for (let i = 0; i < truth.length; i++) {
      const y = truth[i]!;
      const error = y - predictions[i]!;
      const first = KINDS * (i % targets);
      this.#sums.add(first, y);
      this.#addSquare(first + 1, y);
      this.#sums.add(first + 2, error);
      this.#addSquare(first + 3, error);
      this.#sums.add(first + 4, Math.abs(error));
      this.#maxErrors[i % targets] = Math.max(this.#maxErrors[i % targets]!, Math.abs(error));
    }
    this.rows += truth.length / targets;
    return this;
  }

  /** The square as an exact sum of two numbers (Dekker 1971): what rounding takes from the first is the second. */
  #addSquare(column: number, x: number): void {
    const square = x * x;
    this.#sums.add(column, square);
    const scaled = 134_217_729 * x; // 2^27 + 1: splits 53 bits into halves
    const high = scaled - (scaled - x);
    const low = x - high;
    const rest = low * low - (square - high * high - 2 * high * low);
    if (Number.isFinite(rest)) this.#sums.add(column, rest);
  }

  toState(): RegressionSums {
    return { rows: this.rows, sums: this.#sums.toText(), maxErrors: [...this.#maxErrors] };
  }

  merge({ rows, sums, maxErrors }: RegressionSums): this {
    this.rows += rows;
    this.#sums.merge(ExactSums.fromText(sums));
    maxErrors.forEach((error, k) => {
      this.#maxErrors[k] = Math.max(this.#maxErrors[k]!, error);
    });
    return this;
  }

  /** Of one target. NaN for no rows. */
  target(k: number): RegressionMetrics {
    const { rows } = this;
    const first = KINDS * k;
    const squares = this.#sums.sum(first + 3);
    const mse = squares / rows;
    const spread = this.#spread(first);
    const share = (part: number) => (spread > 0 ? 1 - part / spread : part === 0 ? 1 : 0);
    return {
      rows,
      mse,
      rmse: Math.sqrt(mse),
      mae: this.#sums.sum(first + 4) / rows,
      r2: rows === 0 ? Number.NaN : share(squares),
      explainedVariance: rows === 0 ? Number.NaN : share(this.#spread(first + 2)),
      maxError: rows === 0 ? Number.NaN : this.#maxErrors[k]!,
    };
  }

  /** Means over the targets. */
  metrics(): RegressionMetrics {
    const all = Array.from({ length: this.targets }, (_, k) => this.target(k));
    const mean = (value: (each: RegressionMetrics) => number) =>
      all.reduce((sum, each) => sum + value(each), 0) / this.targets;
    return {
      rows: this.rows,
      mse: mean(({ mse }) => mse),
      rmse: mean(({ rmse }) => rmse),
      mae: mean(({ mae }) => mae),
      r2: mean(({ r2 }) => r2),
      explainedVariance: mean(({ explainedVariance }) => explainedVariance),
      maxError: Math.max(...all.map(({ maxError }) => maxError)),
    };
  }

  /** Σ(x - mean)² from Σx, in the column, and Σx², in the next: (n Σx² - (Σx)²) / n, its numerator exact. */
  #spread(column: number): number {
    if (!Number.isFinite(this.#sums.sum(column)) || !Number.isFinite(this.#sums.sum(column + 1))) return Number.NaN;
    const numerator = BigInt(this.rows) * (this.#sums.scaled(column + 1) << 1074n) - this.#sums.scaled(column) ** 2n;
    return scaledToNumber(numerator, 2 * -1074) / this.rows;
  }
}
