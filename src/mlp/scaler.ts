import { ExactSums, scaledToNumber } from './exact-sum.js';

/**
 * Scales columns to mean 0 and standard deviation 1 (population deviation, as scikit-learn's StandardScaler). Columns
 * that are constant keep a deviation of 1: they become 0.
 */
export class StandardScalerModel {
  constructor(
    readonly mean: Float64Array,
    readonly deviation: Float64Array,
  ) {
    if (mean.length !== deviation.length)
      throw new RangeError(`${mean.length} means do not go with ${deviation.length} deviations`);
  }

  get columns(): number {
    return this.mean.length;
  }

  /**
   * Replaces every value x of a row-major matrix, rows x columns, by (x - mean) / deviation.
   *
   * @throws RangeError when the matrix has another size
   */
  scaleInPlace(matrix: Float32Array, rows: number): Float32Array {
    const { mean, deviation, columns } = this;
    if (matrix.length !== rows * columns)
      throw new RangeError(`${rows} rows of ${columns} columns need ${rows * columns} values, got ${matrix.length}`);
    for (let row = 0, i = 0; row < rows; row++)
      for (let column = 0; column < columns; column++, i++)
        matrix[i] = (matrix[i]! - mean[column]!) / deviation[column]!;
    return matrix;
  }

  toJSON(): { mean: number[]; deviation: number[] } {
    return { mean: [...this.mean], deviation: [...this.deviation] };
  }

  static fromJSON(json: { mean: readonly number[]; deviation: readonly number[] }): StandardScalerModel {
    return new StandardScalerModel(Float64Array.from(json.mean), Float64Array.from(json.deviation));
  }
}

/**
 * Count, sum and sum of squares of each column, exact: merged in any order from any partitions, they give the same bits.
 *
 * @example
 * const moments = new ColumnMoments(2).add(Float32Array.of(1, 10, 3, 10), 2);
 * moments.finish().mean // [2, 10]
 */
export class ColumnMoments {
  readonly columns: number;
  #count = 0;
  #sums: ExactSums;
  #squares: ExactSums;

  constructor(columns: number) {
    this.columns = columns;
    this.#sums = new ExactSums(columns);
    this.#squares = new ExactSums(columns);
  }

  /** Rows added so far. */
  get count(): number {
    return this.#count;
  }

  /** Adds a row-major matrix, rows x columns. */
  add(matrix: Float32Array, rows: number): this {
    this.#sums.addRows(matrix, rows);
    this.#squares.addSquaresOfRows(matrix, rows);
    this.#count += rows;
    return this;
  }

  merge(other: ColumnMoments): this {
    this.#sums.merge(other.#sums);
    this.#squares.merge(other.#squares);
    this.#count += other.#count;
    return this;
  }

  /** A few dozen bytes a column. Equal content gives equal bytes. */
  toBytes(): Uint8Array {
    const text = { count: this.#count, sums: this.#sums.toText(), squares: this.#squares.toText() };
    return new TextEncoder().encode(JSON.stringify(text));
  }

  static fromBytes(bytes: Uint8Array): ColumnMoments {
    const text = JSON.parse(new TextDecoder().decode(bytes)) as { count: number; sums: string; squares: string };
    const sums = ExactSums.fromText(text.sums);
    const moments = new ColumnMoments(sums.columns);
    moments.#count = text.count;
    moments.#sums = sums;
    moments.#squares = ExactSums.fromText(text.squares);
    return moments;
  }

  /** Correctly rounded sum divided by the count. NaN for no rows. */
  mean(column: number): number {
    return this.#sums.sum(column) / this.#count;
  }

  /** Population variance, (n Σx² - (Σx)²) / n², its numerator exact: never negative, and 0 for a constant column. */
  variance(column: number): number {
    if (!Number.isFinite(this.#sums.sum(column)) || !Number.isFinite(this.#squares.sum(column))) return Number.NaN;
    const n = BigInt(this.#count);
    const squares = this.#squares.scaled(column) << 1074n;
    const numerator = n * squares - this.#sums.scaled(column) ** 2n;
    return scaledToNumber(numerator, 2 * -1074) / this.#count ** 2;
  }

  /** @throws RangeError when there are no rows, or a column holds a value that is not finite (by its number, from 0) */
  finish(): StandardScalerModel {
    if (this.#count === 0) throw new RangeError('a scaler cannot be fitted on no rows');
    const mean = new Float64Array(this.columns);
    const deviation = new Float64Array(this.columns);
    for (let column = 0; column < this.columns; column++) {
      const variance = this.variance(column);
      if (Number.isNaN(variance))
        throw new RangeError(`column ${column} holds a value that is not finite: a scaler cannot be fitted on it`);
      mean[column] = this.mean(column);
      deviation[column] = Math.sqrt(variance) || 1;
    }
    return new StandardScalerModel(mean, deviation);
  }
}
