import type { DuckDBVector } from '@duckdb/node-api';
import { Bool, type Data, type DataType, Float32, Float64, Int32, Int64, makeData, Utf8 } from 'apache-arrow';
import { type ColumnType, INT64, isInt32, isInt64 } from './csv-types.js';

/** Numbers of a number column. */
export interface NumberVector {
  readonly items: Float32Array | Float64Array;
  /** One bit a row, or null when every row is valid or NaN. */
  readonly validity: { readonly data: BigUint64Array | null };
}

/** A column of a chunk. DuckDB's typed vectors are `NumberVector`s too, which its declarations hide. */
export type ColumnVector = DuckDBVector | NumberVector;

/** Some rows of a file, column by column. */
export interface Chunk {
  getColumnVector(column: number): ColumnVector;
}

/** Gathers chunks into one contiguous Arrow column. */
export interface ColumnBuilder {
  /** Flags the rows whose value is outside the type, in `bad` or a new array; what it got when there is none. */
  check(vector: DuckDBVector, bad: Uint8Array | undefined): Uint8Array | undefined;
  append(vector: ColumnVector, from: number, to: number): void;
  /** The column so far; the builder starts afresh and keeps its buffers. */
  finish(): Data;
}

export const ARROW_TYPES: Record<ColumnType, () => DataType> = {
  float32: () => new Float32(),
  float64: () => new Float64(),
  int32: () => new Int32(),
  int64: () => new Int64(),
  integer: () => new Float64(),
  utf8: () => new Utf8(),
  bool: () => new Bool(),
};

export function columnBuilder(type: ColumnType): ColumnBuilder {
  switch (type) {
    case 'float32':
      return new NumberBuilder(type, (size) => new Float32Array(size));
    case 'float64':
      return new NumberBuilder(type, (size) => new Float64Array(size));
    case 'int32':
      return new NumberBuilder(type, (size) => new Int32Array(size), isInt32);
    case 'integer':
      return new NumberBuilder(type, (size) => new Float64Array(size), Number.isSafeInteger);
    case 'int64':
      return new Int64Builder();
    case 'bool':
      return new BoolBuilder();
    case 'utf8':
      return new Utf8Builder();
  }
}

/** One flag a row, made when the first null comes. */
class Nulls {
  #flags: Uint8Array | undefined;
  #count = 0;

