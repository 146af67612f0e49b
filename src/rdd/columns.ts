/** Values side by side: typed while all are numbers. */
export type Column = Float64Array | readonly unknown[];

/** Rows `[key, value]` as two columns of equal length: no array a row while they move between operators and processes. */
export class Pairs {
  constructor(
    readonly keys: Column,
    readonly values: Column,
  ) {}

  get length(): number {
    return this.keys.length;
  }

  slice(from: number, to: number): Pairs {
    return new Pairs(cut(this.keys, from, to), cut(this.values, from, to));
  }

  toArray(): [unknown, unknown][] {
    const { keys, values } = this;
    const rows = new Array<[unknown, unknown]>(keys.length);
    for (let i = 0; i < rows.length; i++) rows[i] = [keys[i], values[i]];
    return rows;
  }
}

/** Rows `[key, [left, right]]` as three columns: what a join gives. An array a row is made only where a function keeps one. */
export class JoinedPairs {
  constructor(
    readonly keys: Column,
    readonly lefts: Column,
    readonly rights: Column,
  ) {}

  get length(): number {
    return this.keys.length;
  }

  slice(from: number, to: number): JoinedPairs {
    return new JoinedPairs(cut(this.keys, from, to), cut(this.lefts, from, to), cut(this.rights, from, to));
  }

  toPairs(): Pairs {
    return new Pairs(this.keys, new Pairs(this.lefts, this.rights).toArray());
  }

  toArray(): [unknown, unknown][] {
    return this.toPairs().toArray();
  }
}

/** Part of a column; typed ones are shared, not copied. */
export function cut(column: Column, from: number, to: number): Column {
  return column instanceof Float64Array ? column.subarray(from, to) : column.slice(from, to);
}

const FIRST_CAPACITY = 64;

/** A growing column: typed until the first value that is no number. */
export class ColumnBuilder {
  length = 0;
  #numbers: Float64Array | undefined;
  #values: unknown[] | undefined;

  /** @param capacity expected length */
  constructor(capacity = FIRST_CAPACITY) {
    this.#numbers = new Float64Array(Math.max(capacity, 1));
  }

  push(value: unknown): void {
    const numbers = this.#numbers;
    if (numbers !== undefined && typeof value === 'number') {
      if (this.length < numbers.length) numbers[this.length++] = value;
      else this.#grown()[this.length++] = value;
    } else {
      (this.#values ?? this.#generalised()).push(value);
      this.length++;
    }
  }

  /** Appends the values of the first `count` of `rows`; undefined for a negative one. */
  gather(column: Column, rows: Int32Array, count: number): void {
    let k = 0;
    if (this.#numbers !== undefined && column instanceof Float64Array) {
      while (this.length + count > this.#numbers.length) this.#grown();
      const numbers = this.#numbers;
      let at = this.length;
      for (; k < count && rows[k]! >= 0; k++) numbers[at++] = column[rows[k]!]!;
      this.length = at;
    }
    for (; k < count; k++) this.push(column[rows[k]!]);
  }

  /** The column so far, shared with the builder. */
  finish(): Column {
    return this.#numbers ? this.#numbers.subarray(0, this.length) : this.#values!;
  }

  #grown(): Float64Array {
    const grown = new Float64Array(2 * this.#numbers!.length);
    grown.set(this.#numbers!);
    this.#numbers = grown;
    return grown;
  }

  #generalised(): unknown[] {
    this.#values = Array.from(this.#numbers!.subarray(0, this.length));
    this.#numbers = undefined;
    return this.#values;
  }
}

/** A column of the given values: typed if all are numbers. */
export function columnOf(values: Iterable<unknown>): Column {
  const builder = new ColumnBuilder();
  for (const value of values) builder.push(value);
  return builder.finish();
}

/** Columns one after another as one. */
function joinColumns(columns: readonly Column[]): Column {
  if (columns.length === 1) return columns[0]!;
  const length = columns.reduce((sum, column) => sum + column.length, 0);
  if (columns.every((column) => column instanceof Float64Array)) {
    const joined = new Float64Array(length);
    let at = 0;
    for (const column of columns) {
      joined.set(column as Float64Array, at);
      at += column.length;
    }
    return joined;
  }
  const joined = new Array<unknown>(length);
  let at = 0;
  for (const column of columns) for (let i = 0; i < column.length; i++) joined[at++] = column[i];
  return joined;
}

export function bytesOfNumbers({ buffer, byteOffset, byteLength }: Float64Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Whether two columns hold the same numbers, to the last bit: the keys of numbers that are sorted by themselves. */
export function sameNumbers(a: Column, b: Column): boolean {
  if (!(a instanceof Float64Array && b instanceof Float64Array)) return false;
  return a === b || (a.length === b.length && a[0] === b[0] && bytesOfNumbers(a).equals(bytesOfNumbers(b)));
}

/** Pairs one after another as one. */
export function joinPairs(list: readonly Pairs[]): Pairs {
  const keys = joinColumns(list.map((pairs) => pairs.keys));
  if (list.every((pairs) => pairs.keys === pairs.values)) return new Pairs(keys, keys);
  return new Pairs(keys, joinColumns(list.map((pairs) => pairs.values)));
}
