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

/** Weighted sums of a target: the truth, its square, the error, its square, its absolute value; and the weights. */
const KINDS = 6;

/** Exact sums over rows of any partitions, in any order: the same bits. Metrics as scikit-learn defines them, in float64. */
export class RegressionErrors {
  rows = 0;
  readonly #sums: ExactSums;
  readonly #maxErrors: Float64Array;

  constructor(readonly targets: number) {
    this.#sums = new ExactSums(KINDS * targets);
    this.#maxErrors = new Float64Array(targets);
  }

  /** Of all rows. */
  get weight(): number {
    return this.#sums.sum(KINDS - 1);
  }

  /** @param truth rows x targets @param predictions likewise @param weights of the rows; absent: 1 each */
  add(truth: ArrayLike<number>, predictions: ArrayLike<number>, weights?: ArrayLike<number>): this {
    const { targets } = this;
    if (truth.length !== predictions.length)
      throw new RangeError(`${truth.length} true values do not go with ${predictions.length} predictions`);
    for (let i = 0; i < truth.length; i++) {
      const y = truth[i]!;
      const error = y - predictions[i]!;
      const first = KINDS * (i % targets);
      const weight = weights?.[Math.floor(i / targets)] ?? 1;
      if (weight === 0) continue;
      this.#add(first, y, weight);
      this.#addSquare(first + 1, y, weight);
      this.#add(first + 2, error, weight);
      this.#addSquare(first + 3, error, weight);
      this.#add(first + 4, Math.abs(error), weight);
      this.#sums.add(first + 5, weight);
      this.#maxErrors[i % targets] = Math.max(this.#maxErrors[i % targets]!, Math.abs(error));
    }
    this.rows += truth.length / targets;
    return this;
  }

  /** A product, exactly: what rounding takes from it is added too. */
  #add(column: number, x: number, weight: number): void {
    const product = x * weight;
    this.#sums.add(column, product);
    if (weight !== 1) this.#addRest(column, roundedOff(x, weight, product));
  }

  #addSquare(column: number, x: number, weight: number): void {
    const square = x * x;
    this.#add(column, square, weight);
    const rest = roundedOff(x, x, square);
    if (Number.isFinite(rest)) this.#add(column, rest, weight);
  }

  #addRest(column: number, rest: number): void {
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

  /** Of one target. NaN for no rows, or none of any weight. */
  target(k: number): RegressionMetrics {
    const { rows, weight } = this;
    const first = KINDS * k;
    const squares = this.#sums.sum(first + 3);
    const mse = squares / weight;
    const spread = this.#spread(first);
    const share = (part: number) => (spread > 0 ? 1 - part / spread : part === 0 ? 1 : 0);
    return {
      rows,
      mse,
      rmse: Math.sqrt(mse),
      mae: this.#sums.sum(first + 4) / weight,
      r2: weight === 0 ? Number.NaN : share(squares),
      explainedVariance: weight === 0 ? Number.NaN : share(this.#spread(first + 2)),
      maxError: weight === 0 ? Number.NaN : this.#maxErrors[k]!,
    };
  }

  /** Means over the targets. */
  metrics(_unseen = false): RegressionMetrics {
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

  /** Σw(x - mean)² from Σwx, in the column, and Σwx², in the next: (Σw Σwx² - (Σwx)²) / Σw, its numerator exact. */
  #spread(column: number): number {
    if (!Number.isFinite(this.#sums.sum(column)) || !Number.isFinite(this.#sums.sum(column + 1))) return Number.NaN;
    const weight = this.#sums.scaled(KINDS - 1);
    const numerator = weight * this.#sums.scaled(column + 1) - this.#sums.scaled(column) ** 2n;
    return scaledToNumber(numerator, 2 * -1074) / this.weight;
  }
}

/** What rounding took from x * y (Dekker 1971), unless halves overflow. */
function roundedOff(x: number, y: number, product: number): number {
  const [high, low] = halves(x);
  const [top, bottom] = halves(y);
  return low * bottom - (product - high * top - low * top - high * bottom);
}

/** Of 53 bits: their product with those of another number is exact. */
function halves(x: number): readonly [high: number, low: number] {
  const scaled = 134_217_729 * x; // 2^27 + 1
  const high = scaled - (scaled - x);
  return [high, x - high];
}