  mark(row: number): void {
    if (!this.#flags || row >= this.#flags.length) {
      const grown = new Uint8Array(Math.max(1024, row * 2));
      if (this.#flags) grown.set(this.#flags);
      this.#flags = grown;
    }
    if (this.#flags[row] === 0) this.#count++;
    this.#flags[row] = 1;
  }

  finish(rows: number): { nullCount: number; nullBitmap?: Uint8Array } {
    if (this.#count === 0) return { nullCount: 0 };
    const nullBitmap = new Uint8Array((rows + 7) >> 3);
    for (let row = 0; row < rows; row++) if (!this.#flags![row]) nullBitmap[row >> 3]! |= 1 << (row & 7);
    const nullCount = this.#count;
    this.#flags = undefined;
    this.#count = 0;
    return { nullCount, nullBitmap };
  }
}

class NumberBuilder implements ColumnBuilder {
  readonly #type: ColumnType;
  readonly #allocate: (size: number) => Float32Array | Float64Array | Int32Array;
  readonly #fits: ((value: number) => boolean) | undefined;
  readonly #nulls = new Nulls();
  #values: Float32Array | Float64Array | Int32Array;
  #rows = 0;

  constructor(
    type: ColumnType,
    allocate: (size: number) => Float32Array | Float64Array | Int32Array,
    fits?: (value: number) => boolean,
  ) {
    this.#type = type;
    this.#allocate = allocate;
    this.#fits = fits;
    this.#values = allocate(4096);
  }

  check(vector: DuckDBVector, bad: Uint8Array | undefined): Uint8Array | undefined {
    const fits = this.#fits;
    if (!fits) return bad;
    const { items, validity } = vector as unknown as NumberVector;
    const valid = validBits(validity.data);
    for (let row = 0; row < items.length; row++) {
      if (fits(items[row]!) || (valid && !isValid(valid, row))) continue;
      bad ??= new Uint8Array(items.length);
      bad[row] = 1;
    }
    return bad;
  }

  append(vector: ColumnVector, from: number, to: number): void {
    const { items, validity } = vector as NumberVector;
    const start = this.#rows;
    this.#rows += to - from;
    if (this.#rows > this.#values.length) {
      const grown = this.#allocate(Math.max(this.#values.length * 2, this.#rows));
      grown.set(this.#values.subarray(0, start));
      this.#values = grown;
    }
    const values = this.#values;
    values.set(from === 0 && to === items.length ? items : items.subarray(from, to), start);
    const valid = validBits(validity.data);
    if (valid) {
      for (let row = from; row < to; row++) {
        if (isValid(valid, row)) continue;
        values[start + row - from] = Number.NaN; // 0 in an integer column
        this.#nulls.mark(start + row - from);
      }
    }
    // NaN means that there is no value.
    for (let row = from; row < to; row++) if (Number.isNaN(items[row]!)) this.#nulls.mark(start + row - from);
  }

  finish(): Data {
    const length = this.#rows;
    this.#rows = 0;
    return makeData({
      type: ARROW_TYPES[this.#type](),
      length,
      data: this.#values.slice(0, length),
      ...this.#nulls.finish(length),
    } as any);
  }
}

abstract class ItemBuilder<T> implements ColumnBuilder {
  protected items: T[] = [];
  protected readonly nulls = new Nulls();
  protected abstract convert(item: unknown): T;
  protected abstract readonly empty: T;
  protected abstract build(items: T[], nulls: { nullCount: number; nullBitmap?: Uint8Array }): Data;

  check(_vector: DuckDBVector, bad: Uint8Array | undefined): Uint8Array | undefined {
    return bad;
  }

  append(vector: ColumnVector, from: number, to: number): void {
    for (let row = from; row < to; row++) {
      const item = (vector as DuckDBVector).getItem(row);
      if (item === null) this.nulls.mark(this.items.length);
      this.items.push(item === null ? this.empty : this.convert(item));
    }
  }

  finish(): Data {
    const items = this.items;
    this.items = [];
    return this.build(items, this.nulls.finish(items.length));
  }
}

class Int64Builder extends ItemBuilder<bigint> {
  protected readonly empty = 0n;

  override check(vector: DuckDBVector, bad: Uint8Array | undefined): Uint8Array | undefined {
    for (let row = 0; row < vector.itemCount; row++) {
      const text = vector.getItem(row) as string | null;
      if (text === null || (INT64.test(text) && isInt64(BigInt(text.trim())))) continue;
      bad ??= new Uint8Array(vector.itemCount);
      bad[row] = 1;
    }
    return bad;
  }

  protected convert(item: unknown): bigint {
    return BigInt((item as string).trim());
  }

  protected build(items: bigint[], nulls: object): Data {
    const type = ARROW_TYPES.int64();
    return makeData({ type, length: items.length, data: BigInt64Array.from(items), ...nulls } as any);
  }
}

class BoolBuilder extends ItemBuilder<boolean> {
  protected readonly empty = false;

  protected convert(item: unknown): boolean {
    return item as boolean;
  }

  protected build(items: boolean[], nulls: object): Data {
    const data = new Uint8Array((items.length + 7) >> 3);
    items.forEach((item, row) => {
      if (item) data[row >> 3]! |= 1 << (row & 7);
    });
    return makeData({ type: ARROW_TYPES.bool(), length: items.length, data, ...nulls } as any);
  }
}

class Utf8Builder extends ItemBuilder<string> {
  protected readonly empty = '';

  protected convert(item: unknown): string {
    return item as string;
  }

  protected build(items: string[], nulls: object): Data {
    const valueOffsets = new Int32Array(items.length + 1);
    let bytes = 0;
    items.forEach((item, row) => {
      bytes += Buffer.byteLength(item);
      valueOffsets[row + 1] = bytes;
    });
    const data = Buffer.allocUnsafeSlow(bytes);
    items.forEach((item, row) => {
      data.write(item, valueOffsets[row]!);
    });
    return makeData({ type: ARROW_TYPES.utf8(), length: items.length, valueOffsets, data, ...nulls } as any);
  }
}

const validBits = (data: BigUint64Array | null) =>
  data && new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
const isValid = (bits: Uint8Array, row: number) => (bits[row >> 3]! & (1 << (row & 7))) !== 0;
