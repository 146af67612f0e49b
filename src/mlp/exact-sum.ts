/**
 * Exact sums of float64 values, many columns at once. Nothing is rounded before the end, so the result is the correctly
 * rounded sum, the same for every order and every partitioning of the values.
 *
 * A small superaccumulator (Radford Neal, "Fast exact summation using small and large superaccumulators", 2015): a
 * column is one long fixed-point number whose digit d weighs 2^(32 d - 1074), wide enough for every finite float64. A
 * value touches three neighbouring digits. Digits are integers kept in float64, exact up to 2^53; one addition changes a
 * digit by less than 2^33, so carries need to be passed on only every 2^19 additions.
 */
const DIGIT_BITS = 32;
const DIGIT = 2 ** DIGIT_BITS;
/** Digits 0 … 65 hold the bits of finite values; the last one, signed, holds the carries out of them. */
const DIGITS = 67;
const ADDITIONS_BEFORE_CARRY = 2 ** 19;
/** Weight of bit 0: the smallest float64 above zero. */
const LOWEST_EXPONENT = -1074;

/** One value, seen as its bits. */
const float = new Float64Array(1);
const words = new Int32Array(float.buffer);
const [LOW, HIGH] = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? [0, 1] : [1, 0];

export class ExactSums {
  readonly columns: number;
  readonly #digits: Float64Array;
  /** Values that are not finite, by their own (rounded, but then order-independent) sum: ±Infinity or NaN. */
  readonly #nonFinite: Float64Array;
  #additionsSinceCarry = 0;

  constructor(columns: number) {
    this.columns = columns;
    this.#digits = new Float64Array(columns * DIGITS);
    this.#nonFinite = new Float64Array(columns);
  }

  /** Adds one value to one column. */
  add(column: number, value: number): void {
    this.#makeRoom();
    this.#additionsSinceCarry++;
    if (!accumulate(this.#digits, column * DIGITS, value)) this.#nonFinite[column]! += value;
  }

  /** Adds the rows of a row-major matrix, rows x columns. */
  addRows(matrix: Float32Array | Float64Array, rows: number): void {
    this.#eachRow(matrix, rows, (row) => {
      for (let column = 0; column < this.columns; column++) {
        const value = matrix[row + column]!;
        if (!accumulate(this.#digits, column * DIGITS, value)) this.#nonFinite[column]! += value;
      }
    });
  }

  /** Adds the squares of a matrix. Of float32 only: their squares are exact in float64. */
  addSquaresOfRows(matrix: Float32Array, rows: number): void {
    this.#eachRow(matrix, rows, (row) => {
      for (let column = 0; column < this.columns; column++) {
        const value = matrix[row + column]!;
        const square = value * value;
        if (!accumulate(this.#digits, column * DIGITS, square)) this.#nonFinite[column]! += square;
      }
    });
  }

  /** Adds all that `other` has summed. */
  merge(other: ExactSums): void {
    if (other.columns !== this.columns)
      throw new RangeError(`cannot merge sums of ${other.columns} columns into sums of ${this.columns}`);
    other.#carry();
    this.#makeRoom();
    this.#additionsSinceCarry++;
    for (let i = 0; i < this.#digits.length; i++) this.#digits[i]! += other.#digits[i]!;
    for (let i = 0; i < this.columns; i++) this.#nonFinite[i]! += other.#nonFinite[i]!;
  }

  /** The column's sum, correctly rounded; ±Infinity or NaN as values that are not finite demand. */
  sum(column: number): number {
    return this.#nonFinite[column]! !== 0
      ? this.#nonFinite[column]!
      : scaledToNumber(this.scaled(column), LOWEST_EXPONENT);
  }

  /** The finite values' exact sum, as a multiple of 2^-1074. */
  scaled(column: number): bigint {
    this.#carry();
    const digits = this.#digits.subarray(column * DIGITS, (column + 1) * DIGITS);
    let lowest = 0;
    while (lowest < DIGITS && digits[lowest] === 0) lowest++;
    let scaled = 0n;
    for (let d = DIGITS - 1; d >= lowest; d--) scaled = (scaled << BigInt(DIGIT_BITS)) + BigInt(digits[d]!);
    return scaled << BigInt(DIGIT_BITS * lowest);
  }

  /** Equal sums give equal text, however they were summed. @example '["1p1074","-3p1070","NaN"]' */
  toText(): string {
    const columns = Array.from({ length: this.columns }, (_, column) => {
      const special = this.#nonFinite[column]!;
      return special !== 0 ? String(special) : hexadecimal(this.scaled(column));
    });
    return JSON.stringify(columns);
  }

  static fromText(text: string): ExactSums {
    const columns = JSON.parse(text) as string[];
    const sums = new ExactSums(columns.length);
    columns.forEach((column, i) => {
      if (column.includes('N') || column.includes('I')) sums.#nonFinite[i] = Number(column);
      else sums.#set(i, parseHexadecimal(column));
    });
    return sums;
  }

  #set(column: number, scaled: bigint): void {
    for (let d = 0; d < DIGITS; d++) {
      const rest = scaled >> BigInt(DIGIT_BITS * d);
      this.#digits[column * DIGITS + d] = Number(d === DIGITS - 1 ? rest : BigInt.asUintN(DIGIT_BITS, rest));
    }
  }

  #eachRow(matrix: ArrayLike<number>, rows: number, addRow: (offset: number) => void): void {
    if (matrix.length !== rows * this.columns)
      throw new RangeError(
        `${rows} rows of ${this.columns} columns need ${rows * this.columns} values, got ${matrix.length}`,
      );
    for (let row = 0; row < rows; row++) {
      this.#makeRoom();
      this.#additionsSinceCarry++;
      addRow(row * this.columns);
    }
  }

  #makeRoom(): void {
    if (this.#additionsSinceCarry >= ADDITIONS_BEFORE_CARRY) this.#carry();
  }

  /** Brings every digit but the last of a column into 0 … 2^32 - 1: the one canonical form of its value. */
  #carry(): void {
    if (this.#additionsSinceCarry === 0) return;
    const digits = this.#digits;
    for (let first = 0; first < digits.length; first += DIGITS)
      for (let d = first; d < first + DIGITS - 1; d++) {
        const carry = Math.floor(digits[d]! / DIGIT);
        digits[d]! -= carry * DIGIT;
        digits[d + 1]! += carry;
      }
    this.#additionsSinceCarry = 0;
  }
}

/** Adds a value to the digits that begin at `first`; false if it is not finite. */
function accumulate(digits: Float64Array, first: number, value: number): boolean {
  float[0] = value;
  const low = words[LOW]!;
  const high = words[HIGH]!;
  const exponent = (high >>> 20) & 0x7ff;
  if (exponent === 0x7ff) return false;
  // |value| = (mantissa * 2^32 + low) * 2^(position - 1074)
  const position = exponent === 0 ? 0 : exponent - 1;
  const mantissa = exponent === 0 ? high & 0xfffff : (high & 0xfffff) | 0x100000;
  const shift = position & 31;
  const digit = first + (position >>> 5);
  const bottom = (low << shift) >>> 0;
  // Shifts to the right in two steps, as JavaScript takes one by 32 for one by 0.
  const middle = ((mantissa << shift) >>> 0) + ((low >>> 1) >>> (31 - shift));
  const top = (mantissa >>> 1) >>> (31 - shift);
  if (high < 0) {
    digits[digit]! -= bottom;
    digits[digit + 1]! -= middle;
    digits[digit + 2]! -= top;
  } else {
    digits[digit]! += bottom;
    digits[digit + 1]! += middle;
    digits[digit + 2]! += top;
  }
  return true;
}

/** The float64 nearest to value * 2^exponent (ties to even), ±Infinity beyond the largest. */
export function scaledToNumber(value: bigint, exponent: number): number {
  if (value < 0n) return -scaledToNumber(-value, exponent);
  // 64 bits, the last one set if any below it was: rounds as the whole would.
  const excess = Math.max(0, value.toString(16).length * 4 - 64);
  const kept = value >> BigInt(excess);
  const sticky = kept << BigInt(excess) === value ? 0n : 1n;
  let result = Number(kept | sticky);
  let power = exponent + excess;
  for (; power < -1000; power += 1000) result *= 2 ** -1000;
  for (; power > 1000; power -= 1000) result *= 2 ** 1000;
  return result * 2 ** power;
}

/** `-1a3p1034` is -0x1a3 * 2^1034. */
function hexadecimal(value: bigint): string {
  if (value === 0n) return '0p0';
  const digits = value.toString(16);
  const significant = digits.replace(/0+$/, '');
  return `${significant}p${4 * (digits.length - significant.length)}`;
}

function parseHexadecimal(text: string): bigint {
  const [, sign, digits, power] = /^(-?)([0-9a-f]+)p(\d+)$/.exec(text) ?? [];
  if (digits === undefined) throw new SyntaxError(`not an exact sum: ${JSON.stringify(text)}`);
  const magnitude = BigInt(`0x${digits}`) << BigInt(power!);
  return sign ? -magnitude : magnitude;
}
